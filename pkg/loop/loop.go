package loop

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Controller is anything the hub starts and stops as one of its control loops.
type Controller interface {
	// Name is unique among the controllers of a process; it labels metrics.
	Name() string
	// Run works until ctx ends and returns when nothing of it runs any more.
	Run(ctx context.Context)
}

// Result says what to do with a key that was reconciled without error.
type Result struct {
	// After asks for the key again once this time has passed; zero does not.
	After time.Duration
}

// Config describes a Loop.
type Config struct {
	// Name labels metrics and logs.
	Name string
	// Workers is how many keys are reconciled at a time; 1 when zero.
	Workers int
	// Clock is the real one when nil.
	Clock clock.WithTicker
	// Reconcile brings the object named by key to where it should be. It learns
	// only which object, never what happened to it.
	Reconcile func(ctx context.Context, key logicalcluster.Key) (Result, error)
}

// Loop feeds keys to a Reconcile function. Make it with New.
type Loop struct {
	config Config
	queue  *queue
}

var _ Controller = (*Loop)(nil)

// New returns a Loop that does nothing until Run. Keys may be enqueued before.
func New(config Config) *Loop {
	if config.Workers <= 0 {
		config.Workers = 1
	}
	if config.Clock == nil {
		config.Clock = clock.RealClock{}
	}
	return &Loop{config: config, queue: newQueue(config.Clock)}
}

// Name implements Controller.
func (l *Loop) Name() string { return l.config.Name }

// Enqueue asks for key to be reconciled soon. It never blocks.
func (l *Loop) Enqueue(key logicalcluster.Key) {
	l.queue.add(key)
}

// EnqueueAfter asks for key to be reconciled once d has passed. Asked several
// times, the earliest counts.
func (l *Loop) EnqueueAfter(key logicalcluster.Key, d time.Duration) {
	l.queue.addAfter(key, d)
}

// Run reconciles until ctx ends, and returns when the last Reconcile has (L5).
// A Loop runs once.
func (l *Loop) Run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { l.queue.runTimers(ctx.Done()) })
	for range l.config.Workers {
		running.Go(func() { l.work(ctx) })
	}
	<-ctx.Done()
	l.queue.close()
	running.Wait()
}

// work is the life of one worker.
func (l *Loop) work(ctx context.Context) {
	for {
		key, open := l.queue.next()
		if !open {
			return
		}
		depth.WithLabelValues(l.config.Name).Set(float64(l.queue.waiting()))
		l.settle(ctx, key)
	}
}

// settle reconciles key once and decides when it comes back (L3).
func (l *Loop) settle(ctx context.Context, key logicalcluster.Key) {
	defer l.queue.done(key)
	began := l.config.Clock.Now()
	result, err := l.guarded(ctx, key)
	seconds.WithLabelValues(l.config.Name).Observe(l.config.Clock.Since(began).Seconds())
	reconciles.WithLabelValues(l.config.Name, verdict(result, err)).Inc()
	switch {
	case err == nil:
		l.queue.forget(key)
		if result.After > 0 {
			l.queue.addAfter(key, result.After)
		}
	case ctx.Err() != nil:
		// Shutting down: the error is most likely that, and nobody would retry.
	case IsTerminal(err):
		l.queue.forget(key)
		klog.FromContext(ctx).Error(err, "Giving up until it changes", "loop", l.config.Name, "key", key)
	default:
		delay := l.queue.failed(key)
		klog.FromContext(ctx).V(logLevel(delay)).Info("Trying again", "loop", l.config.Name, "key", key, "in", delay, "err", err)
		l.queue.addAfter(key, delay)
	}
}

// errPanic marks errors made from a panic.
var errPanic = errors.New("reconcile panicked")

// guarded calls Reconcile and turns a panic into an error (L4).
func (l *Loop) guarded(ctx context.Context, key logicalcluster.Key) (result Result, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errPanic, r)
			klog.FromContext(ctx).Error(err, "Recovered", "loop", l.config.Name, "key", key, "stack", string(debug.Stack()))
		}
	}()
	return l.config.Reconcile(ctx, key)
}

// verdict names the outcome for the metric.
func verdict(result Result, err error) string {
	switch {
	case errors.Is(err, errPanic):
		return "panic"
	case IsTerminal(err):
		return "terminal"
	case err != nil:
		return "error"
	case result.After > 0:
		return "again"
	default:
		return "ok"
	}
}

// logLevel keeps the first quick retries, mostly lost races, out of the log.
func logLevel(delay time.Duration) int {
	if delay < time.Second {
		return 4
	}
	return 0
}
