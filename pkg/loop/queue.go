package loop

import (
	"container/heap"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/atriumhub/atrium/pkg/elastic"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const (
	firstDelay = 5 * time.Millisecond
	lastDelay  = 30 * time.Second
)

// queue is the state of a loop: what is ready, what is being worked on and
// what waits for its time. All methods are safe for concurrent use.
type queue struct {
	clock clock.WithTicker

	mu       sync.Mutex
	wake     *sync.Cond
	ready    []logicalcluster.Key
	queued   elastic.Map[logicalcluster.Key, struct{}] // in ready, or to be put there by done
	active   map[logicalcluster.Key]struct{}
	failures map[logicalcluster.Key]int
	later    timers
	rearm    chan struct{}
	closed   bool
}

func newQueue(c clock.WithTicker) *queue {
	q := &queue{
		clock:    c,
		active:   map[logicalcluster.Key]struct{}{},
		failures: map[logicalcluster.Key]int{},
		rearm:    make(chan struct{}, 1),
	}
	q.wake = sync.NewCond(&q.mu)
	return q
}

// add makes key ready. While it is active it only becomes ready again when
// done is called (L1, L2).
func (q *queue) add(key logicalcluster.Key) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.addLocked(key)
}

func (q *queue) addLocked(key logicalcluster.Key) {
	if q.closed {
		return
	}
	if _, known := q.queued.Get(key); known {
		return
	}
	q.queued.Set(key, struct{}{})
	if _, busy := q.active[key]; busy {
		return
	}
	q.ready = append(q.ready, key)
	q.wake.Signal()
}

// addAfter makes key ready once d has passed. Of several delays the shortest
// counts.
func (q *queue) addAfter(key logicalcluster.Key, d time.Duration) {
	if d <= 0 {
		q.add(key)
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || !q.later.set(key, q.clock.Now().Add(d)) {
		return
	}
	select {
	case q.rearm <- struct{}{}:
	default:
	}
}

// next blocks until a key is ready and hands it out as active, or returns
// false when the queue is closed.
func (q *queue) next() (logicalcluster.Key, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.ready) == 0 && !q.closed {
		q.wake.Wait()
	}
	if q.closed {
		return logicalcluster.Key{}, false
	}
	key := q.ready[0]
	q.ready[0] = logicalcluster.Key{}
	q.ready = q.ready[1:]
	q.queued.Delete(key)
	q.active[key] = struct{}{}
	return key, true
}

// done ends the activity of key; if it was added meanwhile it is ready again.
func (q *queue) done(key logicalcluster.Key) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.active, key)
	if _, again := q.queued.Get(key); again && !q.closed {
		q.ready = append(q.ready, key)
		q.wake.Signal()
	}
}

// failed notes one more failure of key and returns how long to wait.
func (q *queue) failed(key logicalcluster.Key) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := q.failures[key]
	q.failures[key] = n + 1
	return backoff(n)
}

// forget makes the next failure of key the first one.
func (q *queue) forget(key logicalcluster.Key) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.failures, key)
}

// waiting returns the number of ready keys.
func (q *queue) waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.ready)
}

// close wakes everyone up; nothing is handed out afterwards.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.wake.Broadcast()
}

// runTimers moves keys whose time has come to ready, until stop is closed.
func (q *queue) runTimers(stop <-chan struct{}) {
	for {
		timer := q.clock.NewTimer(q.releaseDue())
		select {
		case <-stop:
			timer.Stop()
			return
		case <-q.rearm:
			timer.Stop()
		case <-timer.C():
		}
	}
}

// releaseDue makes due keys ready and returns how long until the next is.
func (q *queue) releaseDue() time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.clock.Now()
	for {
		first, ok := q.later.first()
		if !ok {
			return time.Hour
		}
		if wait := first.at.Sub(now); wait > 0 {
			return wait
		}
		q.later.pop()
		q.addLocked(first.key)
	}
}

// backoff returns the delay after failure number n, counted from zero.
func backoff(n int) time.Duration {
	if n > 20 {
		return lastDelay
	}
	return min(firstDelay<<n, lastDelay)
}

// timer is one delayed key.
type timer struct {
	key   logicalcluster.Key
	at    time.Time
	index int
}

// timers is a heap of delayed keys, the earliest first, one entry per key.
type timers struct {
	heap timerHeap
	at   elastic.Map[logicalcluster.Key, *timer]
}

// set notes that key is due at the given time, and reports whether that made
// it the earliest of all. A later time than the one already noted is ignored.
func (t *timers) set(key logicalcluster.Key, at time.Time) bool {
	known, ok := t.at.Get(key)
	switch {
	case !ok:
		known = &timer{key: key, at: at}
		t.at.Set(key, known)
		heap.Push(&t.heap, known)
	case at.Before(known.at):
		known.at = at
		heap.Fix(&t.heap, known.index)
	}
	return t.heap[0] == known
}

func (t *timers) first() (*timer, bool) {
	if len(t.heap) == 0 {
		return nil, false
	}
	return t.heap[0], true
}

func (t *timers) pop() {
	t.at.Delete(heap.Pop(&t.heap).(*timer).key)
}

// timerHeap implements heap.Interface.
type timerHeap []*timer

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *timerHeap) Push(x any) {
	t := x.(*timer)
	t.index = len(*h)
	*h = append(*h, t)
}
func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return t
}
