package homes

import (
	"github.com/atriumhub/atrium/pkg/roster"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// changes wakes those who wait for a Workspace to change.
type changes struct {
	waiting roster.Roster[logicalcluster.Key, chan struct{}]
}

// of returns a channel that has something in it when key has changed since it
// was last emptied. Call stop when done.
func (c *changes) of(key logicalcluster.Key) (changed <-chan struct{}, stop func()) {
	one := make(chan struct{}, 1)
	return one, c.waiting.Enter(key, one)
}

// tell wakes those who wait for key. It never blocks.
func (c *changes) tell(key logicalcluster.Key) {
	c.waiting.Each(key, func(one chan struct{}) {
		select {
		case one <- struct{}{}:
		default:
		}
	})
}
