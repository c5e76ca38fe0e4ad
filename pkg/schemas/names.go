package schemas

import (
	"fmt"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// Claim is a set of names that are taken in one API group of a workspace.
type Claim struct {
	// Owner says in a message whose names these are, as in
	// `CustomResourceDefinition "gadgets.example.io"`.
	Owner string
	// Remedy says in a message how the names could be freed; it may be empty.
	Remedy string
	// Group is the API group in which the names are taken.
	Group string
	// Names are the taken names. Empty ones claim nothing.
	Names apiextensionsv1.CustomResourceDefinitionNames
	// Precedes is set for APIs that are served before any definition of the
	// workspace: their plural wins even against names accepted earlier.
	Precedes bool
}

// ClaimOf returns the names that another definition of the same workspace has
// had accepted.
func ClaimOf(crd *apiextensionsv1.CustomResourceDefinition) Claim {
	return Claim{
		Owner:  fmt.Sprintf("CustomResourceDefinition %q", crd.Name),
		Remedy: fmt.Sprintf("or delete CustomResourceDefinition %q if it is not needed", crd.Name),
		Group:  crd.Spec.Group,
		Names:  crd.Status.AcceptedNames,
	}
}

// ClaimsAround returns the claims of all definitions in crds except crd itself.
func ClaimsAround(crd *apiextensionsv1.CustomResourceDefinition, crds []*apiextensionsv1.CustomResourceDefinition) []Claim {
	var claims []Claim
	for _, other := range crds {
		if other.Name != crd.Name && other.Spec.Group == crd.Spec.Group {
			claims = append(claims, ClaimOf(other))
		}
	}
	return claims
}

// Accept returns the names under which crd is served, given what is taken in
// its workspace, and the NamesAccepted condition. A name the definition holds
// already stays its own; a wanted one that is taken leaves the old one in place
// (upstream: "the status is the best match possible"). The result does not
// share slices with the input.
func Accept(crd *apiextensionsv1.CustomResourceDefinition, claims []Claim) (apiextensionsv1.CustomResourceDefinitionNames, apiextensionsv1.CustomResourceDefinitionCondition) {
	a := acceptance{group: crd.Spec.Group, claims: claims}
	want, have := crd.Spec.Names, crd.Status.AcceptedNames
	names := *have.DeepCopy()

	names.Plural = a.plural(want.Plural, have.Plural)
	names.Singular = a.resource("SingularConflict", "singular", want.Singular, have.Singular)
	names.ShortNames = a.shortNames(want.ShortNames, have.ShortNames)
	names.Kind = a.kind("KindConflict", "kind", want.Kind, have.Kind)
	names.ListKind = a.kind("ListKindConflict", "listKind", want.ListKind, have.ListKind)
	names.Categories = slices.Clone(want.Categories)
	return names, a.condition()
}

// acceptance collects what stands against the wanted names.
type acceptance struct {
	group    string
	claims   []Claim
	reason   string
	messages []string
}

func (a *acceptance) condition() apiextensionsv1.CustomResourceDefinitionCondition {
	if a.reason == "" {
		return apiextensionsv1.CustomResourceDefinitionCondition{
			Type: apiextensionsv1.NamesAccepted, Status: apiextensionsv1.ConditionTrue,
			Reason: "NoConflicts", Message: "no conflicts found",
		}
	}
	return apiextensionsv1.CustomResourceDefinitionCondition{
		Type: apiextensionsv1.NamesAccepted, Status: apiextensionsv1.ConditionFalse,
		Reason: a.reason, Message: strings.Join(a.messages, "; "),
	}
}

// refuse notes a conflict. The first reason names the condition.
func (a *acceptance) refuse(reason, message string) {
	if a.reason == "" {
		a.reason = reason
	}
	a.messages = append(a.messages, message)
}

// plural is resource for the plural name, which an API served before the
// workspace's own definitions takes away even when it was accepted once.
func (a *acceptance) plural(want, have string) string {
	for _, claim := range a.claims {
		if claim.Precedes && claim.Group == a.group && claim.Names.Plural == want {
			a.refuse("PluralConflict", fmt.Sprintf("plural %q in group %q belongs to %s, which is served instead: choose another group or plural%s",
				want, a.group, claim.Owner, remedy(claim)))
			return have
		}
	}
	return a.resource("PluralConflict", "plural", want, have)
}

// resource returns the wanted resource name, or the one held when it is taken.
func (a *acceptance) resource(reason, field, want, have string) string {
	return a.choose(reason, field, want, have, resourceFields)
}

// kind is resource for names of kinds.
func (a *acceptance) kind(reason, field, want, have string) string {
	return a.choose(reason, field, want, have, kindFields)
}

func (a *acceptance) choose(reason, field, want, have string, taken func(*apiextensionsv1.CustomResourceDefinitionNames) []takenName) string {
	if want == have {
		return want
	}
	message, conflict := a.conflict(field, want, taken)
	if !conflict {
		return want
	}
	a.refuse(reason, message)
	return have
}

// shortNames accepts the whole list or keeps the one held.
func (a *acceptance) shortNames(want, have []string) []string {
	accepted := true
	for _, name := range want {
		if slices.Contains(have, name) {
			continue
		}
		if message, conflict := a.conflict("short name", name, resourceFields); conflict {
			a.refuse("ShortNamesConflict", message)
			accepted = false
		}
	}
	if accepted {
		return slices.Clone(want)
	}
	return slices.Clone(have)
}

// conflict says who has name already, if anybody.
func (a *acceptance) conflict(field, name string, taken func(*apiextensionsv1.CustomResourceDefinitionNames) []takenName) (string, bool) {
	for i := range a.claims {
		claim := &a.claims[i]
		if claim.Group != a.group {
			continue
		}
		for _, other := range taken(&claim.Names) {
			if other.name != "" && other.name == name {
				return fmt.Sprintf("%s %q is already in use in group %q as the %s of %s: choose another %s%s",
					field, name, a.group, other.field, claim.Owner, field, remedy(*claim)), true
			}
		}
	}
	return "", false
}

func remedy(claim Claim) string {
	if claim.Remedy == "" {
		return ""
	}
	return ", " + claim.Remedy
}

// takenName is a name with the field it stands in.
type takenName struct{ field, name string }

// resourceFields lists the names that stand where a resource is asked for.
func resourceFields(names *apiextensionsv1.CustomResourceDefinitionNames) []takenName {
	taken := []takenName{{"plural", names.Plural}, {"singular", names.Singular}}
	for _, short := range names.ShortNames {
		taken = append(taken, takenName{"short name", short})
	}
	return taken
}

// kindFields lists the names that stand where a kind is asked for.
func kindFields(names *apiextensionsv1.CustomResourceDefinitionNames) []takenName {
	return []takenName{{"kind", names.Kind}, {"listKind", names.ListKind}}
}
