package server

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/version"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/component-base/metrics/legacyregistry"
)

// A definition of a workspace behaves as in a cluster: each test asks the hub what
// somebody would ask kube-apiserver.

// valve returns a definition of valves.example.io with one version, whose spec is
// given by its schema in JSON.
func valve(t *testing.T, spec string, edits ...func(*apiextensionsv1.CustomResourceDefinition)) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	crd := &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "valves.example.io"},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: "example.io", Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "valves", Singular: "valve", Kind: "Valve", ListKind: "ValveList"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true, Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: schemaOf(t, spec)},
			}},
		},
	}
	for _, edit := range edits {
		edit(crd)
	}
	return crd
}

func schemaOf(t *testing.T, spec string) *apiextensionsv1.JSONSchemaProps {
	t.Helper()
	schema := &apiextensionsv1.JSONSchemaProps{}
	text := `{"type":"object","description":"A Valve lets through.","properties":{"spec":` + spec + `,"status":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}`
	if err := json.Unmarshal([]byte(text), schema); err != nil {
		t.Fatal(err)
	}
	return schema
}

// change updates a definition, again if somebody else has written it meanwhile.
func (a *tenant) change(t *testing.T, name string, edit func(*apiextensionsv1.CustomResourceDefinition)) error {
	t.Helper()
	definitions := a.crds.ApiextensionsV1().CustomResourceDefinitions()
	for {
		crd, err := definitions.Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		edit(crd)
		if _, err = definitions.Update(t.Context(), crd, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
			return err
		}
	}
}

func (a *tenant) create(t *testing.T, version, name string, spec map[string]any) *unstructured.Unstructured {
	t.Helper()
	created, err := a.of(version, "valves").Create(t.Context(), made(version, "Valve", name, spec), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return created
}

// eventually asks until the hub has caught up with a change of a definition.
func eventually(t *testing.T, what string, ask func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	await(ctx, t, what, ask)
}

func TestDefinitionLifecycle(t *testing.T) {
	alice, other := newTenant(t), newTenant(t)
	alice.install(t, valve(t, `{"type":"object"}`, func(crd *apiextensionsv1.CustomResourceDefinition) {
		crd.Spec.Names.ShortNames, crd.Spec.Names.Categories = []string{"vv"}, []string{"plumbing"}
	}))
	crd := alice.until(t, "valves.example.io", "its names are accepted", func(crd *apiextensionsv1.CustomResourceDefinition) bool {
		return conditionOf(crd, apiextensionsv1.NamesAccepted).Status == apiextensionsv1.ConditionTrue
	})
	if diff := cmp.Diff(crd.Spec.Names, crd.Status.AcceptedNames); diff != "" || !slices.Equal(crd.Status.StoredVersions, []string{"v1"}) {
		t.Errorf("%s stored versions %v", diff, crd.Status.StoredVersions)
	}
	rival := valve(t, `{"type":"object"}`, func(crd *apiextensionsv1.CustomResourceDefinition) {
		crd.Name, crd.Spec.Names.Plural, crd.Spec.Names.Singular = "taps.example.io", "taps", "tap"
	})
	if _, err := alice.crds.ApiextensionsV1().CustomResourceDefinitions().Create(t.Context(), rival.DeepCopy(), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	refused := alice.until(t, "taps.example.io", "its names are judged", func(crd *apiextensionsv1.CustomResourceDefinition) bool {
		return conditionOf(crd, apiextensionsv1.NamesAccepted).Status != ""
	})
	if condition := conditionOf(refused, apiextensionsv1.NamesAccepted); condition.Status != apiextensionsv1.ConditionFalse || !strings.Contains(condition.Reason, "KindConflict") {
		t.Errorf("a name that is taken: %+v", condition)
	}
	// The names of a workspace are its own.
	other.install(t, rival)
}

// Whoever watches the definitions of one workspace does not have the hub hold the
// schemas of all.
func TestWatchingDefinitionsStartsNoCache(t *testing.T) {
	alice := newTenant(t)
	alice.install(t, valve(t, `{"type":"object"}`))
	for resource, want := range map[schema.GroupVersionResource]bool{
		apiextensionsv1.SchemeGroupVersion.WithResource("customresourcedefinitions"): false,
		corev1.SchemeGroupVersion.WithResource("configmaps"):                         true, // or the metric is another
	} {
		watching, err := dynamic.NewForConfigOrDie(tenantConfig(t, alice.path)).Resource(resource).Watch(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		<-watching.ResultChan()
		watching.Stop()
		if got := hasWatchCache(t, resource.Resource); got != want {
			t.Errorf("%s has a watch cache: %v, want %v", resource.Resource, got, want)
		}
	}
}

func hasWatchCache(t *testing.T, resource string) bool {
	t.Helper()
	families, err := legacyregistry.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "watch_cache_capacity" {
			continue
		}
		for _, series := range family.GetMetric() {
			for _, label := range series.GetLabel() {
				if label.GetName() == "resource" && label.GetValue() == resource {
					return true
				}
			}
		}
	}
	return false
}

func TestDiscoveryOfDefinitions(t *testing.T) {
	alice := newTenant(t)
	alice.install(t, valve(t, `{"type":"object"}`, func(crd *apiextensionsv1.CustomResourceDefinition) {
		crd.Spec.Names.ShortNames, crd.Spec.Names.Categories = []string{"vv"}, []string{"all"}
	}))
	client := discovery.NewDiscoveryClientForConfigOrDie(tenantConfig(t, alice.path))
	// Helm compares it with what a chart says it needs.
	kubernetes, err := client.ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	if v, err := version.ParseSemantic(kubernetes.GitVersion); err != nil || fmt.Sprint(v.Major()) != kubernetes.Major || fmt.Sprint(v.Minor()) != kubernetes.Minor {
		t.Errorf("version %q of Kubernetes %s.%s: %v", kubernetes.GitVersion, kubernetes.Major, kubernetes.Minor, err)
	}
	resources, err := client.ServerResourcesForGroupVersion("example.io/v1")
	if err != nil {
		t.Fatal(err)
	}
	if len(resources.APIResources) != 1 || !slices.Equal(resources.APIResources[0].ShortNames, []string{"vv"}) || !slices.Equal(resources.APIResources[0].Categories, []string{"all"}) {
		t.Errorf("%+v", resources.APIResources)
	}
	// What kubectl explain reads.
	text, err := client.RESTClient().Get().AbsPath("/openapi/v3/apis/example.io/v1").DoRaw(t.Context())
	if err != nil || !strings.Contains(string(text), "A Valve lets through.") {
		t.Errorf("%v, %.200s", err, text)
	}
}

func TestStatusAndScale(t *testing.T) {
	ctx := t.Context()
	alice := newTenant(t)
	alice.install(t, valve(t, `{"type":"object","properties":{"replicas":{"type":"integer"}}}`, func(crd *apiextensionsv1.CustomResourceDefinition) {
		crd.Spec.Versions[0].Subresources = &apiextensionsv1.CustomResourceSubresources{
			Status: &apiextensionsv1.CustomResourceSubresourceStatus{},
			Scale:  &apiextensionsv1.CustomResourceSubresourceScale{SpecReplicasPath: ".spec.replicas", StatusReplicasPath: ".status.replicas"},
		}
	}))
	valves := alice.of("v1", "valves")
	object := made("v1", "Valve", "one", map[string]any{"replicas": int64(1)})
	object.Object["status"] = map[string]any{"replicas": int64(9)}
	created, err := valves.Create(ctx, object, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, has := created.Object["status"]; has || created.GetGeneration() != 1 {
		t.Errorf("created with %v, generation %d", created.Object["status"], created.GetGeneration())
	}
	created.Object["status"], created.Object["spec"] = map[string]any{"replicas": int64(1)}, map[string]any{"replicas": int64(7)}
	updated, err := valves.UpdateStatus(ctx, created, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if replicas, _, _ := unstructured.NestedInt64(updated.Object, "spec", "replicas"); replicas != 1 || updated.GetGeneration() != 1 {
		t.Errorf("a write of the status changed the spec: %v, generation %d", updated.Object["spec"], updated.GetGeneration())
	}
	scale, err := valves.Patch(ctx, "one", types.MergePatchType, []byte(`{"spec":{"replicas":3}}`), metav1.PatchOptions{}, "scale")
	if err != nil || scale.GetKind() != "Scale" {
		t.Fatalf("%v, %v", err, scale)
	}
	got, err := valves.Get(ctx, "one", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if replicas, _, _ := unstructured.NestedInt64(got.Object, "spec", "replicas"); replicas != 3 || got.GetGeneration() != 2 {
		t.Errorf("scaled to %d, generation %d", replicas, got.GetGeneration())
	}
}

func TestApplyToCustomResources(t *testing.T) {
	ctx := t.Context()
	alice := newTenant(t)
	alice.install(t, valve(t, `{"type":"object","properties":{"colour":{"type":"string"},"size":{"type":"integer"},
		"ports":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["name"],"items":{"type":"object","required":["name"],"properties":{"name":{"type":"string"},"n":{"type":"integer"}}}}}}`))
	valves := alice.of("v1", "valves")
	apply := func(manager string, force bool, spec map[string]any) (*unstructured.Unstructured, error) {
		return valves.Apply(ctx, "one", made("v1", "Valve", "one", spec), metav1.ApplyOptions{FieldManager: manager, Force: force})
	}
	port := func(name string) map[string]any { return map[string]any{"ports": []any{map[string]any{"name": name}}} }
	red := port("a")
	red["colour"] = "red"
	if _, err := apply("a", false, red); err != nil {
		t.Fatal(err)
	}
	merged, err := apply("b", false, port("b"))
	if err != nil {
		t.Fatal(err)
	}
	if ports, _, _ := unstructured.NestedSlice(merged.Object, "spec", "ports"); len(ports) != 2 || len(merged.GetManagedFields()) != 2 {
		t.Errorf("%v, %d managers", ports, len(merged.GetManagedFields()))
	}
	blue := map[string]any{"colour": "blue"}
	if _, err := apply("b", false, blue); !apierrors.IsConflict(err) || !strings.Contains(err.Error(), `.spec.colour`) {
		t.Errorf("a field of somebody else: %v", err)
	}
	forced, err := apply("b", true, blue)
	if err != nil {
		t.Fatal(err)
	}
	if colour, _, _ := unstructured.NestedString(forced.Object, "spec", "colour"); colour != "blue" {
		t.Errorf("%v", forced.Object["spec"])
	}
}

// warnings collects what the hub warns of.
type warnings struct {
	mu   sync.Mutex
	said []string
}

func (w *warnings) HandleWarningHeader(_ int, _ string, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, text)
}

func (w *warnings) has(text string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.said, func(said string) bool { return strings.Contains(said, text) })
}

func TestUnknownFields(t *testing.T) {
	ctx := t.Context()
	alice := newTenant(t)
	alice.install(t, valve(t, `{"type":"object","properties":{"size":{"type":"integer"},"any":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}`, func(crd *apiextensionsv1.CustomResourceDefinition) {
		crd.Spec.Versions[0].Deprecated, crd.Spec.Versions[0].DeprecationWarning = true, new("example.io/v1 Valve is going")
	}))
	object := func(name string) *unstructured.Unstructured {
		return made("v1", "Valve", name, map[string]any{"size": int64(1), "unknown": "x", "any": map[string]any{"kept": "y"}})
	}
	heard := &warnings{}
	config := tenantConfig(t, alice.path)
	config.WarningHandler = heard
	valves := dynamic.NewForConfigOrDie(config).Resource(alice.gvr("v1", "valves")).Namespace("default")
	_, err := valves.Create(ctx, object("strict"), metav1.CreateOptions{FieldValidation: "Strict"})
	if !apierrors.IsBadRequest(err) || !strings.Contains(err.Error(), `unknown field "spec.unknown"`) {
		t.Errorf("strict: %v", err)
	}
	created, err := valves.Create(ctx, object("warned"), metav1.CreateOptions{FieldValidation: "Warn"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"size": int64(1), "any": map[string]any{"kept": "y"}}, created.Object["spec"]); diff != "" {
		t.Error(diff)
	}
	for _, text := range []string{`unknown field "spec.unknown"`, "example.io/v1 Valve is going"} {
		if !heard.has(text) {
			t.Errorf("no warning says %q: %v", text, heard.said)
		}
	}
}

func TestDefaultsOfOldObjects(t *testing.T) {
	alice := newTenant(t)
	alice.install(t, valve(t, `{"type":"object","properties":{"size":{"type":"integer","default":3}}}`))
	created := alice.create(t, "v1", "old", map[string]any{})
	if size, _, _ := unstructured.NestedInt64(created.Object, "spec", "size"); size != 3 {
		t.Errorf("created as %v", created.Object["spec"])
	}
	if err := alice.change(t, "valves.example.io", func(crd *apiextensionsv1.CustomResourceDefinition) {
		crd.Spec.Versions[0].Schema.OpenAPIV3Schema = schemaOf(t, `{"type":"object","properties":{"size":{"type":"integer"},"colour":{"type":"string","default":"red"}}}`)
	}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "an old object is read with the new default", func() error {
		got, err := alice.of("v1", "valves").Get(t.Context(), "old", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if diff := cmp.Diff(map[string]any{"size": int64(3), "colour": "red"}, got.Object["spec"]); diff != "" {
			return fmt.Errorf("%s", diff)
		}
		return nil
	})
}

func TestRulesOfCustomResources(t *testing.T) {
	ctx := t.Context()
	alice := newTenant(t)
	alice.install(t, valve(t, `{"type":"object","properties":{"min":{"type":"integer"},"max":{"type":"integer"},"colour":{"type":"string"},
		"kind":{"type":"string","x-kubernetes-validations":[{"rule":"self == oldSelf","message":"the kind stays"}]}},
		"x-kubernetes-validations":[{"rule":"!has(self.min) || !has(self.max) || self.min <= self.max","message":"min is at most max"}]}`))
	valves := alice.of("v1", "valves")
	_, err := valves.Create(ctx, made("v1", "Valve", "bad", map[string]any{"min": int64(2), "max": int64(1)}), metav1.CreateOptions{})
	if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "min is at most max") {
		t.Errorf("a rule: %v", err)
	}
	alice.create(t, "v1", "one", map[string]any{"kind": "ball", "colour": "green"})
	patch := func(text string) error {
		_, err := valves.Patch(ctx, "one", types.MergePatchType, []byte(text), metav1.PatchOptions{})
		return err
	}
	if err := patch(`{"spec":{"kind":"gate"}}`); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "the kind stays") {
		t.Errorf("a transition rule: %v", err)
	}
	if err := alice.change(t, "valves.example.io", func(crd *apiextensionsv1.CustomResourceDefinition) {
		spec := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
		spec.Properties["colour"] = apiextensionsv1.JSONSchemaProps{Type: "string", Enum: []apiextensionsv1.JSON{{Raw: []byte(`"red"`)}}}
		crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"] = spec
	}); err != nil {
		t.Fatal(err)
	}
	tries := 0
	eventually(t, "new values are judged", func() error {
		tries++ // a value that is stored before the schema arrives is not new the next time
		if err := patch(fmt.Sprintf(`{"spec":{"colour":"blue%d"}}`, tries)); !apierrors.IsInvalid(err) {
			return fmt.Errorf("expected invalid, got %v", err)
		}
		return nil
	})
	if err := patch(`{"spec":{"max":5}}`); err != nil {
		t.Errorf("what was stored before the schema changed does not hinder other changes: %v", err)
	}
}

func TestSelectableFieldsAndColumns(t *testing.T) {
	ctx := t.Context()
	alice := newTenant(t)
	alice.install(t, valve(t, `{"type":"object","properties":{"colour":{"type":"string"}}}`, func(crd *apiextensionsv1.CustomResourceDefinition) {
		crd.Spec.Versions[0].SelectableFields = []apiextensionsv1.SelectableField{{JSONPath: ".spec.colour"}}
		crd.Spec.Versions[0].AdditionalPrinterColumns = []apiextensionsv1.CustomResourceColumnDefinition{{Name: "Colour", Type: "string", JSONPath: ".spec.colour"}}
	}))
	valves := alice.of("v1", "valves")
	red := metav1.ListOptions{FieldSelector: "spec.colour=red"}
	watch, err := valves.Watch(ctx, red)
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	alice.create(t, "v1", "sky", map[string]any{"colour": "blue"})
	alice.create(t, "v1", "rose", map[string]any{"colour": "red"})
	list, err := valves.List(ctx, red)
	if err != nil || len(list.Items) != 1 || list.Items[0].GetName() != "rose" {
		t.Errorf("%v, %v", err, list)
	}
	if event := <-watch.ResultChan(); event.Type != apiwatch.Added || event.Object.(*unstructured.Unstructured).GetName() != "rose" {
		t.Errorf("%v", event)
	}
	if _, err := valves.List(ctx, metav1.ListOptions{FieldSelector: "spec.other=red"}); !apierrors.IsBadRequest(err) || !strings.Contains(err.Error(), "field label not supported") {
		t.Errorf("a field that cannot be selected: %v", err)
	}
	table := &metav1.Table{}
	text, err := discovery.NewDiscoveryClientForConfigOrDie(tenantConfig(t, alice.path)).RESTClient().Get().
		AbsPath("/apis/example.io/v1/namespaces/default/valves").SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").DoRaw(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, table); err != nil {
		t.Fatal(err)
	}
	if len(table.Rows) != 2 || !slices.ContainsFunc(table.ColumnDefinitions, func(c metav1.TableColumnDefinition) bool { return c.Name == "Colour" }) ||
		!cmp.Equal([]any{"rose", "red"}, table.Rows[0].Cells) {
		t.Errorf("%s", text)
	}
}

func TestDryRunAndCollections(t *testing.T) {
	ctx := t.Context()
	alice := newTenant(t)
	alice.install(t, valve(t, `{"type":"object"}`))
	valves := alice.of("v1", "valves")
	dry := []string{metav1.DryRunAll}
	if _, err := valves.Create(ctx, made("v1", "Valve", "tried", nil), metav1.CreateOptions{DryRun: dry}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "c"} {
		object := made("v1", "Valve", name, map[string]any{})
		object.SetLabels(map[string]string{"keep": fmt.Sprint(name == "c")})
		if _, err := valves.Create(ctx, object, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	names := func() string {
		list, err := valves.List(ctx, metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for i := range list.Items {
			names = append(names, list.Items[i].GetName())
		}
		return strings.Join(names, " ")
	}
	some := metav1.ListOptions{LabelSelector: "keep=false"}
	if err := valves.DeleteCollection(ctx, metav1.DeleteOptions{DryRun: dry}, some); err != nil || names() != "a b c" {
		t.Errorf("%v, left %s", err, names())
	}
	if err := valves.DeleteCollection(ctx, metav1.DeleteOptions{}, some); err != nil || names() != "c" {
		t.Errorf("%v, left %s", err, names())
	}
}

// TestDeletedWithPropagation: whatever a client asks about what an object owns, the
// object goes.
func TestDeletedWithPropagation(t *testing.T) {
	alice := newTenant(t)
	alice.install(t, valve(t, `{"type":"object"}`))
	notes := alice.objects.Resource(corev1.SchemeGroupVersion.WithResource("configmaps")).Namespace("default")
	for _, policy := range []metav1.DeletionPropagation{metav1.DeletePropagationForeground, metav1.DeletePropagationOrphan, metav1.DeletePropagationBackground} {
		alice.create(t, "v1", "one", map[string]any{})
		if _, err := notes.Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "one"}}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		for kind, objects := range map[string]dynamic.ResourceInterface{"valve": alice.of("v1", "valves"), "configmap": notes} {
			if err := objects.Delete(t.Context(), "one", metav1.DeleteOptions{PropagationPolicy: &policy}); err != nil {
				t.Fatal(err)
			}
			if _, err := objects.Get(t.Context(), "one", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
				t.Fatalf("%s, deleted with %s: %v", kind, policy, err)
			}
		}
	}
}

func TestTerminatingDefinition(t *testing.T) {
	ctx := t.Context()
	alice := newTenant(t)
	alice.install(t, valve(t, `{"type":"object"}`))
	valves, definitions := alice.of("v1", "valves"), alice.crds.ApiextensionsV1().CustomResourceDefinitions()
	held := made("v1", "Valve", "held", map[string]any{})
	held.SetFinalizers([]string{"example.io/held"})
	if _, err := valves.Create(ctx, held, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	alice.create(t, "v1", "free", map[string]any{})
	gone, err := definitions.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=valves.example.io"})
	if err != nil {
		t.Fatal(err)
	}
	defer gone.Stop()
	if err := definitions.Delete(ctx, "valves.example.io", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	alice.until(t, "valves.example.io", "it waits for what is held", func(crd *apiextensionsv1.CustomResourceDefinition) bool {
		condition := conditionOf(crd, apiextensionsv1.Terminating)
		return condition.Status == apiextensionsv1.ConditionTrue && strings.Contains(condition.Message, "finalizers")
	})
	if _, err := valves.Create(ctx, made("v1", "Valve", "late", nil), metav1.CreateOptions{}); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "is terminating") {
		t.Errorf("creating while it goes: %v", err)
	}
	list, err := valves.List(ctx, metav1.ListOptions{})
	if err != nil || len(list.Items) != 1 || list.Items[0].GetName() != "held" {
		t.Errorf("%v, %v", err, list)
	}
	if _, err := valves.Patch(ctx, "held", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	timeout := time.After(time.Minute)
	for {
		select {
		case event := <-gone.ResultChan():
			if event.Type == apiwatch.Deleted {
				return
			}
		case <-timeout:
			t.Fatal("the definition did not go")
		}
	}
}

func TestStorageVersion(t *testing.T) {
	alice := newTenant(t)
	both := gears(nil)
	both.Spec.Versions[1].Schema = both.Spec.Versions[0].Schema
	alice.install(t, both)
	v1, v2 := alice.of("v1", "gears"), alice.of("v2", "gears")
	if _, err := v1.Create(t.Context(), made("v1", "Gear", "one", map[string]any{"size": int64(3)}), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := alice.change(t, "gears.example.io", func(crd *apiextensionsv1.CustomResourceDefinition) {
		crd.Spec.Versions[0].Storage, crd.Spec.Versions[1].Storage = false, true
	}); err != nil {
		t.Fatal(err)
	}
	crd := alice.until(t, "gears.example.io", "v2 is stored", func(crd *apiextensionsv1.CustomResourceDefinition) bool { return len(crd.Status.StoredVersions) == 2 })
	if !slices.Equal(crd.Status.StoredVersions, []string{"v1", "v2"}) {
		t.Errorf("stored versions %v", crd.Status.StoredVersions)
	}
	for name, in := range map[string]dynamic.ResourceInterface{"v1": v1, "v2": v2} {
		got, err := in.Get(t.Context(), "one", metav1.GetOptions{})
		if err != nil || got.GetAPIVersion() != "example.io/"+name {
			t.Errorf("%s: %v, %v", name, err, got)
		}
	}
	err := alice.change(t, "gears.example.io", func(crd *apiextensionsv1.CustomResourceDefinition) { crd.Spec.Versions = crd.Spec.Versions[1:] })
	if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "status.storedVersions") {
		t.Errorf("a version that objects are stored in is taken away: %v", err)
	}
	// As in Kubernetes: whoever has had the objects rewritten says so.
	if _, err := v2.Patch(t.Context(), "one", types.MergePatchType, []byte("{}"), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := alice.crds.ApiextensionsV1().CustomResourceDefinitions().Patch(t.Context(), "gears.example.io", types.MergePatchType,
		[]byte(`{"status":{"storedVersions":["v2"]}}`), metav1.PatchOptions{}, "status"); err != nil {
		t.Fatal(err)
	}
	if err := alice.change(t, "gears.example.io", func(crd *apiextensionsv1.CustomResourceDefinition) { crd.Spec.Versions = crd.Spec.Versions[1:] }); err != nil {
		t.Errorf("a version that nothing is stored in any more is not taken away: %v", err)
	}
	await(minute(t), t, "the object is read without the old version", func() error {
		_, err := v1.Get(t.Context(), "one", metav1.GetOptions{})
		got, other := v2.Get(t.Context(), "one", metav1.GetOptions{})
		if !apierrors.IsNotFound(err) || other != nil || got.GetAPIVersion() != "example.io/v2" {
			return fmt.Errorf("v1: %v, v2: %v, %v", err, got, other)
		}
		return nil
	})
}

func TestProtectedGroups(t *testing.T) {
	alice := newTenant(t)
	protected := valve(t, `{"type":"object"}`, func(crd *apiextensionsv1.CustomResourceDefinition) {
		crd.Name, crd.Spec.Group = "valves.plumbing.k8s.io", "plumbing.k8s.io"
	})
	definitions := alice.crds.ApiextensionsV1().CustomResourceDefinitions()
	if _, err := definitions.Create(t.Context(), protected, metav1.CreateOptions{}); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "api-approved.kubernetes.io") {
		t.Errorf("without an approval: %v", err)
	}
	protected.Annotations = map[string]string{apiextensionsv1.KubeAPIApprovedAnnotation: "unapproved, a test"}
	alice.install(t, protected)
	crd, err := definitions.Get(t.Context(), protected.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if condition := conditionOf(crd, apiextensionsv1.KubernetesAPIApprovalPolicyConformant); condition.Reason != "UnapprovedAnnotation" {
		t.Errorf("%+v", condition)
	}
}

// TestLargeObjects: as large as etcd takes, and a reason above that.
func TestLargeObjects(t *testing.T) {
	alice := newTenant(t)
	alice.install(t, valve(t, `{"type":"object","properties":{"text":{"type":"string"}}}`))
	create := func(size int) error {
		_, err := alice.of("v1", "valves").Create(t.Context(), made("v1", "Valve", fmt.Sprint("v", size), map[string]any{"text": strings.Repeat("x", size)}), metav1.CreateOptions{})
		return err
	}
	if err := create(1 << 20); err != nil {
		t.Errorf("1 MiB: %v", err)
	}
	for _, size := range []int{1600 << 10, 2 << 20, 4 << 20} {
		if err := create(size); !apierrors.IsRequestEntityTooLargeError(err) {
			t.Errorf("%d KiB: %v", size>>10, err)
		}
	}
	_, err := alice.of("v1", "valves").Patch(t.Context(), fmt.Sprint("v", 1<<20), types.MergePatchType, []byte(`{"metadata":{"annotations":{"more":"`+strings.Repeat("x", 250<<10)+`"}},"spec":{"text":"`+strings.Repeat("y", 1500<<10)+`"}}`), metav1.PatchOptions{})
	if !apierrors.IsRequestEntityTooLargeError(err) {
		t.Errorf("grown too large: %v", err)
	}
}
