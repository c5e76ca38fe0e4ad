package schemas

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Resolve returns what is served when all of offers are made in one workspace:
// of those for the same resource only the one whose Origin comes first (system
// before bound before local). The result is sorted by group and resource.
func Resolve(offers ...[]*API) []*API {
	chosen := map[schema.GroupResource]*API{}
	for _, offer := range offers {
		for _, api := range offer {
			rival, taken := chosen[api.GroupResource()]
			if !taken || api.Origin < rival.Origin {
				chosen[api.GroupResource()] = api
			}
		}
	}
	served := make([]*API, 0, len(chosen))
	for _, api := range chosen {
		served = append(served, api)
	}
	slices.SortFunc(served, compareAPIs)
	return served
}

func compareAPIs(a, b *API) int {
	return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Resource, b.Resource))
}
