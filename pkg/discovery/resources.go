package discovery

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/catalog"
	"github.com/atriumhub/atrium/pkg/schemas"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Resources lists what a workspace serves, each resource once, in its
// preferred version and without subresources: what a client learns from
// discovery as the preferred resources. Where a webhook would be asked for that
// version, it is the one that is stored. It is for callers within the hub.
func (h *Handler) Resources(workspace logicalcluster.Name) []*metav1.APIResourceList {
	set := h.catalog.Served(workspace)
	var lists []*metav1.APIResourceList
	for _, group := range compose(h.natives.Groups, set) {
		listed := map[string]bool{}
		for _, v := range group.Versions {
			gv := schema.GroupVersion{Group: group.Name, Version: v.Version}
			list := &metav1.APIResourceList{GroupVersion: gv.String()}
			for i := range v.Resources {
				if r := &v.Resources[i]; !listed[r.Resource] && plain(set, gv, r.Resource) {
					listed[r.Resource] = true
					list.APIResources = append(list.APIResources, legacyResource(gv, r, "")[0])
				}
			}
			if len(list.APIResources) > 0 {
				lists = append(lists, list)
			}
		}
	}
	return lists
}

// plain reports whether a version of a resource is the one to read it in: where
// others would be converted by a webhook, that is the one that is stored.
func plain(set *catalog.Set, gv schema.GroupVersion, resource string) bool {
	api, ok := set.Lookup(schema.GroupResource{Group: gv.Group, Resource: resource})
	if !ok || api.CRD == nil || !schemas.CallsOut(api.CRD) {
		return true
	}
	stored := schemas.StoredVersion(api.CRD)
	return stored == "" || stored == gv.Version
}
