package bindings

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/inflight"
	"github.com/atriumhub/atrium/pkg/schemas"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var widgetsDefinition = logicalcluster.Key{Workspace: "web", Name: "widgets.example.io"}

// putDefinition makes web have widgets of its own, which were stored in v0 once.
func (w *world) putDefinition(edit func(*apiextensionsv1.CustomResourceDefinition)) {
	crd, err := schemas.FromSchema(schemaOf("x", "widgets", "example.io", "v1"))
	if err != nil {
		w.t.Fatal(err)
	}
	edit(crd)
	w.definitions.Put("web", crd)
}

// bindAdopting binds widgets, and asks for those of the workspace to be adopted.
func (w *world) bindAdopting() {
	w.bindings.Put("web", &apisv1alpha2.APIBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "b", Annotations: map[string]string{apisv1alpha2.AdoptCRDAnnotationKey: "true"}},
		Spec: apisv1alpha2.APIBindingSpec{Reference: apisv1alpha2.BindingReference{
			Export: &apisv1alpha2.ExportBindingReference{Path: "root:compute", Name: "acme"},
		}},
	})
}

// restart is what a hub that dies and starts again forgets.
func (w *world) restart() { w.keeper.adoptions, w.writes = adoptions{}, inflight.Writes{} }

func (w *world) expectPhase(phase apisv1alpha2.APIBindingPhaseType) {
	w.t.Helper()
	if got := w.binding("b").Status.Phase; got != phase {
		w.t.Errorf("phase is %s, want %s; BindingUpToDate %s", got, phase, w.condition("b", apisv1alpha2.BindingUpToDate))
	}
}

func TestAdoption(t *testing.T) {
	for name, restarts := range map[string]bool{"": false, "the hub dies between all steps": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.offer("acme", schemaOf("v1", "widgets", "example.io", "v1"))
			w.putDefinition(func(*apiextensionsv1.CustomResourceDefinition) {})
			w.local = adoptAtOnce + 5
			w.settle()
			place := inflight.Place{Workspace: "web", Resource: schema.GroupResource{Group: "example.io", Resource: "widgets"}}
			end := w.writes.Begin(place)
			w.bindAdopting()
			w.settle()
			crd, _ := w.definitions.Get(widgetsDefinition)
			if !schemas.Closed(crd) || w.adopted > 0 {
				t.Fatalf("marked: %v, %d objects have moved before watches could end", schemas.Closed(crd), w.adopted)
			}
			w.expectPhase("Binding")
			if got := w.condition("b", apisv1alpha2.BindingUpToDate); !strings.Contains(got, `taking over the objects of CustomResourceDefinition "widgets.example.io": 0 have moved`) {
				t.Errorf("BindingUpToDate is %s", got)
			}
			for i := range 12 {
				if restarts && i%3 == 0 {
					w.restart()
				}
				w.driver.Advance(t.Context(), drain/2+turnRetry)
			}
			if w.local != 0 || w.adopted != adoptAtOnce+5 {
				t.Errorf("%d objects are with the definition, %d with the binding", w.local, w.adopted)
			}
			w.expectPhase("Bound")
			w.writes.Begin(place) // it goes to the binding, and keeps nobody waiting
			if _, found := w.definitions.Get(widgetsDefinition); !found && !restarts {
				t.Error("the definition is gone before what is under way could end")
			}
			if !restarts {
				w.local = adoptAtOnce + 1 // by requests that were under way
			}
			end()
			w.driver.Advance(t.Context(), 2*sweepRetry)
			w.driver.Advance(t.Context(), sweepRetry)
			if _, found := w.definitions.Get(widgetsDefinition); found || w.local != 0 {
				t.Errorf("the definition is there: %v; it has %d objects", found, w.local)
			}
			w.expectBound("b")
			if len(w.purged) > 0 {
				t.Errorf("%v was removed", w.purged)
			}
		})
	}
}

// The versions in which the definition stored objects are those of the binding.
func TestAdoptedVersions(t *testing.T) {
	w := newWorld(t)
	offered := schemaOf("v1", "widgets", "example.io", "v1")
	old := *offered.Spec.Versions[0].DeepCopy()
	old.Name, old.Storage, old.Served = "v1alpha1", false, false
	offered.Spec.Versions = append(offered.Spec.Versions, old)
	w.offer("acme", offered)
	w.putDefinition(func(crd *apiextensionsv1.CustomResourceDefinition) {
		crd.Status.StoredVersions = []string{"v1alpha1", "v1"}
	})
	w.settle()
	w.bindAdopting()
	w.driver.Advance(t.Context(), 5*drain)
	if diff := cmp.Diff([]string{"v1", "v1alpha1"}, w.binding("b").Status.BoundResources[0].StorageVersions); diff != "" {
		t.Errorf("storage versions (-want +got):\n%s", diff)
	}
}

// What does not fit is not adopted, and nothing happens to it.
func TestUnfitDefinitions(t *testing.T) {
	for name, test := range map[string]struct {
		edit func(*apiextensionsv1.CustomResourceDefinition)
		says string
	}{
		"another scope":                     {func(crd *apiextensionsv1.CustomResourceDefinition) { crd.Spec.Scope = apiextensionsv1.ClusterScoped }, `its objects cannot be adopted: the scope was "Cluster" and is "Namespaced"`},
		"a version that the schema lacks":   {func(crd *apiextensionsv1.CustomResourceDefinition) { crd.Spec.Versions[0].Name = "v7" }, "v7: this version was served and is not any more"},
		"stored in a version that it lacks": {func(crd *apiextensionsv1.CustomResourceDefinition) { crd.Status.StoredVersions = []string{"v0"} }, "v0: objects may be stored in this version"},
		"another kind":                      {func(crd *apiextensionsv1.CustomResourceDefinition) { crd.Spec.Names.Kind = "Thing" }, `the kind was "Thing" and is "Widget"`},
		"it is another binding's to adopt it": {func(crd *apiextensionsv1.CustomResourceDefinition) {
			crd.Annotations = map[string]string{apisv1alpha2.AdoptedByAnnotationKey: "other/1"}
		}, `is the plural of CustomResourceDefinition "widgets.example.io"`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.offer("acme", schemaOf("v1", "widgets", "example.io", "v1"))
			w.putDefinition(test.edit)
			w.local = 3
			w.settle()
			w.bindAdopting()
			w.driver.Advance(t.Context(), 5*drain)
			if got := w.condition("b", apisv1alpha2.BindingUpToDate); !strings.HasPrefix(got, "False NamingConflicts") || !strings.Contains(got, test.says) {
				t.Errorf("BindingUpToDate is %s", got)
			}
			if w.adopted > 0 {
				t.Errorf("%d objects have moved", w.adopted)
			}
		})
	}
}

// A binding that is deleted before it is bound gives back what it took.
func TestAdoptionIsGivenUp(t *testing.T) {
	w := newWorld(t)
	w.offer("acme", schemaOf("v1", "widgets", "example.io", "v1"))
	w.putDefinition(func(*apiextensionsv1.CustomResourceDefinition) {})
	w.local = 3
	w.settle()
	w.bindAdopting()
	w.settle()
	w.local, w.adopted, w.noMove = 1, 2, errors.New("there is an object of that name already")
	w.driver.Advance(t.Context(), 2*drain)
	if got := w.condition("b", apisv1alpha2.BindingUpToDate); !strings.Contains(got, "after there is an object of that name already; to give up, delete this binding") {
		t.Errorf("BindingUpToDate is %s", got)
	}
	w.noMove = nil
	w.bindings.Delete(logicalcluster.Key{Workspace: "web", Name: "b"})
	w.driver.Advance(t.Context(), 2*purgeRetry)
	crd, found := w.definitions.Get(widgetsDefinition)
	if w.local != 3 || w.adopted != 0 || !found || schemas.Closed(crd) {
		t.Errorf("%d objects are with the definition, %d are not; open: %v", w.local, w.adopted, found && !schemas.Closed(crd))
	}
	if left := w.bindings.In("web"); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
}

// An adoption that has begun for one identity is not ended for another: what has moved
// would not be seen any more.
func TestAdoptionIsForOneIdentity(t *testing.T) {
	w := newWorld(t)
	w.offer("acme", schemaOf("v1", "widgets", "example.io", "v1"))
	w.putDefinition(func(*apiextensionsv1.CustomResourceDefinition) {})
	w.local = 3
	w.settle()
	w.bindAdopting()
	w.settle()
	w.exports.Delete(acmeKey)
	w.secrets.Delete(logicalcluster.Key{Workspace: "compute", Namespace: "kcp-system", Name: "acme"})
	w.settle()
	w.offer("acme", schemaOf("v1", "widgets", "example.io", "v1"))
	w.driver.Advance(t.Context(), 5*drain)
	if got := w.condition("b", apisv1alpha2.BindingUpToDate); w.adopted > 0 || !strings.Contains(got, `for another identity of the export: delete APIBinding "b" to have them all back`) {
		t.Errorf("%d objects have moved; BindingUpToDate is %s", w.adopted, got)
	}
	w.bindings.Delete(logicalcluster.Key{Workspace: "web", Name: "b"})
	w.driver.Advance(t.Context(), 2*purgeRetry)
	if crd, found := w.definitions.Get(widgetsDefinition); w.local != 3 || !found || schemas.Closed(crd) {
		t.Errorf("%d objects are with the definition; open: %v", w.local, found && !schemas.Closed(crd))
	}
}
