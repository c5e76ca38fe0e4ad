package bindings

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/atriumhub/atrium/pkg/schemas"
	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// boundWidgets is a binding that the loop has found good: widgets of the export
// acme in workspace compute, by the schema with the given UID.
func boundWidgets(name, uid string) *apisv1alpha2.APIBinding {
	return &apisv1alpha2.APIBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: apisv1alpha2.APIBindingSpec{Reference: apisv1alpha2.BindingReference{
			Export: &apisv1alpha2.ExportBindingReference{Path: "root:compute", Name: "acme"},
		}},
		Status: apisv1alpha2.APIBindingStatus{
			Phase: apisv1alpha2.APIBindingPhaseBound, APIExportClusterName: "compute",
			BoundResources: []apisv1alpha2.BoundAPIResource{{
				Group: "example.io", Resource: "widgets",
				Schema: apisv1alpha2.BoundAPIResourceSchema{Name: "v1.widgets.example.io", UID: uid, IdentityHash: "1234"},
			}},
		},
	}
}

func copiedSchema(uid string) *apisv1alpha1.APIResourceSchema {
	return &apisv1alpha1.APIResourceSchema{
		ObjectMeta: metav1.ObjectMeta{Name: uid + ".widgets.example.io"},
		Spec: apisv1alpha1.APIResourceSchemaSpec{
			Group: "example.io", Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "widgets", Kind: "Widget"},
			Versions: []apisv1alpha1.APIResourceVersion{{
				Name: "v1", Served: true, Storage: true, Schema: runtime.RawExtension{Raw: []byte(`{"type":"object"}`)},
			}},
		},
	}
}

// What is served is what the status of bindings names, by the copy of the schema
// that has the UID; whichever of binding and copy is seen first.
func TestFeedServesCopiesByUID(t *testing.T) {
	for name, order := range map[string][]func(*world){
		"copy first":    {(*world).copies, (*world).bound},
		"binding first": {(*world).bound, (*world).copies},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for _, step := range order {
				step(w)
			}
			apis := w.apis["web"]
			if len(apis) != 1 {
				t.Fatalf("%d APIs are served, want that of widgets", len(apis))
			}
			want := schemas.Provider{Workspace: "compute", Export: "acme", Identity: "1234"}
			if diff := cmp.Diff(want, apis[0].Provider); diff != "" {
				t.Errorf("provider (-want +got):\n%s", diff)
			}
			if got := apis[0].Export; got != "root:compute:acme" || apis[0].Origin != schemas.Bound || apis[0].Resource != "widgets" {
				t.Errorf("served is %s %s from %q", apis[0].Origin, apis[0].Resource, got)
			}
		})
	}
}

func (w *world) copies() {
	w.schemas.Put(logicalcluster.SystemBoundCRDs, copiedSchema("uid-1"))
	// Neither of these is what the binding names.
	w.schemas.Put(logicalcluster.SystemBoundCRDs, copiedSchema("uid-2"))
	w.schemas.Put("compute", copiedSchema("uid-1"))
}

func (w *world) bound() { w.bindings.Put("web", boundWidgets("acme", "uid-1")) }

// A schema in a workspace of tenants is no copy, whatever it is called.
func TestFeedBelievesNoTenant(t *testing.T) {
	w := newWorld(t)
	w.schemas.Put("web", copiedSchema("uid-1"))
	w.schemas.Put("compute", copiedSchema("uid-1"))
	w.bound()
	if got := w.apis["web"]; len(got) != 0 {
		t.Errorf("served is %+v, want nothing before the hub has copied the schema", got)
	}
}

// Equal bindings of two workspaces bring the same API.
func TestFeedSharesAPIs(t *testing.T) {
	w := newWorld(t)
	w.copies()
	w.bound()
	w.bindings.Put("compute", boundWidgets("acme", "uid-1"))
	if w.apis["web"][0] != w.apis["compute"][0] {
		t.Error("two workspaces have an API each")
	}
}
