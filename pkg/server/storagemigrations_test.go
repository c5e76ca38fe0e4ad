package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	svmv1 "k8s.io/api/storagemigration/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	storagemigrationclient "k8s.io/client-go/kubernetes/typed/storagemigration/v1"
)

func (a *tenant) migrations(t *testing.T) storagemigrationclient.StorageVersionMigrationInterface {
	t.Helper()
	return kubernetes.NewForConfigOrDie(tenantConfig(t, a.path)).StoragemigrationV1().StorageVersionMigrations()
}

// migrate makes a StorageVersionMigration of a resource.
func (a *tenant) migrate(t *testing.T, name, group, resource string) {
	t.Helper()
	m := &svmv1.StorageVersionMigration{ObjectMeta: metav1.ObjectMeta{Name: name}}
	m.Spec.Resource = metav1.GroupResource{Group: group, Resource: resource}
	if _, err := a.migrations(t).Create(t.Context(), m, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// awaitOver waits until a migration has succeeded or failed.
func (a *tenant) awaitOver(ctx context.Context, t *testing.T, name string) *svmv1.StorageVersionMigration {
	t.Helper()
	var got *svmv1.StorageVersionMigration
	await(ctx, t, "migration "+name+" is over", func() (err error) {
		if got, err = a.migrations(t).Get(ctx, name, metav1.GetOptions{}); err != nil {
			return err
		}
		if !meta.IsStatusConditionTrue(got.Status.Conditions, string(svmv1.MigrationSucceeded)) && !meta.IsStatusConditionTrue(got.Status.Conditions, string(svmv1.MigrationFailed)) {
			return fmt.Errorf("status %+v", got.Status)
		}
		return nil
	})
	return got
}

// told returns a condition as "status reason message".
func told(m *svmv1.StorageVersionMigration, kind svmv1.MigrationConditionType) string {
	c := meta.FindStatusCondition(m.Status.Conditions, string(kind))
	if c == nil {
		return ""
	}
	return fmt.Sprint(c.Status, " ", c.Reason, " ", c.Message)
}

// lying counts gears by the version that they lie in.
func (a *tenant) lying(t *testing.T) map[string]int {
	t.Helper()
	stored, err := shared.hub.stores.customResources.Stored(t.Context(), a.name, schema.GroupResource{Group: "example.io", Resource: "gears"}, "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for _, o := range stored {
		out[strings.TrimPrefix(o.APIVersion, "example.io/")]++
	}
	return out
}

// storeIn changes the version that gears are stored in, and waits until they are.
func (a *tenant) storeIn(t *testing.T, version string) {
	t.Helper()
	if err := a.change(t, "gears.example.io", func(crd *apiextensionsv1.CustomResourceDefinition) {
		for i := range crd.Spec.Versions {
			crd.Spec.Versions[i].Storage = crd.Spec.Versions[i].Name == version
		}
	}); err != nil {
		t.Fatal(err)
	}
}

func sameInBoth(conversion *apiextensionsv1.CustomResourceConversion) *apiextensionsv1.CustomResourceDefinition {
	crd := gears(conversion)
	crd.Spec.Versions[1].Schema = crd.Spec.Versions[0].Schema
	return crd
}

// TestStorageVersionMigration: as in Kubernetes 1.37, from asking for it to the old
// version being gone.
func TestStorageVersionMigration(t *testing.T) {
	const objects = 45 // more than two pages
	ctx := minute(t)
	alice := newTenant(t)
	alice.install(t, sameInBoth(nil))
	for i := range objects {
		if _, err := alice.of("v1", "gears").Create(ctx, made("v1", "Gear", fmt.Sprintf("g%02d", i), map[string]any{"size": int64(i)}), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	alice.storeIn(t, "v2")
	alice.refuseUpdates(t)
	if got := alice.lying(t); got["v1"] != objects {
		t.Fatalf("lying are %v", got)
	}
	alice.migrate(t, "gears", "example.io", "gears")
	got := alice.awaitOver(ctx, t, "gears")
	if told(got, svmv1.MigrationSucceeded) != "True StorageVersionMigrationSucceeded Migration completed" ||
		told(got, svmv1.MigrationRunning) != "False MigrationCompleted Migration completed" || got.Status.ResourceVersion == "" {
		t.Errorf("status %+v", got.Status)
	}
	if got := alice.lying(t); got["v2"] != objects || len(got) != 1 {
		t.Errorf("lying are %v", got)
	}
	crd := must(alice.crds.ApiextensionsV1().CustomResourceDefinitions().Get(ctx, "gears.example.io", metav1.GetOptions{}))(t)
	mark := conditionOf(crd, apiextensionsv1.StorageMigrating)
	if !slices.Equal(crd.Status.StoredVersions, []string{"v2"}) || mark.Status != apiextensionsv1.ConditionFalse || mark.Reason != "MigrationSucceeded" ||
		mark.ObservedGeneration != crd.Generation || conditionOf(crd, apiextensionsv1.Established).Status != apiextensionsv1.ConditionTrue {
		t.Errorf("the definition says %+v", crd.Status)
	}
	if err := alice.change(t, "gears.example.io", func(crd *apiextensionsv1.CustomResourceDefinition) { crd.Spec.Versions = crd.Spec.Versions[1:] }); err != nil {
		t.Errorf("the old version does not go: %v", err)
	}
	one := must(alice.of("v2", "gears").Get(ctx, "g44", metav1.GetOptions{}))(t)
	if size, _, _ := unstructured.NestedInt64(one.Object, "spec", "size"); size != 44 {
		t.Errorf("%v", one.Object)
	}
	_, err := alice.migrations(t).Patch(ctx, "gears", types.MergePatchType, []byte(`{"spec":{"resource":{"resource":"others"}}}`), metav1.PatchOptions{})
	if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "immutable") {
		t.Errorf("another resource: %v", err)
	}
	// What the hub stores in one version has none to be migrated from.
	alice.migrate(t, "configmaps", "", "configmaps")
	alice.migrate(t, "bindings", "apis.kcp.io", "apibindings")
	for _, name := range []string{"configmaps", "bindings"} {
		if got := alice.awaitOver(ctx, t, name); told(got, svmv1.MigrationSucceeded) == "" {
			t.Errorf("%s: %+v", name, got.Status)
		}
	}
}

// refuseUpdates refuses everybody's updates of gears.
func (a *tenant) refuseUpdates(t *testing.T) {
	t.Helper()
	policies := kubernetes.NewForConfigOrDie(tenantConfig(t, a.path)).AdmissionregistrationV1()
	policy := &admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: "fixed"}}
	policy.Spec.MatchConstraints = &admissionregistrationv1.MatchResources{ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{
		RuleWithOperations: admissionregistrationv1.RuleWithOperations{
			Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Update},
			Rule:       admissionregistrationv1.Rule{APIGroups: []string{"example.io"}, APIVersions: []string{"*"}, Resources: []string{"gears"}},
		},
	}}}
	policy.Spec.Validations = []admissionregistrationv1.Validation{{Expression: "false", Message: "fixed"}}
	binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: "fixed"}}
	binding.Spec.PolicyName, binding.Spec.ValidationActions = "fixed", []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny}
	_, err := policies.ValidatingAdmissionPolicies().Create(t.Context(), policy, metav1.CreateOptions{})
	_, other := policies.ValidatingAdmissionPolicyBindings().Create(t.Context(), binding, metav1.CreateOptions{})
	if err := errors.Join(err, other); err != nil {
		t.Fatal(err)
	}
	await(minute(t), t, "updates are refused", func() error {
		_, err := a.of("v1", "gears").Patch(t.Context(), "g00", types.MergePatchType, []byte(`{"spec":{"size":9}}`), metav1.PatchOptions{DryRun: []string{"All"}})
		if err == nil {
			return errors.New("an update was let in")
		}
		return nil
	})
}

// TestStorageVersionMigrationsOfSomebodyHostile: a thousand migrations that wait for
// a webhook that hangs are one place in the queue, and keep their version.
func TestStorageVersionMigrationsOfSomebodyHostile(t *testing.T) {
	const many = 1000
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	webhook := convertBy(t, nil)
	mallory, bystander := newTenant(t), newTenant(t)
	mallory.install(t, sameInBoth(byWebhook(webhook.URL, webhook.bundle)))
	bystander.install(t, sameInBoth(nil))
	for _, a := range []*tenant{mallory, bystander} {
		if _, err := a.of("v1", "gears").Create(ctx, made("v1", "Gear", "one", map[string]any{"size": int64(3)}), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		a.storeIn(t, "v2")
	}
	mallory.migrate(t, "first", "example.io", "gears")
	var making sync.WaitGroup
	for maker := range 8 {
		making.Go(func() {
			for i := maker; i < many; i += 8 {
				mallory.migrate(t, fmt.Sprintf("m%03d", i), "example.io", "gears")
			}
		})
	}
	making.Wait()
	await(ctx, t, "the webhook is called", func() error {
		if webhook.calls.Load() == 0 {
			return errors.New("it is not")
		}
		return nil
	})
	began := time.Now()
	bystander.migrate(t, "mine", "example.io", "gears")
	if got := bystander.awaitOver(ctx, t, "mine"); told(got, svmv1.MigrationSucceeded) == "" || time.Since(began) > 8*time.Second {
		t.Errorf("somebody else waited %s for %+v", time.Since(began), got.Status)
	}
	got := mallory.awaitOver(ctx, t, "first")
	if failed := told(got, svmv1.MigrationFailed); !strings.HasPrefix(failed, "True StorageVersionMigrationFailed default/one: ") || !strings.Contains(failed, "did not answer within") {
		t.Errorf("the first of them: %+v", got.Status)
	}
	crd := must(mallory.crds.ApiextensionsV1().CustomResourceDefinitions().Get(ctx, "gears.example.io", metav1.GetOptions{}))(t)
	if got := mallory.lying(t); !slices.Equal(crd.Status.StoredVersions, []string{"v1", "v2"}) || got["v1"] != 1 {
		t.Errorf("the definition says %+v, and lying are %v", crd.Status, got)
	}
}

// TestStorageVersionMigrationBesideWriters: whatever a workspace does meanwhile, a
// version is not forgotten in which something lies, and nothing written is lost.
func TestStorageVersionMigrationBesideWriters(t *testing.T) {
	const objects, flips = 40, 8
	ctx := minute(t)
	alice := newTenant(t)
	alice.install(t, sameInBoth(nil))
	definitions := alice.crds.ApiextensionsV1().CustomResourceDefinitions()
	for i := range objects {
		if _, err := alice.of("v1", "gears").Create(ctx, made("v1", "Gear", fmt.Sprintf("g%02d", i), map[string]any{"size": int64(0)}), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	writing, stop := context.WithCancel(ctx)
	var writers sync.WaitGroup
	sizes := make([]int64, objects)
	for first := range 2 {
		writers.Go(func() {
			for i, n := first, int64(1); writing.Err() == nil; i, n = (i+2)%objects, n+1 {
				patch := fmt.Appendf(nil, `{"spec":{"size":%d}}`, n)
				if _, err := alice.of("v1", "gears").Patch(ctx, fmt.Sprintf("g%02d", i), types.MergePatchType, patch, metav1.PatchOptions{}); err == nil {
					sizes[i] = n
				}
			}
		})
	}
	forgotten := 0
	look := func() {
		before := must(definitions.Get(ctx, "gears.example.io", metav1.GetOptions{}))(t)
		lying := alice.lying(t)
		after := must(definitions.Get(ctx, "gears.example.io", metav1.GetOptions{}))(t)
		if before.Generation != after.Generation || len(before.Status.StoredVersions) != 1 || len(after.Status.StoredVersions) != 1 {
			return
		}
		forgotten++
		if len(lying) != 1 || lying[before.Status.StoredVersions[0]] != objects {
			t.Errorf("the definition says %v, and lying are %v", before.Status.StoredVersions, lying)
		}
	}
	for flip := range flips {
		alice.storeIn(t, []string{"v2", "v1"}[flip%2])
		alice.migrate(t, fmt.Sprintf("m%d", flip), "example.io", "gears")
		for range 10 * (flip + 1) { // each time it comes a little further
			look()
		}
	}
	alice.storeIn(t, "v2")
	alice.migrate(t, "last", "example.io", "gears")
	if got := alice.awaitOver(ctx, t, "last"); told(got, svmv1.MigrationSucceeded) == "" {
		t.Errorf("the last: %+v", got.Status)
	}
	look()
	stop()
	writers.Wait()
	if got := alice.lying(t); forgotten == 0 || got["v2"] != objects || len(got) != 1 {
		t.Errorf("lying are %v, it was forgotten %d times", got, forgotten)
	}
	for i, want := range sizes {
		got := must(alice.of("v2", "gears").Get(ctx, fmt.Sprintf("g%02d", i), metav1.GetOptions{}))(t)
		if size, _, _ := unstructured.NestedInt64(got.Object, "spec", "size"); size != want {
			t.Errorf("object %d has size %d, and %d was acknowledged", i, size, want)
		}
	}
}

// TestStorageVersionMigrationBeginsAnew: what was written in the old version behind the
// back of a pass, while the definition stored that for a moment, is found.
func TestStorageVersionMigrationBeginsAnew(t *testing.T) {
	const objects = 160 // so many that the pass takes some seconds
	ctx := minute(t)
	alice := newTenant(t)
	alice.install(t, sameInBoth(nil))
	for i := range objects {
		if _, err := alice.of("v1", "gears").Create(ctx, made("v1", "Gear", fmt.Sprintf("g%03d", i), map[string]any{"size": int64(0)}), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	alice.storeIn(t, "v2")
	alice.migrate(t, "gears", "example.io", "gears")
	await(ctx, t, "some objects are rewritten", func() error {
		if got := alice.lying(t); got["v2"] == 0 {
			return fmt.Errorf("lying are %v", got)
		}
		return nil
	})
	alice.storeIn(t, "v1")
	n := 0
	await(ctx, t, "the first object is written in the old version", func() error {
		n++
		if _, err := alice.of("v1", "gears").Patch(ctx, "g000", types.MergePatchType, fmt.Appendf(nil, `{"spec":{"size":%d}}`, n), metav1.PatchOptions{}); err != nil {
			return err
		}
		stored, err := shared.hub.stores.customResources.Stored(ctx, alice.name, schema.GroupResource{Group: "example.io", Resource: "gears"}, "", 1)
		if err != nil || stored[0].APIVersion != "example.io/v1" {
			return fmt.Errorf("%v, %v", stored, err)
		}
		return nil
	})
	alice.storeIn(t, "v2")
	if got := alice.lying(t); got["v1"] < 2 || got["v2"] == 0 {
		t.Fatalf("nothing is tested: lying are %v", got)
	}
	if got := alice.awaitOver(ctx, t, "gears"); told(got, svmv1.MigrationSucceeded) == "" {
		t.Errorf("%+v", got.Status)
	}
	crd := must(alice.crds.ApiextensionsV1().CustomResourceDefinitions().Get(ctx, "gears.example.io", metav1.GetOptions{}))(t)
	if got := alice.lying(t); got["v2"] != objects || len(got) != 1 || !slices.Equal(crd.Status.StoredVersions, []string{"v2"}) {
		t.Errorf("lying are %v, and the definition says %v", got, crd.Status.StoredVersions)
	}
}
