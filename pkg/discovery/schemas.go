package discovery

import (
	"slices"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// ResourceOf finds the resource of a kind that workspace serves, and whether it is
// namespaced.
func (h *Handler) ResourceOf(workspace logicalcluster.Name, gvk schema.GroupVersionKind) (resource string, namespaced, ok bool) {
	documents := h.documentsOf(h.catalog.Served(workspace))
	for _, group := range slices.Concat(documents.core.Items, documents.groups.Items) {
		if group.Name != gvk.Group {
			continue
		}
		for _, version := range group.Versions {
			if version.Version == gvk.Version {
				return resourceOf(version.Resources, gvk.Kind)
			}
		}
	}
	return "", false, false
}

func resourceOf(resources []apidiscoveryv2.APIResourceDiscovery, kind string) (string, bool, bool) {
	for _, r := range resources {
		if r.ResponseKind != nil && r.ResponseKind.Kind == kind {
			return r.Resource, r.Scope == apidiscoveryv2.ScopeNamespace, true
		}
	}
	return "", false, false
}

// Schemas finds the schemas of an API version that workspace serves: a hash that
// is the same for equal schemas, and what loads them, which takes a while.
func (h *Handler) Schemas(workspace logicalcluster.Name, gv schema.GroupVersion) (hash string, load func() (map[string]*spec.Schema, error), ok bool) {
	set, path := h.catalog.Served(workspace), pathOf(gv)
	hash, ok = h.openAPIV3Hashes(set)[path]
	return hash, func() (map[string]*spec.Schema, error) {
		merged, err := h.mergedOpenAPIV3(set, path)
		if err != nil || merged.Components == nil {
			return nil, err
		}
		return merged.Components.Schemas, nil
	}, ok
}
