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

// maxSources bounds the watches that the mounts of one workspace hold (U4).
const maxSources = 20

// source is what one watch is about.
type source struct {
	workspace logicalcluster.Name
	resource  schema.GroupVersionResource
}

// interest is what a mount wants to know: an object of a source, or nothing
// while its kind is not served or there is no room for another watch.
type interest struct {
	*board
	source  source
	name    types.NamespacedName
	waiting bool // for room
}

// sight is what is to be seen of the object that a mount refers to.
type sight struct {
	// object is nil if there is none.
	object *doors.Object
	// known is false while a watch has not seen what there is.
	known bool
	// crowded is whether too much is watched already.
	crowded bool
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

// object returns what is to be seen of the object that the mount at key refers to.
// It begins a watch of the resource if need be. The mount is woken when that has
// seen what there is, whenever the object changes, and when there is room again.
func (w *watches) object(key logicalcluster.Key, resource schema.GroupVersionResource, name types.NamespacedName) sight {
	w.mu.Lock()
	defer w.mu.Unlock()
	wanted := interest{source: source{workspace: key.Workspace, resource: resource}, name: name}
	have := w.interests[key.Workspace][key]
	if have.board == nil || have.source != wanted.source || have.name != name {
		if have.source != wanted.source {
			w.drop(key) // which may make room
		}
		if !w.room(wanted.source) {
			w.keep(key, interest{waiting: true})
			return sight{known: true, crowded: true}
		}
		wanted.board = w.join(key, wanted)
		w.drop(key)
		w.keep(key, wanted)
		have = wanted
	}
	object, known := have.get(name)
	return sight{object: object, known: known}
}

// room reports whether a source is watched or may be.
func (w *watches) room(wanted source) bool {
	if _, running := w.boards[wanted]; running {
		return true
	}
	watched := map[source]bool{}
	for _, i := range w.interests[wanted.workspace] {
		if i.board != nil {
			watched[i.source] = true
		}
	}
	return len(watched) < maxSources
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
		w.wakeWaiting(key.Workspace)
	}
}

// wakeWaiting tells those in a workspace for whom there was no room.
func (w *watches) wakeWaiting(workspace logicalcluster.Name) {
	for key, i := range w.interests[workspace] {
		if i.waiting {
			w.wake(key)
		}
	}
}
