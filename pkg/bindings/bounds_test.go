package bindings

import (
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	runtimeschema "k8s.io/apimachinery/pkg/runtime/schema"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var widgetsResource = runtimeschema.GroupResource{Group: "example.io", Resource: "widgets"}

func (w *world) wasUnbounded(export logicalcluster.Key, workspace logicalcluster.Name) bool {
	return WasUnbounded(export, widgetsResource, w.bindings.In(workspace), w.schemas)
}

func bindingTo(export string) *apisv1alpha2.APIBinding {
	return &apisv1alpha2.APIBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "b"},
		Spec: apisv1alpha2.APIBindingSpec{Reference: apisv1alpha2.BindingReference{
			Export: &apisv1alpha2.ExportBindingReference{Path: "root:compute", Name: export},
		}},
	}
}

func setPolicy(w *world, policy *apisv1alpha2.MaximalPermissionPolicy) {
	w.exports.Edit(acmeKey, func(e *apisv1alpha2.APIExport) { e.Spec.MaximalPermissionPolicy = policy })
	w.settle()
}

// What is known of an export that is gone is what it said last.
func TestWhatAnExportThatIsGoneAllowed(t *testing.T) {
	local := &apisv1alpha2.MaximalPermissionPolicy{Local: &apisv1alpha2.LocalAPIExportPolicy{}}
	for name, test := range map[string]struct {
		do   func(*world)
		want bool
	}{
		"never had a policy": {func(*world) {}, true},
		"had one":            {func(w *world) { setPolicy(w, local) }, false},
		"had one once":       {func(w *world) { setPolicy(w, local); setPolicy(w, nil) }, true},
		"an empty one":       {func(w *world) { setPolicy(w, &apisv1alpha2.MaximalPermissionPolicy{}) }, true},
		"had one, and offered another schema then": {func(w *world) {
			setPolicy(w, local)
			w.offer("acme", schemaOf("v2", "widgets", "example.io", "v1"))
		}, false},
		"had one when it was bound, and its schema is bound by another that had none": {func(w *world) {
			w.offer("free", schemaOf("v1", "widgets", "example.io", "v1"))
			setPolicy(w, local)
			w.bindings.Put("ws-1", bindingTo("free"))
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.offer("acme", schemaOf("v1", "widgets", "example.io", "v1"))
			w.bindTo("b", "acme")
			w.settle()
			test.do(w)
			w.settle()
			w.exports.Delete(acmeKey)
			w.settle()
			if got := w.wasUnbounded(acmeKey, "web"); got != test.want {
				t.Errorf("it was unbounded: %v, want %v", got, test.want)
			}
			if w.wasUnbounded(logicalcluster.Key{Workspace: "compute", Name: "other"}, "web") || w.wasUnbounded(acmeKey, "ws-2") {
				t.Error("an export that is not bound is known")
			}
		})
	}
}

// A policy that comes or goes is one write for each schema, and none for bindings.
func TestPoliciesAreNotedOnce(t *testing.T) {
	w := newWorld(t)
	w.offer("acme", schemaOf("v1", "widgets", "example.io", "v1"), schemaOf("g1", "gadgets", "example.io", "v1"))
	for i := range 100 {
		w.bindings.Put(logicalcluster.Name(fmt.Sprintf("ws-%d", i)), bindingTo("acme"))
	}
	w.settle()
	for _, policy := range []*apisv1alpha2.MaximalPermissionPolicy{{Local: &apisv1alpha2.LocalAPIExportPolicy{}}, nil} {
		w.Log()
		setPolicy(w, policy)
		if log := w.Log(); len(log) != 2 || !strings.HasPrefix(log[0], "patch apiresourceschemas") {
			t.Errorf("written were %d:\n%.2000s", len(log), strings.Join(log, "\n"))
		}
	}
}
