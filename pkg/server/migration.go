package server

import (
	"context"

	"golang.org/x/time/rate"
	apiextensionshelpers "k8s.io/apiextensions-apiserver/pkg/apihelpers"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/storage"

	"github.com/atriumhub/atrium/pkg/bindings"
	"github.com/atriumhub/atrium/pkg/catalog"
	"github.com/atriumhub/atrium/pkg/inflight"
	"github.com/atriumhub/atrium/pkg/ledger"
	"github.com/atriumhub/atrium/pkg/partition"
	"github.com/atriumhub/atrium/pkg/upkeep/storagemigrations"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// migration is what the loops of bindings need to have objects stored in another
// version.
func (h *Hub) migration(rewrites *rate.Limiter) bindings.Migration {
	return bindings.Migration{
		Rate: rewrites,
		StoresIn: func(workspace logicalcluster.Name, resource schema.GroupResource, identity string) string {
			_, version := h.storing(workspace, resource, identity)
			return version
		},
		Stored: func(ctx context.Context, workspace logicalcluster.Name, resource schema.GroupResource, identity, after string, limit int) ([]partition.Stored, error) {
			return h.stores.bound(identity).Stored(ctx, workspace, resource, after, limit)
		},
		Rewrite: h.rewrite,
	}
}

// storageMigrations is what the loop of StorageVersionMigrations needs.
func (h *Hub) storageMigrations(rewrites *rate.Limiter) storagemigrations.Config {
	return storagemigrations.Config{
		Hub: h.hubClient, Migrations: h.models.storageMigrations, Definitions: h.models.definitions, Catalog: h.catalog,
		Stored: h.stores.customResources.Stored,
		Rewrite: func(ctx context.Context, workspace logicalcluster.Name, resource schema.GroupVersionResource, namespace, name string) error {
			return h.rewrite(ctx, workspace, resource, "", namespace, name)
		},
		Writes: &h.writes, Rate: rewrites,
	}
}

// storing returns how a workspace writes objects of a resource that it has by exports
// of an identity, or without one by its own definition, and in which version.
func (h *Hub) storing(workspace logicalcluster.Name, resource schema.GroupResource, identity string) (*catalog.API, string) {
	api, found := h.catalog.Lookup(workspace, resource)
	if !found || api.Origin != catalog.Bound && api.Origin != catalog.Local || api.Closed || api.Provider.Identity != identity {
		return nil, ""
	}
	version, err := apiextensionshelpers.GetCRDStorageVersion(api.CRD)
	if err != nil {
		return nil, ""
	}
	return api, version
}

// rewrite stores an object once more, converted by who converts for its workspace.
// The store compares before it writes, so what others write meanwhile is not lost.
func (h *Hub) rewrite(ctx context.Context, workspace logicalcluster.Name, resource schema.GroupVersionResource, identity, namespace, name string) error {
	defer h.writes.Begin(inflight.Place{Workspace: workspace, Resource: resource.GroupResource()})() // before the API is looked up, as for requests
	api, version := h.storing(workspace, resource.GroupResource(), identity)
	if version != resource.Version {
		return bindings.ErrStoresOtherwise
	}
	err := h.customResources.Store(ledger.Within(ctx, workspace), api, func(ctx context.Context, objects *registry.Store) error {
		ctx = request.WithNamespace(ctx, namespace)
		key, err := objects.KeyFunc(ctx, name)
		if err != nil {
			return err
		}
		same := storage.SimpleUpdate(func(stored runtime.Object) (runtime.Object, error) { return stored, nil })
		return objects.Storage.Storage.GuaranteedUpdate(ctx, key, objects.NewFunc(), false, nil, same, nil)
	})
	if storage.IsNotFound(err) || apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
