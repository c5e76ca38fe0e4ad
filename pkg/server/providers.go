package server

import (
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/atriumhub/atrium/pkg/bindings"
	"github.com/atriumhub/atrium/pkg/catalog"
	"github.com/atriumhub/atrium/pkg/claims"
	"github.com/atriumhub/atrium/pkg/nativeapis"
	"github.com/atriumhub/atrium/pkg/target"
	"github.com/atriumhub/atrium/pkg/views"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// exportsView makes the view of providers, and lets it follow what it shows.
func (h *Hub) exportsView() *views.Exports {
	stored := storedNatives()
	view := views.NewExports(views.ExportsConfig{
		RBAC: h.rbac, Resolve: h.resolve,
		Exports: h.models.exports, Schemas: h.models.schemas, Bindings: h.models.bindings,
		FullName: func(workspace logicalcluster.Name, export string) string {
			return h.pathOf(workspace).Join(export).String()
		},
		System:       h.catalog.System(),
		Native:       func(resource schema.GroupResource) bool { return stored[resource] },
		Open:         h.openToProviders,
		WithinPolicy: h.withinPolicy,
		Grant:        h.claimBook().Grant,
		Evolution:    h.evolution(),
	})
	h.models.rollouts.OnChange(func(_, _ *publicationv1alpha1.SchemaRollout, key logicalcluster.Key) {
		view.FollowRollouts(key.Workspace)
	})
	h.models.exports.OnChange(view.FollowExport)
	h.models.schemas.OnChange(view.FollowSchema)
	h.models.bindings.OnChange(view.FollowBinding)
	h.models.logicalClusters.OnChange(func(_, _ *corev1alpha1.LogicalCluster, key logicalcluster.Key) { view.Changed(key.Workspace) })
	return view
}

// retireUnused tears down the handler of a shape that no workspace has any more,
// unless its provider still watches: then it goes when it is idle.
func (h *Hub) retireUnused(shape string) {
	if !h.exports.Watches(shape) {
		h.customResources.Retire(shape)
	}
}

// schemasView makes the view of the schemas that workspaces have bound.
func (h *Hub) schemasView() *views.Schemas {
	view := views.NewSchemas(views.SchemasConfig{
		Inside: authorizer.AuthorizerFunc(h.judgeDirect), Resolve: h.resolve,
		Schemas: h.models.schemas, Bindings: h.models.bindings, System: h.catalog.System(),
		Start:             uint64(time.Now().UnixNano()),
		MinRequestTimeout: time.Duration(h.upstream.config.Generic.MinRequestTimeout) * time.Second,
	})
	h.models.schemas.OnChange(view.FollowSchema)
	h.models.bindings.OnChange(view.FollowBinding)
	return view
}

// storedNatives are the compiled-in resources that have objects.
func storedNatives() map[schema.GroupResource]bool {
	stored := map[schema.GroupResource]bool{}
	for _, resource := range slices.Concat(nativeapis.Always(), nativeapis.Compute.Resources) {
		if resource.Group != "authentication.k8s.io" && resource.Group != "authorization.k8s.io" {
			stored[resource.GroupResource()] = true
		}
	}
	return stored
}

// openToProviders says why a workspace takes no requests of those whose APIs it
// has bound. One that is being prepared does: providers may be who it waits for.
func (h *Hub) openToProviders(workspace logicalcluster.Name) error {
	entry, ok := h.directory.ByName(workspace)
	if ok && entry.Phase == corev1alpha1.LogicalClusterPhaseInitializing {
		return nil
	}
	return readiness(h.directory)(target.Target{Path: workspace.Path(), Identity: workspace}, nil)
}

// withinPolicy judges by the maximal permission policy of an export somebody who is
// known in home.
func (h *Hub) withinPolicy(ctx context.Context, owner *apisv1alpha2.APIExport, home logicalcluster.Name, a authorizer.Attributes) bool {
	if !bindings.Bounded(owner) {
		return true
	}
	return h.authorizer.WithinPolicy(ctx, logicalcluster.From(owner), home, a)
}

// claimBook answers which permission claims are in force.
func (h *Hub) claimBook() claims.Book {
	return claims.Book{
		Bindings: h.models.bindings.In,
		Export: func(export claims.Export) (*apisv1alpha2.APIExport, bool) {
			return h.models.exports.Get(logicalcluster.Key{Workspace: export.Workspace, Name: export.Name})
		},
		Served: h.servedForClaims,
	}
}

// servedForClaims says how a workspace serves a resource.
func (h *Hub) servedForClaims(workspace logicalcluster.Name, resource schema.GroupResource) (claims.Served, bool) {
	api, found := h.catalog.Lookup(workspace, resource)
	switch {
	case !found:
		return claims.Served{Nameless: true, Origin: "built in"}, h.catalog.Reserved(resource)
	case api.Origin == catalog.Bound:
		return claims.Served{Identity: api.Provider.Identity, Origin: "bound"}, true
	case api.Origin == catalog.Native:
		return claims.Served{Identity: h.identityOf(api), Nameless: true, Origin: "built in"}, true
	default:
		return claims.Served{Nameless: true, Origin: "a CustomResourceDefinition"}, true
	}
}

// identityOf returns the identity of the export that an API belongs to.
func (h *Hub) identityOf(api *catalog.API) string {
	key, ok := h.exportOf(api)
	if !ok {
		return ""
	}
	export, ok := h.models.exports.Get(key)
	if !ok {
		return ""
	}
	return export.Status.IdentityHash
}
