package admission

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
)

// Exports and bindings are looked at again with every write to the workspaces that
// have them, and a binding with all that its export offers and claims. These are far
// above what is useful and far below what takes the hub seconds.
const (
	maxClaims    = 256
	maxResources = 1024
	// maxRollouts is how many rollouts of one export there may be, and
	// maxRolledOut what one may be about: each looks at all bindings, and each binding
	// at all of them.
	maxRollouts, maxRolledOut = 64, 64
)

// longest are the lists of exports and bindings that have a greatest length.
var longest = map[schema.GroupResource]map[string]int{
	exportsResource:  {"permissionClaims": maxClaims, "resources": maxResources},
	bindingsResource: {"permissionClaims": maxClaims},
	rolloutsResource: {"resources": maxRolledOut},
}

// checkSizes refuses lists that are too long, unless they were and do not get
// longer. It is asked before what is in them is looked at.
func checkSizes(a admission.Attributes) error {
	for name, most := range longest[a.GetResource().GroupResource()] {
		if n := lengthOf(a.GetObject(), name); n > most && n > lengthOf(a.GetOldObject(), name) {
			return admission.NewForbidden(a, fmt.Errorf("spec.%s has %d entries, and can have %d: divide them among several %s",
				name, n, most, a.GetResource().Resource))
		}
	}
	return nil
}

// lengthOf returns the length of a list in the spec.
func lengthOf(object runtime.Object, name string) int {
	custom, _ := object.(*unstructured.Unstructured)
	if custom == nil {
		return 0
	}
	found, _, _ := unstructured.NestedFieldNoCopy(custom.Object, "spec", name)
	list, _ := found.([]any)
	return len(list)
}
