package discovery

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/catalog"
	"github.com/atriumhub/atrium/pkg/schemas"
)

// verbsOfForms lists what both forms of discovery say of set.
func verbsOfForms(natives Natives, set *catalog.Set) (aggregated, legacy map[string]string) {
	aggregated, legacy = map[string]string{}, map[string]string{}
	for _, group := range compose(natives.Groups, set) {
		for _, v := range group.Versions {
			gv := schema.GroupVersion{Group: group.Name, Version: v.Version}
			for _, r := range v.Resources {
				aggregated[r.Resource] = join(r.Verbs)
				for _, sub := range r.Subresources {
					aggregated[r.Resource+"/"+sub.Subresource] = join(sub.Verbs)
				}
			}
			for _, entry := range legacyResources(natives.Resources[gv], gv, v.Resources, set) {
				legacy[entry.Name] = join(entry.Verbs)
			}
		}
	}
	return aggregated, legacy
}

func join(verbs metav1.Verbs) string { return verbs.String() }

func TestLimits(t *testing.T) {
	natives := someNatives()
	accounts := apidiscoveryv2.APIResourceDiscovery{
		Resource: "serviceaccounts", Verbs: metav1.Verbs{"create", "get", "list"},
		Subresources: []apidiscoveryv2.APISubresourceDiscovery{
			{Subresource: "token", Verbs: metav1.Verbs{"create"}}, {Subresource: "status", Verbs: metav1.Verbs{"get", "update"}},
		},
	}
	natives.Groups[0].Versions[0].Resources = append(natives.Groups[0].Versions[0].Resources, accounts)
	natives.Resources[schema.GroupVersion{Version: "v1"}] = []metav1.APIResource{
		{Name: "serviceaccounts", Verbs: accounts.Verbs}, {Name: "serviceaccounts/token", Verbs: metav1.Verbs{"create"}},
		{Name: "serviceaccounts/status", Verbs: metav1.Verbs{"get", "update"}}, {Name: "configmaps", Verbs: metav1.Verbs{"get", "list"}},
	}
	api := schemas.FromCRD(schemas.Installed(define("scheduling.kcp.io", "placements", "Placement")), schemas.System)
	gr := func(resource string) schema.GroupResource { return schema.GroupResource{Resource: resource} }
	all := catalog.NewViewSet([]*catalog.API{api}, []schema.GroupResource{gr("configmaps"), gr("serviceaccounts")})
	before, _ := verbsOfForms(natives, all)
	for name, tc := range map[string]struct {
		limits map[schema.GroupResource][]string
		want   map[string]string
	}{
		"some": {map[schema.GroupResource][]string{
			gr("serviceaccounts"): {"create", "get"}, gr("configmaps"): {"*"}, api.GroupResource(): {"get", "list", "watch"},
		}, map[string]string{
			"configmaps": "[get list]", "serviceaccounts": "[create get]", "serviceaccounts/status": "[get]", "placements": "[get list watch]",
			"placements/status": "[get]", "placements/scale": "[get]",
		}},
		"all": {map[schema.GroupResource][]string{gr("serviceaccounts"): {"*"}}, map[string]string{
			"configmaps": "[get list]", "serviceaccounts": "[create get list]", "serviceaccounts/status": "[get update]",
			"placements": join(resourceVerbs), "placements/status": join(subresourceVerbs), "placements/scale": join(subresourceVerbs),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			aggregated, legacy := verbsOfForms(natives, all.Limited(tc.limits))
			if diff := cmp.Diff(tc.want, aggregated); diff != "" {
				t.Errorf("aggregated: %s", diff)
			}
			if diff := cmp.Diff(tc.want, legacy); diff != "" {
				t.Errorf("legacy: %s", diff)
			}
		})
	}
	if after, _ := verbsOfForms(natives, all); !cmp.Equal(before, after) {
		t.Errorf("the set without limits has changed: %s", cmp.Diff(before, after))
	}
}
