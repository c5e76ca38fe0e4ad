package server

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apiextensions-apiserver/pkg/apihelpers"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsclient "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset/typed/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"

	"github.com/atriumhub/atrium/pkg/claims"
	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
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

// awaitUnbound waits until a binding is gone.
func awaitUnbound(ctx context.Context, t *testing.T, hub *client.Hub, path logicalcluster.Path, name string) {
	t.Helper()
	await(ctx, t, "binding "+name+" is gone", func() error {
		if _, err := client.APIBindings(hub, path).Get(ctx, name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			return fmt.Errorf("still there: %v", err)
		}
		return nil
	})
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
	// The hub writes it meanwhile, and conflicts come before what is not allowed.
	await(ctx, t, "writing the status of a binding is forbidden", func() error {
		latest, err := client.APIBindings(alice, attacker).Get(ctx, made.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		latest.Status = forged.Status
		if _, err := client.APIBindings(alice, attacker).UpdateStatus(ctx, latest, metav1.UpdateOptions{}); !apierrors.IsForbidden(err) {
			return fmt.Errorf("got %v", err)
		}
		return nil
	})
	for name, hub := range map[string]*client.Hub{"alice": alice, "kcp-admin": admin} {
		if _, err := client.APIResourceSchemas(hub, logicalcluster.SystemBoundCRDs.Path()).List(ctx, metav1.ListOptions{}); !apierrors.IsForbidden(err) {
			t.Errorf("%s reads the copies: %v, want forbidden", name, err)
		}
		if _, err := client.APIResourceSchemas(hub, logicalcluster.SystemBoundCRDs.Path()).Create(ctx, gizmoSchemaOf("x", group), metav1.CreateOptions{}); !apierrors.IsForbidden(err) {
			t.Errorf("%s writes copies: %v, want forbidden", name, err)
		}
	}
}

// storedOf returns how many objects of the gizmos of group workspace has in the
// store, whoever they are from.
func storedOf(ctx context.Context, t *testing.T, workspace, group string) int64 {
	t.Helper()
	counts, err := shared.hub.stores.natives.Counts(ctx, logicalcluster.Name(workspace))
	if err != nil {
		t.Fatal(err)
	}
	return counts[gizmos(group).GroupResource()]
}

// Two exports offer the same resource. Each workspace has the one that it bound,
// and objects of the one never turn up under the other.
func TestSameResourceFromTwoExports(t *testing.T) {
	const group = "twice.exports.test"
	ctx, admin := exportsContext(t), as(t, "base")
	var consumers []logicalcluster.Path
	var identities []string
	for _, name := range []string{"one", "two"} {
		provider, _ := newWorkspace(t)
		identities = append(identities, publish(ctx, t, admin, provider, name, gizmoSchemaOf(name, group)).Status.IdentityHash)
		consumer, _ := newWorkspace(t)
		bind(ctx, t, admin, consumer, "gizmos", provider, name)
		awaitBound(ctx, t, admin, consumer, "gizmos")
		createGizmo(ctx, t, admin, consumer, group, "of-"+name)
		consumers = append(consumers, consumer)
	}
	if identities[0] == identities[1] {
		t.Fatal("two exports have one identity")
	}
	for i, name := range []string{"of-one", "of-two"} {
		list, err := gizmosAt(admin, consumers[i], group).List(ctx, metav1.ListOptions{})
		if err != nil || len(list.Items) != 1 || list.Items[0].GetName() != name {
			t.Errorf("%s has %v, error %v", consumers[i], list, err)
		}
	}
	// A workspace that changes over begins anew.
	if err := client.APIBindings(admin, consumers[0]).Delete(ctx, "gizmos", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	second, err := client.APIBindings(admin, consumers[1]).Get(ctx, "gizmos", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	reference := second.Spec.Reference.Export
	bind(ctx, t, admin, consumers[0], "again", logicalcluster.Path(reference.Path), reference.Name)
	awaitBound(ctx, t, admin, consumers[0], "again")
	await(ctx, t, "gizmos of the second export", func() error {
		list, err := gizmosAt(admin, consumers[0], group).List(ctx, metav1.ListOptions{})
		if err == nil && len(list.Items) > 0 {
			t.Fatalf("gizmos of the first export are among those of the second: %v", list.Items)
		}
		return err
	})
}

// Unbinding waits for those who hold an object, refuses new ones meanwhile, and
// leaves nothing behind.
func TestUnbindRemovesContent(t *testing.T) {
	const group = "unbind.exports.test"
	ctx, admin := exportsContext(t), as(t, "base")
	provider, _ := newWorkspace(t)
	consumer, workspace := newWorkspace(t)
	publish(ctx, t, admin, provider, "gizmos", gizmoSchemaOf("v1", group))
	bind(ctx, t, admin, consumer, "gizmos", provider, "gizmos")
	awaitBound(ctx, t, admin, consumer, "gizmos")
	createGizmo(ctx, t, admin, consumer, group, "free")
	held := newGizmo(group, "held", 0)
	held.SetFinalizers([]string{"exports.test/held"})
	if _, err := gizmosAt(admin, consumer, group).Create(ctx, held, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := client.APIBindings(admin, consumer).Delete(ctx, "gizmos", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitCondition(ctx, t, admin, consumer, "gizmos", apisv1alpha2.BindingResourceDeleteSuccess, "False ResourceDeletionFailed waiting until these are gone: 1 gizmos")
	if _, err := gizmosAt(admin, consumer, group).Create(ctx, newGizmo(group, "late", 0), metav1.CreateOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("making a gizmo of what is being unbound: %v, want forbidden", err)
	}
	if _, err := gizmosAt(admin, consumer, group).Patch(ctx, "held", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitUnbound(ctx, t, admin, consumer, "gizmos")
	if left := storedOf(ctx, t, workspace.Spec.Cluster, group); left != 0 {
		t.Errorf("%d gizmos are left in the store", left)
	}
}

// A workspace that is deleted leaves nothing under the identities of what it had
// bound.
func TestDeletedWorkspacesLeaveNoBoundObjects(t *testing.T) {
	const group = "deleted.exports.test"
	ctx, admin := exportsContext(t), as(t, "base")
	provider, _ := newWorkspace(t)
	consumer, workspace := newWorkspace(t)
	export := publish(ctx, t, admin, provider, "gizmos", gizmoSchemaOf("v1", group))
	bind(ctx, t, admin, consumer, "gizmos", provider, "gizmos")
	awaitBound(ctx, t, admin, consumer, "gizmos")
	for i := range 20 {
		createGizmo(ctx, t, admin, consumer, group, fmt.Sprintf("g%d", i))
	}
	if stored := storedOf(ctx, t, workspace.Spec.Cluster, group); stored != 20 {
		t.Errorf("%d gizmos are stored, want 20", stored)
	}
	if err := client.Workspaces(admin, "root").Delete(ctx, workspace.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, workspace.Name)
	// As a hub that has just started would look for them.
	place := boundPlace{gizmos(group).GroupResource(), export.Status.IdentityHash}
	if err := shared.hub.stores.bound(place.identity).Define(place.resource); err != nil {
		t.Fatal(err)
	}
	if left := storedOf(ctx, t, workspace.Spec.Cluster, group); left != 0 {
		t.Errorf("%d gizmos are left in the store", left)
	}
}

// Names are given out once, between bindings and definitions, and whoever does not
// get one is told who has it.
func TestNamesOfDefinitionsAndBindings(t *testing.T) {
	const group = "names.exports.test"
	ctx, admin := exportsContext(t), as(t, "base")
	provider, _ := newWorkspace(t)
	publish(ctx, t, admin, provider, "gizmos", gizmoSchemaOf("v1", group))
	bound, _ := newWorkspace(t)
	bind(ctx, t, admin, bound, "gizmos", provider, "gizmos")
	awaitBound(ctx, t, admin, bound, "gizmos")
	createDefinition(ctx, t, admin, bound, group)
	awaitDefinition(ctx, t, admin, bound, group, apiextensionsv1.NamesAccepted,
		fmt.Sprintf(`False PluralConflict plural "gizmos" in group %q belongs to the API "gizmos.%s" bound from "%s:gizmos"`, group, group, provider))

	defined, _ := newWorkspace(t)
	createDefinition(ctx, t, admin, defined, group)
	awaitDefinition(ctx, t, admin, defined, group, apiextensionsv1.Established, "True")
	bind(ctx, t, admin, defined, "gizmos", provider, "gizmos")
	awaitCondition(ctx, t, admin, defined, "gizmos", apisv1alpha2.BindingUpToDate,
		fmt.Sprintf(`False NamingConflicts names are taken in this workspace: plural "gizmos" in group %q is the plural of CustomResourceDefinition "gizmos.%s"`, group, group))
	if err := definitionsAt(t, admin, defined).Delete(ctx, "gizmos."+group, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitBound(ctx, t, admin, defined, "gizmos")
	createGizmo(ctx, t, admin, defined, group, "one")
}

func definitionsAt(t *testing.T, hub *client.Hub, path logicalcluster.Path) apiextensionsclient.CustomResourceDefinitionInterface {
	t.Helper()
	set, err := apiextensionsclient.NewForConfigAndClient(hub.Config(path), hub.HTTPClient())
	if err != nil {
		t.Fatal(err)
	}
	return set.CustomResourceDefinitions()
}

// createDefinition makes a definition of gizmos of the workspace itself.
func createDefinition(ctx context.Context, t *testing.T, hub *client.Hub, path logicalcluster.Path, group string) {
	t.Helper()
	crd := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: "gizmos." + group}}
	crd.Spec = apiextensionsv1.CustomResourceDefinitionSpec{
		Group: group, Scope: apiextensionsv1.NamespaceScoped, Names: gizmoSchemaOf("x", group).Spec.Names,
		Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
			Name: "v1", Served: true, Storage: true,
			Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
				Type: "object", XPreserveUnknownFields: ptr.To(true),
			}},
		}},
	}
	if _, err := definitionsAt(t, hub, path).Create(ctx, crd, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func awaitDefinition(ctx context.Context, t *testing.T, hub *client.Hub, path logicalcluster.Path, group string, kind apiextensionsv1.CustomResourceDefinitionConditionType, want string) {
	t.Helper()
	await(ctx, t, fmt.Sprintf("%s of the definition is %s", kind, want), func() error {
		crd, err := definitionsAt(t, hub, path).Get(ctx, "gizmos."+group, metav1.GetOptions{})
		if err != nil {
			return err
		}
		c := apihelpers.FindCRDCondition(crd, kind)
		if c == nil {
			return fmt.Errorf("not there")
		}
		if got := string(c.Status) + " " + c.Reason + " " + c.Message; !strings.HasPrefix(got, want) {
			return fmt.Errorf("%s", got)
		}
		return nil
	})
}

// A schema that could not be served is refused when it is written, in words that
// say where and what.
func TestSchemasAreJudged(t *testing.T) {
	const group = "judged.exports.test"
	ctx, alice := exportsContext(t), withToken(t, "alice-token")
	path, _ := newWorkspace(t)
	deep := `{"type":"object","properties":{"a":` + strings.Repeat(`{"type":"array","items":`, 10) + `{"type":"string","x-kubernetes-validations":[{"rule":"self.contains('x')"}]}` + strings.Repeat("}", 10) + "}}"
	for name, test := range map[string]struct {
		edit func(*apisv1alpha1.APIResourceSchema)
		says string
	}{
		"another name":        {func(s *apisv1alpha1.APIResourceSchema) { s.Name = "v1.others." + group }, "<prefix>.<spec.names.plural>.<spec.group>"},
		"no prefix":           {func(s *apisv1alpha1.APIResourceSchema) { s.Name = "gizmos." + group }, "<prefix>.<spec.names.plural>.<spec.group>"},
		"nothing before it":   {func(s *apisv1alpha1.APIResourceSchema) { s.Name = "-.gizmos." + group }, "Invalid value"},
		"a prefix with a dot": {func(s *apisv1alpha1.APIResourceSchema) { s.Name = "v1.0.gizmos." + group }, "the part before .gizmos." + group},
		"the hub's own group": {inGroup("apis.kcp.io"), `group "apis.kcp.io" is the hub's own`},
		"a built-in resource": {func(s *apisv1alpha1.APIResourceSchema) {
			s.Spec.Names.Plural, s.Spec.Names.Singular = "roles", "role"
			inGroup("rbac.authorization.k8s.io")(s)
			s.Annotations = map[string]string{"api-approved.kubernetes.io": "https://github.com/kubernetes/kubernetes/pull/1"}
		}, "which every workspace has already"},
		"the core group":       {inGroup(""), "resources of the core group cannot be offered"},
		"a protected group":    {inGroup("x.k8s.io"), "api-approved.kubernetes.io"},
		"not structural":       {schemaText(`{"type":"object","properties":{"a":{}}}`), "spec.versions[0].schema.properties[a].type: Required value"},
		"a rule that is wrong": {schemaText(`{"type":"object","x-kubernetes-validations":[{"rule":"self.nothing"}]}`), "undefined field 'nothing'"},
		"a rule that costs":    {schemaText(deep), "exceeds budget"},
		"two storage versions": {func(s *apisv1alpha1.APIResourceSchema) {
			s.Spec.Versions = append(s.Spec.Versions, s.Spec.Versions[0])
			s.Spec.Versions[1].Name = "v2"
			s.Spec.Conversion = &apisv1alpha1.CustomResourceConversion{Strategy: "None"}
		}, "exactly one version"},
		"names as path segment": {func(s *apisv1alpha1.APIResourceSchema) { s.Spec.NameValidation = "PathSegmentName" }, "spec.nameValidation: Unsupported value"},
	} {
		t.Run(name, func(t *testing.T) {
			offered := gizmoSchemaOf("v1", group)
			test.edit(offered)
			_, err := client.APIResourceSchemas(alice, path).Create(ctx, offered, metav1.CreateOptions{})
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v, want it to say %q", err, test.says)
			}
			if offered.Spec.Group != "" && strings.Contains(fmt.Sprint(err), "core") {
				t.Errorf("%v names a group that cannot be offered", err)
			}
		})
	}
	made, err := client.APIResourceSchemas(alice, path).Create(ctx, gizmoSchemaOf("v1", group), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	made.Spec.Names.Singular = "other"
	if _, err := client.APIResourceSchemas(alice, path).Update(ctx, made, metav1.UpdateOptions{}); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "never changes") {
		t.Errorf("changing a schema: %v, want invalid", err)
	}
}

func inGroup(group string) func(*apisv1alpha1.APIResourceSchema) {
	return func(s *apisv1alpha1.APIResourceSchema) {
		s.Spec.Group = group
		if group == "" {
			group = "core"
		}
		s.Name = "v1." + s.Spec.Names.Plural + "." + group
	}
}

func schemaText(text string) func(*apisv1alpha1.APIResourceSchema) {
	return func(s *apisv1alpha1.APIResourceSchema) {
		s.Spec.Versions[0].Schema.Raw = []byte(text)
		s.Spec.Versions[0].Subresources = apiextensionsv1.CustomResourceSubresources{}
	}
}

// What the hub writes on bindings and exports, tenants do not.
func TestMarksOfTheHub(t *testing.T) {
	const group = "marks.exports.test"
	ctx, alice := exportsContext(t), withToken(t, "alice-token")
	path, workspace := newWorkspace(t)
	export := publish(ctx, t, alice, path, "gizmos", gizmoSchemaOf("v1", group))
	if got := export.Annotations["kcp.io/path"]; got != path.String() {
		t.Errorf("the path of the export is %q, want %q", got, path)
	}
	binding := &apisv1alpha2.APIBinding{ObjectMeta: metav1.ObjectMeta{
		Name: "gizmos", Labels: map[string]string{apisv1alpha2.InternalAPIBindingExportLabelKey: "forged", "mine": "stays"},
		Annotations: map[string]string{"kcp.io/path": "root:forged"},
	}}
	binding.Spec.Reference.Export = &apisv1alpha2.ExportBindingReference{Name: "gizmos"}
	if _, err := client.APIBindings(alice, path).Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	want := apisv1alpha2.BindingExportLabelValue(logicalcluster.Name(workspace.Spec.Cluster), "gizmos")
	bound := awaitBound(ctx, t, alice, path, "gizmos")
	if got := bound.Labels[apisv1alpha2.InternalAPIBindingExportLabelKey]; got != want || bound.Labels["mine"] != "stays" {
		t.Errorf("labels are %v, want %q", bound.Labels, want)
	}
	if got := bound.Annotations["kcp.io/path"]; got != path.String() {
		t.Errorf("the path of the binding is %q, want %q", got, path)
	}
	bound.Labels, bound.Annotations["kcp.io/path"] = map[string]string{"mine": "stays"}, "root:forged"
	bound.Spec.Reference.Export.Name = "other"
	if _, err := client.APIBindings(alice, path).Update(ctx, bound, metav1.UpdateOptions{}); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "reference is immutable") {
		t.Errorf("changing what a binding refers to: %v, want invalid", err)
	}
	bound.Spec.Reference.Export.Name = "gizmos"
	updated, err := client.APIBindings(alice, path).Update(ctx, bound, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := updated.Labels[apisv1alpha2.InternalAPIBindingExportLabelKey]; got != want {
		t.Errorf("after it was left out the label is %q", got)
	}
	if got := updated.Annotations["kcp.io/path"]; got != path.String() {
		t.Errorf("after an update the path of the binding is %q, want %q", got, path)
	}
	updated.Annotations[claims.AcceptedIdentityAnnotation] = "forged"
	if _, err := client.APIBindings(alice, path).Update(ctx, updated, metav1.UpdateOptions{}); !apierrors.IsForbidden(err) || !strings.HasSuffix(err.Error(), "only the hub writes it") {
		t.Errorf("forging what was accepted: %v", err)
	}
}

// An export has an endpoint slice; one of somebody else's export takes the verb
// "bind" on it.
func TestEndpointSlicesOfExports(t *testing.T) {
	const group = "slices.exports.test"
	ctx, admin, bob := exportsContext(t), as(t, "base"), withToken(t, "bob-token")
	path, workspace := newWorkspace(t)
	export := publish(ctx, t, admin, path, "gizmos", gizmoSchemaOf("v1", group))
	want := fmt.Sprintf("%s/services/apiexport/%s/gizmos", shared.hub.URL(), workspace.Spec.Cluster)
	await(ctx, t, "the slice has an endpoint", func() error {
		slice, err := client.APIExportEndpointSlices(admin, path).Get(ctx, "gizmos", metav1.GetOptions{})
		if err == nil && (len(slice.Status.APIExportEndpoints) != 1 || slice.Status.APIExportEndpoints[0].URL != want) {
			return fmt.Errorf("%+v, want %s", slice.Status, want)
		}
		return err
	})
	await(ctx, t, "the export tells its view", func() error {
		var err error
		if export, err = client.APIExports(admin, path).Get(ctx, "gizmos", metav1.GetOptions{}); err == nil && len(export.Status.VirtualWorkspaces) != 1 {
			return fmt.Errorf("%+v", export.Status)
		}
		return err
	})
	elsewhere, _ := newWorkspace(t)
	makeAdmin(ctx, t, admin, elsewhere, "bob")
	slice := &apisv1alpha1.APIExportEndpointSlice{ObjectMeta: metav1.ObjectMeta{Name: "spy"}}
	slice.Spec.APIExport = apisv1alpha2.ExportBindingReference{Path: path.String(), Name: "gizmos"}
	if _, err := client.APIExportEndpointSlices(bob, elsewhere).Create(ctx, slice, metav1.CreateOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("a slice of an export that bob may not bind: %v, want forbidden", err)
	}
}

// What users may do with bound resources is bounded by the policy of the export,
// also when that is gone: the roles that are the policy are still there. With the
// workspace they go, and with them all that they allowed.
func TestMaximalPermissionPolicyOfABoundExport(t *testing.T) {
	const group = "policy.exports.test"
	ctx, admin, alice := exportsContext(t), as(t, "base"), withToken(t, "alice-token")
	provider, _ := newWorkspace(t)
	consumer, _ := newWorkspace(t)
	publish(ctx, t, admin, provider, "gizmos", gizmoSchemaOf("v1", group))
	bind(ctx, t, admin, consumer, "gizmos", provider, "gizmos")
	awaitBound(ctx, t, admin, consumer, "gizmos")
	list := func(want bool) func() error {
		return func() error {
			_, err := gizmosAt(alice, consumer, group).List(ctx, metav1.ListOptions{})
			if !want && apierrors.IsForbidden(err) {
				return nil
			}
			if !want && err == nil {
				return fmt.Errorf("alice lists gizmos")
			}
			return err
		}
	}
	await(ctx, t, "without a policy alice lists gizmos", list(true))
	export, err := client.APIExports(admin, provider).Get(ctx, "gizmos", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Dynamic(provider).Resource(apisv1alpha2.SchemeGroupVersion.WithResource("apiexports")).Patch(ctx, export.Name,
		types.MergePatchType, []byte(`{"spec":{"maximalPermissionPolicy":{"local":{}}}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	await(ctx, t, "an empty policy allows nothing", list(false))
	rules := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "readers"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{group}, Resources: []string{"gizmos"}, Verbs: []string{"get", "list", "watch"}},
	}}
	if _, err := admin.Kubernetes(provider).RbacV1().ClusterRoles().Create(ctx, rules, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "readers"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "readers"},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "apis.kcp.io:binding:alice"}},
	}
	if _, err := admin.Kubernetes(provider).RbacV1().ClusterRoleBindings().Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	await(ctx, t, "what the policy allows alice may", list(true))
	if _, err := gizmosAt(alice, consumer, group).Create(ctx, newGizmo(group, "one", 0), metav1.CreateOptions{}); !apierrors.IsForbidden(err) ||
		!strings.Contains(err.Error(), "allows nobody more than its maximal permission policy says") {
		t.Errorf("making a gizmo beyond the policy: %v, want forbidden", err)
	}
	if err := client.APIExports(admin, provider).Delete(ctx, "gizmos", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	bound := awaitCondition(ctx, t, admin, consumer, "gizmos", apisv1alpha2.APIExportValid, "False APIExportNotFound")
	if bound.Status.Phase != apisv1alpha2.APIBindingPhaseBound || len(bound.Status.BoundResources) != 1 {
		t.Errorf("the binding is %+v", bound.Status)
	}
	if err := list(true)(); err != nil {
		t.Errorf("without the export, within its policy: %v", err)
	}
	if _, err := gizmosAt(alice, consumer, group).Create(ctx, newGizmo(group, "one", 0), metav1.CreateOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("making a gizmo beyond the policy, without the export: %v, want forbidden", err)
	}
	if err := client.Workspaces(admin, "root").Delete(ctx, provider.Base(), metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	await(ctx, t, "without the workspace of the export alice may do nothing", func() error {
		if _, err := gizmosAt(alice, consumer, group).List(ctx, metav1.ListOptions{}); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "the workspace of the export") {
			return fmt.Errorf("%w", err)
		}
		return nil
	})
}

// An export that bounds nobody locks nobody out when it is gone, nor does its
// workspace. Whether it bounds somebody is not for those to say who have bound it.
func TestAnExportIsGone(t *testing.T) {
	const free, bounded = "free.gone.test", "bounded.gone.test"
	ctx, admin, alice := exportsContext(t), as(t, "base"), withToken(t, "alice-token")
	provider, _ := newWorkspace(t)
	consumer, _ := newWorkspace(t)
	for name, group := range map[string]string{"free": free, "bounded": bounded} {
		publish(ctx, t, admin, provider, name, gizmoSchemaOf("v1", group))
		bind(ctx, t, admin, consumer, name, provider, name)
		awaitBound(ctx, t, admin, consumer, name)
		createGizmo(ctx, t, alice, consumer, group, "one")
	}
	exports := admin.Dynamic(provider).Resource(apisv1alpha2.SchemeGroupVersion.WithResource("apiexports"))
	policy := func(name, value string) {
		t.Helper()
		if _, err := exports.Patch(ctx, name, types.MergePatchType, []byte(`{"spec":{"maximalPermissionPolicy":`+value+`}}`), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	noted := func(group string, want bool) {
		t.Helper()
		await(ctx, t, fmt.Sprintf("it is noted that gizmos of %s are unbounded: %v", group, want), func() error {
			for _, copied := range shared.hub.models.schemas.In(logicalcluster.SystemBoundCRDs) {
				if copied.Spec.Group == group && strings.Contains(fmt.Sprint(copied.Annotations), apisv1alpha2.UnboundedAnnotationPrefix) == want {
					return nil
				}
			}
			return fmt.Errorf("not yet")
		})
	}
	policy("free", `{"local":{}}`)
	policy("bounded", `{"local":{}}`)
	noted(free, false)
	noted(bounded, false)
	policy("free", "null")
	noted(free, true)

	// Alice, who administers her workspace, would like to be free of the other.
	export, err := client.APIExports(admin, provider).Get(ctx, "bounded", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	mark := apisv1alpha2.UnboundedAnnotationPrefix + apisv1alpha2.BindingExportLabelValue(logicalcluster.From(export), "bounded")
	forgery := []byte(fmt.Sprintf(`{"metadata":{"annotations":{%q:""},"labels":{%q:""}},"status":{"apiExportClusterName":"root"}}`, mark, mark))
	if _, err := alice.Dynamic(consumer).Resource(apisv1alpha2.SchemeGroupVersion.WithResource("apibindings")).
		Patch(ctx, "bounded", types.MergePatchType, forgery, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	bound, err := client.APIBindings(alice, consumer).Get(ctx, "bounded", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	own := gizmoSchemaOf("v1", bounded)
	own.Annotations = map[string]string{mark: ""}
	if _, err := client.APIResourceSchemas(alice, consumer).Create(ctx, own, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	copied := bound.Status.BoundResources[0].Schema.UID + ".gizmos." + bounded
	for _, path := range []logicalcluster.Path{logicalcluster.SystemBoundCRDs.Path(), consumer} {
		_, err := client.APIResourceSchemas(alice, path).Patch(ctx, copied, types.MergePatchType, forgery, metav1.PatchOptions{})
		if !apierrors.IsForbidden(err) && !apierrors.IsNotFound(err) {
			t.Errorf("alice writes to the copy in %s: %v", path, err)
		}
	}

	attempt := func(group string, check func(error) bool) func() error {
		return func() error {
			_, read := gizmosAt(alice, consumer, group).List(ctx, metav1.ListOptions{})
			_, write := gizmosAt(alice, consumer, group).Patch(ctx, "one", types.MergePatchType, []byte(`{"spec":{"size":7}}`), metav1.PatchOptions{})
			if !check(read) || !check(write) {
				return fmt.Errorf("reading: %w; writing: %w", read, write)
			}
			return nil
		}
	}
	allowed := func(err error) bool { return err == nil }
	check := func(gone string) {
		t.Helper()
		await(ctx, t, gone+" is gone, and bounds nobody", attempt(free, allowed))
		await(ctx, t, gone+" is gone, and its policy is not", attempt(bounded, apierrors.IsForbidden))
	}
	for _, name := range []string{"free", "bounded"} {
		if err := client.APIExports(admin, provider).Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		awaitCondition(ctx, t, admin, consumer, name, apisv1alpha2.APIExportValid, "False APIExportNotFound")
	}
	check("the export")
	if err := client.Workspaces(admin, "root").Delete(ctx, provider.Base(), metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, provider.Base())
	check("the workspace")
	if err := client.APIBindings(alice, consumer).Delete(ctx, "bounded", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitUnbound(ctx, t, alice, consumer, "bounded") // also who is locked out
}

// Two exports with one identity offer the same objects: who changes over from one
// to the other keeps them. A secret that changes does not change the identity.
func TestSharedIdentity(t *testing.T) {
	const group = "shared.exports.test"
	ctx, admin := exportsContext(t), as(t, "base")
	provider, _ := newWorkspace(t)
	consumer, _ := newWorkspace(t)
	first := publish(ctx, t, admin, provider, "first", gizmoSchemaOf("v1", group))
	second := &apisv1alpha2.APIExport{ObjectMeta: metav1.ObjectMeta{Name: "second"}}
	second.Spec.Identity, second.Spec.Resources = first.Spec.Identity, first.Spec.Resources
	if _, err := client.APIExports(admin, provider).Create(ctx, second, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	await(ctx, t, "the second has the identity of the first", func() error {
		got, err := client.APIExports(admin, provider).Get(ctx, "second", metav1.GetOptions{})
		if err == nil && got.Status.IdentityHash != first.Status.IdentityHash {
			return fmt.Errorf("%+v", got.Status)
		}
		return err
	})
	bind(ctx, t, admin, consumer, "a", provider, "first")
	awaitBound(ctx, t, admin, consumer, "a")
	createGizmo(ctx, t, admin, consumer, group, "kept")
	bind(ctx, t, admin, consumer, "b", provider, "second")
	awaitCondition(ctx, t, admin, consumer, "b", apisv1alpha2.BindingUpToDate, "False NamingConflicts")
	if err := client.APIBindings(admin, consumer).Delete(ctx, "a", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitBound(ctx, t, admin, consumer, "b")
	await(ctx, t, "the gizmo went over", func() error {
		_, err := gizmosAt(admin, consumer, group).Get(ctx, "kept", metav1.GetOptions{})
		return err
	})

	secrets := admin.Kubernetes(provider).CoreV1().Secrets("kcp-system")
	secret, err := secrets.Get(ctx, "first", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	says := func(want string) {
		t.Helper()
		for _, name := range []string{"first", "second"} {
			await(ctx, t, fmt.Sprintf("%s says of the secret: %s", name, want), func() error {
				got, err := client.APIExports(admin, provider).Get(ctx, name, metav1.GetOptions{})
				if err != nil {
					return err
				}
				c := conditionsv1alpha1.Get(got.Status.Conditions, apisv1alpha2.APIExportIdentityValid)
				if c == nil || !strings.HasPrefix(string(c.Status)+" "+c.Reason+" "+c.Message, want) || got.Status.IdentityHash != first.Status.IdentityHash {
					return fmt.Errorf("%+v", got.Status)
				}
				return nil
			})
		}
	}
	if _, err := secrets.Patch(ctx, "first", types.MergePatchType, []byte(`{"stringData":{"key":"another"}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	says("False IdentityVerificationFailed identity cannot be used: secret kcp-system/first was changed")
	if err := secrets.Delete(ctx, "first", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	says("False IdentityVerificationFailed identity cannot be used: secret kcp-system/first is missing")
	if _, err := gizmosAt(admin, consumer, group).Get(ctx, "kept", metav1.GetOptions{}); err != nil {
		t.Errorf("what is bound, without the secret: %v", err)
	}
	secret.ResourceVersion, secret.UID = "", ""
	if _, err := secrets.Create(ctx, secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	says("True")
}

// An APIConversion of the name of a schema converts for those who bind it, and for
// the view of the provider.
func TestConversionsOfBoundSchemas(t *testing.T) {
	const group = "converted.exports.test"
	ctx, admin, alice := exportsContext(t), as(t, "base"), withToken(t, "alice-token")
	provider, _ := newWorkspace(t)
	consumer, _ := newWorkspace(t)
	offered := gizmoSchemaOf("v1", group)
	offered.Spec.Versions = append(offered.Spec.Versions, *offered.Spec.Versions[0].DeepCopy())
	offered.Spec.Versions[1].Name, offered.Spec.Versions[1].Storage = "v2", false
	offered.Spec.Versions[1].Schema.Raw = []byte(`{"type":"object","properties":{"spec":{"type":"object","properties":{"amount":{"type":"integer"}}}}}`)
	offered.Spec.Conversion = &apisv1alpha1.CustomResourceConversion{Strategy: apisv1alpha1.ConversionStrategyNone}
	rules := &apisv1alpha1.APIConversion{ObjectMeta: metav1.ObjectMeta{Name: offered.Name}, Spec: apisv1alpha1.APIConversionSpec{
		Conversions: []apisv1alpha1.APIVersionConversion{
			{From: "v1", To: "v2", Rules: []apisv1alpha1.APIConversionRule{{Field: ".spec.size", Destination: ".spec.amount"}}},
			{From: "v2", To: "v1", Rules: []apisv1alpha1.APIConversionRule{{Field: ".spec.amount", Destination: ".spec.size"}}},
		},
	}}
	if _, err := client.APIConversions(alice, provider).Create(ctx, rules, metav1.CreateOptions{}); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "create that first") {
		t.Errorf("rules without a schema: %v, want forbidden", err)
	}
	if _, err := client.APIResourceSchemas(alice, provider).Create(ctx, offered, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	wrong := rules.DeepCopy()
	wrong.Spec.Conversions[0].Rules[0].Destination = ".spec.nothing"
	if _, err := client.APIConversions(alice, provider).Create(ctx, wrong, metav1.CreateOptions{}); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "spec.nothing") {
		t.Errorf("rules that do not fit the schema: %v, want forbidden", err)
	}
	if _, err := client.APIConversions(alice, provider).Create(ctx, rules, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	export := &apisv1alpha2.APIExport{ObjectMeta: metav1.ObjectMeta{Name: "gizmos"}}
	export.Spec.Resources = []apisv1alpha2.ResourceSchema{{Group: group, Name: "gizmos", Schema: offered.Name}}
	if _, err := client.APIExports(alice, provider).Create(ctx, export, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	bind(ctx, t, admin, consumer, "gizmos", provider, "gizmos")
	awaitBound(ctx, t, admin, consumer, "gizmos")
	createGizmo(ctx, t, admin, consumer, group, "one")
	second := gizmos(group)
	second.Version = "v2"
	got, err := admin.Dynamic(consumer).Resource(second).Namespace("default").Get(ctx, "one", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	checkAmount(t, "the consumer", got)
	list, err := exportView(ctx, t, provider, "gizmos").Resource(second).List(ctx, metav1.ListOptions{})
	if err != nil || len(list.Items) != 1 {
		t.Fatalf("the provider sees %v, error %v", list, err)
	}
	checkAmount(t, "the provider", &list.Items[0])
	checkTooLate(ctx, t, provider, offered.Name)
}

// checkTooLate changes the rules of a schema that is bound.
func checkTooLate(ctx context.Context, t *testing.T, provider logicalcluster.Path, name string) {
	t.Helper()
	heard := &warnings{}
	config := rest.AnonymousClientConfig(restConfig(t, "base"))
	config.BearerToken, config.WarningHandler = "alice-token", heard
	hub, err := client.New(config)
	if err != nil {
		t.Fatal(err)
	}
	patch := []byte(`[{"op":"add","path":"/spec/conversions/0/preserve","value":[".spec.size"]}]`)
	if _, err := client.APIConversions(hub, provider).Patch(ctx, name, types.JSONPatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	if !heard.has("what is written now has no effect") {
		t.Errorf("changing rules of a schema that is bound warns %q", heard.said)
	}
}

func checkAmount(t *testing.T, who string, got *unstructured.Unstructured) {
	t.Helper()
	if amount, _, _ := unstructured.NestedInt64(got.Object, "spec", "amount"); amount != 3 {
		t.Errorf("%s reads %v in v2, want the amount 3", who, got.Object)
	}
}

// exportView returns a client for what a provider sees of all who bind an export.
func exportView(ctx context.Context, t *testing.T, provider logicalcluster.Path, export string) dynamic.Interface {
	t.Helper()
	var url string
	await(ctx, t, "the export tells its view", func() error {
		got, err := client.APIExportEndpointSlices(as(t, "base"), provider).Get(ctx, export, metav1.GetOptions{})
		if err == nil && len(got.Status.APIExportEndpoints) == 0 {
			return fmt.Errorf("%+v", got.Status)
		}
		if err == nil {
			url = got.Status.APIExportEndpoints[0].URL
		}
		return err
	})
	config := restConfig(t, "base")
	config.Host = url + "/clusters/*"
	return dynamic.NewForConfigOrDie(config)
}

// A workspace has gizmos of its own; a binding takes them over with all they have,
// and the definition goes.
func TestAdoptionOfADefinition(t *testing.T) {
	const group = "adopted.exports.test"
	ctx, admin, alice := exportsContext(t), as(t, "base"), withToken(t, "alice-token")
	provider, _ := newWorkspace(t)
	consumer, workspace := newWorkspace(t)
	publish(ctx, t, admin, provider, "gizmos", gizmoSchemaOf("v1", group))
	createDefinition(ctx, t, admin, consumer, group)
	awaitDefinition(ctx, t, admin, consumer, group, apiextensionsv1.Established, "True")
	const objects = 20
	before := map[string]types.UID{}
	for i := range objects {
		made := createGizmo(ctx, t, admin, consumer, group, fmt.Sprintf("g%d", i))
		before[made.GetName()] = made.GetUID()
	}
	// The definition has no subresource status, and the schema has one.
	bind(ctx, t, admin, consumer, "gizmos", provider, "gizmos")
	awaitCondition(ctx, t, admin, consumer, "gizmos", apisv1alpha2.BindingUpToDate, "False NamingConflicts")
	adopt := []byte(fmt.Sprintf(`{"metadata":{"annotations":{%q:"true"}}}`, apisv1alpha2.AdoptCRDAnnotationKey))
	bindings := admin.Dynamic(consumer).Resource(apisv1alpha2.SchemeGroupVersion.WithResource("apibindings"))
	grantBob(ctx, t, consumer, rbacv1.PolicyRule{APIGroups: []string{"apis.kcp.io"}, Resources: []string{"apibindings"}, Verbs: []string{"*"}})
	asBob := withToken(t, "bob-token").Dynamic(consumer).Resource(apisv1alpha2.SchemeGroupVersion.WithResource("apibindings"))
	await(ctx, t, "bob, who may not delete definitions, may not have them adopted", func() error {
		_, err := asBob.Patch(ctx, "gizmos", types.MergePatchType, adopt, metav1.PatchOptions{})
		if err == nil || strings.Contains(err.Error(), `verb "delete" on "customresourcedefinitions"`) {
			return nil
		}
		return err
	})
	if got, err := client.APIBindings(admin, consumer).Get(ctx, "gizmos", metav1.GetOptions{}); err != nil || got.Annotations[apisv1alpha2.AdoptCRDAnnotationKey] != "" {
		t.Fatalf("bob made the binding adopt: %v, %v", got.Annotations, err)
	}
	if _, err := bindings.Patch(ctx, "gizmos", types.MergePatchType, adopt, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	await(ctx, t, "the binding says why it does not adopt", func() error {
		got, err := client.APIBindings(admin, consumer).Get(ctx, "gizmos", metav1.GetOptions{})
		if err != nil {
			return err
		}
		c := conditionsv1alpha1.Get(got.Status.Conditions, apisv1alpha2.BindingUpToDate)
		if c == nil || !strings.Contains(c.Message, "its objects cannot be adopted") {
			return fmt.Errorf("%+v", c)
		}
		return nil
	})
	// What is in the definition's way is mended there. Nobody marks it but the hub.
	fits := []byte(fmt.Sprintf(`{"metadata":{"annotations":{%q:"gizmos/forged"}},"spec":{"versions":[{"name":"v1","served":true,"storage":true,"subresources":{"status":{}},
		"schema":{"openAPIV3Schema":%s}}]}}`, apisv1alpha2.AdoptedByAnnotationKey, gizmoSchema))
	patched, err := definitionsAt(t, alice, consumer).Patch(ctx, "gizmos."+group, types.MergePatchType, fits, metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if forged := patched.Annotations[apisv1alpha2.AdoptedByAnnotationKey]; forged != "" {
		t.Errorf("a tenant marked a definition as adopted by %q", forged)
	}
	bound := awaitBound(ctx, t, admin, consumer, "gizmos")
	await(ctx, t, "all gizmos are served", func() error {
		list, err := gizmosAt(admin, consumer, group).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for i := range list.Items {
			if before[list.Items[i].GetName()] != list.Items[i].GetUID() {
				t.Errorf("%s is another object", list.Items[i].GetName())
			}
		}
		if len(list.Items) != objects {
			return fmt.Errorf("%d gizmos", len(list.Items))
		}
		return nil
	})
	place := shared.hub.stores.bound(bound.Status.BoundResources[0].Schema.IdentityHash)
	if err := place.PurgeOwn(ctx, logicalcluster.Name(workspace.Spec.Cluster), gizmos(group).GroupResource()); err != nil {
		t.Fatal(err)
	}
	if left := storedOf(ctx, t, workspace.Spec.Cluster, group); left != 0 {
		t.Errorf("%d gizmos are left where the definition had them", left)
	}
}

// Of many bindings that race for one name exactly one has it, and the others say
// which.
func TestBindingsRaceForAName(t *testing.T) {
	const group, racers = "race.exports.test", 8
	ctx, admin := exportsContext(t), as(t, "base")
	provider, _ := newWorkspace(t)
	consumer, _ := newWorkspace(t)
	for i := range racers {
		publish(ctx, t, admin, provider, fmt.Sprintf("e%d", i), gizmoSchemaOf(fmt.Sprintf("v%d", i), group))
	}
	var racing errgroup.Group
	for i := range racers {
		racing.Go(func() error {
			binding := &apisv1alpha2.APIBinding{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("b%d", i)}}
			binding.Spec.Reference.Export = &apisv1alpha2.ExportBindingReference{Path: provider.String(), Name: fmt.Sprintf("e%d", i)}
			_, err := client.APIBindings(admin, consumer).Create(ctx, binding, metav1.CreateOptions{})
			return err
		})
	}
	if err := racing.Wait(); err != nil {
		t.Fatal(err)
	}
	var bound, refused []string
	await(ctx, t, "all have been judged", func() error {
		bound, refused = nil, nil
		list, err := client.APIBindings(admin, consumer).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for i := range list.Items {
			c := conditionsv1alpha1.Get(list.Items[i].Status.Conditions, conditionsv1alpha1.ReadyCondition)
			switch {
			case c == nil:
				return fmt.Errorf("%s has no condition", list.Items[i].Name)
			case c.Status == "True":
				bound = append(bound, list.Items[i].Name)
			default:
				refused = append(refused, c.Message)
			}
		}
		return nil
	})
	if len(bound) != 1 {
		t.Fatalf("%v have the name, want one", bound)
	}
	for _, message := range refused {
		if !strings.Contains(message, fmt.Sprintf("of APIBinding %q", bound[0])) {
			t.Errorf("one that was refused says %q, want it to name %s", message, bound[0])
		}
	}
}

// A type binds an export of schemas in each workspace that is made of it: when the
// workspace is ready, its APIs are served.
func TestDefaultBindingsToSchemas(t *testing.T) {
	const group = "default.exports.test"
	ctx, alice := exportsContext(t), withToken(t, "alice-token")
	provider, _ := newWorkspace(t)
	publish(ctx, t, alice, provider, "gizmos", gizmoSchemaOf("v1", group))
	must(client.WorkspaceTypes(alice, provider).Create(ctx, universalAnd("shop", func(s *tenancyv1alpha1.WorkspaceTypeSpec) {
		s.DefaultAPIBindings = []tenancyv1alpha1.APIExportReference{{Path: provider.String(), Export: "gizmos"}}
	}), metav1.CreateOptions{}))(t)
	resolved(ctx, t, provider, "shop")
	must(client.Workspaces(alice, provider).Create(ctx, newTyped("one", typeRef("", "shop")), metav1.CreateOptions{}))(t)
	awaitIn(ctx, t, provider, "one", inPhase(corev1alpha1.LogicalClusterPhaseReady))
	must(gizmosAt(alice, provider.Join("one"), group).Create(ctx, newGizmo(group, "one", 0), metav1.CreateOptions{}))(t)
}
