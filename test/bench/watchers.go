package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// traffic is what one workspace does while several clients write as fast as they
// can and one watches.
type traffic struct {
	writes int
	// took is the time, cpu what the hub needed.
	took, cpu time.Duration
	latencies durations
}

func (t *traffic) rate() float64 { return perSecond(t.writes, t.took) }

// cpuEach is what the hub needed for a write.
func (t *traffic) cpuEach() time.Duration { return t.cpu / time.Duration(max(t.writes, 1)) }

// watcherCycles is how often the watchers come and go.
const watcherCycles = 2

// measureWatchers lets one workspace write, with watchers that see nothing of it
// in other workspaces, and without: without, with, with, without, and again.
func measureWatchers(ctx context.Context, l *lab) error {
	h, err := l.filled(ctx)
	if err != nil {
		return err
	}
	p, err := l.newProbe(ctx, h, "busy", l.options.clients)
	if err != nil {
		return err
	}
	defer p.seen.close()
	if err := p.press(ctx, l, h, &traffic{}); err != nil { // does not count
		return err
	}
	var with, without traffic
	for range watcherCycles {
		if err := p.press(ctx, l, h, &without); err != nil {
			return err
		}
		if err := p.pressWatched(ctx, l, h, &with); err != nil {
			return err
		}
		if err := p.press(ctx, l, h, &without); err != nil {
			return err
		}
	}
	l.reportWatchers(with, without)
	return nil
}

// pressWatched writes for two rounds while there are watchers.
func (p *probe) pressWatched(ctx context.Context, l *lab, h *hub, into *traffic) (err error) {
	idle, err := l.openWatchers(ctx, h)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, idle.close()) }()
	for range 2 {
		if err := p.press(ctx, l, h, into); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) reportWatchers(with, without traffic) {
	what := fmt.Sprintf(", %d idle watchers elsewhere / none", l.options.watchers)
	ratio := with.rate() / without.rate()
	l.table.add(row{
		what: "writes a second" + what, budget: "≥ 0.9×",
		measured: fmt.Sprintf("%.2f× (%.0f/s / %.0f/s)", ratio, with.rate(), without.rate()),
		verdict:  atLeast(ratio, budgetThroughput, fmt.Sprintf("the hub's CPU for each %s / %s", milliseconds(with.cpuEach()), milliseconds(without.cpuEach()))),
	})
	r := slowdown("write to WATCH"+what+", p50", with.latencies, without.latencies)
	r.measured += fmt.Sprintf(", p99 %s / %s", milliseconds(with.latencies.p99()), milliseconds(without.latencies.p99()))
	l.table.add(r)
}

// press writes for the length of a round. Writers do not wait for the watch.
func (p *probe) press(ctx context.Context, l *lab, h *hub, into *traffic) error {
	l.say.printf("writing with %d clients", l.options.clients)
	var mu sync.Mutex
	var tickets []*ticket
	began, used := time.Now(), processTime(h.Pid())
	err := share(ctx, l.options.clients, 0, l.options.clients, func(ctx context.Context, i int) error {
		for stamp := p.stamp + 1; time.Since(began) < l.options.round; stamp++ {
			t := p.seen.expect(stampOf(objectName(i), stamp))
			if err := patchStamp(ctx, p.objects, objectName(i), stamp); err != nil {
				return err
			}
			mu.Lock()
			tickets = append(tickets, t)
			mu.Unlock()
		}
		return nil
	})
	if err != nil {
		return err
	}
	l.say.printf("%.0f writes a second", perSecond(len(tickets), time.Since(began)))
	into.writes += len(tickets)
	into.took += time.Since(began)
	into.cpu += processTime(h.Pid()) - used
	p.stamp += len(tickets)
	for _, t := range tickets {
		latency, err := p.seen.wait(ctx, t)
		if err != nil {
			return err
		}
		into.latencies = append(into.latencies, latency)
	}
	return nil
}

// watchers are watches of ConfigMaps, each in a workspace of its own.
type watchers struct {
	stop    context.CancelFunc
	reading sync.WaitGroup
	stopped atomic.Bool
	ended   atomic.Int64
}

// openWatchers opens the watches, over connections apart from those that are
// measured.
func (l *lab) openWatchers(ctx context.Context, h *hub) (*watchers, error) {
	l.say.printf("opening %d watches in %d workspaces", l.options.watchers, l.options.watchers)
	elsewhere, err := h.connect(asAdmin)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	w := &watchers{stop: cancel}
	err = share(ctx, l.options.clients, 0, l.options.watchers, func(_ context.Context, i int) error {
		objects := elsewhere.Kubernetes(root.Join(workspaceName(i))).CoreV1().ConfigMaps(namespace)
		events, err := objects.Watch(ctx, metav1.ListOptions{})
		if err != nil {
			return fmt.Errorf("failed to watch in %s: %w", workspaceName(i), err)
		}
		w.reading.Go(func() {
			defer events.Stop()
			for range events.ResultChan() {
			}
			if !w.stopped.Load() {
				w.ended.Add(1)
			}
		})
		return nil
	})
	if err != nil {
		w.stop()
		return nil, err
	}
	return w, nil
}

// close ends the watches. It is an error if some did so by themselves.
func (w *watchers) close() error {
	w.stopped.Store(true)
	w.stop()
	w.reading.Wait()
	if n := w.ended.Load(); n > 0 {
		return fmt.Errorf("%d idle watches ended before they were closed", n)
	}
	return nil
}
