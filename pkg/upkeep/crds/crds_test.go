package crds_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apiextensions-apiserver/pkg/apihelpers"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const widgets = `
metadata: {name: widgets.example.io}
spec:
  group: example.io
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, shortNames: [wd]}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties: {spec: {type: object, properties: {colour: {type: string, default: red}}}}
`

var widgetResource = schema.GroupVersionResource{Group: "example.io", Version: "v1", Resource: "widgets"}

func (w *world) widgets(ws logicalcluster.Name) dynamic.NamespaceableResourceInterface {
	return w.hub.Dynamic(ws.Path()).Resource(widgetResource)
}

func widget(name string, finalizers ...any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "example.io/v1", "kind": "Widget",
		"metadata": map[string]any{"name": name, "finalizers": finalizers}, "spec": map[string]any{},
	}}
}

// Whoever sees a definition Established can use it at once, in its own
// workspace and nowhere else; discovery says so too.
func TestEstablishedMeansServed(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	for range 5 { // there is no lucky timing
		w.install(t, "a", parse(t, widgets))
		created, err := w.widgets("a").Namespace("default").Create(ctx, widget("one"), metav1.CreateOptions{})
		if err != nil {
			t.Fatalf("create right after Established: %v", err)
		}
		if got, _, _ := unstructured.NestedString(created.Object, "spec", "colour"); got != "red" {
			t.Errorf("colour %q, want the default of the schema", got)
		}
		lists, err := w.definitions(t, "a").Discovery().ServerResourcesForGroupVersion("example.io/v1")
		if err != nil || len(lists.APIResources) != 1 {
			t.Errorf("discovery right after Established: %v, %v", lists, err)
		}
		if _, err := w.widgets("b").Namespace("default").List(ctx, metav1.ListOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("list in another workspace: %v, want not found", err)
		}
		w.remove(t, "a", "widgets.example.io")
	}
}

// remove deletes a definition and waits until it is gone.
func (w *world) remove(t *testing.T, ws logicalcluster.Name, name string) {
	t.Helper()
	if err := w.definitions(t, ws).ApiextensionsV1().CustomResourceDefinitions().Delete(context.Background(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.await(t, ws, name, func(crd *apiextensionsv1.CustomResourceDefinition) bool { return crd == nil })
}

// A changed schema holds for the next request, and a watch by the old one ends.
func TestChangedSchema(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.install(t, "a", parse(t, widgets))
	objects := w.widgets("a").Namespace("default")
	events, err := objects.Watch(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer events.Stop()
	if _, err := objects.Create(ctx, widget("one"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	<-events.ResultChan()

	patch := []byte(`[{"op":"replace","path":"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/colour/default","value":"green"}]`)
	if _, err := w.definitions(t, "a").ApiextensionsV1().CustomResourceDefinitions().Patch(ctx, "widgets.example.io", types.JSONPatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	for range events.ResultChan() { // ends with the old schema
	}
	created, err := objects.Create(ctx, widget("two"), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got, _, _ := unstructured.NestedString(created.Object, "spec", "colour"); got != "green" {
		t.Errorf("colour %q, want the new default", got)
	}
}

// A name that is taken is refused with words that say by whom, and given when
// it is freed; in another workspace it is free all along.
func TestNameConflict(t *testing.T) {
	w := newWorld(t)
	gadgets := strings.NewReplacer("widgets", "gadgets", "singular: widget,", "singular: gadget,", "[wd]", "[gd]").Replace(widgets)
	w.install(t, "a", parse(t, widgets))
	w.create(t, "a", parse(t, gadgets))
	w.install(t, "b", parse(t, gadgets))

	refused := w.await(t, "a", "gadgets.example.io", func(crd *apiextensionsv1.CustomResourceDefinition) bool {
		return crd != nil && apihelpers.IsCRDConditionFalse(crd, apiextensionsv1.NamesAccepted)
	})
	want := `kind "Widget" is already in use in group "example.io" as the kind of CustomResourceDefinition "widgets.example.io": ` +
		`choose another kind, or delete CustomResourceDefinition "widgets.example.io" if it is not needed`
	if got := apihelpers.FindCRDCondition(refused, apiextensionsv1.NamesAccepted); !strings.HasPrefix(got.Message, want) || got.Reason != "KindConflict" {
		t.Errorf("refused with %s: %s\nwant KindConflict: %s", got.Reason, got.Message, want)
	}
	w.remove(t, "a", "widgets.example.io")
	w.await(t, "a", "gadgets.example.io", func(crd *apiextensionsv1.CustomResourceDefinition) bool {
		return crd != nil && apihelpers.IsCRDConditionTrue(crd, apiextensionsv1.Established)
	})
}

// Of two definitions that come together only one gets the name.
func TestNamesAreGivenOnce(t *testing.T) {
	w := newWorld(t)
	names := []string{"aaa", "bbb", "ccc", "ddd", "eee"}
	for _, name := range names {
		text := strings.NewReplacer("widgets", name, "singular: widget,", "singular: "+name+"x,", "[wd]", "[]").Replace(widgets)
		w.create(t, "a", parse(t, text))
	}
	accepted := 0
	for _, name := range names {
		crd := w.await(t, "a", name+".example.io", func(crd *apiextensionsv1.CustomResourceDefinition) bool {
			return crd != nil && apihelpers.FindCRDCondition(crd, apiextensionsv1.NamesAccepted) != nil
		})
		if crd.Status.AcceptedNames.Kind == "Widget" {
			accepted++
		}
	}
	if accepted != 1 {
		t.Errorf("%d definitions have the kind Widget", accepted)
	}
}

// An API that was bound comes first; a definition for the same resource says
// so, and is free to serve when the binding goes.
func TestBoundAPIComesFirst(t *testing.T) {
	w := newWorld(t)
	w.catalog.SetBound("a", nil, compute)
	engines := strings.NewReplacer("widgets.example.io", "engines.apps.example.io", "group: example.io", "group: apps.example.io", "widgets", "engines").Replace(widgets)
	w.create(t, "a", parse(t, engines))
	refused := w.await(t, "a", "engines.apps.example.io", func(crd *apiextensionsv1.CustomResourceDefinition) bool {
		return crd != nil && apihelpers.IsCRDConditionFalse(crd, apiextensionsv1.NamesAccepted)
	})
	if got := apihelpers.FindCRDCondition(refused, apiextensionsv1.NamesAccepted).Message; !strings.Contains(got, `bound from "root:compute:kubernetes"`) || !strings.Contains(got, "remove the APIBinding") {
		t.Errorf("refused with %q, want the export and the way out", got)
	}
	w.catalog.SetBound("a", nil)
	w.await(t, "a", "engines.apps.example.io", func(crd *apiextensionsv1.CustomResourceDefinition) bool {
		return crd != nil && apihelpers.IsCRDConditionTrue(crd, apiextensionsv1.Established)
	})
}

func TestInvalidDefinition(t *testing.T) {
	w := newWorld(t)
	for name, tc := range map[string]struct{ from, to, want string }{
		"name":     {"widgets.example.io", "widgets.example.com", `metadata.name: Invalid value: "widgets.example.com": must be spec.names.plural+"."+spec.group`},
		"type":     {"type: string", "type: text", `spec.validation.openAPIV3Schema.properties[spec].properties[colour].type: Unsupported value: "text"`},
		"storage":  {"storage: true", "storage: false", "must have exactly one version marked as storage version"},
		"untyped":  {"type: string, ", "", "must not be empty for specified object fields"},
		"CEL rule": {"{type: string, default: red}", `{type: string, x-kubernetes-validations: [{rule: "self.size() > tall"}]}`, "undeclared reference to 'tall'"},
	} {
		t.Run(name, func(t *testing.T) {
			crd := parse(t, strings.Replace(widgets, tc.from, tc.to, 1))
			_, err := w.definitions(t, "a").ApiextensionsV1().CustomResourceDefinitions().Create(context.Background(), crd, metav1.CreateOptions{})
			if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("create: %v\nwant it to say %q", err, tc.want)
			}
		})
	}
}

// Deleting a definition deletes its objects, in its workspace only, waits for
// their finalizers, and leaves nothing behind.
func TestDeletion(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	for _, ws := range []logicalcluster.Name{"a", "b"} {
		w.install(t, ws, parse(t, widgets))
		for _, namespace := range []string{"default", "other"} {
			if _, err := w.widgets(ws).Namespace(namespace).Create(ctx, widget("plain"), metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	kept, err := w.widgets("a").Namespace("other").Create(ctx, widget("kept", "example.io/wait"), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.definitions(t, "a").ApiextensionsV1().CustomResourceDefinitions().Delete(ctx, "widgets.example.io", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	waiting := w.await(t, "a", "widgets.example.io", func(crd *apiextensionsv1.CustomResourceDefinition) bool {
		condition := apihelpers.FindCRDCondition(crd, apiextensionsv1.Terminating)
		return condition != nil && strings.Contains(condition.Message, "waiting for 1")
	})
	if !apihelpers.IsCRDConditionTrue(waiting, apiextensionsv1.Terminating) {
		t.Errorf("conditions while waiting: %+v", waiting.Status.Conditions)
	}
	if _, err := w.widgets("a").Namespace("default").Create(ctx, widget("late"), metav1.CreateOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("create while terminating: %v, want forbidden", err)
	}
	list, err := w.widgets("a").List(ctx, metav1.ListOptions{})
	if err != nil || len(list.Items) != 1 {
		t.Errorf("left while waiting: %v, %v, want the one with a finalizer", list, err)
	}
	if _, err := w.widgets("a").Namespace("other").Patch(ctx, kept.GetName(), types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	w.await(t, "a", "widgets.example.io", func(crd *apiextensionsv1.CustomResourceDefinition) bool { return crd == nil })

	counts := map[logicalcluster.Name]int64{}
	for _, ws := range []logicalcluster.Name{"a", "b"} {
		all, err := w.storage.Counts(ctx, ws)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range all {
			counts[ws] += n
		}
	}
	if diff := cmp.Diff(map[logicalcluster.Name]int64{"b": 3}, counts); diff != "" {
		t.Errorf("objects in etcd, with the definitions (-want +got):\n%s", diff)
	}
}

// Objects of a version that is no longer served are not reachable; they are
// deleted all the same.
func TestDeletionOfUnserved(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.install(t, "a", parse(t, widgets))
	if _, err := w.widgets("a").Namespace("default").Create(ctx, widget("one"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	patch := []byte(`[{"op":"replace","path":"/spec/versions/0/served","value":false}]`)
	if _, err := w.definitions(t, "a").ApiextensionsV1().CustomResourceDefinitions().Patch(ctx, "widgets.example.io", types.JSONPatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	w.remove(t, "a", "widgets.example.io")
	counts, err := w.storage.Counts(ctx, "a")
	if err != nil || len(counts) != 0 {
		t.Errorf("left in etcd: %v, %v", counts, err)
	}
}

// BenchmarkEstablish reports how long a definition takes from its creation
// until a watcher sees it established.
func BenchmarkEstablish(b *testing.B) {
	w := newWorld(b)
	crd := parse(b, widgets)
	var total time.Duration
	for i := 0; b.Loop(); i++ {
		ws := logicalcluster.Name("w" + strings.Repeat("a", i%50) + strings.Repeat("b", i/50))
		began := time.Now()
		w.install(b, ws, crd)
		total += time.Since(began)
	}
	b.ReportMetric(float64(total.Milliseconds())/float64(b.N), "ms/definition")
}
