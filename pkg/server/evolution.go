package server

import (
	"context"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// labelsOf returns the labels of the Workspace object of a workspace. They belong to
// who administers its parent. The root has none.
func (h *Hub) labelsOf(workspace logicalcluster.Name) labels.Set {
	owner, ok := h.directory.Owner(workspace)
	if !ok {
		return nil
	}
	object, ok := h.models.workspaces.Get(owner)
	if !ok {
		return nil
	}
	return object.Labels
}

// countBound returns how many objects a workspace has of a resource by exports of an
// identity.
func (h *Hub) countBound(ctx context.Context, workspace logicalcluster.Name, resource schema.GroupResource, identity string) (int64, error) {
	return h.stores.bound(identity).CountOwn(ctx, workspace, resource)
}
