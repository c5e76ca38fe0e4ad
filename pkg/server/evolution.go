package server

import (
	"context"
	"maps"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/bindings"
	"github.com/atriumhub/atrium/pkg/views"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
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

// evolution answers what the view of providers asks while schemas change.
func (h *Hub) evolution() views.Evolution {
	stored := &storedVersions{}
	h.models.bindings.OnChange(func(before, after *apisv1alpha2.APIBinding, _ logicalcluster.Key) { stored.follow(before, after) })
	return views.Evolution{
		RolledOut: func(export *apisv1alpha2.APIExport, resource *apisv1alpha2.ResourceSchema) string {
			return bindings.RolledOut(h.models.rollouts.In(logicalcluster.From(export)), export.Name, resource)
		},
		Stored: stored.of,
		Served: h.catalog.Lookup,
		Hold:   h.catalog.Hold,
	}
}

// storedVersions knows in which versions the objects of exports may be stored. Most
// exports have one version and one entry.
type storedVersions struct {
	mu     sync.RWMutex
	counts map[exported]map[string]int
	sorted map[exported][]string
}

// exported is a resource of an export.
type exported struct {
	export   logicalcluster.Key
	resource schema.GroupResource
}

func (s *storedVersions) of(export logicalcluster.Key, resource schema.GroupResource) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.sorted[exported{export, resource}]
}

func (s *storedVersions) follow(before, after *apisv1alpha2.APIBinding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(after, 1)
	s.add(before, -1)
}

func (s *storedVersions) add(binding *apisv1alpha2.APIBinding, n int) {
	if binding == nil || binding.Spec.Reference.Export == nil {
		return
	}
	export := logicalcluster.Key{Workspace: logicalcluster.Name(binding.Status.APIExportClusterName), Name: binding.Spec.Reference.Export.Name}
	for _, bound := range binding.Status.BoundResources {
		key := exported{export, schema.GroupResource{Group: bound.Group, Resource: bound.Resource}}
		for _, version := range bound.StorageVersions {
			s.count(key, version, n)
		}
	}
}

func (s *storedVersions) count(key exported, version string, n int) {
	if s.counts == nil {
		s.counts, s.sorted = map[exported]map[string]int{}, map[exported][]string{}
	}
	versions := s.counts[key]
	if versions == nil {
		versions = map[string]int{}
		s.counts[key] = versions
	}
	was := versions[version]
	if versions[version] += n; versions[version] <= 0 {
		delete(versions, version)
	}
	switch {
	case len(versions) == 0:
		delete(s.counts, key)
		delete(s.sorted, key)
	case was == 0 || versions[version] == 0:
		s.sorted[key] = slices.Sorted(maps.Keys(versions))
	}
}
