package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// arrivalLimit is how long to wait for one event.
const arrivalLimit = 3 * time.Minute

// watchable is where objects of one kind are: any typed client.
type watchable interface {
	Watch(context.Context, metav1.ListOptions) (watch.Interface, error)
}

// arrivals is a watch that remembers when awaited events came. It begins with
// what is there, so nothing that is written after follow is missed.
type arrivals struct {
	stop func()
	gone chan struct{}

	mu      sync.Mutex
	awaited map[string]*ticket
}

// ticket stands for one event to come.
type ticket struct {
	key         string
	began, seen time.Time
	done        chan struct{}
}

// took is the time from expect to the event, which has come.
func (t *ticket) took() time.Duration { return t.seen.Sub(t.began) }

// follow watches. keyOf gives an event the key under which it may be awaited;
// events without a key are ignored.
func follow(ctx context.Context, from watchable, keyOf func(watch.Event) string) (*arrivals, error) {
	ctx, cancel := context.WithCancel(ctx)
	events, err := from.Watch(ctx, metav1.ListOptions{})
	if err != nil {
		cancel()
		return nil, fmt.Errorf("failed to watch: %w", err)
	}
	a := &arrivals{stop: cancel, gone: make(chan struct{}), awaited: map[string]*ticket{}}
	go func() {
		defer close(a.gone)
		defer events.Stop()
		for event := range events.ResultChan() {
			if key := keyOf(event); key != "" {
				a.arrived(key, time.Now())
			}
		}
	}()
	return a, nil
}

func (a *arrivals) arrived(key string, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t, ok := a.awaited[key]
	if !ok {
		return
	}
	delete(a.awaited, key)
	t.seen = at
	close(t.done)
}

// expect is called right before the request that leads to the event.
func (a *arrivals) expect(key string) *ticket {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := &ticket{key: key, done: make(chan struct{})}
	a.awaited[key] = t
	t.began = time.Now()
	return t
}

// wait returns the time from expect to the event.
func (a *arrivals) wait(ctx context.Context, t *ticket) (time.Duration, error) {
	limit := time.NewTimer(arrivalLimit)
	defer limit.Stop()
	select {
	case <-t.done:
		return t.took(), nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	case <-a.gone:
		return 0, errors.New("the watch ended")
	case <-limit.C:
		return 0, fmt.Errorf("%s was not seen within %s", t.key, arrivalLimit)
	}
}

// roundTrip writes, and returns how long it took until the event was seen.
func (a *arrivals) roundTrip(ctx context.Context, key string, write func() error) (time.Duration, error) {
	t := a.expect(key)
	if err := write(); err != nil {
		return 0, err
	}
	return a.wait(ctx, t)
}

// close ends the watch.
func (a *arrivals) close() {
	a.stop()
	<-a.gone
}
