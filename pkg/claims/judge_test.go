package claims

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
)

const (
	things = "7hings7hings7hings"
	others = "0thers0thers0thers"
)

// served is a workspace with what every one has, a definition of its own and
// resources of two exports.
func served(gr schema.GroupResource) (Served, bool) {
	known := map[schema.GroupResource]Served{
		{Resource: "configmaps"}:                                          {Nameless: true, Origin: "built in"},
		{Resource: "events"}:                                              {Nameless: true, Origin: "built in"},
		{Group: "example.io", Resource: "widgets"}:                        {Nameless: true, Origin: "a CustomResourceDefinition"},
		{Group: "example.io", Resource: "things"}:                         {Identity: things},
		{Group: "tenancy.kcp.io", Resource: "workspaces"}:                 {Identity: "tenancy", Nameless: true},
		{Group: "authorization.k8s.io", Resource: "subjectaccessreviews"}: {Nameless: true},
	}
	s, ok := known[gr]
	return s, ok
}

func everything() apisv1alpha2.PermissionClaimSelector {
	return apisv1alpha2.PermissionClaimSelector{MatchAll: true}
}

func matching(key, value string) apisv1alpha2.PermissionClaimSelector {
	return apisv1alpha2.PermissionClaimSelector{LabelSelector: metav1.LabelSelector{MatchLabels: map[string]string{key: value}}}
}

func scoped(c apisv1alpha2.PermissionClaim, selector apisv1alpha2.PermissionClaimSelector) apisv1alpha2.ScopedPermissionClaim {
	return apisv1alpha2.ScopedPermissionClaim{PermissionClaim: c, Selector: selector}
}

func accepted(c apisv1alpha2.PermissionClaim, selector apisv1alpha2.PermissionClaimSelector) apisv1alpha2.AcceptablePermissionClaim {
	return apisv1alpha2.AcceptablePermissionClaim{ScopedPermissionClaim: scoped(c, selector), State: apisv1alpha2.ClaimAccepted}
}

func rejected(c apisv1alpha2.PermissionClaim) apisv1alpha2.AcceptablePermissionClaim {
	return apisv1alpha2.AcceptablePermissionClaim{ScopedPermissionClaim: scoped(c, everything()), State: apisv1alpha2.ClaimRejected}
}

func exporting(claims ...apisv1alpha2.PermissionClaim) *apisv1alpha2.APIExport {
	return &apisv1alpha2.APIExport{
		ObjectMeta: metav1.ObjectMeta{Name: "cool"},
		Spec: apisv1alpha2.APIExportSpec{
			Resources:        []apisv1alpha2.ResourceSchema{{Group: "cool.io", Name: "coolers"}},
			PermissionClaims: claims,
		},
		Status: apisv1alpha2.APIExportStatus{IdentityHash: "1dentity"},
	}
}

func binding(claims ...apisv1alpha2.AcceptablePermissionClaim) *apisv1alpha2.APIBinding {
	return &apisv1alpha2.APIBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "cool", Annotations: map[string]string{AcceptedIdentityAnnotation: "1dentity"}},
		Spec: apisv1alpha2.APIBindingSpec{
			Reference:        apisv1alpha2.BindingReference{Export: &apisv1alpha2.ExportBindingReference{Path: "root:cool", Name: "cool"}},
			PermissionClaims: claims,
		},
		Status: apisv1alpha2.APIBindingStatus{Phase: apisv1alpha2.APIBindingPhaseBound, APIExportClusterName: "c00l"},
	}
}

func TestJudge(t *testing.T) {
	type list = []apisv1alpha2.ScopedPermissionClaim
	configMaps := claim("", "configmaps", "", "get", "list", "update")
	tests := map[string]struct {
		binding *apisv1alpha2.APIBinding
		export  *apisv1alpha2.APIExport
		usable  list
		invalid string
		waiting []string
	}{
		"nothing claimed": {binding: binding(), export: exporting()},
		"not accepted":    {binding: binding(), export: exporting(configMaps)},
		"rejected":        {binding: binding(rejected(configMaps)), export: exporting(configMaps)},
		"accepted": {
			binding: binding(accepted(claim("", "configmaps", "", "*"), everything())), export: exporting(configMaps),
			usable: list{scoped(configMaps, everything())},
		},
		"fewer verbs": {
			binding: binding(accepted(claim("", "configmaps", "", "get", "delete"), matching("a", "b"))), export: exporting(configMaps),
			usable: list{scoped(claim("", "configmaps", "", "get"), matching("a", "b"))},
		},
		"no verbs": {
			binding: binding(accepted(claim("", "configmaps", "", "delete"), everything())), export: exporting(configMaps),
			invalid: "configmaps: none of the accepted verbs (delete) is claimed: the export claims get, list, update",
		},
		"not claimed": {
			binding: binding(accepted(claim("", "secrets", "", "*"), everything())), export: exporting(configMaps),
			invalid: `secrets: APIExport "cool" does not claim it: remove it from spec.permissionClaims, or wait until it does`,
		},
		"of another export than claimed": {
			binding: binding(accepted(claim("example.io", "things", others, "*"), everything())), export: exporting(claim("example.io", "things", things, "*")),
			invalid: `things.example.io:0thers0thers…: accepted with identityHash 0thers0thers…, but APIExport "cool" claims it with identityHash 7hings7hings…: look up which one you mean, and accept that`,
		},
		"of another export than served": {
			binding: binding(accepted(claim("example.io", "things", others, "*"), everything())), export: exporting(claim("example.io", "things", others, "*")),
			invalid: `things.example.io:0thers0thers…: claimed with identityHash 0thers0thers…, but here it comes from an export with identityHash 7hings7hings…`,
		},
		"of an export without saying which": {
			binding: binding(accepted(claim("example.io", "things", "", "*"), everything())), export: exporting(claim("example.io", "things", "", "*")),
			invalid: `things.example.io: claimed with no identityHash, but here it comes from an export with identityHash 7hings7hings…`,
		},
		"of the right export": {
			binding: binding(accepted(claim("example.io", "things", things, "*"), everything())), export: exporting(claim("example.io", "things", things, "*")),
			usable: list{scoped(claim("example.io", "things", things, "*"), everything())},
		},
		"a definition of the workspace": {
			binding: binding(accepted(claim("example.io", "widgets", "", "*"), everything())), export: exporting(claim("example.io", "widgets", "", "*")),
			usable: list{scoped(claim("example.io", "widgets", "", "*"), everything())},
		},
		"a definition of the workspace as if exported": {
			binding: binding(accepted(claim("example.io", "widgets", things, "*"), everything())), export: exporting(claim("example.io", "widgets", things, "*")),
			invalid: `widgets.example.io:7hings7hings…: claimed with identityHash 7hings7hings…, but here it is a CustomResourceDefinition, which has none`,
		},
		"the hub's own, with identity": {
			binding: binding(accepted(claim("tenancy.kcp.io", "workspaces", "tenancy", "get"), everything())), export: exporting(claim("tenancy.kcp.io", "workspaces", "tenancy", "*")),
			usable: list{scoped(claim("tenancy.kcp.io", "workspaces", "tenancy", "get"), everything())},
		},
		"the hub's own, without": {
			binding: binding(accepted(claim("tenancy.kcp.io", "workspaces", "", "get"), everything())), export: exporting(claim("tenancy.kcp.io", "workspaces", "", "*")),
			usable: list{scoped(claim("tenancy.kcp.io", "workspaces", "", "get"), everything())},
		},
		"not served": {
			binding: binding(accepted(claim("example.io", "gadgets", "", "*"), everything())), export: exporting(claim("example.io", "gadgets", "", "*")),
			waiting: []string{"gadgets.example.io"},
		},
		"the export's own": {
			binding: binding(accepted(claim("cool.io", "coolers", "", "*"), everything())), export: exporting(claim("cool.io", "coolers", "", "*")),
			invalid: "coolers.cool.io: the export offers this resource itself, so that its provider has it anyway: remove the claim",
		},
		"a review": {
			binding: binding(accepted(claim("authorization.k8s.io", "subjectaccessreviews", "", "*"), everything())), export: exporting(claim("authorization.k8s.io", "subjectaccessreviews", "", "*")),
			invalid: "subjectaccessreviews.authorization.k8s.io: there are no objects of this resource that could be claimed: remove the claim",
		},
		"no selector": {
			binding: binding(accepted(configMaps, apisv1alpha2.PermissionClaimSelector{})), export: exporting(configMaps),
			invalid: "configmaps: selector: set one of matchAll, matchLabels and matchExpressions",
		},
		"two selectors": {
			binding: binding(accepted(configMaps, apisv1alpha2.PermissionClaimSelector{MatchAll: true, LabelSelector: matching("a", "b").LabelSelector})), export: exporting(configMaps),
			invalid: "configmaps: selector: matchAll cannot be combined with matchLabels or matchExpressions",
		},
		"a selector that cannot be": {
			binding: binding(accepted(configMaps, matching("a", "not a value"))), export: exporting(configMaps),
			invalid: `configmaps: selector: values[0][a]: Invalid value: "not a value": a valid label must be an empty string`,
		},
		"a selector by claims": {
			binding: binding(accepted(configMaps, matching("claimed.internal.apis.kcp.io/x", "y"))), export: exporting(configMaps),
			invalid: `configmaps: selector: label "claimed.internal.apis.kcp.io/x" follows from claims, it cannot decide about them`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := Judge(Facts{Binding: test.binding, Export: test.export, Served: served})
			if diff := cmp.Diff(test.usable, got.Usable); diff != "" {
				t.Errorf("usable (-want +got):\n%s", diff)
			}
			if invalid := strings.Join(got.Invalid, "\n"); !strings.HasPrefix(invalid, test.invalid) || test.invalid == "" && invalid != "" {
				t.Errorf("invalid:\ngot  %s\nwant %s", invalid, test.invalid)
			}
			if diff := cmp.Diff(test.waiting, got.Waiting); diff != "" {
				t.Errorf("waiting (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.export.Spec.PermissionClaims, got.Claimed); diff != "" {
				t.Errorf("claimed (-want +got):\n%s", diff)
			}
		})
	}
}

// C3: the export that claims were accepted of is known by its identity.
func TestReplacedExport(t *testing.T) {
	configMaps := claim("", "configmaps", "", "*")
	replaced := exporting(configMaps)
	replaced.Status.IdentityHash = "another0ne0f1ts"
	got := Judge(Facts{Binding: binding(accepted(configMaps, everything())), Export: replaced, Served: served})
	want := []string{`the claims were accepted of an export with identity 1dentity, but APIExport "cool" has identity another0ne0f…  now: `}
	if len(got.Usable) != 0 || len(got.Invalid) != 1 || !strings.HasPrefix(got.Invalid[0], strings.Replace(want[0], "  ", " ", 1)) {
		t.Errorf("%+v", got)
	}
	unnamed := binding(accepted(configMaps, everything()))
	unnamed.Annotations = nil
	if got := Judge(Facts{Binding: unnamed, Export: replaced, Served: served}); !got.Unnamed || len(got.Usable) != 0 {
		t.Errorf("before anybody noted down whom: %+v", got)
	}
	if got := Judge(Facts{Binding: unnamed, Served: served}); len(got.Usable)+len(got.Claimed) != 0 || got.Unnamed {
		t.Errorf("without an export: %+v", got)
	}
}

func TestManyClaims(t *testing.T) {
	var claimed []apisv1alpha2.PermissionClaim
	var answers []apisv1alpha2.AcceptablePermissionClaim
	for i := range 1000 {
		c := claim("example.io", fmt.Sprintf("r%d", i), "", "*")
		claimed, answers = append(claimed, c), append(answers, accepted(c, everything()))
	}
	if got := Judge(Facts{Binding: binding(answers...), Export: exporting(claimed...), Served: served}); len(got.Waiting) != 1000 {
		t.Errorf("%d of 1000 wait", len(got.Waiting))
	}
}
