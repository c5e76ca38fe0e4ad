package bindings

import (
	"maps"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/lru"

	"github.com/atriumhub/atrium/pkg/inflight"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// migrations remembers how far the objects of bindings are that are being rewritten.
// After a restart passes begin anew, and find what was rewritten so.
type migrations struct {
	mu      sync.Mutex
	passes  map[passKey]pass
	objects *lru.Cache // migrationKey → how many were rewritten, as int64
	slow    *lru.Cache // workspace whose rollouts took too long → slowness
}

// slowness is when a workspace has its next turn, and how long it has waited for it.
type slowness struct {
	next time.Time
	wait time.Duration
}

// keptCounts is of how many rollouts of resources it is known how much was rewritten.
// The status of others is a moment older.
const keptCounts = 4096

// keptSlow is more workspaces than can be slow in slowRetry, one after the other.
const keptSlow = 1024

func newMigrations() migrations {
	return migrations{passes: map[passKey]pass{}, objects: lru.New(keptCounts), slow: lru.New(keptSlow)}
}

// passKey is a resource of a binding.
type passKey struct {
	binding  logicalcluster.Key
	resource schema.GroupResource
}

// passTarget is the UIDs of binding and schema, and the version in which objects are
// to be stored. A pass with another one begins anew.
type passTarget struct {
	uid     types.UID
	schema  string
	version string
}

// migrationKey is what one who reads a rollout is told of together.
type migrationKey struct {
	rollout logicalcluster.Key
	uid     types.UID
	schema  string
}

func migrationKeyOf(rollout *publicationv1alpha1.SchemaRollout, r *publicationv1alpha1.ResourceRollout) migrationKey {
	return migrationKey{client.KeyOf(rollout), rollout.UID, r.Schema}
}

// pass is one look at all objects, during which none is written in another version
// but by requests that had begun before.
type pass struct {
	passTarget
	// since is when it began; after is the last object that was looked at.
	since inflight.Mark
	after string
	// failing are those that could not be rewritten, failed those of the last pass
	// that came to an end. again is when the next one begins.
	failing, failed failures
	again           time.Time
}

// failures are objects that could not be rewritten.
type failures struct {
	objects  int64
	examples []failure
}

type failure struct{ object, message string }

func (f *failures) add(object string, err error) {
	f.objects++
	if len(f.examples) < publicationv1alpha1.MaxRolloutExamples {
		f.examples = append(f.examples, failure{object, rewriteErr(err)})
	}
}

func (m *migrations) of(key passKey) (pass, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.passes[key]
	return p, ok
}

func (m *migrations) begin(key passKey, p pass) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.passes[key] = p
}

// put notes how far a pass has come, unless it was dropped.
func (m *migrations) put(key passKey, p pass) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lastsLocked(key, p) {
		m.passes[key] = p
	}
}

// lasts reports whether p was not dropped: another one may have begun since.
func (m *migrations) lasts(key passKey, p pass) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lastsLocked(key, p)
}

func (m *migrations) lastsLocked(key passKey, p pass) bool {
	now, ok := m.passes[key]
	return ok && now.passTarget == p.passTarget && now.since == p.since
}

// drop ends the passes of a binding.
func (m *migrations) drop(binding logicalcluster.Key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.passes, func(key passKey, _ pass) bool { return key.binding == binding })
}

// count notes that an object was rewritten.
func (m *migrations) count(key migrationKey) { m.add(key, 0, 1) }

// counted returns how many objects were rewritten, those included that another
// process has said before.
func (m *migrations) counted(key migrationKey, before int64) int64 { return m.add(key, before, 0) }

func (m *migrations) add(key migrationKey, atLeast, more int64) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	known, _ := m.objects.Get(key)
	n, _ := known.(int64)
	n = max(n, atLeast) + more
	m.objects.Add(key, n)
	return n
}

// slowFor returns how long the rollouts of a workspace have to wait for a turn.
func (m *migrations) slowFor(workspace logicalcluster.Name, now time.Time) time.Duration {
	known, _ := m.slow.Get(workspace)
	s, _ := known.(slowness)
	return s.next.Sub(now)
}

// took notes how long a turn of a workspace took.
func (m *migrations) took(workspace logicalcluster.Name, took time.Duration, now time.Time) {
	if took <= slowTurn {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	known, _ := m.slow.Get(workspace)
	s, _ := known.(slowness)
	if now.Sub(s.next) > slowRetry {
		s.wait = migrationRetry / 2
	}
	s.wait = min(2*s.wait, slowRetry)
	s.next = now.Add(s.wait)
	m.slow.Add(workspace, s)
}
