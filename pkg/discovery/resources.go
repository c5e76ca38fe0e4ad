package discovery

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Resources lists what a workspace serves, each resource once, in its
// preferred version and without subresources: what a client learns from
// discovery as the preferred resources. It is for callers within the hub.
func (h *Handler) Resources(workspace logicalcluster.Name) []*metav1.APIResourceList {
	set := h.catalog.Served(workspace)
	var lists []*metav1.APIResourceList
	for _, group := range compose(h.natives.Groups, set) {
		listed := map[string]bool{}
		for _, v := range group.Versions {
			gv := schema.GroupVersion{Group: group.Name, Version: v.Version}
			list := &metav1.APIResourceList{GroupVersion: gv.String()}
			for i := range v.Resources {
				if r := &v.Resources[i]; !listed[r.Resource] {
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
