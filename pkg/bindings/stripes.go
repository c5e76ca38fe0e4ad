package bindings

import (
	"hash/fnv"
	"sync"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// stripes lets one at a time do something in a workspace. Some workspaces share a
// lock, so that idle ones cost none.
type stripes [64]sync.Mutex

func (s *stripes) lock(workspace logicalcluster.Name) (unlock func()) {
	h := fnv.New32a()
	_, _ = h.Write([]byte(workspace))
	mu := &s[h.Sum32()%uint32(len(s))]
	mu.Lock()
	return mu.Unlock
}
