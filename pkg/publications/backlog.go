package publications

import (
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// backlog is workspaces that wait until others are done, because a publication is
// for all of them (P2).
type backlog struct {
	window   int
	patience time.Duration
	clock    clock.PassiveClock
	release  func(logicalcluster.Name)

	mu      sync.Mutex
	waiting []logicalcluster.Name
	queued  map[logicalcluster.Name]struct{}
	// flying are those that were released, and when.
	flying map[logicalcluster.Name]time.Time
}

func newBacklog(window int, patience time.Duration, clock clock.PassiveClock, release func(logicalcluster.Name)) *backlog {
	return &backlog{
		window: window, patience: patience, clock: clock, release: release,
		queued: map[logicalcluster.Name]struct{}{}, flying: map[logicalcluster.Name]time.Time{},
	}
}

// add puts workspaces at the end, unless they wait already.
func (b *backlog) add(ids ...logicalcluster.Name) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range ids {
		if _, waits := b.queued[id]; !waits {
			b.queued[id] = struct{}{}
			b.waiting = append(b.waiting, id)
		}
	}
	b.fill()
}

// visited takes note of a workspace that was looked at. One that is not done keeps
// its place for as long as patience lasts, and has to be visited again after that.
func (b *backlog) visited(id logicalcluster.Name, done bool) (again bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	since, flies := b.flying[id]
	if !flies || !done && b.clock.Since(since) < b.patience {
		return flies
	}
	delete(b.flying, id)
	b.fill()
	return false
}

// fill releases as many as there is room for.
func (b *backlog) fill() {
	now, taken := b.clock.Now(), 0
	for taken < len(b.waiting) && len(b.flying) < b.window {
		id := b.waiting[taken]
		taken++
		delete(b.queued, id)
		b.flying[id] = now
		b.release(id)
	}
	if b.waiting = b.waiting[taken:]; len(b.waiting) == 0 {
		b.waiting = nil
	}
}
