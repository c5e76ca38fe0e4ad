package bindings

import (
	"sync"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// ahead remembers which resources bindings were given until that comes back as an
// event, so that of two bindings judged shortly after each other only one gets a
// name (B3).
type ahead struct {
	mu      sync.Mutex
	written map[logicalcluster.Key]given
}

type given struct {
	uid   types.UID
	phase apisv1alpha2.APIBindingPhaseType
	bound []apisv1alpha2.BoundAPIResource
}

func (g given) is(binding *apisv1alpha2.APIBinding) bool {
	return g.phase == binding.Status.Phase && equality.Semantic.DeepEqual(g.bound, binding.Status.BoundResources)
}

// writing notes a status that is about to be stored for binding.
func (a *ahead) writing(key logicalcluster.Key, binding *apisv1alpha2.APIBinding, status *apisv1alpha2.APIBindingStatus) {
	g := given{uid: binding.UID, phase: status.Phase, bound: status.BoundResources}
	if g.is(binding) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.written == nil {
		a.written = map[logicalcluster.Key]given{}
	}
	a.written[key] = g
}

// observe forgets what the event has caught up with. A nil binding was deleted.
func (a *ahead) observe(key logicalcluster.Key, binding *apisv1alpha2.APIBinding) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if g, ok := a.written[key]; ok && (binding == nil || binding.UID != g.uid || g.is(binding)) {
		delete(a.written, key)
	}
}

// forget takes back a note: it was not stored.
func (a *ahead) forget(key logicalcluster.Key) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.written, key)
}

// latest returns binding with what was written since it was seen.
func (a *ahead) latest(binding *apisv1alpha2.APIBinding) *apisv1alpha2.APIBinding {
	a.mu.Lock()
	defer a.mu.Unlock()
	g, ok := a.written[client.KeyOf(binding)]
	if !ok || g.uid != binding.UID {
		return binding
	}
	updated := *binding
	updated.Status.Phase, updated.Status.BoundResources = g.phase, g.bound
	return &updated
}
