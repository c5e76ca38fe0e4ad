package main

import (
	"context"
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// definitions are CustomResourceDefinitions.
var definitions = apiextensionsv1.SchemeGroupVersion.WithResource("customresourcedefinitions")

// changing is a workspace whose APIs change, and one of a provider.
type changing struct {
	hub                *hub
	consumer, provider logicalcluster.Path
	// providerID is the ID of the provider's workspace.
	providerID string
}

func (l *lab) newChanging(ctx context.Context, h *hub) (*changing, error) {
	w := &changing{hub: h}
	var err error
	if w.consumer, err = createAlone(ctx, h, l.unique("consumer")); err != nil {
		return nil, err
	}
	if w.provider, err = createAlone(ctx, h, l.unique("provider")); err != nil {
		return nil, err
	}
	inside, err := client.LogicalClusters(h.admin, w.provider).Get(ctx, "cluster", metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("failed to read the provider's ID: %w", err)
	}
	w.providerID = logicalcluster.From(inside).String()
	return w, nil
}

// changes are all changes, with names that no other round has.
func (w *changing) changes(round int) []change {
	return append(w.ofDefinitions(round), w.ofExports(round)...)
}

// ofDefinitions are changes that somebody makes by definitions of the workspace.
func (w *changing) ofDefinitions(round int) []change {
	group, kind := fmt.Sprintf("d%d.bench.example.io", round), fmt.Sprintf("Gauge%d", round)
	later := fmt.Sprintf("v7alpha%d", round+1)
	name := "gauges." + group
	crds := w.hub.admin.Dynamic(w.consumer).Resource(definitions)
	here := change{address: client.WorkspaceURL(w.hub.admin.Base(), w.consumer), marker: fmt.Sprintf("%q", kind), path: "/apis/" + group + "/v1", version: "apis/" + group + "/v1"}
	created, versioned, deleted := here, here, here
	created.what, created.write = "definition created", func(ctx context.Context) error {
		return create(ctx, crds, newDefinition(group, kind))
	}
	versioned.what, versioned.marker, versioned.path, versioned.version = "version added", later, "/apis/"+group, "apis/"+group+"/"+later
	versioned.write = func(ctx context.Context) error {
		patch := fmt.Appendf(nil, `[{"op":"add","path":"/spec/versions/-","value":{"name":%q,"served":true,"storage":false,"schema":{"openAPIV3Schema":{"type":"object"}}}}]`, later)
		_, err := crds.Patch(ctx, name, types.JSONPatchType, patch, metav1.PatchOptions{})
		return err
	}
	deleted.what, deleted.goes, deleted.write = "definition deleted", true, func(ctx context.Context) error {
		return crds.Delete(ctx, name, metav1.DeleteOptions{})
	}
	return []change{created, versioned, deleted}
}

// ofExports are changes by bindings, and by the provider.
func (w *changing) ofExports(round int) []change {
	group, kind, fresh := fmt.Sprintf("e%d.bench.example.io", round), fmt.Sprintf("Gizmo%d", round), fmt.Sprintf("fresh%d", round)
	name := fmt.Sprintf("gizmos-%d", round)
	exports, bindings := client.APIExports(w.hub.admin, w.provider), client.APIBindings(w.hub.admin, w.consumer)
	offer := func(ctx context.Context, prefix string, categories ...string) error {
		return w.offer(ctx, name, prefix, group, kind, categories...)
	}
	here := change{address: client.WorkspaceURL(w.hub.admin.Base(), w.consumer), marker: fmt.Sprintf("%q", kind), path: "/apis/" + group + "/v1", version: "apis/" + group + "/v1"}
	view := here
	view.address = fmt.Sprintf("%s/services/apiexport/%s/%s/clusters/*", w.hub.admin.Base(), w.providerID, name)
	offered, bound, changed, viewed, claimed, unbound := view, here, here, view, view, here
	offered.what, offered.write = "export made, in its view", func(ctx context.Context) error {
		return offer(ctx, "v1")
	}
	bound.what, bound.write = "bound", func(ctx context.Context) error {
		binding := &apisv1alpha2.APIBinding{ObjectMeta: metav1.ObjectMeta{Name: name}}
		binding.Spec.Reference.Export = &apisv1alpha2.ExportBindingReference{Path: w.provider.String(), Name: name}
		_, err := bindings.Create(ctx, binding, metav1.CreateOptions{})
		return err
	}
	changed.what, changed.marker, changed.write = "export's schema changed", fresh+"x", func(ctx context.Context) error {
		return offer(ctx, "v2", fresh+"x")
	}
	viewed.what, viewed.marker, viewed.write = "export's schema changed, in its view", fresh+"y", func(ctx context.Context) error {
		return offer(ctx, "v3", fresh+"x", fresh+"y")
	}
	claimed.what, claimed.marker, claimed.path, claimed.version = "claim made, in the view", `"Lease"`, "/apis/coordination.k8s.io/v1", "apis/coordination.k8s.io/v1"
	claimed.write = func(ctx context.Context) error {
		patch := []byte(`{"spec":{"permissionClaims":[{"group":"coordination.k8s.io","resource":"leases","verbs":["*"]}]}}`)
		_, err := exports.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{})
		return err
	}
	unbound.what, unbound.goes, unbound.write = "unbound", true, func(ctx context.Context) error {
		return bindings.Delete(ctx, name, metav1.DeleteOptions{})
	}
	return []change{offered, bound, changed, viewed, claimed, unbound}
}

// offer makes an export, or has it name another schema, with the categories and as
// many fields.
func (w *changing) offer(ctx context.Context, name, prefix, group, kind string, categories ...string) error {
	properties := `"size":{"type":"integer"}`
	for _, category := range categories {
		properties += fmt.Sprintf(`,%q:{"type":"string"}`, category)
	}
	made, err := client.APIResourceSchemas(w.hub.admin, w.provider).Create(ctx, &apisv1alpha1.APIResourceSchema{
		ObjectMeta: metav1.ObjectMeta{Name: prefix + ".gizmos." + group},
		Spec: apisv1alpha1.APIResourceSchemaSpec{
			Group: group, Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "gizmos", Singular: "gizmo", Kind: kind, ListKind: kind + "List", Categories: categories},
			Versions: []apisv1alpha1.APIResourceVersion{{Name: "v1", Served: true, Storage: true, Schema: runtime.RawExtension{
				Raw: fmt.Appendf(nil, `{"type":"object","properties":{"spec":{"type":"object","properties":{%s}}}}`, properties),
			}}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("failed to make a schema: %w", err)
	}
	exports := client.APIExports(w.hub.admin, w.provider)
	if len(categories) == 0 {
		export := &apisv1alpha2.APIExport{ObjectMeta: metav1.ObjectMeta{Name: name}}
		export.Spec.Resources = []apisv1alpha2.ResourceSchema{{Group: group, Name: "gizmos", Schema: made.Name}}
		_, err := exports.Create(ctx, export, metav1.CreateOptions{})
		return err
	}
	patch := fmt.Appendf(nil, `[{"op":"replace","path":"/spec/resources/0/schema","value":%q}]`, made.Name)
	_, err = exports.Patch(ctx, name, types.JSONPatchType, patch, metav1.PatchOptions{})
	return err
}

// newDefinition is a small one.
func newDefinition(group, kind string) *apiextensionsv1.CustomResourceDefinition {
	return &apiextensionsv1.CustomResourceDefinition{
		TypeMeta:   metav1.TypeMeta{APIVersion: apiextensionsv1.SchemeGroupVersion.String(), Kind: "CustomResourceDefinition"},
		ObjectMeta: metav1.ObjectMeta{Name: "gauges." + group},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: group, Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "gauges", Singular: "gauge", Kind: kind, ListKind: kind + "List"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object"}},
			}},
		},
	}
}

// create makes an object that the SDK has no client for.
func create(ctx context.Context, in dynamic.ResourceInterface, object any) error {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return fmt.Errorf("failed to encode: %w", err)
	}
	_, err = in.Create(ctx, &unstructured.Unstructured{Object: fields}, metav1.CreateOptions{})
	return err
}
