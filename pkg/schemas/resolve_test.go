package schemas

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestResolve(t *testing.T) {
	api := func(origin Origin, group, resource string) *API {
		return &API{Origin: origin, Group: group, Resource: resource}
	}
	system := []*API{api(System, "core.kcp.io", "logicalclusters")}
	native := []*API{api(Native, "apps", "deployments"), api(Native, "core.kcp.io", "logicalclusters")}
	local := []*API{api(Local, "apps", "deployments"), api(Local, "core.kcp.io", "logicalclusters"), api(Local, "apps", "widgets")}
	for name, tc := range map[string]struct {
		offers [][]*API
		want   []string
	}{
		"nothing":              {nil, nil},
		"system first":         {[][]*API{local, native, system}, []string{"native deployments.apps", "local widgets.apps", "system logicalclusters.core.kcp.io"}},
		"order does not count": {[][]*API{system, native, local}, []string{"native deployments.apps", "local widgets.apps", "system logicalclusters.core.kcp.io"}},
		"local when unbound":   {[][]*API{system, local}, []string{"local deployments.apps", "local widgets.apps", "system logicalclusters.core.kcp.io"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, served := range Resolve(tc.offers...) {
				got = append(got, served.Origin.String()+" "+served.GroupResource().String())
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("served (-want +got):\n%s", diff)
			}
		})
	}
}
