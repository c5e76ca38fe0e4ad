package schemas

import (
	"runtime"
	"sync"
	"weak"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// Interner makes equal schemas one in memory. Thousands of workspaces that
// installed the same definition hold its schema, by far its largest part,
// once. A schema nobody holds any more is forgotten by itself.
type Interner struct {
	mu      sync.Mutex
	schemas map[string]weak.Pointer[apiextensionsv1.CustomResourceValidation]
}

// NewInterner returns an Interner that knows nothing.
func NewInterner() *Interner {
	return &Interner{schemas: map[string]weak.Pointer[apiextensionsv1.CustomResourceValidation]{}}
}

// lastApplied is where kubectl keeps a copy of the whole definition.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// Intern replaces each schema in crd by an equal one seen before, and drops
// the managed fields and what kubectl applied last, which nobody in the hub
// reads. It changes crd, so it is for objects just decoded; afterwards the
// schemas are shared and read-only, and crd as a whole must not be written
// back.
func (n *Interner) Intern(crd *apiextensionsv1.CustomResourceDefinition) {
	crd.ManagedFields = nil
	delete(crd.Annotations, lastApplied)
	for i := range crd.Spec.Versions {
		if schema := crd.Spec.Versions[i].Schema; schema != nil {
			crd.Spec.Versions[i].Schema = n.canonical(schema)
		}
	}
}

// Len returns the number of distinct schemas known, for tests and metrics.
func (n *Interner) Len() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.schemas)
}

func (n *Interner) canonical(schema *apiextensionsv1.CustomResourceValidation) *apiextensionsv1.CustomResourceValidation {
	key := digest(schema)
	n.mu.Lock()
	defer n.mu.Unlock()
	if known := n.schemas[key].Value(); known != nil {
		return known
	}
	n.schemas[key] = weak.Make(schema)
	runtime.AddCleanup(schema, n.forget, key)
	return schema
}

// forget removes the entry of a schema that was collected, unless an equal one
// has taken its place meanwhile.
func (n *Interner) forget(key string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.schemas[key].Value() == nil {
		delete(n.schemas, key)
	}
}
