package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/atriumhub/atrium/pkg/failpoint"
	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// migratingDeath is a step of rewriting objects at which the hub is to die. Each has
// an export of its own, and a workspace below that has bound it, with objects.
type migratingDeath struct {
	moment
	name string
}

// migratingObjects is how many objects each has. The hub dies of the one in the middle.
const migratingObjects = 7

func (d migratingDeath) group() string                 { return d.name + ".example.io" }
func (d migratingDeath) provider() logicalcluster.Path { return root.Join(d.name) }
func (d migratingDeath) consumer() logicalcluster.Name { return logicalcluster.Name(d.name + "c") }
func (d migratingDeath) object(i int) string           { return fmt.Sprintf("%s-%d", d.name, i) }

// subject is for what the point is armed.
func (d migratingDeath) subject() string {
	if d.step == failpoint.RewriteObject {
		return d.object(migratingObjects / 2)
	}
	return d.consumer().String()
}

// TestHubDiesWhileMigrating kills the hub before and after each step. Once it runs
// again it has to go on by itself, until nothing needs the old version.
func TestHubDiesWhileMigrating(t *testing.T) {
	t.Parallel()
	m := newMortal(t, fmt.Sprintf("migrating-%d", mortalRuns.Add(1)))
	var all []migratingDeath
	for i, when := range momentsOf(failpoint.MigrationSteps) {
		d := migratingDeath{when, fmt.Sprintf("z%02d", i)}
		if err := m.prepareMigrating(limit(t), d); err != nil {
			t.Fatalf("%s: %v", d, err)
		}
		all = append(all, d)
	}
	dieOf(t, m, all, m.dieWhileMigrating, m.checkMigrating)
}

// plate is a schema with some versions, of which the first is stored.
func (d migratingDeath) plate(prefix string, versions ...string) *apisv1alpha1.APIResourceSchema {
	made := &apisv1alpha1.APIResourceSchema{ObjectMeta: metav1.ObjectMeta{Name: prefix + ".plates." + d.group()}, Spec: apisv1alpha1.APIResourceSchemaSpec{
		Group: d.group(), Scope: apiextensionsv1.ClusterScoped,
		Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "plates", Singular: "plate", Kind: "Plate", ListKind: "PlateList"},
	}}
	if len(versions) > 1 {
		made.Spec.Conversion = &apisv1alpha1.CustomResourceConversion{Strategy: apisv1alpha1.ConversionStrategyNone}
	}
	for i, version := range versions {
		made.Spec.Versions = append(made.Spec.Versions, apisv1alpha1.APIResourceVersion{Name: version, Served: true, Storage: i == 0, Schema: runtime.RawExtension{
			Raw: []byte(`{"type":"object","properties":{"spec":{"type":"object","properties":{"size":{"type":"integer"}}}}}`),
		}})
	}
	return made
}

func (m *mortal) plates(d migratingDeath, version string) dynamic.ResourceInterface {
	return m.shard.Dynamic(d.consumer().Path()).Resource(schema.GroupVersionResource{Group: d.group(), Version: version, Resource: "plates"})
}

func (m *mortal) prepareMigrating(ctx context.Context, d migratingDeath) error {
	if err := m.make(ctx, root, d.name); err != nil {
		return err
	}
	if err := m.make(ctx, d.provider(), d.consumer().String()); err != nil {
		return err
	}
	for _, s := range []*apisv1alpha1.APIResourceSchema{d.plate("old", "v1", "v2"), d.plate("new", "v2", "v1"), d.plate("last", "v2")} {
		if _, err := client.APIResourceSchemas(m.shard, d.provider()).Create(ctx, s, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	export := &apisv1alpha2.APIExport{ObjectMeta: metav1.ObjectMeta{
		Name: "plates", Annotations: map[string]string{publicationv1alpha1.AcceptIncompatibleAnnotationKey: "last.plates." + d.group()},
	}}
	export.Spec.Resources = []apisv1alpha2.ResourceSchema{{Group: d.group(), Name: "plates", Schema: "old.plates." + d.group()}}
	if _, err := client.APIExports(m.shard, d.provider()).Create(ctx, export, metav1.CreateOptions{}); err != nil {
		return err
	}
	binding := &apisv1alpha2.APIBinding{ObjectMeta: metav1.ObjectMeta{Name: "plates"}}
	binding.Spec.Reference.Export = &apisv1alpha2.ExportBindingReference{Path: d.provider().String(), Name: "plates"}
	if _, err := client.APIBindings(m.shard, d.consumer().Path()).Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		return err
	}
	for i := range migratingObjects {
		plate := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": d.group() + "/v1", "kind": "Plate", "metadata": map[string]any{"name": d.object(i)}, "spec": map[string]any{"size": int64(i)},
		}}
		err := again(ctx, func() error {
			_, err := m.plates(d, "v1").Create(ctx, plate, metav1.CreateOptions{})
			return err
		})
		if err != nil {
			return err
		}
	}
	if err := m.offerPlates(ctx, d, "new"); err != nil {
		return err
	}
	return again(ctx, func() error { return m.plated(ctx, d, "new", "v1", "v2") })
}

func (m *mortal) offerPlates(ctx context.Context, d migratingDeath, prefix string) error {
	patch := fmt.Appendf(nil, `[{"op":"replace","path":"/spec/resources/0/schema","value":"%s.plates.%s"}]`, prefix, d.group())
	_, err := client.APIExports(m.shard, d.provider()).Patch(ctx, "plates", types.JSONPatchType, patch, metav1.PatchOptions{})
	return err
}

// plated returns an error unless the binding has a schema, and says in which versions
// objects may be stored.
func (m *mortal) plated(ctx context.Context, d migratingDeath, prefix string, versions ...string) error {
	binding, err := client.APIBindings(m.shard, d.consumer().Path()).Get(ctx, "plates", metav1.GetOptions{})
	if err != nil {
		return err
	}
	if b := binding.Status.BoundResources; len(b) != 1 || b[0].Schema.Name != prefix+".plates."+d.group() || !slices.Equal(b[0].StorageVersions, versions) {
		return fmt.Errorf("bound are %+v, want schema %s and versions %v", b, prefix, versions)
	}
	return nil
}

// dieWhileMigrating asks for what the hub is to die of.
func (m *mortal) dieWhileMigrating(ctx context.Context, d migratingDeath) error {
	rollout := &publicationv1alpha1.SchemaRollout{ObjectMeta: metav1.ObjectMeta{Name: "plates"}, Spec: publicationv1alpha1.SchemaRolloutSpec{
		Export:    publicationv1alpha1.LocalExportReference{Name: "plates"},
		Resources: []publicationv1alpha1.ResourceRollout{{Group: d.group(), Resource: "plates", Schema: "new.plates." + d.group(), MigrateStorage: true}},
	}}
	_, err := client.SchemaRollouts(m.shard, d.provider()).Create(ctx, rollout, metav1.CreateOptions{})
	return err
}

func (m *mortal) checkMigrating(t *testing.T, d migratingDeath) {
	t.Helper()
	ctx := limit(t)
	err := again(ctx, func() error {
		rollout, err := client.SchemaRollouts(m.shard, d.provider()).Get(ctx, "plates", metav1.GetOptions{})
		if err == nil && !conditionsv1alpha1.IsTrue(rollout.Status.Conditions, publicationv1alpha1.SchemaRolloutStorageMigrated) {
			return fmt.Errorf("the rollout says %+v", rollout.Status)
		}
		return errors.Join(err, m.plated(ctx, d, "new", "v2"))
	})
	if err == nil {
		err = client.SchemaRollouts(m.shard, d.provider()).Delete(ctx, "plates", metav1.DeleteOptions{})
	}
	if err == nil {
		err = m.offerPlates(ctx, d, "last")
	}
	if err == nil {
		err = again(ctx, func() error { return m.plated(ctx, d, "last", "v2") })
	}
	if err != nil {
		t.Errorf("%s: %v", d, err)
		return
	}
	list := must(m.plates(d, "v2").List(ctx, metav1.ListOptions{}))(t)
	for i := range list.Items {
		if size, _, _ := unstructured.NestedInt64(list.Items[i].Object, "spec", "size"); size != int64(i) || list.Items[i].GetName() != d.object(i) {
			t.Errorf("%s: object %d is %v", d, i, list.Items[i].Object)
		}
	}
	if len(list.Items) != migratingObjects {
		t.Errorf("%s: %d objects are left of %d", d, len(list.Items), migratingObjects)
	}
}
