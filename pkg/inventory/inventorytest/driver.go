package inventorytest

import (
	"context"
	"slices"
	"strings"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/atriumhub/atrium/pkg/loop"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// maxPasses bounds Settle: loops that wake each other for ever are a bug.
const maxPasses = 10_000

// Driver runs reconcile functions one at a time.
type Driver struct {
	clock  *clocktesting.FakeClock
	queues []*Queue
}

// NewDriver returns a Driver on the given clock.
func NewDriver(clock *clocktesting.FakeClock) *Driver { return &Driver{clock: clock} }

// Queue is a loop as its users see it.
type Queue struct {
	driver    *Driver
	reconcile func(context.Context, logicalcluster.Key) (loop.Result, error)
	ready     []logicalcluster.Key
	later     map[logicalcluster.Key]time.Time
}

// Queue adds a loop. Loops added earlier are served first.
func (d *Driver) Queue(reconcile func(context.Context, logicalcluster.Key) (loop.Result, error)) *Queue {
	q := &Queue{driver: d, reconcile: reconcile, later: map[logicalcluster.Key]time.Time{}}
	d.queues = append(d.queues, q)
	return q
}

// Enqueue asks for a key to be reconciled.
func (q *Queue) Enqueue(key logicalcluster.Key) {
	if !slices.Contains(q.ready, key) {
		q.ready = append(q.ready, key)
	}
}

// EnqueueAfter asks for a key to be reconciled later; the earliest time counts.
func (q *Queue) EnqueueAfter(key logicalcluster.Key, d time.Duration) {
	at := q.driver.clock.Now().Add(d)
	if known, ok := q.later[key]; !ok || at.Before(known) {
		q.later[key] = at
	}
}

// Settle reconciles until nothing is ready, and returns the errors there were;
// a key that failed is not tried again before the time moves.
func (d *Driver) Settle(ctx context.Context) []error {
	var errs []error
	for range maxPasses {
		q, key, ok := d.next()
		if !ok {
			return errs
		}
		result, err := q.reconcile(ctx, key)
		if err != nil {
			errs = append(errs, err)
			result.After = time.Second
		}
		if result.After > 0 {
			q.EnqueueAfter(key, result.After)
		}
	}
	panic("inventorytest: the loops do not come to rest")
}

func (d *Driver) next() (*Queue, logicalcluster.Key, bool) {
	for _, q := range d.queues {
		if len(q.ready) > 0 {
			key := q.ready[0]
			q.ready = q.ready[1:]
			return q, key, true
		}
	}
	return nil, logicalcluster.Key{}, false
}

// Advance moves the clock, stopping to settle whenever a key becomes due.
func (d *Driver) Advance(ctx context.Context, by time.Duration) []error {
	end := d.clock.Now().Add(by)
	errs := d.Settle(ctx)
	for {
		at, ok := d.due(end)
		if !ok {
			d.clock.SetTime(end)
			return errs
		}
		if at.After(d.clock.Now()) {
			d.clock.SetTime(at)
		}
		errs = append(errs, d.Settle(ctx)...)
	}
}

// due makes the keys with the earliest time up to end ready.
func (d *Driver) due(end time.Time) (time.Time, bool) {
	var first time.Time
	for _, q := range d.queues {
		for _, at := range q.later {
			if !at.After(end) && (first.IsZero() || at.Before(first)) {
				first = at
			}
		}
	}
	if first.IsZero() {
		return first, false
	}
	for _, q := range d.queues {
		var keys []logicalcluster.Key
		for key, at := range q.later {
			if at.Equal(first) {
				keys = append(keys, key)
				delete(q.later, key)
			}
		}
		slices.SortFunc(keys, func(a, b logicalcluster.Key) int { return strings.Compare(a.String(), b.String()) })
		for _, key := range keys {
			q.Enqueue(key)
		}
	}
	return first, true
}
