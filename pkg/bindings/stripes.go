package bindings

import (
	"hash/fnv"
	"sync"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// stripes lets one at a time do something in a workspace. Some workspaces share a
// lock, so that idle ones cost none.
type stripes [64]sync.Mutex

// try returns false while another one is at it. Nobody waits: a workspace that takes
// long would otherwise have all who work for the others wait with it.
func (s *stripes) try(workspace logicalcluster.Name) (unlock func(), ok bool) {
	h := fnv.New32a()
	_, _ = h.Write([]byte(workspace))
	mu := &s[h.Sum32()%uint32(len(s))]
	return mu.Unlock, mu.TryLock()
}
