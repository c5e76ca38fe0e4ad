package server

import (
	"context"
	"regexp"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/bindings"
	"github.com/atriumhub/atrium/pkg/catalog"
	"github.com/atriumhub/atrium/pkg/partition"
	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// boundPlace is where objects of a bound resource lie.
type boundPlace struct {
	resource schema.GroupResource
	identity string
}

// noteBound makes workspace deletion know of bound resources, as noteDefinitions
// does of those that workspaces define.
func (h *Hub) noteBound() {
	h.models.bindings.OnChange(func(old, binding *apisv1alpha2.APIBinding, _ logicalcluster.Key) {
		before, after := placesOf(old), placesOf(binding)
		for place := range after {
			if !before[place] {
				h.account(h.stores.bound(place.identity).Define(place.resource))
			}
		}
		for place := range before {
			if !after[place] {
				h.account(h.stores.bound(place.identity).Undefine(place.resource))
			}
		}
	})
}

func (h *Hub) account(err error) {
	if err != nil {
		h.printf("cannot keep account of resources: %v", err)
	}
}

func placesOf(binding *apisv1alpha2.APIBinding) map[boundPlace]bool {
	places := map[boundPlace]bool{}
	if binding == nil {
		return places
	}
	for i := range binding.Status.BoundResources {
		bound := &binding.Status.BoundResources[i]
		if bindings.Stored(bound) {
			places[boundPlace{schema.GroupResource{Group: bound.Group, Resource: bound.Resource}, bound.Schema.IdentityHash}] = true
		}
	}
	return places
}

// identityExp is how identity hashes look, and workspaces do not.
var identityExp = regexp.MustCompile(`^[0-9a-f]{64}$`)

// identified returns where objects lie under a segment of a key, or nil when that
// is no identity.
func (s *stores) identified(segment string) *partition.Getter {
	if !identityExp.MatchString(segment) {
		return nil
	}
	return s.bound(segment)
}

// reach returns a version under which requests reach the objects that workspace
// has of a resource by exports of an identity, or "".
func (h *Hub) reach(workspace logicalcluster.Name, resource schema.GroupResource, identity string) string {
	api, ok := h.catalog.Lookup(workspace, resource)
	if !ok || api.Origin != catalog.Bound || api.Provider.Identity != identity || len(api.Versions) == 0 {
		return ""
	}
	return api.Versions[0]
}

// purgeBound removes objects that no request can reach any more.
func (h *Hub) purgeBound(ctx context.Context, workspace logicalcluster.Name, resource schema.GroupResource, identity string) error {
	return h.stores.bound(identity).PurgeOwn(ctx, workspace, resource)
}

// adopt moves objects from where they are by a definition of their workspace to
// where they are by an identity, or back.
func (h *Hub) adopt(ctx context.Context, workspace logicalcluster.Name, resource schema.GroupResource, identity string, back bool, limit int) (int, error) {
	from, to := h.stores.customResources, h.stores.bound(identity)
	if back {
		from, to = to, from
	}
	return from.Move(ctx, workspace, resource, to, limit)
}

// hubGroup reports whether group is that of a kind of the hub itself.
func (h *Hub) hubGroup(group string) bool {
	return slices.ContainsFunc(h.catalog.System(), func(api *catalog.API) bool { return api.Group == group })
}

// schemaOf returns a schema, also one that was stored a moment ago.
func (h *Hub) schemaOf(ctx context.Context, key logicalcluster.Key) (*apisv1alpha1.APIResourceSchema, error) {
	if known, ok := h.models.schemas.Get(key); ok {
		return known, nil
	}
	return client.APIResourceSchemas(h.hubClient, key.Workspace.Path()).Get(ctx, key.Name, metav1.GetOptions{})
}
