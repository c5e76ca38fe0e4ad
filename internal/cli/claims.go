package cli

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
)

// ClaimWarnings says which claims of bound exports wait for an answer, a text
// of one or two lines each.
func ClaimWarnings(bindings []apisv1alpha2.APIBinding) []string {
	var warnings []string
	for _, binding := range bindings {
		for _, claim := range binding.Status.ExportPermissionClaims {
			if warning := claimWarning(binding, claim); warning != "" {
				warnings = append(warnings, warning)
			}
		}
	}
	return warnings
}

func claimWarning(binding apisv1alpha2.APIBinding, claim apisv1alpha2.PermissionClaim) string {
	resource := schema.GroupResource{Group: claim.Group, Resource: claim.Resource}
	i := slices.IndexFunc(binding.Spec.PermissionClaims, func(answer apisv1alpha2.AcceptablePermissionClaim) bool {
		return answer.GroupResource == claim.GroupResource && answer.IdentityHash == claim.IdentityHash
	})
	if i < 0 {
		return fmt.Sprintf("Warning: claim for %s exported but not specified on APIBinding %s\nAdd this claim to the APIBinding's Spec.", resource, binding.Name)
	}
	answer := binding.Spec.PermissionClaims[i]
	if answer.State != apisv1alpha2.ClaimAccepted && answer.State != apisv1alpha2.ClaimRejected {
		return fmt.Sprintf("Warning: claim for %s specified on APIBinding %s but not accepted or rejected.", resource, binding.Name)
	}
	if answer.State == apisv1alpha2.ClaimAccepted && !allowsAll(answer.Verbs, claim.Verbs) {
		return fmt.Sprintf("Warning: allowed verbs (%s) on claim for %s on APIBinding %s do not match expected verbs (%s).", sorted(answer.Verbs), resource, binding.Name, sorted(claim.Verbs))
	}
	return ""
}

func allowsAll(allowed, expected []string) bool {
	return slices.Contains(allowed, "*") || !slices.ContainsFunc(expected, func(verb string) bool { return !slices.Contains(allowed, verb) })
}

func sorted(verbs []string) string {
	return strings.Join(slices.Compact(slices.Sorted(slices.Values(verbs))), ",")
}
