package cliatrium

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
)

// answers are what flags say to the claims of an export.
type answers struct {
	accept, reject       []string
	acceptAll, rejectAll bool

	state map[schema.GroupResource]apisv1alpha2.AcceptablePermissionClaimState
}

func (a *answers) bindAccept(flags *pflag.FlagSet) {
	flags.StringSliceVar(&a.accept, "accept-permission-claim", nil, "Claims of the APIExport to accept, as <resource>.<group>, such as secrets.core or widgets.example.org")
	flags.BoolVar(&a.acceptAll, "accept-all-permission-claims", false, "Accept all claims of the APIExport")
}

func (a *answers) bindReject(flags *pflag.FlagSet) {
	flags.StringSliceVar(&a.reject, "reject-permission-claim", nil, "Claims of the APIExport to reject, as <resource>.<group>")
	flags.BoolVar(&a.rejectAll, "reject-all-permission-claims", false, "Reject all claims of the APIExport")
}

// parse checks what was typed.
func (a *answers) parse() error {
	switch {
	case a.acceptAll && a.rejectAll:
		return errors.New("--accept-all-permission-claims and --reject-all-permission-claims exclude each other: leave one out")
	case a.acceptAll && len(a.accept)+len(a.reject) > 0:
		return errors.New("--accept-all-permission-claims goes with no other answer to claims: leave it out, or the others")
	case a.rejectAll && len(a.accept)+len(a.reject) > 0:
		return errors.New("--reject-all-permission-claims goes with no other answer to claims: leave it out, or the others")
	}
	a.state = map[schema.GroupResource]apisv1alpha2.AcceptablePermissionClaimState{}
	if err := a.note(a.accept, apisv1alpha2.ClaimAccepted); err != nil {
		return err
	}
	return a.note(a.reject, apisv1alpha2.ClaimRejected)
}

func (a *answers) note(typed []string, state apisv1alpha2.AcceptablePermissionClaimState) error {
	for _, word := range typed {
		resource, err := parseClaim(word)
		if err != nil {
			return err
		}
		if other, twice := a.state[resource]; twice && other != state {
			return fmt.Errorf("the claim on %q cannot be accepted and rejected: leave one out", word)
		}
		a.state[resource] = state
	}
	return nil
}

// given reports whether anything was answered.
func (a *answers) given() bool { return a.acceptAll || a.rejectAll || len(a.state) > 0 }

// to is the answer to one claim, or nothing.
func (a *answers) to(claim apisv1alpha2.PermissionClaim) apisv1alpha2.AcceptablePermissionClaimState {
	switch {
	case a.acceptAll:
		return apisv1alpha2.ClaimAccepted
	case a.rejectAll:
		return apisv1alpha2.ClaimRejected
	}
	return a.state[claimedResource(claim)]
}

// apply answers claims. Answers that were given before keep what they say about
// verbs and objects; those that nothing was said about stay.
func (a *answers) apply(claims []apisv1alpha2.PermissionClaim, before []apisv1alpha2.AcceptablePermissionClaim) ([]apisv1alpha2.AcceptablePermissionClaim, error) {
	if err := a.check(claims); err != nil {
		return nil, err
	}
	after := slices.Clone(before)
	for _, claim := range claims {
		if state := a.to(claim); state != "" {
			after = answered(after, claim, state)
		}
	}
	return after, nil
}

// check makes sure that all claims that were named exist.
func (a *answers) check(claims []apisv1alpha2.PermissionClaim) error {
	for _, word := range slices.Concat(a.accept, a.reject) {
		resource, err := parseClaim(word)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(claims, func(c apisv1alpha2.PermissionClaim) bool { return claimedResource(c) == resource }) {
			return fmt.Errorf("the APIExport does not claim %s: %s", printClaim(resource), claimed(claims))
		}
	}
	return nil
}

// answered returns answers with that to one claim changed or added.
func answered(given []apisv1alpha2.AcceptablePermissionClaim, claim apisv1alpha2.PermissionClaim, state apisv1alpha2.AcceptablePermissionClaimState) []apisv1alpha2.AcceptablePermissionClaim {
	for i := range given {
		if given[i].GroupResource == claim.GroupResource && given[i].IdentityHash == claim.IdentityHash {
			given[i].State = state
			return given
		}
	}
	answer := apisv1alpha2.AcceptablePermissionClaim{State: state}
	answer.GroupResource, answer.IdentityHash, answer.Verbs = claim.GroupResource, claim.IdentityHash, claim.Verbs
	answer.Selector.MatchAll = true
	if claim.DefaultSelector != nil {
		answer.Selector = *claim.DefaultSelector.DeepCopy()
	}
	return append(given, answer)
}

// claimed says for a message what there is to answer.
func claimed(claims []apisv1alpha2.PermissionClaim) string {
	if len(claims) == 0 {
		return "it claims nothing"
	}
	var names []string
	for _, claim := range claims {
		names = append(names, printClaim(claimedResource(claim)))
	}
	slices.Sort(names)
	return "it claims " + strings.Join(slices.Compact(names), ", ")
}

// parseClaim reads "secrets.core", "secrets" or "widgets.example.org".
func parseClaim(typed string) (schema.GroupResource, error) {
	resource, group, _ := strings.Cut(typed, ".")
	if group == "core" {
		group = ""
	}
	if len(validation.IsDNS1035Label(resource)) > 0 || group != "" && len(validation.IsDNS1123Subdomain(group)) > 0 {
		return schema.GroupResource{}, fmt.Errorf("invalid claim %q: write <resource>.<group>, such as widgets.example.org, or secrets.core for the core group", typed)
	}
	return schema.GroupResource{Group: group, Resource: resource}, nil
}

// printClaim is the reverse of parseClaim.
func printClaim(resource schema.GroupResource) string {
	if resource.Group == "" {
		resource.Group = "core"
	}
	return resource.String()
}

func claimedResource(claim apisv1alpha2.PermissionClaim) schema.GroupResource {
	return schema.GroupResource{Group: claim.Group, Resource: claim.Resource}
}
