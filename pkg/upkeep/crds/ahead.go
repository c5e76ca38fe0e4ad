package crds

import (
	"strconv"
	"sync"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// ahead remembers what was written until it comes back as an event, so that
// two definitions judged shortly after each other do not get the same name.
type ahead struct {
	mu      sync.Mutex
	written map[logicalcluster.Key]*apiextensionsv1.CustomResourceDefinition
}

// wrote notes an answer of the API server, unless the informer behind get has
// it already. Only the names are kept.
func (a *ahead) wrote(key logicalcluster.Key, crd *apiextensionsv1.CustomResourceDefinition, get func(logicalcluster.Key) (*apiextensionsv1.CustomResourceDefinition, bool)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if known, ok := get(key); !ok || !older(known, crd) {
		return
	}
	a.written[key] = &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: crd.Name, UID: crd.UID, ResourceVersion: crd.ResourceVersion},
		Spec:       apiextensionsv1.CustomResourceDefinitionSpec{Group: crd.Spec.Group},
		Status:     apiextensionsv1.CustomResourceDefinitionStatus{AcceptedNames: crd.Status.AcceptedNames},
	}
}

// observe forgets what the event has caught up with. A nil crd was deleted.
func (a *ahead) observe(key logicalcluster.Key, crd *apiextensionsv1.CustomResourceDefinition) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if written, ok := a.written[key]; ok && (crd == nil || crd.UID != written.UID || !older(crd, written)) {
		delete(a.written, key)
	}
}

// latest returns crds, each replaced by what was written since if anything was.
func (a *ahead) latest(ws logicalcluster.Name, crds []*apiextensionsv1.CustomResourceDefinition) []*apiextensionsv1.CustomResourceDefinition {
	a.mu.Lock()
	defer a.mu.Unlock()
	latest := make([]*apiextensionsv1.CustomResourceDefinition, 0, len(crds))
	for _, crd := range crds {
		written, ok := a.written[logicalcluster.Key{Workspace: ws, Name: crd.Name}]
		if ok && older(crd, written) {
			crd = written
		}
		latest = append(latest, crd)
	}
	return latest
}

// older reports whether a was stored before b.
func older(a, b *apiextensionsv1.CustomResourceDefinition) bool {
	revisionA, errA := strconv.ParseUint(a.ResourceVersion, 10, 64)
	revisionB, errB := strconv.ParseUint(b.ResourceVersion, 10, 64)
	return errA == nil && errB == nil && revisionA < revisionB
}
