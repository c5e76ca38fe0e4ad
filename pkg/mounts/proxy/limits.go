package proxy

import (
	"sync"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// What mounts may take of the hub, the mounts in one workspace and those in all
// (M5). The hub serves 400 reading and 200 writing requests at a time. Streams do
// not count among those, but each holds a connection.
const (
	waitingPerWorkspace, waitingTogether     = 25, 100
	streamingPerWorkspace, streamingTogether = 500, 2000
)

// limits counts requests that are under way.
type limits struct {
	perWorkspace, together int

	mu    sync.Mutex
	all   int
	those map[logicalcluster.Name]int
}

func newLimits(perWorkspace, together int) *limits {
	return &limits{perWorkspace: perWorkspace, together: together, those: map[logicalcluster.Name]int{}}
}

// enter counts one more, unless there are too many.
func (l *limits) enter(workspace logicalcluster.Name) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= l.together || l.those[workspace] >= l.perWorkspace {
		return false
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
