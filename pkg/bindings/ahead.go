package bindings

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"

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

// given is what was stored for a binding, and at which revision.
type given struct {
	uid      types.UID
	revision string
	phase    apisv1alpha2.APIBindingPhaseType
	bound    []apisv1alpha2.BoundAPIResource
}

// after reports whether g was stored after what is known of the binding.
func (g given) after(binding *apisv1alpha2.APIBinding) bool {
	order, err := resourceversion.CompareResourceVersion(g.revision, binding.ResourceVersion)
	return err == nil && order > 0 && g.uid == binding.UID
}

// wrote notes what was stored, unless the informer behind get has it already.
func (a *ahead) wrote(key logicalcluster.Key, g given, get func(logicalcluster.Key) (*apisv1alpha2.APIBinding, bool)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if known, ok := get(key); !ok || !g.after(known) {
		return
	}
	if a.written == nil {
		a.written = map[logicalcluster.Key]given{}
	}
	a.written[key] = g
}

// observe forgets what the event has caught up with. A nil binding was deleted.
func (a *ahead) observe(key logicalcluster.Key, binding *apisv1alpha2.APIBinding) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if g, ok := a.written[key]; ok && (binding == nil || !g.after(binding)) {
		delete(a.written, key)
	}
}

// latest returns binding with what was written since it was seen.
func (a *ahead) latest(binding *apisv1alpha2.APIBinding) *apisv1alpha2.APIBinding {
	a.mu.Lock()
	defer a.mu.Unlock()
	g, ok := a.written[client.KeyOf(binding)]
	if !ok || !g.after(binding) {
		return binding
	}
	updated := *binding
	updated.Status.Phase, updated.Status.BoundResources = g.phase, g.bound
	return &updated
}
