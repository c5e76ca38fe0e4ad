package server

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	genericapiserver "k8s.io/apiserver/pkg/server"

	"github.com/atriumhub/atrium/pkg/access"
	"github.com/atriumhub/atrium/pkg/bindings"
	"github.com/atriumhub/atrium/pkg/catalog"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// buildAuthorization makes what judges requests, and what answers reviews.
func (h *Hub) buildAuthorization(generic *genericapiserver.Config, views map[string]authorizer.UnconditionalAuthorizer) error {
	config := access.Config{
		RBAC: h.rbac, Views: views,
		RequiredGroups: h.requiredGroups, Policy: h.maximalPermissionPolicy,
		AlwaysAllowPaths: h.options.AlwaysAllowPaths,
	}
	if h.options.AuthorizationWebhook.File != "" {
		webhook, err := access.NewWebhook(h.options.AuthorizationWebhook)
		if err != nil {
			return fmt.Errorf("%w; check --authorization-webhook-config-file", err)
		}
		config.Webhook = webhook
	}
	chain := access.New(config)
	h.authorizer = chain
	generic.Authorization.Authorizer, generic.RuleResolver = authorizer.AuthorizerFunc(chain.Authorize), chain
	return nil
}

// typeID returns the type of a workspace by the ID of the workspace it lives in, as
// that was when the workspace was made.
func (h *Hub) typeID(workspace logicalcluster.Name) logicalcluster.Path {
	cluster, ok := h.models.logicalClusters.Get(logicalcluster.Key{Workspace: workspace, Name: corev1alpha1.LogicalClusterName})
	if !ok {
		return ""
	}
	return logicalcluster.Path(cluster.Annotations[tenancyv1alpha1.TypeIDAnnotationKey])
}

// requiredGroups returns which groups one must be in to enter a workspace.
func (h *Hub) requiredGroups(workspace logicalcluster.Name) (string, bool) {
	cluster, ok := h.models.logicalClusters.Get(logicalcluster.Key{Workspace: workspace, Name: corev1alpha1.LogicalClusterName})
	if !ok {
		return "", false
	}
	groups, ok := cluster.Annotations[corev1alpha1.RequiredGroupsAnnotationKey]
	return groups, ok
}

// maximalPermissionPolicy finds the export that a resource comes from, if that
// one has a policy. The roles in its workspace are the policy, and outlive it.
func (h *Hub) maximalPermissionPolicy(workspace logicalcluster.Name, resource schema.GroupResource) (access.Policy, bool) {
	api, ok := h.catalog.Lookup(workspace, resource)
	if !ok || api.Export == "" {
		return access.Policy{}, false
	}
	key, ok := h.exportOf(api)
	if !ok {
		return access.Policy{Export: api.Export}, true
	}
	export, ok := h.models.exports.Get(key)
	if ok {
		return access.Policy{Workspace: key.Workspace, Export: api.Export}, bindings.Bounded(export)
	}
	if bindings.WasUnbounded(key, resource, h.models.bindings.In(workspace), h.models.schemas) {
		return access.Policy{}, false
	}
	if _, ok := h.directory.ByName(key.Workspace); !ok {
		return access.Policy{Export: api.Export}, true
	}
	return access.Policy{Workspace: key.Workspace, Export: api.Export}, true
}

// exportOf finds the export of a native or bound API.
func (h *Hub) exportOf(api *catalog.API) (logicalcluster.Key, bool) {
	if api.Origin == catalog.Bound {
		return logicalcluster.Key{Workspace: api.Provider.Workspace, Name: api.Provider.Export}, true
	}
	path, name := logicalcluster.Path(api.Export).Split()
	entry, ok := h.directory.Resolve(path)
	return logicalcluster.Key{Workspace: entry.Name, Name: name}, ok
}
