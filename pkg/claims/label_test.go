package claims

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
)

func claim(group, resource, identity string, verbs ...string) apisv1alpha2.PermissionClaim {
	return apisv1alpha2.PermissionClaim{
		GroupResource: apisv1alpha2.GroupResource{Group: group, Resource: resource}, IdentityHash: identity, Verbs: verbs,
	}
}

// The hashes are those that kcp makes of the same exports and claims.
func TestWire(t *testing.T) {
	suggesting := claim("apps", "deployments", "deadbeef", "get")
	suggesting.DefaultSelector = &apisv1alpha2.PermissionClaimSelector{MatchAll: true}
	got := []string{
		Export{"root", "tenancy.kcp.io"}.LabelKey(), ClaimHash(claim("", "configmaps", "", "get", "list")),
		Export{"abcd1234", "my-export"}.LabelKey(), ClaimHash(claim("apps", "deployments", "deadbeef", "get")), ClaimHash(suggesting),
		Export{"abcd1234", "my-export"}.Hash(), OwnBinding,
	}
	want := []string{
		"claimed.internal.apis.kcp.io/bmCdly9xXiUpEHe3ypvDwvXMTfoVZUE92mqAQf", "3QVjs6pfBjMpLEVYYhysJnroYGsQGlWm05E4qe",
		"claimed.internal.apis.kcp.io/phGj1BkmdNY3LKTrtFc1KGLYTBs8Nt50p8PIU", "4CpOMiJ5JL9ZC4cG8ne7nGNQbSOEUiwZ89KHal", "4CpOMiJ5JL9ZC4cG8ne7nGNQbSOEUiwZ89KHal",
		"phGj1BkmdNY3LKTrtFc1KGLYTBs8Nt50p8PIU", "LstvmbbzVDDOn90ZbhzSQO5U3DMCf88h1pZ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestEventsAreOneResource(t *testing.T) {
	if ClaimHash(claim("events.k8s.io", "events", "")) != ClaimHash(claim("", "events", "")) {
		t.Error("events have two hashes by their two names")
	}
}

func TestCommon(t *testing.T) {
	tests := map[string]struct{ a, b, want []string }{
		"both":       {[]string{"get", "list", "update"}, []string{"update", "get"}, []string{"get", "update"}},
		"all of one": {[]string{"*"}, []string{"watch", "get"}, []string{"get", "watch"}},
		"all of two": {[]string{"*"}, []string{"*"}, []string{"*"}},
		"redundant":  {[]string{"*", "get"}, []string{"*"}, []string{"*"}},
		"nothing":    {[]string{"get"}, []string{"list"}, nil},
		"empty":      {nil, []string{"*"}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Common(test.a, test.b); !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
			if got := Common(test.b, test.a); !slices.Equal(got, test.want) {
				t.Errorf("the other way round: got %v, want %v", got, test.want)
			}
		})
	}
}

// What a view over all workspaces shows depends on what each of them allows.
func TestSelectors(t *testing.T) {
	export, configMaps := Export{"abcd1234", "my-export"}, claim("", "configmaps", "")
	tests := map[string]struct {
		verbs          []string
		one, list, all bool
	}{
		"everything":  {[]string{"*"}, true, true, true},
		"list, watch": {[]string{"list", "watch"}, true, true, true},
		"no watch":    {[]string{"get", "list"}, true, true, false},
		"no list":     {[]string{"watch"}, true, false, true},
		"neither":     {[]string{"get", "update"}, true, false, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			value := ClaimHash(configMaps) + ending(test.verbs)
			if errs := validation.IsValidLabelValue(value); len(errs) > 0 {
				t.Fatal(errs)
			}
			set := labels.Set{export.LabelKey(): value}
			for reach, want := range map[Reach]bool{OneWorkspace: test.one, ListAll: test.list, WatchAll: test.all} {
				if got := export.Selector(configMaps, reach).Matches(set); got != want {
					t.Errorf("reach %d: shown %v, want %v", reach, got, want)
				}
			}
			if export.Selector(claim("", "secrets", ""), OneWorkspace).Matches(set) {
				t.Error("shown by another claim")
			}
			if (Export{"abcd1234", "other"}).Selector(configMaps, OneWorkspace).Matches(set) {
				t.Error("shown to another export")
			}
		})
	}
}

func TestOwnBindingIsAlwaysShown(t *testing.T) {
	export := Export{"abcd1234", "my-export"}
	set := labels.Set{export.LabelKey(): OwnBinding}
	for _, reach := range []Reach{OneWorkspace, ListAll, WatchAll} {
		if !export.Selector(claim("apis.kcp.io", "apibindings", ""), reach).Matches(set) {
			t.Errorf("not shown by reach %d", reach)
		}
	}
	if !export.BindingsSelector().Matches(set) {
		t.Error("not shown to an export without claims")
	}
}
