package proxy

import (
	"sync"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const (
	// perWorkspace is how many requests may wait for the targets of the mounts in
	// one workspace, and together how many for those in all. The hub serves 400
	// reading and 200 writing requests at a time (M5). Long-running ones do not
	// count, there as here.
	perWorkspace = 25
	together     = 100
)

// limits counts requests that are under way.
type limits struct {
	mu    sync.Mutex
	all   int
	those map[logicalcluster.Name]int
}

// enter counts one more, unless there are too many.
func (l *limits) enter(workspace logicalcluster.Name) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= together || l.those[workspace] >= perWorkspace {
		return false
	}
	if l.those == nil {
		l.those = map[logicalcluster.Name]int{}
	}
	l.all++
	l.those[workspace]++
	return true
}

// leave counts one less.
func (l *limits) leave(workspace logicalcluster.Name) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.those[workspace]--; l.those[workspace] == 0 {
		delete(l.those, workspace)
	}
}
