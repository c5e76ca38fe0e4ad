package server

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"

	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// migrating is an export of gizmos whose v1 has a size, and whose v2 has ten times
// that in litres.
type migrating struct {
	*evolving
	identity string
}

// newMigrating offers a schema with some versions, of which the first is stored.
func newMigrating(t *testing.T, group string, consumers int, first string, versions ...string) *migrating {
	t.Helper()
	e := &migrating{evolving: &evolving{t: t, admin: as(t, "base"), group: group}}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	e.ctx = ctx
	e.provider, _ = newWorkspace(t)
	export := publish(ctx, t, e.admin, e.provider, "gizmos", litres(first, group, versions...))
	e.convert(first, versions...)
	e.identity = export.Status.IdentityHash
	for range consumers {
		consumer, _ := newWorkspace(t)
		e.consumers = append(e.consumers, consumer)
		bind(ctx, t, e.admin, consumer, "gizmos", e.provider, "gizmos")
		e.awaitHas(consumer, first)
	}
	return e
}

func litres(prefix, group string, versions ...string) *apisv1alpha1.APIResourceSchema {
	made := gizmoOf(prefix, group, "", versions...)
	for i := range made.Spec.Versions {
		field := map[string]string{"v1": "size", "v2": "litres"}[versions[i]]
		made.Spec.Versions[i].Schema = runtime.RawExtension{Raw: []byte(
			`{"type":"object","properties":{"spec":{"type":"object","properties":{"` + field + `":{"type":"integer"},"colour":{"type":"string"}}}}}`)}
	}
	return made
}

// convert makes the rules of a schema with both versions. They fail for a size of 13.
func (e *migrating) convert(prefix string, versions ...string) {
	e.t.Helper()
	if len(versions) < 2 {
		return
	}
	rule := func(from, to, field, destination, transformation string) apisv1alpha1.APIVersionConversion {
		return apisv1alpha1.APIVersionConversion{From: from, To: to, Rules: []apisv1alpha1.APIConversionRule{
			{Field: field, Destination: destination, Transformation: transformation},
		}}
	}
	conversion := &apisv1alpha1.APIConversion{ObjectMeta: metav1.ObjectMeta{Name: prefix + ".gizmos." + e.group}}
	conversion.Spec.Conversions = []apisv1alpha1.APIVersionConversion{
		rule("v1", "v2", ".spec.size", ".spec.litres", "self == 13 ? self / (self - 13) : self * 10"),
		rule("v2", "v1", ".spec.litres", ".spec.size", "self / 10"),
	}
	if _, err := client.APIConversions(e.admin, e.provider).Create(e.ctx, conversion, metav1.CreateOptions{}); err != nil {
		e.t.Fatal(err)
	}
}

// add stores a schema, and its rules.
func (e *migrating) add(prefix string, versions ...string) {
	e.t.Helper()
	e.store(litres(prefix, e.group, versions...))
	e.convert(prefix, versions...)
}

func (e *migrating) at(consumer logicalcluster.Path, version string) dynamic.ResourceInterface {
	return e.admin.Dynamic(consumer).Resource(gizmos(e.group).GroupResource().WithVersion(version)).Namespace("default")
}

func (e *migrating) make(consumer logicalcluster.Path, name string, size int64) *unstructured.Unstructured {
	e.t.Helper()
	var made *unstructured.Unstructured
	await(e.ctx, e.t, "a gizmo is made in "+consumer.String(), func() (err error) {
		made, err = e.at(consumer, "v1").Create(e.ctx, newGizmo(e.group, name, size), metav1.CreateOptions{})
		return err
	})
	return made
}

// lying counts the objects of a consumer by the version that they lie in.
func (e *migrating) lying(consumer logicalcluster.Path) map[string]int {
	e.t.Helper()
	stored, err := shared.hub.stores.bound(e.identity).Stored(e.ctx, mustID(e.t, consumer), gizmos(e.group).GroupResource(), "", 1000)
	if err != nil {
		e.t.Fatal(err)
	}
	out := map[string]int{}
	for _, o := range stored {
		out[strings.TrimPrefix(o.APIVersion, e.group+"/")]++
	}
	return out
}

func (e *migrating) binding(consumer logicalcluster.Path) *apisv1alpha2.APIBinding {
	e.t.Helper()
	return must(client.APIBindings(e.admin, consumer).Get(e.ctx, "gizmos", metav1.GetOptions{}))(e.t)
}

func (e *migrating) expectVersions(consumer logicalcluster.Path, want ...string) {
	e.t.Helper()
	if got := e.binding(consumer).Status.BoundResources[0].StorageVersions; !slices.Equal(got, want) {
		e.t.Errorf("the binding of %s says that objects are stored in %v, want %v", consumer, got, want)
	}
}

// migrate asks for the objects to be rewritten, or not any more, by schema "new".
func (e *migrating) migrate(on bool) {
	e.t.Helper()
	e.rollOut(func(r *publicationv1alpha1.SchemaRollout) { r.Spec.Resources[0].MigrateStorage = on })
}

// awaitMigrated waits until the condition of the rollout begins so.
func (e *migrating) awaitMigrated(want string) *publicationv1alpha1.StorageMigrationStatus {
	e.t.Helper()
	var rollout *publicationv1alpha1.SchemaRollout
	await(e.ctx, e.t, "the rollout says of the migration: "+want, func() (err error) {
		if rollout, err = client.SchemaRollouts(e.admin, e.provider).Get(e.ctx, "gizmos", metav1.GetOptions{}); err != nil {
			return err
		}
		c := conditionsv1alpha1.Get(rollout.Status.Conditions, publicationv1alpha1.SchemaRolloutStorageMigrated)
		if c == nil || rollout.Status.ObservedGeneration != rollout.Generation || !strings.HasPrefix(string(c.Status)+" "+c.Reason+" "+c.Message, want) {
			return fmt.Errorf("status %+v", rollout.Status)
		}
		return nil
	})
	return rollout.Status.Resources[0].Migration
}

// The objects of all workspaces are rewritten, whole and past all that judges writes,
// and then the old version can go.
func TestStorageMigrates(t *testing.T) {
	const group, each = "whole.migration.test", 4
	e := newMigrating(t, group, 3, "old", "v1", "v2")
	before := map[logicalcluster.Path][]*unstructured.Unstructured{}
	for _, consumer := range e.consumers {
		for i := range each {
			before[consumer] = append(before[consumer], e.make(consumer, fmt.Sprintf("g%d", i), int64(i+1)))
		}
	}
	e.add("new", "v2", "v1")
	e.add("last", "v2")
	e.accept("last.gizmos." + group)
	e.refuseUpdates()
	e.offer("new")
	for _, consumer := range e.consumers {
		e.awaitHas(consumer, "new")
		e.expectVersions(consumer, "v1", "v2")
	}
	e.offer("last")
	awaitCondition(e.ctx, t, e.admin, e.consumers[0], "gizmos", apisv1alpha2.BindingUpToDate,
		`False SchemaIncompatible gizmos.`+group+` stays at schema "new.gizmos.`+group+`", and is not moved to "last.gizmos.`+group+`": v1: objects may be stored in this version`)
	e.offer("new")
	awaitCondition(e.ctx, t, e.admin, e.consumers[0], "gizmos", apisv1alpha2.BindingUpToDate, "True")

	now := must(e.at(e.consumers[0], "v1").List(e.ctx, metav1.ListOptions{}))(t).GetResourceVersion()
	watch := must(e.at(e.consumers[0], "v1").Watch(e.ctx, metav1.ListOptions{ResourceVersion: now}))(t)
	defer watch.Stop()
	e.migrate(true)
	status := e.awaitMigrated("True")
	e.make(e.consumers[0], "late", 1)
	for seen := map[apiwatch.EventType]int{}; seen[apiwatch.Added] < 1; {
		event, open := <-watch.ResultChan()
		if seen[event.Type]++; !open || seen[apiwatch.Modified] > each {
			t.Fatalf("a tenant's watch saw %v, and is open: %v", seen, open)
		}
	}
	if err := e.at(e.consumers[0], "v1").Delete(e.ctx, "late", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if want := (publicationv1alpha1.StorageMigrationStatus{Version: "v2", Migrated: 3, Objects: 3 * each}); status.Version != want.Version ||
		status.Migrated != want.Migrated || status.Objects != want.Objects || status.Remaining != 0 || status.Failed != 0 {
		t.Errorf("status %+v, want %+v", status, want)
	}
	_, err := client.SchemaRollouts(e.admin, e.provider).Patch(e.ctx, "gizmos", types.JSONPatchType, []byte(`[{"op":"replace","path":"/spec/resources/0/percent","value":50}]`), metav1.PatchOptions{})
	if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "migrateStorage is for a schema that all workspaces get") {
		t.Errorf("migrate, and to 50 %%: %v", err)
	}
	if err := client.SchemaRollouts(e.admin, e.provider).Delete(e.ctx, "gizmos", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	e.offer("last")
	for _, consumer := range e.consumers {
		e.awaitHas(consumer, "last")
		e.expectVersions(consumer, "v2")
		if got := e.lying(consumer); got["v2"] != each || len(got) != 1 {
			t.Errorf("in %s lie %v", consumer, got)
		}
		e.expectWhole(consumer, before[consumer])
	}
}

// refuseUpdates has the provider's policies refuse every change of a gizmo.
func (e *migrating) refuseUpdates() {
	e.t.Helper()
	policies := e.admin.Kubernetes(e.provider).AdmissionregistrationV1()
	fail := admissionregistrationv1.Fail
	policy := &admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: "frozen"}, Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
		FailurePolicy: &fail,
		MatchConstraints: &admissionregistrationv1.MatchResources{ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{RuleWithOperations: admissionregistrationv1.RuleWithOperations{
			Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Update},
			Rule:       admissionregistrationv1.Rule{APIGroups: []string{e.group}, APIVersions: []string{"*"}, Resources: []string{"gizmos"}},
		}}}},
		Validations: []admissionregistrationv1.Validation{{Expression: "false", Message: "frozen"}},
	}}
	must(policies.ValidatingAdmissionPolicies().Create(e.ctx, policy, metav1.CreateOptions{}))(e.t)
	must(policies.ValidatingAdmissionPolicyBindings().Create(e.ctx, &admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: "frozen"},
		Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{PolicyName: "frozen", ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny}},
	}, metav1.CreateOptions{}))(e.t)
	await(e.ctx, e.t, "the policy is in force", func() error {
		_, err := e.at(e.consumers[0], "v1").Patch(e.ctx, "g0", types.MergePatchType, []byte(`{"spec":{"colour":"red"}}`), metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil || !strings.Contains(err.Error(), "frozen") {
			return fmt.Errorf("a change is answered %v", err)
		}
		return nil
	})
}

// expectWhole compares what a consumer has in v2 with what it had in v1.
func (e *migrating) expectWhole(consumer logicalcluster.Path, before []*unstructured.Unstructured) {
	e.t.Helper()
	list := must(e.at(consumer, "v2").List(e.ctx, metav1.ListOptions{}))(e.t)
	if len(list.Items) != len(before) {
		e.t.Fatalf("%s has %d gizmos, not %d", consumer, len(list.Items), len(before))
	}
	for i, was := range before {
		is := &list.Items[i]
		size, _, _ := unstructured.NestedInt64(was.Object, "spec", "size")
		litres, _, _ := unstructured.NestedInt64(is.Object, "spec", "litres")
		created, still := was.GetCreationTimestamp(), is.GetCreationTimestamp()
		if is.GetName() != was.GetName() || is.GetUID() != was.GetUID() || litres != 10*size || is.GetGeneration() != was.GetGeneration() ||
			!still.Equal(&created) || len(is.GetManagedFields()) != len(was.GetManagedFields()) || is.GetResourceVersion() == was.GetResourceVersion() {
			e.t.Errorf("%s had\n%v\nand has\n%v", consumer, was.Object, is.Object)
		}
	}
}

// What cannot be converted is told, stays, and keeps its version; others go on.
func TestStorageMigrationKeepsWhatItCannotConvert(t *testing.T) {
	const group = "kept.migration.test"
	e := newMigrating(t, group, 2, "old", "v1")
	unlucky, other := e.consumers[0], e.consumers[1]
	for name, size := range map[string]int64{"one": 1, "thirteen": 13, "two": 2} {
		e.make(unlucky, name, size)
	}
	e.make(other, "one", 1)
	e.add("new", "v2", "v1")
	e.migrate(true)
	status := e.awaitMigrated("False ObjectsNotRewritten gizmos." + group + ": the objects of 1 of 2 bindings may not be stored in v2; " +
		"1 objects cannot be rewritten, for example default/thirteen in workspace " + unlucky.String() + ": ")
	if status.Migrated != 1 || status.Remaining != 1 || status.Failed != 1 || len(status.Examples) != 1 || !strings.Contains(status.Examples[0].Message, "division by zero") {
		t.Errorf("status %+v", status)
	}
	e.expectVersions(other, "v2")
	e.expectVersions(unlucky, "v1", "v2")
	if got := e.lying(unlucky); got["v1"] != 1 || got["v2"] != 2 {
		t.Errorf("lying are %v", got)
	}
	got := must(e.at(unlucky, "v1").Get(e.ctx, "thirteen", metav1.GetOptions{}))(t)
	if size, _, _ := unstructured.NestedInt64(got.Object, "spec", "size"); size != 13 {
		t.Errorf("what could not be converted is %v", got.Object)
	}
	must(e.at(unlucky, "v1").Patch(e.ctx, "thirteen", types.MergePatchType, []byte(`{"spec":{"size":12}}`), metav1.PatchOptions{}))(t)
	if status := e.awaitMigrated("True"); status.Failed != 0 || len(status.Examples) != 0 {
		t.Errorf("status %+v", status)
	}
	e.expectVersions(unlucky, "v2")
}

// A tenant writes to his objects and to his binding without end, and the provider
// changes his mind again and again: nothing gets lost, and no version is forgotten
// that something is stored in.
func TestStorageMigrationBesideWriters(t *testing.T) {
	const group, objects, flips = "beside.migration.test", 60, 6
	e := newMigrating(t, group, 1, "old", "v1", "v2")
	consumer := e.consumers[0]
	for i := range objects {
		e.make(consumer, fmt.Sprintf("g%02d", i), 1)
	}
	e.add("new", "v2", "v1")
	ctx, stop := context.WithCancel(e.ctx)
	sizes := make([]int64, objects)
	var writing sync.WaitGroup
	for writer := range 2 {
		writing.Go(func() { e.growUntil(ctx, consumer, sizes, writer, 2) })
	}
	writing.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			patch := fmt.Appendf(nil, `{"metadata":{"annotations":{"n":"%d"}}}`, n)
			_, _ = client.APIBindings(e.admin, consumer).Patch(ctx, "gizmos", types.MergePatchType, patch, metav1.PatchOptions{})
		}
	})
	watched := 0
	for flip := range flips {
		back := flip%2 == 1
		e.rollOut(func(r *publicationv1alpha1.SchemaRollout) {
			r.Spec.Resources[0].MigrateStorage, r.Spec.Resources[0].Schema = !back, map[bool]string{false: "new", true: "old"}[back]+".gizmos."+group
		})
		e.awaitHas(consumer, map[bool]string{false: "new", true: "old"}[back])
		for range 10 * (flip + 1) { // each time it comes a little further
			watched += e.forgetsNothing(consumer)
		}
	}
	e.rollOut(func(r *publicationv1alpha1.SchemaRollout) {
		r.Spec.Resources[0].MigrateStorage, r.Spec.Resources[0].Schema = true, "new.gizmos."+group
	})
	e.awaitMigrated("True")
	e.expectVersions(consumer, "v2")
	watched += e.forgetsNothing(consumer)
	stop()
	writing.Wait()
	if got := e.lying(consumer); watched == 0 || len(got) != 1 || got["v2"] != objects {
		t.Errorf("lying are %v (it was forgotten %d times)", got, watched)
	}
	for i, want := range sizes {
		got := must(e.at(consumer, "v1").Get(e.ctx, fmt.Sprintf("g%02d", i), metav1.GetOptions{}))(t)
		if size, _, _ := unstructured.NestedInt64(got.Object, "spec", "size"); size != want {
			t.Errorf("object %d has size %d, and %d was acknowledged", i, size, want)
		}
	}
}

// growUntil adds one to the size of every stride-th object, from first on, and goes on
// from the beginning, until ctx ends. It notes in sizes what was acknowledged.
func (e *migrating) growUntil(ctx context.Context, consumer logicalcluster.Path, sizes []int64, first, stride int) {
	objects := e.at(consumer, "v1")
	for i := first; ctx.Err() == nil; i = (i + stride) % len(sizes) {
		name := fmt.Sprintf("g%02d", i)
		got, err := objects.Get(e.ctx, name, metav1.GetOptions{})
		if err != nil {
			continue // of another schema, a moment ago
		}
		size, _, _ := unstructured.NestedInt64(got.Object, "spec", "size")
		if sizes[i] != 0 && size != sizes[i] {
			e.t.Errorf("%s has size %d, and %d was acknowledged", name, size, sizes[i])
		}
		if sizes[i] = size; size == 12 {
			size++ // 13 has no other version
		}
		_ = unstructured.SetNestedField(got.Object, size+1, "spec", "size")
		if _, err := objects.Update(e.ctx, got, metav1.UpdateOptions{}); err == nil {
			sizes[i] = size + 1
		}
	}
}

// forgetsNothing looks at what a binding says its objects are stored in, and at them.
// It returns 1 when an older version has been forgotten.
func (e *migrating) forgetsNothing(consumer logicalcluster.Path) int {
	e.t.Helper()
	before := e.binding(consumer).Status.BoundResources[0]
	lying := e.lying(consumer)
	after := e.binding(consumer).Status.BoundResources[0]
	if len(before.StorageVersions) != 1 || before.Schema != after.Schema || len(after.StorageVersions) != 1 {
		return 0
	}
	if len(lying) != 1 || lying[before.StorageVersions[0]] == 0 {
		e.t.Errorf("the binding says %v, and lying are %v", before.StorageVersions, lying)
	}
	return 1
}
