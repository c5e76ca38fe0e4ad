package homes

import (
	"sync"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// changes wakes those who wait for a Workspace to change. It holds nothing for
// Workspaces that nobody waits for.
type changes struct {
	mu      sync.RWMutex
	waiting map[logicalcluster.Key]map[chan struct{}]struct{}
}

func newChanges() *changes {
	return &changes{waiting: map[logicalcluster.Key]map[chan struct{}]struct{}{}}
}

// of returns a channel that has something in it when key has changed since it
// was last emptied. Call stop when done.
func (c *changes) of(key logicalcluster.Key) (changed <-chan struct{}, stop func()) {
	one := make(chan struct{}, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting[key] == nil {
		c.waiting[key] = map[chan struct{}]struct{}{}
	}
	c.waiting[key][one] = struct{}{}
	return one, func() { c.remove(key, one) }
}

func (c *changes) remove(key logicalcluster.Key, one chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting[key], one)
	if len(c.waiting[key]) == 0 {
		delete(c.waiting, key)
	}
}

// tell wakes those who wait for key. It never blocks.
func (c *changes) tell(key logicalcluster.Key) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for one := range c.waiting[key] {
		select {
		case one <- struct{}{}:
		default:
		}
	}
}
