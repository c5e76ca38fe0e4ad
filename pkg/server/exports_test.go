package server

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// gizmos are what the providers of these tests offer; each in a group of its own.
func gizmos(group string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: group, Version: "v1", Resource: "gizmos"}
}

const gizmoSchema = `{"type":"object","properties":{
	"spec":{"type":"object","properties":{"size":{"type":"integer","minimum":1,"default":3}}},
	"status":{"type":"object","properties":{"state":{"type":"string"}}}}}`

func gizmoSchemaOf(prefix, group string) *apisv1alpha1.APIResourceSchema {
	return &apisv1alpha1.APIResourceSchema{
		ObjectMeta: metav1.ObjectMeta{Name: prefix + ".gizmos." + group},
		Spec: apisv1alpha1.APIResourceSchemaSpec{
			Group: group, Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "gizmos", Singular: "gizmo", Kind: "Gizmo", ListKind: "GizmoList"},
			Versions: []apisv1alpha1.APIResourceVersion{{
				Name: "v1", Served: true, Storage: true, Schema: runtime.RawExtension{Raw: []byte(gizmoSchema)},
				Subresources: apiextensionsv1.CustomResourceSubresources{Status: &apiextensionsv1.CustomResourceSubresourceStatus{}},
			}},
		},
	}
}

// publish stores schema and an export of it in the workspace at path, and returns
// the export once it has an identity.
func publish(ctx context.Context, t *testing.T, hub *client.Hub, path logicalcluster.Path, name string, offered *apisv1alpha1.APIResourceSchema) *apisv1alpha2.APIExport {
	t.Helper()
	if _, err := client.APIResourceSchemas(hub, path).Create(ctx, offered, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	export := &apisv1alpha2.APIExport{ObjectMeta: metav1.ObjectMeta{Name: name}}
	export.Spec.Resources = []apisv1alpha2.ResourceSchema{{Group: offered.Spec.Group, Name: offered.Spec.Names.Plural, Schema: offered.Name}}
	if _, err := client.APIExports(hub, path).Create(ctx, export, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	await(ctx, t, "the export has an identity", func() error {
		var err error
		if export, err = client.APIExports(hub, path).Get(ctx, name, metav1.GetOptions{}); err == nil && export.Status.IdentityHash == "" {
			return fmt.Errorf("conditions %+v", export.Status.Conditions)
		}
		return err
	})
	return export
}

// bind makes a binding of the workspace at path to an export.
func bind(ctx context.Context, t *testing.T, hub *client.Hub, path logicalcluster.Path, name string, provider logicalcluster.Path, export string) {
	t.Helper()
	binding := &apisv1alpha2.APIBinding{ObjectMeta: metav1.ObjectMeta{Name: name}}
	binding.Spec.Reference.Export = &apisv1alpha2.ExportBindingReference{Path: provider.String(), Name: export}
	if _, err := client.APIBindings(hub, path).Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// awaitCondition waits until a condition of a binding begins with want: status,
// reason and message.
func awaitCondition(ctx context.Context, t *testing.T, hub *client.Hub, path logicalcluster.Path, name string, kind conditionsv1alpha1.ConditionType, want string) *apisv1alpha2.APIBinding {
	t.Helper()
	var binding *apisv1alpha2.APIBinding
	await(ctx, t, fmt.Sprintf("%s of binding %s is %s", kind, name, want), func() error {
		var err error
		if binding, err = client.APIBindings(hub, path).Get(ctx, name, metav1.GetOptions{}); err != nil {
			return err
		}
		c := conditionsv1alpha1.Get(binding.Status.Conditions, kind)
		if c == nil {
			return fmt.Errorf("not there")
		}
		if got := strings.TrimSpace(string(c.Status) + " " + c.Reason + " " + c.Message); !strings.HasPrefix(got, want) {
			return fmt.Errorf("%s", got)
		}
		return nil
	})
	return binding
}

func awaitBound(ctx context.Context, t *testing.T, hub *client.Hub, path logicalcluster.Path, name string) *apisv1alpha2.APIBinding {
	t.Helper()
	return awaitCondition(ctx, t, hub, path, name, conditionsv1alpha1.ReadyCondition, "True")
}

func newGizmo(group, name string, size int64) *unstructured.Unstructured {
	spec := map[string]any{}
	if size != 0 {
		spec["size"] = size
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": group + "/v1", "kind": "Gizmo", "metadata": map[string]any{"name": name}, "spec": spec,
	}}
}

func gizmosAt(hub *client.Hub, path logicalcluster.Path, group string) dynamic.ResourceInterface {
	return hub.Dynamic(path).Resource(gizmos(group)).Namespace("default")
}

// createGizmo waits until gizmos are served and makes one.
func createGizmo(ctx context.Context, t *testing.T, hub *client.Hub, path logicalcluster.Path, group, name string) *unstructured.Unstructured {
	t.Helper()
	var made *unstructured.Unstructured
	await(ctx, t, "a gizmo is made in "+path.String(), func() error {
		var err error
		made, err = gizmosAt(hub, path, group).Create(ctx, newGizmo(group, name, 0), metav1.CreateOptions{})
		return err
	})
	return made
}

func exportsContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// A workspace offers an API by a schema, another one binds it, and has it.
func TestBoundAPIsAreServed(t *testing.T) {
	const group = "served.exports.test"
	ctx, admin := exportsContext(t), as(t, "base")
	provider, providerWorkspace := newWorkspace(t)
	consumer, _ := newWorkspace(t)
	bystander, _ := newWorkspace(t)
	export := publish(ctx, t, admin, provider, "gizmos", gizmoSchemaOf("v1", group))
	bind(ctx, t, admin, consumer, "gizmos", provider, "gizmos")
	binding := awaitBound(ctx, t, admin, consumer, "gizmos")
	if len(binding.Status.BoundResources) != 1 || binding.Status.BoundResources[0].Schema.IdentityHash != export.Status.IdentityHash ||
		binding.Status.APIExportClusterName != providerWorkspace.Spec.Cluster {
		t.Errorf("status %+v", binding.Status)
	}
	made := createGizmo(ctx, t, admin, consumer, group, "one")
	if size, _, _ := unstructured.NestedInt64(made.Object, "spec", "size"); size != 3 {
		t.Errorf("size %d, want the default of the schema", size)
	}
	if _, err := gizmosAt(admin, consumer, group).Create(ctx, newGizmo(group, "bad", -1), metav1.CreateOptions{}); !apierrors.IsInvalid(err) {
		t.Errorf("a size of -1: %v, want invalid", err)
	}
	for name, path := range map[string]logicalcluster.Path{"the provider": provider, "a bystander": bystander} {
		if _, err := gizmosAt(admin, path, group).List(ctx, metav1.ListOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("%s is served gizmos: %v", name, err)
		}
	}
	if err := gizmosAt(admin, consumer, group).Delete(ctx, "one", metav1.DeleteOptions{}); err != nil {
		t.Error(err)
	}
}

// Only the hub says what is bound, and only it reads and writes the copies.
func TestTenantsCannotForgeWhatIsBound(t *testing.T) {
	const group = "forged.exports.test"
	ctx, admin, alice := exportsContext(t), as(t, "base"), withToken(t, "alice-token")
	provider, _ := newWorkspace(t)
	attacker, _ := newWorkspace(t)
	export := publish(ctx, t, admin, provider, "gizmos", gizmoSchemaOf("v1", group))
	bind(ctx, t, alice, attacker, "mine", attacker, "nothing")
	forged := &apisv1alpha2.APIBinding{ObjectMeta: metav1.ObjectMeta{Name: "made"}}
	forged.Spec.Reference.Export = &apisv1alpha2.ExportBindingReference{Name: "nothing"}
	forged.Status = apisv1alpha2.APIBindingStatus{
		Phase: apisv1alpha2.APIBindingPhaseBound, APIExportClusterName: provider.String(),
		BoundResources: []apisv1alpha2.BoundAPIResource{{Group: group, Resource: "gizmos", Schema: apisv1alpha2.BoundAPIResourceSchema{
			Name: "v1.gizmos." + group, UID: "x", IdentityHash: export.Status.IdentityHash,
		}}},
	}
	made, err := client.APIBindings(alice, attacker).Create(ctx, forged, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(made.Status.BoundResources) != 0 {
		t.Error("a status came with the creation")
	}
	made.Status = forged.Status
	if _, err := client.APIBindings(alice, attacker).UpdateStatus(ctx, made, metav1.UpdateOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("writing the status of a binding: %v, want forbidden", err)
	}
	for name, hub := range map[string]*client.Hub{"alice": alice, "kcp-admin": admin} {
		if _, err := client.APIResourceSchemas(hub, logicalcluster.SystemBoundCRDs.Path()).List(ctx, metav1.ListOptions{}); !apierrors.IsForbidden(err) {
			t.Errorf("%s reads the copies: %v, want forbidden", name, err)
		}
		if _, err := client.APIResourceSchemas(hub, logicalcluster.SystemBoundCRDs.Path()).Create(ctx, gizmoSchemaOf("x", group), metav1.CreateOptions{}); !apierrors.IsForbidden(err) {
			t.Errorf("%s writes copies: %v, want forbidden", name, err)
		}
	}
}
