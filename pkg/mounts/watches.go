package mounts

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/atriumhub/atrium/pkg/mounts/doors"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// source is what one watch is about.
type source struct {
	workspace logicalcluster.Name
	resource  schema.GroupVersionResource
}

// interest is what a mount wants to know: an object of a source, or nothing
// while its kind is not served.
type interest struct {
	*board
	source source
	name   types.NamespacedName
}

// watches are the watches there are, and who needs them (U1).
type watches struct {
	hub  *client.Hub
	wake func(logicalcluster.Key)

	mu      sync.Mutex
	ctx     context.Context
	running sync.WaitGroup
	boards  map[source]*board
	// interests are by workspace and mount.
	interests map[logicalcluster.Name]map[logicalcluster.Key]interest
}

func newWatches(hub *client.Hub, wake func(logicalcluster.Key)) *watches {
	return &watches{hub: hub, wake: wake, boards: map[source]*board{}, interests: map[logicalcluster.Name]map[logicalcluster.Key]interest{}}
}

// run makes watches end with ctx. Call it first.
func (w *watches) run(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ctx = ctx
}

// wait returns when no watch is left.
func (w *watches) wait() { w.running.Wait() }

// mounts returns the mounts in a workspace that were asked about.
func (w *watches) mounts(workspace logicalcluster.Name) []logicalcluster.Key {
	w.mu.Lock()
	defer w.mu.Unlock()
	var keys []logicalcluster.Key
	for key := range w.interests[workspace] {
		keys = append(keys, key)
	}
	return keys
}

// object returns the object that the mount at key refers to, nil if there is
// none. It is not known while a watch of its resource, which this begins if need
// be, has not seen what there is; the mount is woken then, and whenever the
// object changes.
func (w *watches) object(key logicalcluster.Key, resource schema.GroupVersionResource, name types.NamespacedName) (object *doors.Object, known bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	wanted := interest{source: source{workspace: key.Workspace, resource: resource}, name: name}
	have := w.interests[key.Workspace][key]
	if have.board == nil || have.source != wanted.source || have.name != name {
		wanted.board = w.join(key, wanted)
		w.drop(key)
		w.keep(key, wanted)
		have = wanted
	}
	return have.get(name)
}

// idle ends the interest of the mount at key in any object, but not in what its
// workspace serves.
func (w *watches) idle(key logicalcluster.Key) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drop(key)
	w.keep(key, interest{})
}

// release forgets the mount at key.
func (w *watches) release(key logicalcluster.Key) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drop(key)
}

func (w *watches) keep(key logicalcluster.Key, i interest) {
	if w.interests[key.Workspace] == nil {
		w.interests[key.Workspace] = map[logicalcluster.Key]interest{}
	}
	w.interests[key.Workspace][key] = i
}

// join adds the mount at key to those who need a watch, and begins it for the
// first.
func (w *watches) join(key logicalcluster.Key, i interest) *board {
	joined, running := w.boards[i.source]
	if !running {
		ctx, cancel := context.WithCancel(w.ctx)
		joined = newBoard(w.wake, cancel)
		w.boards[i.source] = joined
		w.running.Go(func() { joined.follow(ctx, w.hub, i.source) })
	}
	joined.join(key, i.name)
	return joined
}

// drop takes the mount at key from those who need a watch, and ends it with the
// last.
func (w *watches) drop(key logicalcluster.Key) {
	old, ok := w.interests[key.Workspace][key]
	if !ok {
		return
	}
	delete(w.interests[key.Workspace], key)
	if len(w.interests[key.Workspace]) == 0 {
		delete(w.interests, key.Workspace)
	}
	if old.board == nil {
		return
	}
	if last := old.leave(key, old.name); last {
		old.stop()
		delete(w.boards, old.source)
	}
}
