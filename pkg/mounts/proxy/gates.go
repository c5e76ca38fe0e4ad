package proxy

import (
	"context"
	"sync"

	"github.com/atriumhub/atrium/pkg/mounts/doors"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// gates are the mounts that lead somewhere, and what goes through them.
type gates struct {
	mu   sync.Mutex
	open map[logicalcluster.Key]*gate
}

// gate is one mount as long as it leads to one address.
type gate struct {
	address doors.Address
	closed  context.Context
	close   context.CancelFunc
}

// Open makes the mount at key lead to address. What goes through it to another
// address ends (M6).
func (g *gates) Open(key logicalcluster.Key, address doors.Address) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if before, ok := g.open[key]; ok {
		if before.address == address {
			return
		}
		before.close()
	}
	if g.open == nil {
		g.open = map[logicalcluster.Key]*gate{}
	}
	closed, cancel := context.WithCancel(context.Background())
	g.open[key] = &gate{address: address, closed: closed, close: cancel}
}

// Shut makes the mount at key lead nowhere, and ends what goes through it (M6).
func (g *gates) Shut(key logicalcluster.Key) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if before, ok := g.open[key]; ok {
		before.close()
		delete(g.open, key)
	}
}

// through returns the address of the mount at key, and ctx as long as it stays
// that. Call done in the end.
func (g *gates) through(ctx context.Context, key logicalcluster.Key) (address doors.Address, during context.Context, done func(), ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	found, ok := g.open[key]
	if !ok {
		return doors.Address{}, ctx, func() {}, false
	}
	during, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(found.closed, cancel)
	return found.address, during, func() { stop(); cancel() }, true
}
