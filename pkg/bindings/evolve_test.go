package bindings

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"

	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

func (w *world) countStored(_ context.Context, workspace logicalcluster.Name, _ schema.GroupResource, _ string) (int64, error) {
	return int64(len(w.stored[workspace])), nil
}

func (w *world) look(_ context.Context, workspace logicalcluster.Name, _ schema.GroupVersionResource, _ int64) ([]unstructured.Unstructured, bool, error) {
	var out []unstructured.Unstructured
	for _, object := range w.stored[workspace] {
		out = append(out, unstructured.Unstructured{Object: object})
	}
	return out, false, nil
}

// labels are those of the Workspace object of the same name as the workspace.
func (w *world) labels(workspace logicalcluster.Name) labels.Set {
	if found, ok := w.workspaces.Get(logicalcluster.Key{Workspace: "acme", Name: workspace.String()}); ok {
		return found.Labels
	}
	return nil
}

// widget returns a schema of widgets whose .spec has the given properties, stored
// in the first of versions.
func widget(prefix, properties string, versions ...string) *apisv1alpha1.APIResourceSchema {
	schema := schemaOf(prefix, "widgets", "example.io", "v1")
	schema.Spec.Versions = nil
	for i, version := range versions {
		schema.Spec.Versions = append(schema.Spec.Versions, apisv1alpha1.APIResourceVersion{
			Name: version, Served: true, Storage: i == 0, Schema: runtime.RawExtension{Raw: []byte(
				`{"type":"object","properties":{"spec":{"type":"object","properties":{` + properties + `}}}}`)},
		})
	}
	return schema
}

const (
	sizeOnly   = `"size":{"type":"integer"}`
	withColour = sizeOnly + `,"colour":{"type":"string"}`
	sizeText   = `"size":{"type":"string"}`
)

func widgetObject(spec map[string]any) map[string]any {
	return map[string]any{"apiVersion": "example.io/v1", "kind": "Widget", "metadata": map[string]any{"name": "w"}, "spec": spec}
}

// boundWidgets is which schema web has.
func (w *world) boundWidgets(workspace logicalcluster.Name) string {
	binding, ok := w.bindings.Get(logicalcluster.Key{Workspace: workspace, Name: "b"})
	if !ok || len(binding.Status.BoundResources) == 0 {
		return ""
	}
	return strings.TrimSuffix(binding.Status.BoundResources[0].Schema.Name, ".widgets.example.io")
}

func (w *world) accept(schemas string) {
	w.exports.Edit(logicalcluster.Key{Workspace: "compute", Name: "acme"}, func(e *apisv1alpha2.APIExport) {
		e.Annotations = map[string]string{publicationv1alpha1.AcceptIncompatibleAnnotationKey: schemas}
	})
}

// What becomes of a binding when the schema of its export changes.
func TestSchemasChange(t *testing.T) {
	one := []map[string]any{widgetObject(map[string]any{"size": int64(1)})}
	red := []map[string]any{widgetObject(map[string]any{"colour": "red"})}
	for name, tc := range map[string]struct {
		from, to *apisv1alpha1.APIResourceSchema
		stored   []map[string]any
		accept   string
		want     string // the schema that is bound
		because  string // in the message of BindingUpToDate
		versions []string
	}{
		"a field more":                {widget("a", sizeOnly, "v1"), widget("b", withColour, "v1"), one, "", "b", "", []string{"v1"}},
		"another type, objects":       {widget("a", sizeOnly, "v1"), widget("b", sizeText, "v1"), one, "", "a", "v1 .spec.size: its type was integer and is string", []string{"v1"}},
		"another type, none":          {widget("a", sizeOnly, "v1"), widget("b", sizeText, "v1"), nil, "", "b", "", []string{"v1"}},
		"another type, accepted":      {widget("a", sizeOnly, "v1"), widget("b", sizeText, "v1"), one, "x, b.widgets.example.io", "b", "", []string{"v1"}},
		"another type, other name":    {widget("a", sizeOnly, "v1"), widget("b", sizeText, "v1"), one, "a.widgets.example.io", "a", "its type was", []string{"v1"}},
		"a field less, used":          {widget("a", withColour, "v1"), widget("b", sizeOnly, "v1"), red, "", "a", ".spec.colour: the field was removed", []string{"v1"}},
		"a field less, not used":      {widget("a", withColour, "v1"), widget("b", sizeOnly, "v1"), one, "", "b", "", []string{"v1"}},
		"a version more":              {widget("a", sizeOnly, "v1"), widget("b", sizeOnly, "v2", "v1"), one, "", "b", "", []string{"v1", "v2"}},
		"not served, no objects":      {widget("a", sizeOnly, "v1", "v2"), widget("b", sizeOnly, "v1"), nil, "", "a", "v2: this version was served and is not any more", []string{"v1"}},
		"not served, accepted":        {widget("a", sizeOnly, "v1", "v2"), widget("b", sizeOnly, "v1"), one, "b.widgets.example.io", "b", "", []string{"v1"}},
		"stored version gone":         {widget("a", sizeOnly, "v1", "v2"), widget("b", sizeOnly, "v2"), one, "b.widgets.example.io", "a", "v1: objects may be stored in this version", []string{"v1"}},
		"stored version gone, unused": {widget("a", sizeOnly, "v1", "v2"), widget("b", sizeOnly, "v2"), nil, "b.widgets.example.io", "b", "", []string{"v1", "v2"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.offer("acme", tc.from)
			w.bindTo("b", "acme")
			w.settle()
			w.stored = map[logicalcluster.Name][]map[string]any{"web": tc.stored}
			if tc.accept != "" {
				w.accept(tc.accept)
			}
			w.offer("acme", tc.to)
			w.settle()
			if got := w.boundWidgets("web"); got != tc.want {
				t.Errorf("bound is %s, want %s", got, tc.want)
			}
			c := w.condition("b", apisv1alpha2.BindingUpToDate)
			if (tc.because == "") != (c == "True") || !strings.Contains(c, tc.because) {
				t.Errorf("condition: %s", c)
			}
			if ready := w.condition("b", conditionsv1alpha1.ReadyCondition); ready != "True" {
				t.Errorf("ready: %s", ready)
			}
			if diff := cmp.Diff(tc.versions, w.binding("b").Status.BoundResources[0].StorageVersions); diff != "" {
				t.Errorf("stored versions (-want +got):\n%s", diff)
			}
		})
	}
}

// What is in the way goes, and the binding moves by itself; the owner hears of both.
func TestLaggardsFollow(t *testing.T) {
	w := newWorld(t)
	w.offer("acme", widget("a", sizeOnly, "v1"))
	w.bindTo("b", "acme")
	w.settle()
	w.stored = map[logicalcluster.Name][]map[string]any{"web": {widgetObject(map[string]any{"size": int64(1)})}}
	w.offer("acme", widget("b", sizeText, "v1"))
	w.settle()
	want := `False SchemaIncompatible widgets.example.io stays at schema "a.widgets.example.io", and is not moved to "b.widgets.example.io": ` +
		`v1 .spec.size: its type was integer and is string. The owner of the APIExport can offer a compatible schema, or accept this by its annotation ` +
		`apis.atrium.io/accept-incompatible: b.widgets.example.io; or change or delete the objects of this workspace that are in the way. In the way: widgets.example.io w`
	if got := w.condition("b", apisv1alpha2.BindingUpToDate); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	told := func() string {
		e, _ := w.exports.Get(logicalcluster.Key{Workspace: "compute", Name: "acme"})
		c := conditionsv1alpha1.Get(e.Status.Conditions, publicationv1alpha1.ExportBindingsUpToDate)
		return strings.TrimSpace(string(c.Status) + " " + c.Message)
	}
	w.driver.Advance(context.Background(), 2*surveyPace) // there is one binding
	if got := told(); !strings.HasPrefix(got, "False 1 of 1 bindings lag, for example in workspace root:acme:web: SchemaIncompatible: widgets.example.io stays") ||
		strings.Contains(got, inTheWay) {
		t.Errorf("the owner is told %q", got)
	}
	large := widgetObject(map[string]any{"size": int64(1)})
	large["metadata"] = map[string]any{"name": "l", "namespace": "default"}
	fits := widgetObject(map[string]any{})
	for _, stored := range []struct {
		objects []map[string]any
		says    string
	}{
		{[]map[string]any{fits, large, w.stored["web"][0]}, "widgets.example.io default/l and 1 more"},
		{slices.Repeat([]map[string]any{large}, lookedAt+1), "widgets.example.io some of more than 100"},
	} {
		w.stored["web"] = stored.objects
		w.driver.Advance(context.Background(), time.Minute)
		if got := w.condition("b", apisv1alpha2.BindingUpToDate); !strings.HasSuffix(got, inTheWay+stored.says) {
			t.Errorf("got %s\nwant it to end with %s", got, stored.says)
		}
	}
	w.stored = nil
	w.driver.Advance(context.Background(), time.Minute)
	if got := w.boundWidgets("web"); got != "b" {
		t.Errorf("bound is %s", got)
	}
	if got := told(); got != "True" || len(w.keeper.laggards.all) != 0 {
		t.Errorf("the owner is told %q, laggards %v", got, w.keeper.laggards.all)
	}
}

// rollOut writes a rollout of schema b of the export acme.
func (w *world) rollOut(edit func(*publicationv1alpha1.SchemaRollout)) {
	key := logicalcluster.Key{Workspace: "compute", Name: "r"}
	if _, exists := w.rollouts.Get(key); !exists {
		w.rollouts.Put("compute", &publicationv1alpha1.SchemaRollout{
			ObjectMeta: metav1.ObjectMeta{Name: "r"},
			Spec: publicationv1alpha1.SchemaRolloutSpec{
				Export:    publicationv1alpha1.LocalExportReference{Name: "acme"},
				Resources: []publicationv1alpha1.ResourceRollout{{Group: "example.io", Resource: "widgets", Schema: "b.widgets.example.io", Percent: ptr.To[int32](0)}},
			},
		})
	}
	w.rollouts.Edit(key, edit)
	w.settle()
	w.driver.Advance(context.Background(), surveyPause)
	w.driver.Advance(context.Background(), surveyPause)
}

func (w *world) percent(percent int32) {
	w.rollOut(func(r *publicationv1alpha1.SchemaRollout) { r.Spec.Resources[0].Percent = &percent })
}

// tenants makes n workspaces that bind acme, and returns how to tell who has which
// schema.
func (w *world) tenants(n int) (having func(schema string) []string) {
	var names []logicalcluster.Name
	for i := range n {
		name := logicalcluster.Name(fmt.Sprintf("ws-%02d", i))
		names = append(names, name)
		w.bindings.Put(name, &apisv1alpha2.APIBinding{ObjectMeta: metav1.ObjectMeta{Name: "b"}, Spec: apisv1alpha2.APIBindingSpec{
			Reference: apisv1alpha2.BindingReference{Export: &apisv1alpha2.ExportBindingReference{Path: "root:compute", Name: "acme"}},
		}})
	}
	return func(schema string) []string {
		var out []string
		for _, name := range names {
			if w.boundWidgets(name) == schema {
				out = append(out, name.String())
			}
		}
		return out
	}
}

func (w *world) rollout() *publicationv1alpha1.SchemaRollout {
	r, _ := w.rollouts.Get(logicalcluster.Key{Workspace: "compute", Name: "r"})
	return r
}

func subset(a, b []string) bool {
	return !slices.ContainsFunc(a, func(s string) bool { return !slices.Contains(b, s) })
}

func TestRollout(t *testing.T) {
	w := newWorld(t)
	w.offer("acme", widget("a", sizeOnly, "v1"))
	w.schemas.Put("compute", widget("b", withColour, "v1"))
	having := w.tenants(40)
	w.settle()
	w.percent(0)
	if got := having("a"); len(got) != 40 {
		t.Errorf("at 0 %%, %d have the old schema", len(got))
	}
	before := []string(nil)
	for _, percent := range []int32{10, 30, 60} {
		w.percent(percent)
		now := having("b")
		if !subset(before, now) || len(now) < len(before) || len(now) > 36 {
			t.Errorf("at %d %%: %v, before %v", percent, now, before)
		}
		before = now
	}
	n := int64(len(before))
	want := []publicationv1alpha1.ResourceRolloutStatus{{Group: "example.io", Resource: "widgets", Updated: n, From: []publicationv1alpha1.SchemaCount{
		{Schema: "a.widgets.example.io", Bindings: 40 - n}, {Schema: "b.widgets.example.io", Bindings: n},
	}}}
	if diff := cmp.Diff(want, w.rollout().Status.Resources); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}

	w.rollOut(func(r *publicationv1alpha1.SchemaRollout) { r.Spec.Paused = true })
	for _, percent := range []int32{100, 0} {
		if w.percent(percent); !slices.Equal(having("b"), before) {
			t.Errorf("paused, at %d %%: %v", percent, having("b"))
		}
	}
	w.percent(100)
	w.rollOut(func(r *publicationv1alpha1.SchemaRollout) { r.Spec.Paused = false })
	if got := having("b"); len(got) != 40 {
		t.Errorf("at 100 %%: %d", len(got))
	}
	w.rollouts.Delete(logicalcluster.Key{Workspace: "compute", Name: "r"})
	w.settle()
	if got := having("a"); len(got) != 40 {
		t.Errorf("without a rollout %d have what the export says", len(got))
	}
}

func TestRolloutBySelector(t *testing.T) {
	w := newWorld(t)
	w.offer("acme", widget("a", sizeOnly, "v1"))
	w.schemas.Put("compute", widget("b", withColour, "v1"))
	having := w.tenants(4)
	w.workspaces.Put("acme", &tenancyv1alpha1.Workspace{
		ObjectMeta: metav1.ObjectMeta{Name: "ws-01", Labels: map[string]string{"ring": "canary"}}, Spec: tenancyv1alpha1.WorkspaceSpec{Cluster: "ws-01"},
	})
	w.workspaces.Put("acme", &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "ws-02"}, Spec: tenancyv1alpha1.WorkspaceSpec{Cluster: "ws-02"}})
	w.settle()
	w.rollOut(func(r *publicationv1alpha1.SchemaRollout) {
		r.Spec.Resources[0].Percent = nil
		r.Spec.Resources[0].WorkspaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"ring": "canary"}}
	})
	if diff := cmp.Diff([]string{"ws-01"}, having("b")); diff != "" {
		t.Errorf("chosen (-want +got):\n%s", diff)
	}
	w.workspaces.Edit(logicalcluster.Key{Workspace: "acme", Name: "ws-02"}, func(ws *tenancyv1alpha1.Workspace) { ws.Labels = map[string]string{"ring": "canary"} })
	w.settle()
	if diff := cmp.Diff([]string{"ws-01", "ws-02"}, having("b")); diff != "" {
		t.Errorf("chosen after labelling (-want +got):\n%s", diff)
	}
}

// What a rollout cannot do it says, and moves nobody.
func TestRolloutTroubles(t *testing.T) {
	for name, tc := range map[string]struct {
		edit func(*publicationv1alpha1.SchemaRollout)
		want string
	}{
		"no such schema": {func(r *publicationv1alpha1.SchemaRollout) { r.Spec.Resources[0].Schema = "c.widgets.example.io" },
			`widgets.example.io: APIResourceSchema "c.widgets.example.io" does not exist in workspace "root:compute": create it, or name another one`},
		"a schema of something else": {func(r *publicationv1alpha1.SchemaRollout) { r.Spec.Resources[0].Schema = "g.gadgets.example.io" },
			`APIResourceSchema "g.gadgets.example.io" describes gadgets.example.io, but spec.resources says it is that of widgets.example.io`},
		"no such resource": {func(r *publicationv1alpha1.SchemaRollout) { r.Spec.Resources[0].Resource = "gadgets" },
			`APIExport "acme" does not offer gadgets.example.io`},
		"a bad selector": {func(r *publicationv1alpha1.SchemaRollout) {
			r.Spec.Resources[0].WorkspaceSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Near"}}}
		}, `workspaceSelector: "Near" is not a valid label selector operator`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.offer("acme", widget("a", sizeOnly, "v1"))
			w.schemas.Put("compute", widget("b", withColour, "v1"))
			w.schemas.Put("compute", schemaOf("g", "gadgets", "example.io", "v1"))
			having := w.tenants(3)
			w.settle()
			w.percent(100)
			w.rollOut(tc.edit)
			valid := conditionsv1alpha1.Get(w.rollout().Status.Conditions, publicationv1alpha1.SchemaRolloutValid)
			if valid.Reason != publicationv1alpha1.SchemaRolloutInvalidReason || !strings.Contains(valid.Message, tc.want) {
				t.Errorf("condition %+v", valid)
			}
			if name != "no such resource" && len(having("b")) != 3 {
				t.Errorf("moved: %v have the schema of before", having("b"))
			}
		})
	}
}

func TestTheOlderRolloutCounts(t *testing.T) {
	w := newWorld(t)
	w.offer("acme", widget("a", sizeOnly, "v1"))
	w.schemas.Put("compute", widget("b", withColour, "v1"))
	having := w.tenants(3)
	w.settle()
	w.percent(0)
	w.clock.Step(time.Minute)
	second := w.rollout().DeepCopy()
	second.ObjectMeta = metav1.ObjectMeta{Name: "second", CreationTimestamp: metav1.NewTime(w.clock.Now())}
	second.Spec.Resources[0].Percent = ptr.To[int32](100)
	w.rollouts.Put("compute", second)
	w.settle()
	got, _ := w.rollouts.Get(logicalcluster.Key{Workspace: "compute", Name: "second"})
	if c := conditionsv1alpha1.Get(got.Status.Conditions, publicationv1alpha1.SchemaRolloutValid); c == nil || !strings.Contains(c.Message, `SchemaRollout "r" is about widgets.example.io as well, and older`) {
		t.Errorf("condition %+v", c)
	}
	if len(having("a")) != 3 {
		t.Error("the younger one moved bindings")
	}
}

// The examples of a rollout are few, and say why.
func TestRolloutSaysWhoLags(t *testing.T) {
	w := newWorld(t)
	w.offer("acme", widget("a", sizeOnly, "v1"))
	w.schemas.Put("compute", widget("b", sizeText, "v1"))
	having := w.tenants(15)
	w.stored = map[logicalcluster.Name][]map[string]any{}
	for i := range 12 {
		w.stored[logicalcluster.Name(fmt.Sprintf("ws-%02d", i))] = []map[string]any{widgetObject(map[string]any{"size": int64(1)})}
	}
	w.settle()
	w.percent(100)
	status := w.rollout().Status.Resources[0]
	if status.Updated != 3 || status.Lagging != 12 || status.Incompatible != 12 || len(status.Examples) != publicationv1alpha1.MaxRolloutExamples || len(having("b")) != 3 {
		t.Errorf("status %+v", status)
	}
	if e := status.Examples[0]; e.Workspace != "root:acme:ws-00" || e.Reason != publicationv1alpha1.SchemaIncompatibleReason || !strings.Contains(e.Message, "its type was integer and is string") {
		t.Errorf("example %+v", e)
	}
	if c := conditionsv1alpha1.Get(w.rollout().Status.Conditions, publicationv1alpha1.SchemaRolloutComplete); c.Message != "widgets.example.io: 12 lag, 12 of them incompatible" {
		t.Errorf("condition %+v", c)
	}
}

func TestWithin(t *testing.T) {
	chosen := 0
	for i := range 10000 {
		name := logicalcluster.Name(fmt.Sprintf("w%d", i))
		first := int32(101)
		for percent := int32(0); percent <= 100; percent++ {
			in := within(percent, name, "widgets.example.io")
			if in && first > percent {
				first = percent
			}
			if in != (percent >= first) {
				t.Fatalf("%s is in at %d %% but not at %d %%", name, first, percent)
			}
		}
		if first == 0 || first > 100 {
			t.Fatalf("%s comes in at %d %%", name, first)
		}
		if within(10, name, "widgets.example.io") {
			chosen++
		}
	}
	if chosen < 900 || chosen > 1100 {
		t.Errorf("10 %% of 10000 are %d", chosen)
	}
}
