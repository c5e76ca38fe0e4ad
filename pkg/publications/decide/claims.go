package decide

import (
	"slices"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
)

// everything is what a claim is accepted for when nobody chose.
var everything = apisv1alpha2.PermissionClaimSelector{MatchAll: true}

// claims returns the answer to each claim of the export (D2).
func (p *Publication) claims() []apisv1alpha2.AcceptablePermissionClaim {
	var answers []apisv1alpha2.AcceptablePermissionClaim
	for _, claim := range p.Offer.Claims {
		answers = append(answers, p.answer(claim))
	}
	return answers
}

// answer is what the author of the publication says to a claim.
func (p *Publication) answer(claim apisv1alpha2.PermissionClaim) apisv1alpha2.AcceptablePermissionClaim {
	answer := apisv1alpha2.AcceptablePermissionClaim{
		ScopedPermissionClaim: apisv1alpha2.ScopedPermissionClaim{PermissionClaim: claim, Selector: everything},
		State:                 apisv1alpha2.ClaimRejected,
	}
	if p.Spec.AcceptAllPermissionClaims {
		answer.State = apisv1alpha2.ClaimAccepted
		if claim.DefaultSelector != nil {
			answer.Selector = *claim.DefaultSelector
		}
		return answer
	}
	for _, accepted := range p.Spec.AcceptedPermissionClaims {
		if accepted.GroupResource == claim.GroupResource && accepted.IdentityHash == claim.IdentityHash {
			accept(&answer, accepted)
		}
	}
	return answer
}

func accept(answer *apisv1alpha2.AcceptablePermissionClaim, accepted publicationv1alpha1.AcceptedPermissionClaim) {
	if len(accepted.Verbs) > 0 {
		answer.Verbs = commonVerbs(answer.Verbs, accepted.Verbs)
	}
	if len(answer.Verbs) == 0 {
		// Nothing of what is claimed is accepted, and an answer has to have verbs.
		answer.Verbs = accepted.Verbs
		return
	}
	answer.State = apisv1alpha2.ClaimAccepted
	if accepted.Selector != nil {
		answer.Selector = *accepted.Selector
	}
}

// commonVerbs returns what of the claimed verbs is accepted.
func commonVerbs(claimed, accepted []string) []string {
	const all = "*"
	switch {
	case slices.Contains(accepted, all):
		return claimed
	case slices.Contains(claimed, all):
		return accepted
	}
	var common []string
	for _, verb := range claimed {
		if slices.Contains(accepted, verb) {
			common = append(common, verb)
		}
	}
	return common
}
