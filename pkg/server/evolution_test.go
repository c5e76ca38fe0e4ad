package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"

	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// gizmoOf is a schema of gizmos with the given properties of .spec, stored in the
// first of versions.
func gizmoOf(prefix, group, properties string, versions ...string) *apisv1alpha1.APIResourceSchema {
	made := gizmoSchemaOf(prefix, group)
	made.Spec.Versions = nil
	if len(versions) > 1 {
		made.Spec.Conversion = &apisv1alpha1.CustomResourceConversion{Strategy: apisv1alpha1.ConversionStrategyNone}
	}
	for i, version := range versions {
		made.Spec.Versions = append(made.Spec.Versions, apisv1alpha1.APIResourceVersion{
			Name: version, Served: true, Storage: i == 0, Schema: runtime.RawExtension{Raw: []byte(
				`{"type":"object","properties":{"spec":{"type":"object","properties":{` + properties + `}}}}`)},
		})
	}
	return made
}

const (
	gizmoSize   = `"size":{"type":"integer"}`
	gizmoColour = gizmoSize + `,"colour":{"type":"string"}`
	gizmoText   = `"size":{"type":"string"}`
)

// evolving is an export of gizmos and workspaces that have bound it.
type evolving struct {
	t         *testing.T
	ctx       context.Context
	admin     *client.Hub
	group     string
	provider  logicalcluster.Path
	consumers []logicalcluster.Path
}

func newEvolving(t *testing.T, group string, consumers int, first *apisv1alpha1.APIResourceSchema) *evolving {
	t.Helper()
	e := &evolving{t: t, ctx: exportsContext(t), admin: as(t, "base"), group: group}
	e.provider, _ = newWorkspace(t)
	publish(e.ctx, t, e.admin, e.provider, "gizmos", first)
	for range consumers {
		consumer, _ := newWorkspace(t)
		bind(e.ctx, t, e.admin, consumer, "gizmos", e.provider, "gizmos")
		e.consumers = append(e.consumers, consumer)
	}
	for _, consumer := range e.consumers {
		awaitBound(e.ctx, t, e.admin, consumer, "gizmos")
	}
	return e
}

func (e *evolving) store(schema *apisv1alpha1.APIResourceSchema) {
	e.t.Helper()
	if _, err := client.APIResourceSchemas(e.admin, e.provider).Create(e.ctx, schema, metav1.CreateOptions{}); err != nil {
		e.t.Fatal(err)
	}
}

// offer makes the export offer a schema that is stored.
func (e *evolving) offer(prefix string) {
	e.t.Helper()
	patch := fmt.Sprintf(`[{"op":"replace","path":"/spec/resources/0/schema","value":"%s.gizmos.%s"}]`, prefix, e.group)
	if _, err := client.APIExports(e.admin, e.provider).Patch(e.ctx, "gizmos", types.JSONPatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		e.t.Fatal(err)
	}
}

func (e *evolving) accept(schemas string) {
	e.t.Helper()
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, publicationv1alpha1.AcceptIncompatibleAnnotationKey, schemas)
	if _, err := client.APIExports(e.admin, e.provider).Patch(e.ctx, "gizmos", types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		e.t.Fatal(err)
	}
}

// has returns which schema a consumer has bound.
func (e *evolving) has(consumer logicalcluster.Path) (string, error) {
	binding, err := client.APIBindings(e.admin, consumer).Get(e.ctx, "gizmos", metav1.GetOptions{})
	if err != nil || len(binding.Status.BoundResources) == 0 {
		return "", err
	}
	return strings.TrimSuffix(binding.Status.BoundResources[0].Schema.Name, ".gizmos."+e.group), nil
}

// having returns the consumers that have bound a schema.
func (e *evolving) having(prefix string) []logicalcluster.Path {
	e.t.Helper()
	var out []logicalcluster.Path
	for _, consumer := range e.consumers {
		switch got, err := e.has(consumer); {
		case err != nil:
			e.t.Fatal(err)
		case got == prefix:
			out = append(out, consumer)
		}
	}
	return out
}

func (e *evolving) awaitHas(consumer logicalcluster.Path, prefix string) {
	e.t.Helper()
	await(e.ctx, e.t, fmt.Sprintf("%s has schema %s", consumer, prefix), func() error {
		if got, err := e.has(consumer); err != nil || got != prefix {
			return fmt.Errorf("it has %s, %v", got, err)
		}
		return nil
	})
}

// rollOut changes the rollout of schema "new", or makes it.
func (e *evolving) rollOut(edit func(*publicationv1alpha1.SchemaRollout)) {
	e.t.Helper()
	rollouts := client.SchemaRollouts(e.admin, e.provider)
	rollout := &publicationv1alpha1.SchemaRollout{
		ObjectMeta: metav1.ObjectMeta{Name: "gizmos"},
		Spec: publicationv1alpha1.SchemaRolloutSpec{
			Export:    publicationv1alpha1.LocalExportReference{Name: "gizmos"},
			Resources: []publicationv1alpha1.ResourceRollout{{Group: e.group, Resource: "gizmos", Schema: "new.gizmos." + e.group}},
		},
	}
	edit(rollout)
	if _, err := rollouts.Create(e.ctx, rollout, metav1.CreateOptions{}); err == nil {
		return
	} else if !apierrors.IsAlreadyExists(err) {
		e.t.Fatal(err)
	}
	await(e.ctx, e.t, "the rollout is changed", func() error {
		found, err := rollouts.Get(e.ctx, "gizmos", metav1.GetOptions{})
		if err != nil {
			return err
		}
		edit(found)
		_, err = rollouts.Update(e.ctx, found, metav1.UpdateOptions{})
		return err
	})
}

// settled waits until the rollout says that it is about what is written, and no
// binding waits for its turn.
func (e *evolving) settled() publicationv1alpha1.ResourceRolloutStatus {
	e.t.Helper()
	var rollout *publicationv1alpha1.SchemaRollout
	await(e.ctx, e.t, "the rollout has settled", func() error {
		var err error
		if rollout, err = client.SchemaRollouts(e.admin, e.provider).Get(e.ctx, "gizmos", metav1.GetOptions{}); err != nil {
			return err
		}
		if s := rollout.Status; s.ObservedGeneration != rollout.Generation || len(s.Resources) != 1 || s.Resources[0].Lagging != s.Resources[0].Incompatible {
			return fmt.Errorf("status %+v", s)
		}
		return nil
	})
	return rollout.Status.Resources[0]
}

func coloured(group, name string) *unstructured.Unstructured {
	made := newGizmo(group, name, 1)
	_ = unstructured.SetNestedField(made.Object, "red", "spec", "colour")
	return made
}

// The schema of an export changes: workspaces follow where that hurts nobody, and
// say why where they do not. What is served stays served.
func TestSchemasEvolve(t *testing.T) {
	const group = "evolve.evolution.test"
	e := newEvolving(t, group, 2, gizmoOf("one", group, gizmoSize, "v1"))
	full, empty := e.consumers[0], e.consumers[1]
	createGizmo(e.ctx, t, e.admin, full, group, "first")

	e.store(gizmoOf("two", group, gizmoColour, "v1"))
	e.offer("two")
	e.awaitHas(full, "two")
	e.awaitHas(empty, "two")
	await(e.ctx, t, "the new field is served", func() error {
		made, err := gizmosAt(e.admin, full, group).Create(e.ctx, coloured(group, "red"), metav1.CreateOptions{})
		if err != nil {
			return err
		}
		if colour, _, _ := unstructured.NestedString(made.Object, "spec", "colour"); colour != "red" {
			return fmt.Errorf("made %v, %v", made, gizmosAt(e.admin, full, group).Delete(e.ctx, "red", metav1.DeleteOptions{}))
		}
		return nil
	})

	e.store(gizmoOf("three", group, gizmoText, "v1"))
	e.offer("three")
	e.awaitHas(empty, "three")
	binding := awaitCondition(e.ctx, t, e.admin, full, "gizmos", apisv1alpha2.BindingUpToDate,
		`False SchemaIncompatible gizmos.`+group+` stays at schema "two.gizmos.`+group+`", and is not moved to "three.gizmos.`+group+`": v1 .spec.`)
	if got, _ := e.has(full); got != "two" || !conditionsv1alpha1.IsTrue(binding.Status.Conditions, conditionsv1alpha1.ReadyCondition) {
		t.Errorf("bound is %s, conditions %+v", got, binding.Status.Conditions)
	}
	if _, err := gizmosAt(e.admin, full, group).Create(e.ctx, coloured(group, "second"), metav1.CreateOptions{}); err != nil {
		t.Errorf("the old schema is not served: %v", err)
	}
	await(e.ctx, t, "the owner is told", func() error {
		export, err := client.APIExports(e.admin, e.provider).Get(e.ctx, "gizmos", metav1.GetOptions{})
		if err != nil {
			return err
		}
		c := conditionsv1alpha1.Get(export.Status.Conditions, publicationv1alpha1.ExportBindingsUpToDate)
		if c == nil || !strings.HasPrefix(c.Message, "1 of 2 bindings lag, for example in workspace "+full.String()+": SchemaIncompatible: ") {
			return fmt.Errorf("condition %+v", c)
		}
		return nil
	})

	e.accept("three.gizmos." + group)
	e.awaitHas(full, "three")
	awaitCondition(e.ctx, t, e.admin, full, "gizmos", apisv1alpha2.BindingUpToDate, "True")
	if list, err := gizmosAt(e.admin, full, group).List(e.ctx, metav1.ListOptions{}); err != nil || len(list.Items) != 3 {
		t.Errorf("objects are lost: %v, %v", list, err)
	}
}

// A version that objects are stored in cannot be dropped, whoever accepts that.
func TestStoredVersionsStay(t *testing.T) {
	const group = "stored.evolution.test"
	e := newEvolving(t, group, 1, gizmoOf("one", group, gizmoSize, "v1", "v2"))
	createGizmo(e.ctx, t, e.admin, e.consumers[0], group, "first")
	e.store(gizmoOf("two", group, gizmoSize, "v2"))
	e.accept("two.gizmos." + group)
	e.offer("two")
	awaitCondition(e.ctx, t, e.admin, e.consumers[0], "gizmos", apisv1alpha2.BindingUpToDate,
		`False SchemaIncompatible gizmos.`+group+` stays at schema "one.gizmos.`+group+`", and is not moved to "two.gizmos.`+group+`": v1: objects may be stored in this version`)
	if list, err := gizmosAt(e.admin, e.consumers[0], group).List(e.ctx, metav1.ListOptions{}); err != nil || len(list.Items) != 1 {
		t.Errorf("list %v, %v", list, err)
	}
	if err := gizmosAt(e.admin, e.consumers[0], group).Delete(e.ctx, "first", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	e.awaitHas(e.consumers[0], "two")
}

// A rollout takes some first, then more, then all, and can be stopped and taken back.
func TestRollouts(t *testing.T) {
	const group = "rollouts.evolution.test"
	e := newEvolving(t, group, 12, gizmoOf("old", group, gizmoSize, "v1"))
	e.store(gizmoOf("new", group, gizmoColour, "v1"))
	percent := func(percent int32) func(*publicationv1alpha1.SchemaRollout) {
		return func(r *publicationv1alpha1.SchemaRollout) { r.Spec.Resources[0].Percent = &percent }
	}
	var before []logicalcluster.Path
	for _, step := range []int32{0, 50, 75, 100} {
		e.rollOut(percent(step))
		status := e.settled()
		now := e.having("new")
		if int(status.Updated) != len(now) || len(now)+len(e.having("old")) != len(e.consumers) {
			t.Errorf("at %d %%: %d have it, the status is %+v", step, len(now), status)
		}
		for _, consumer := range before {
			if !slices.Contains(now, consumer) {
				t.Errorf("at %d %% %s has it no more", step, consumer)
			}
		}
		if before = now; step == 0 && len(now) > 0 || step == 100 && len(now) != len(e.consumers) {
			t.Errorf("at %d %%: %v", step, now)
		}
	}

	// What uses the new field cannot go back; the others do.
	kept := e.consumers[0]
	await(e.ctx, t, "a coloured gizmo", func() error {
		made, err := gizmosAt(e.admin, kept, group).Create(e.ctx, coloured(group, "red"), metav1.CreateOptions{})
		if err == nil && made.Object["spec"].(map[string]any)["colour"] == nil {
			return gizmosAt(e.admin, kept, group).Delete(e.ctx, "red", metav1.DeleteOptions{})
		}
		return err
	})
	createGizmo(e.ctx, t, e.admin, e.consumers[1], group, "plain")
	e.rollOut(func(r *publicationv1alpha1.SchemaRollout) { r.Spec.Paused = true })
	e.rollOut(percent(0))
	if e.settled(); len(e.having("new")) != len(e.consumers) {
		t.Errorf("paused: %v", e.having("new"))
	}
	e.rollOut(func(r *publicationv1alpha1.SchemaRollout) { r.Spec.Paused = false })
	for _, consumer := range e.consumers[1:] {
		e.awaitHas(consumer, "old")
	}
	awaitCondition(e.ctx, t, e.admin, kept, "gizmos", apisv1alpha2.BindingUpToDate, "False SchemaIncompatible")

	// Who binds now gets what the others are meant to have.
	late, _ := newWorkspace(t)
	bind(e.ctx, t, e.admin, late, "gizmos", e.provider, "gizmos")
	awaitBound(e.ctx, t, e.admin, late, "gizmos")
	e.awaitHas(late, "old")
	e.rollOut(percent(100))
	e.awaitHas(late, "new")
}

// Workspaces are chosen by labels of their Workspace objects, which those who
// administer the parent write and nobody inside.
func TestRolloutsChooseByLabels(t *testing.T) {
	const group = "labels.evolution.test"
	e := newEvolving(t, group, 2, gizmoOf("old", group, gizmoSize, "v1"))
	e.store(gizmoOf("new", group, gizmoColour, "v1"))
	label := func(hub *client.Hub, consumer logicalcluster.Path) error {
		parent, _ := consumer.Parent()
		_, err := client.Workspaces(hub, parent).Patch(e.ctx, consumer.Base(), types.MergePatchType, []byte(`{"metadata":{"labels":{"ring":"`+group+`"}}}`), metav1.PatchOptions{})
		return err
	}
	if err := label(e.admin, e.consumers[0]); err != nil {
		t.Fatal(err)
	}
	e.rollOut(func(r *publicationv1alpha1.SchemaRollout) {
		r.Spec.Resources[0].WorkspaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"ring": group}}
	})
	e.awaitHas(e.consumers[0], "new")
	if status := e.settled(); status.Updated != 1 {
		t.Errorf("status %+v", status)
	}
	if err := label(withToken(t, "alice-token"), e.consumers[1]); !apierrors.IsForbidden(err) {
		t.Errorf("a tenant labels his own workspace: %v, want forbidden", err)
	}
	if err := label(e.admin, e.consumers[1]); err != nil {
		t.Fatal(err)
	}
	e.awaitHas(e.consumers[1], "new")
}

// Nobody but its owner says what becomes of an export, and only with what is his.
func TestRolloutsOfOthers(t *testing.T) {
	const group = "others.evolution.test"
	e := newEvolving(t, group, 1, gizmoOf("old", group, gizmoSize, "v1"))
	alice, bob, consumer := withToken(t, "alice-token"), withToken(t, "bob-token"), e.consumers[0]
	makeAdmin(e.ctx, t, e.admin, consumer, "bob")
	if _, err := client.SchemaRollouts(bob, e.provider).List(e.ctx, metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("a consumer reads rollouts: %v, want forbidden", err)
	}
	rollout := func(export string) *publicationv1alpha1.SchemaRollout {
		return &publicationv1alpha1.SchemaRollout{ObjectMeta: metav1.ObjectMeta{Name: "mine"}, Spec: publicationv1alpha1.SchemaRolloutSpec{
			Export:    publicationv1alpha1.LocalExportReference{Name: export},
			Resources: []publicationv1alpha1.ResourceRollout{{Group: group, Resource: "gizmos", Schema: "new.gizmos." + group, Percent: ptr.To[int32](100)}},
		}}
	}
	// In the consumer's workspace: an export of the same name is not that one.
	if _, err := client.APIResourceSchemas(bob, consumer).Create(e.ctx, gizmoOf("new", group, gizmoText, "v1"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.SchemaRollouts(bob, consumer).Create(e.ctx, rollout("gizmos"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	// The owner names a schema of another workspace.
	if _, err := client.SchemaRollouts(alice, e.provider).Create(e.ctx, rollout("gizmos"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[logicalcluster.Path]string{
		consumer:   `there is no APIExport "gizmos" in this workspace`,
		e.provider: `APIResourceSchema "new.gizmos.` + group + `" does not exist in workspace "` + e.provider.String() + `"`,
	} {
		await(e.ctx, t, "the rollout in "+path.String()+" is invalid", func() error {
			got, err := client.SchemaRollouts(e.admin, path).Get(e.ctx, "mine", metav1.GetOptions{})
			if err != nil {
				return err
			}
			if c := conditionsv1alpha1.Get(got.Status.Conditions, publicationv1alpha1.SchemaRolloutValid); c == nil || !strings.Contains(c.Message, want) {
				return fmt.Errorf("condition %+v", c)
			}
			return nil
		})
	}
	if got, err := e.has(consumer); err != nil || got != "old" {
		t.Errorf("bound is %s, %v", got, err)
	}
	mine, err := client.SchemaRollouts(bob, consumer).Get(e.ctx, "mine", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	mine.Status.Conditions = nil
	if _, err := client.SchemaRollouts(bob, consumer).UpdateStatus(e.ctx, mine, metav1.UpdateOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("a tenant writes the status of a rollout: %v, want forbidden", err)
	}
}

// A watch ends when its workspace gets another schema, and not before.
func TestWatchesEndWithTheirSchema(t *testing.T) {
	const group = "watches.evolution.test"
	e := newEvolving(t, group, 1, gizmoOf("old", group, gizmoSize, "v1"))
	createGizmo(e.ctx, t, e.admin, e.consumers[0], group, "one")
	watch, err := gizmosAt(e.admin, e.consumers[0], group).Watch(e.ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	e.store(gizmoOf("new", group, gizmoColour, "v1"))
	e.offer("new")
	for {
		select {
		case _, open := <-watch.ResultChan():
			if !open {
				e.awaitHas(e.consumers[0], "new")
				return
			}
		case <-time.After(20 * time.Second):
			t.Fatal("the watch goes on")
		}
	}
}

// While some workspaces have a new schema and others lag, the provider sees all
// objects whole, and what he writes is judged as the workspace would.
func TestProvidersSeeBothSchemas(t *testing.T) {
	const group = "both.evolution.test"
	e := newEvolving(t, group, 2, gizmoOf("old", group, gizmoSize, "v1"))
	e.store(gizmoOf("new", group, gizmoColour, "v1"))
	canary, stable := e.consumers[0], e.consumers[1]
	parent, _ := canary.Parent()
	if _, err := client.Workspaces(e.admin, parent).Patch(e.ctx, canary.Base(), types.MergePatchType, []byte(`{"metadata":{"labels":{"ring":"`+group+`"}}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	e.rollOut(func(r *publicationv1alpha1.SchemaRollout) {
		r.Spec.Resources[0].WorkspaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"ring": group}}
	})
	e.awaitHas(canary, "new")
	colourOf := func(made *unstructured.Unstructured) string {
		colour, _, _ := unstructured.NestedString(made.Object, "spec", "colour")
		return colour
	}
	view := e.view()
	for _, consumer := range []logicalcluster.Path{canary, stable} {
		await(e.ctx, t, "the provider makes a gizmo in "+consumer.String(), func() error {
			_, err := gizmosAt(view, consumer, group).Create(e.ctx, coloured(group, "red"), metav1.CreateOptions{})
			return err
		})
	}
	for consumer, want := range map[logicalcluster.Path]string{canary: "red", stable: ""} {
		for name, hub := range map[string]*client.Hub{"the provider": view, "the consumer": e.admin} {
			got, err := gizmosAt(hub, consumer, group).Get(e.ctx, "red", metav1.GetOptions{})
			if err != nil || colourOf(got) != want {
				t.Errorf("%s reads %v in %s (%v), want colour %q", name, got, consumer, err, want)
			}
		}
	}
	list, err := view.Dynamic(logicalcluster.Wildcard.Path()).Resource(gizmos(group)).List(e.ctx, metav1.ListOptions{})
	if err != nil || len(list.Items) != 2 {
		t.Fatalf("all workspaces: %v, %v", list, err)
	}
	colours := []string{colourOf(&list.Items[0]), colourOf(&list.Items[1])}
	if slices.Sort(colours); !slices.Equal(colours, []string{"", "red"}) {
		t.Errorf("all workspaces have %v", colours)
	}
	updated := list.Items[0].DeepCopy()
	if colourOf(updated) != "red" {
		updated = list.Items[1].DeepCopy()
	}
	if _, err := gizmosAt(view, canary, group).Update(e.ctx, updated, metav1.UpdateOptions{}); err != nil {
		t.Error(err)
	}
	if got, err := gizmosAt(e.admin, canary, group).Get(e.ctx, "red", metav1.GetOptions{}); err != nil || colourOf(got) != "red" {
		t.Errorf("after the provider wrote: %v, %v", got, err)
	}
}

// A workspace that lags keeps objects in a version that the export has no more: the
// provider reads them among the others.
func TestProvidersReadVersionsOfBefore(t *testing.T) {
	const group = "before.evolution.test"
	e := newEvolving(t, group, 2, gizmoOf("old", group, gizmoSize, "v1", "v2"))
	createGizmo(e.ctx, t, e.admin, e.consumers[0], group, "kept")
	e.store(gizmoOf("new", group, gizmoSize, "v2"))
	e.accept("new.gizmos." + group)
	e.offer("new")
	e.awaitHas(e.consumers[1], "new")
	v2 := gizmos(group).GroupResource().WithVersion("v2")
	fresh := newGizmo(group, "fresh", 1)
	fresh.SetAPIVersion(group + "/v2")
	await(e.ctx, t, "a gizmo of the new schema", func() error {
		_, err := e.admin.Dynamic(e.consumers[1]).Resource(v2).Namespace("default").Create(e.ctx, fresh, metav1.CreateOptions{})
		return err
	})
	await(e.ctx, t, "the provider reads both", func() error {
		list, err := e.view().Dynamic(logicalcluster.Wildcard.Path()).Resource(v2).List(e.ctx, metav1.ListOptions{})
		if err == nil && len(list.Items) != 2 {
			return fmt.Errorf("list %v", list)
		}
		return err
	})
	if got, err := gizmosAt(e.admin, e.consumers[0], group).Get(e.ctx, "kept", metav1.GetOptions{}); err != nil || got.GetAPIVersion() != group+"/v1" {
		t.Errorf("the one who lags reads %v, %v", got, err)
	}
}

// view is what the provider sees of all who have bound his export.
func (e *evolving) view() *client.Hub {
	e.t.Helper()
	return viewOf(e.t, "apiexport", e.provider.String()+"/gizmos", "alice-token")
}

// heardWarnings collects what the hub warns of.
type heardWarnings struct{ texts []string }

// HandleWarningHeader implements rest.WarningHandler.
func (w *heardWarnings) HandleWarningHeader(_ int, _ string, text string) {
	w.texts = append(w.texts, text)
}

// Who is about to write what others cannot follow is told so, and may.
func TestOwnersAreWarned(t *testing.T) {
	const group = "warned.evolution.test"
	e := newEvolving(t, group, 2, gizmoOf("one", group, gizmoSize, "v1", "v2"))
	e.store(gizmoOf("two", group, gizmoSize, "v1"))
	heard := &heardWarnings{}
	config := rest.AnonymousClientConfig(restConfig(t, "base"))
	config.BearerToken, config.WarningHandler = "alice-token", heard
	hub, err := client.New(config)
	if err != nil {
		t.Fatal(err)
	}
	patch := []byte(`[{"op":"replace","path":"/spec/resources/0/schema","value":"two.gizmos.` + group + `"}]`)
	await(e.ctx, t, "a dry run warns, as the hub has seen the schema", func() error {
		heard.texts = nil
		_, err := client.APIExports(hub, e.provider).Patch(e.ctx, "gizmos", types.JSONPatchType, patch, metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil && len(heard.texts) == 0 {
			return errors.New("no warning")
		}
		return err
	})
	want := "gizmos." + group + `: 2 of 2 bindings would stay at the schema that they have, and not be moved to "two.gizmos.` + group + `": v2: this version was served and is not any more`
	if len(heard.texts) != 1 || !strings.HasPrefix(heard.texts[0], want) {
		t.Errorf("a dry run warns of %q", heard.texts)
	}
	heard.texts = nil
	if err := client.APIExports(hub, e.provider).Delete(e.ctx, "gizmos", metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}}); err != nil {
		t.Error(err)
	}
	if want := `APIExport "gizmos" has 2 bindings, `; len(heard.texts) != 1 || !strings.HasPrefix(heard.texts[0], want) {
		t.Errorf("a deletion that is only tried warns of %q", heard.texts)
	}
	if got := e.having("one"); len(got) != 2 {
		t.Errorf("the dry run moved somebody: %v", got)
	}
}
