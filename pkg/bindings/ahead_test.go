package bindings

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// A status that was not stored, because the binding was deleted meanwhile, takes no
// names.
func TestAConflictGivesNoNames(t *testing.T) {
	w := newWorld(t)
	w.offer("acme", schemaOf("v1", "widgets", "example.io", "v1"))
	w.offer("other", schemaOf("o1", "widgets", "example.io", "v1"))
	w.bindTo("a", "acme")
	a := logicalcluster.Key{Workspace: "web", Name: "a"}
	w.bindings.Edit(a, func(b *apisv1alpha2.APIBinding) {
		b.Finalizers = []string{apisv1alpha2.APIBindingFinalizer, "example.io/hold"}
	})
	w.meanwhile = func(b *apisv1alpha2.APIBinding) {
		if b.Status.Phase == apisv1alpha2.APIBindingPhaseBound {
			w.meanwhile = nil
			w.bindings.Delete(a)
		}
	}
	w.settle()
	if held := w.binding("a"); held.DeletionTimestamp == nil || len(held.Status.BoundResources) > 0 {
		t.Fatalf("a is %+v", held)
	}
	w.bindTo("b", "other")
	w.settle()
	w.expectBound("b")
}

func TestAheadOfEvents(t *testing.T) {
	key := logicalcluster.Key{Workspace: "web", Name: "b"}
	seen := func(uid, revision string) *apisv1alpha2.APIBinding {
		b := bindingTo("acme")
		b.Name, b.UID, b.ResourceVersion = "b", types.UID(uid), revision
		b.Annotations = map[string]string{logicalcluster.AnnotationKey: "web"}
		return b
	}
	wrote := given{uid: "u", revision: "10", phase: apisv1alpha2.APIBindingPhaseBound}
	for name, test := range map[string]struct {
		informer, event *apisv1alpha2.APIBinding
		ahead           bool
	}{
		"not seen yet":                     {informer: seen("u", "9"), event: nil, ahead: true},
		"seen before it was noted":         {informer: seen("u", "10")},
		"overtaken before it was noted":    {informer: seen("u", "11")},
		"another one by now":               {informer: seen("v", "9")},
		"what was before comes":            {informer: seen("u", "8"), event: seen("u", "9"), ahead: true},
		"it comes":                         {informer: seen("u", "8"), event: seen("u", "10")},
		"only what was written after came": {informer: seen("u", "8"), event: seen("u", "12")},
		"another one comes":                {informer: seen("u", "8"), event: seen("v", "9")},
	} {
		t.Run(name, func(t *testing.T) {
			a := &ahead{}
			a.wrote(key, wrote, func(logicalcluster.Key) (*apisv1alpha2.APIBinding, bool) { return test.informer, true })
			if test.event != nil {
				a.observe(key, test.event)
			}
			old := seen("u", "8")
			if got := a.latest(old).Status.Phase == apisv1alpha2.APIBindingPhaseBound; got != test.ahead {
				t.Errorf("it is known to be bound: %v, want %v", got, test.ahead)
			}
			if old.Status.Phase != "" {
				t.Error("what was seen was changed")
			}
			a.observe(key, nil)
			if len(a.written) > 0 {
				t.Error("a binding that is gone is remembered")
			}
		})
	}
}
