package cli

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
)

func TestClaimWarnings(t *testing.T) {
	claim := func(group, resource, hash string, verbs ...string) apisv1alpha2.PermissionClaim {
		return apisv1alpha2.PermissionClaim{
			GroupResource: apisv1alpha2.GroupResource{Group: group, Resource: resource},
			IdentityHash:  hash, Verbs: verbs,
		}
	}
	answer := func(c apisv1alpha2.PermissionClaim, state apisv1alpha2.AcceptablePermissionClaimState) apisv1alpha2.AcceptablePermissionClaim {
		return apisv1alpha2.AcceptablePermissionClaim{
			ScopedPermissionClaim: apisv1alpha2.ScopedPermissionClaim{PermissionClaim: c}, State: state,
		}
	}
	secrets := claim("", "secrets", "", "get", "list")
	cases := map[string]struct {
		exported apisv1alpha2.PermissionClaim
		answers  []apisv1alpha2.AcceptablePermissionClaim
		want     []string
	}{
		"accepted":                  {exported: secrets, answers: []apisv1alpha2.AcceptablePermissionClaim{answer(secrets, "Accepted")}},
		"all verbs":                 {exported: secrets, answers: []apisv1alpha2.AcceptablePermissionClaim{answer(claim("", "secrets", "", "*"), "Accepted")}},
		"rejected":                  {exported: secrets, answers: []apisv1alpha2.AcceptablePermissionClaim{answer(secrets, "Rejected")}},
		"any order":                 {exported: secrets, answers: []apisv1alpha2.AcceptablePermissionClaim{answer(claim("", "secrets", "", "list", "get", "get"), "Accepted")}},
		"rejected with other verbs": {exported: secrets, answers: []apisv1alpha2.AcceptablePermissionClaim{answer(claim("", "secrets", "", "get"), "Rejected")}},
		"no answer": {
			exported: secrets,
			want:     []string{"Warning: claim for secrets exported but not specified on APIBinding b\nAdd this claim to the APIBinding's Spec."},
		},
		"answer for another identity": {
			exported: claim("example.io", "widgets", "abc", "*"),
			answers:  []apisv1alpha2.AcceptablePermissionClaim{answer(claim("example.io", "widgets", "def", "*"), "Accepted")},
			want:     []string{"Warning: claim for widgets.example.io exported but not specified on APIBinding b\nAdd this claim to the APIBinding's Spec."},
		},
		"undecided": {
			exported: secrets, answers: []apisv1alpha2.AcceptablePermissionClaim{answer(secrets, "")},
			want: []string{"Warning: claim for secrets specified on APIBinding b but not accepted or rejected."},
		},
		"other verbs": {
			exported: secrets, answers: []apisv1alpha2.AcceptablePermissionClaim{answer(claim("", "secrets", "", "watch", "get"), "Accepted")},
			want: []string{"Warning: allowed verbs (get,watch) on claim for secrets on APIBinding b do not match expected verbs (get,list)."},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := ClaimWarnings([]apisv1alpha2.APIBinding{{
				ObjectMeta: metav1.ObjectMeta{Name: "b"},
				Spec:       apisv1alpha2.APIBindingSpec{PermissionClaims: tc.answers},
				Status:     apisv1alpha2.APIBindingStatus{ExportPermissionClaims: []apisv1alpha2.PermissionClaim{tc.exported}},
			}})
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
