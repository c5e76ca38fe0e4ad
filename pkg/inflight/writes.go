package inflight

import (
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Place is one resource in one workspace.
type Place struct {
	Workspace logicalcluster.Name
	Resource  schema.GroupResource
}

// Writes is the account. The zero value has none under way.
type Writes struct {
	mu    sync.Mutex
	count uint64
	at    map[Place]map[uint64]struct{}
}

// Mark is a moment: which writes had begun.
type Mark uint64

// Begin notes that a write begins. It has ended when end is called.
func (w *Writes) Begin(at Place) (end func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count++
	number := w.count
	if w.at == nil {
		w.at = map[Place]map[uint64]struct{}{}
	}
	if w.at[at] == nil {
		w.at[at] = map[uint64]struct{}{}
	}
	w.at[at][number] = struct{}{}
	return func() { w.end(at, number) }
}

func (w *Writes) end(at Place, number uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.at[at], number)
	if len(w.at[at]) == 0 {
		delete(w.at, at)
	}
}

// Mark returns this moment.
func (w *Writes) Mark() Mark {
	w.mu.Lock()
	defer w.mu.Unlock()
	return Mark(w.count)
}

// Over reports whether every write to one of the resources in a workspace that had
// begun at the given moment has ended.
func (w *Writes) Over(mark Mark, workspace logicalcluster.Name, resources ...schema.GroupResource) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !slices.ContainsFunc(resources, func(resource schema.GroupResource) bool {
		for number := range w.at[Place{workspace, resource}] {
			if number <= uint64(mark) {
				return true
			}
		}
		return false
	})
}
