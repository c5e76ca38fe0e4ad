package inflight

import (
	"sync"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Writes is the account. The zero value has none under way.
type Writes struct {
	mu    sync.Mutex
	count uint64
	at    map[logicalcluster.Name]map[uint64]struct{}
}

// Mark is a moment: which writes had begun.
type Mark uint64

// Begin notes that a write to a workspace begins. It has ended when end is called.
func (w *Writes) Begin(workspace logicalcluster.Name) (end func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count++
	number := w.count
	if w.at == nil {
		w.at = map[logicalcluster.Name]map[uint64]struct{}{}
	}
	if w.at[workspace] == nil {
		w.at[workspace] = map[uint64]struct{}{}
	}
	w.at[workspace][number] = struct{}{}
	return func() { w.end(workspace, number) }
}

func (w *Writes) end(workspace logicalcluster.Name, number uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.at[workspace], number)
	if len(w.at[workspace]) == 0 {
		delete(w.at, workspace)
	}
}

// Mark returns this moment.
func (w *Writes) Mark() Mark {
	w.mu.Lock()
	defer w.mu.Unlock()
	return Mark(w.count)
}

// Over reports whether every write to the workspace that had begun at the given
// moment has ended.
func (w *Writes) Over(workspace logicalcluster.Name, mark Mark) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for number := range w.at[workspace] {
		if number <= uint64(mark) {
			return false
		}
	}
	return true
}
