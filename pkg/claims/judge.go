package claims

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// AcceptedIdentityAnnotation on an APIBinding is the identity hash that the export
// had when its claims were accepted (C3). The hub alone writes it.
const AcceptedIdentityAnnotation = "internal.apis.kcp.io/accepted-identity"

// Served is how a workspace serves a resource.
type Served struct {
	// Identity is that of the export the resource comes from, or "".
	Identity string
	// Nameless is set for what is claimed without an identity: what the hub brings
	// along, and definitions of the workspace itself.
	Nameless bool
	// Origin is for messages: "built in", "a CustomResourceDefinition".
	Origin string
}

func (s Served) fits(claim apisv1alpha2.PermissionClaim) bool {
	return claim.IdentityHash == "" && s.Nameless || claim.IdentityHash != "" && claim.IdentityHash == s.Identity
}

// Facts is what claims in force follow from, for one binding.
type Facts struct {
	Binding *apisv1alpha2.APIBinding
	// Export is the one it refers to; nil when there is none.
	Export *apisv1alpha2.APIExport
	// Served returns how the workspace serves a resource, and false when it does
	// not.
	Served func(schema.GroupResource) (Served, bool)
}

// Judgement says what becomes of the claims of an export in a workspace.
type Judgement struct {
	// Claimed are the claims of the export, whether accepted or not.
	Claimed []apisv1alpha2.PermissionClaim
	// Usable are those that ought to be in force, with the verbs they allow.
	Usable []apisv1alpha2.ScopedPermissionClaim
	// Invalid says what is wrong with accepted claims, one sentence for each.
	Invalid []string
	// Waiting are accepted claims to resources that are not served yet.
	Waiting []string
	// Unnamed is set while it is not noted down of whom claims were accepted.
	Unnamed bool
}

// Judge judges the claims of one binding.
func Judge(f Facts) Judgement {
	var j Judgement
	if f.Export == nil {
		return j
	}
	j.Claimed = slices.Clone(f.Export.Spec.PermissionClaims)
	if !Accepts(f.Binding) {
		return j
	}
	if f.Binding.Annotations[AcceptedIdentityAnnotation] == "" {
		j.Unnamed = true
		return j
	}
	if why := f.stranger(); why != "" {
		j.Invalid = []string{why}
		return j
	}
	for i := range f.Binding.Spec.PermissionClaims {
		accepted := &f.Binding.Spec.PermissionClaims[i]
		if accepted.State != apisv1alpha2.ClaimAccepted {
			continue
		}
		usable, verdict, why := f.judge(accepted)
		switch verdict {
		case fine:
			j.Usable = append(j.Usable, usable)
		case waits:
			j.Waiting = append(j.Waiting, Text(accepted.PermissionClaim))
		case wrong:
			j.Invalid = append(j.Invalid, Text(accepted.PermissionClaim)+": "+why)
		}
	}
	return j
}

// stranger says why the export is not the one whose claims were accepted, or "".
func (f Facts) stranger() string {
	accepted, identity := f.Binding.Annotations[AcceptedIdentityAnnotation], f.Export.Status.IdentityHash
	if accepted == identity {
		return ""
	}
	return fmt.Sprintf("the claims were accepted of an export with identity %s, but APIExport %q has identity %s now: "+
		"if you trust that one as well, reject the claims and accept them again", short(accepted), f.Export.Name, short(identity))
}

// Accepts reports whether a binding accepts any claim.
func Accepts(binding *apisv1alpha2.APIBinding) bool {
	return slices.ContainsFunc(binding.Spec.PermissionClaims, func(c apisv1alpha2.AcceptablePermissionClaim) bool {
		return c.State == apisv1alpha2.ClaimAccepted
	})
}

type verdict int

const (
	wrong verdict = iota
	waits
	fine
)

// judge judges one accepted claim.
func (f Facts) judge(accepted *apisv1alpha2.AcceptablePermissionClaim) (apisv1alpha2.ScopedPermissionClaim, verdict, string) {
	usable := accepted.ScopedPermissionClaim
	claim := f.claim(accepted.PermissionClaim)
	switch {
	case claim == nil:
		return usable, wrong, f.unclaimed(accepted.PermissionClaim)
	case f.offers(claim.GroupResource):
		return usable, wrong, "the export offers this resource itself, so that its provider has it anyway: remove the claim"
	case notStored(claim.GroupResource):
		return usable, wrong, "there are no objects of this resource that could be claimed: remove the claim"
	}
	if _, err := Selector(accepted.Selector); err != nil {
		return usable, wrong, err.Error()
	}
	if usable.Verbs = Common(claim.Verbs, accepted.Verbs); len(usable.Verbs) == 0 {
		return usable, wrong, fmt.Sprintf("none of the accepted verbs (%s) is claimed: the export claims %s",
			strings.Join(accepted.Verbs, ", "), strings.Join(claim.Verbs, ", "))
	}
	usable.DefaultSelector = nil
	served, ok := f.Served(Stored(claim.GroupResource))
	switch {
	case !ok:
		return usable, waits, ""
	case !served.fits(*claim):
		return usable, wrong, misfit(*claim, served)
	}
	return usable, fine, ""
}

func (f Facts) claim(accepted apisv1alpha2.PermissionClaim) *apisv1alpha2.PermissionClaim {
	for i := range f.Export.Spec.PermissionClaims {
		if claim := &f.Export.Spec.PermissionClaims[i]; Same(*claim, accepted) {
			return claim
		}
	}
	return nil
}

// unclaimed says why a claim that was accepted is none.
func (f Facts) unclaimed(accepted apisv1alpha2.PermissionClaim) string {
	for _, claim := range f.Export.Spec.PermissionClaims {
		if claim.GroupResource == accepted.GroupResource {
			return fmt.Sprintf("accepted with %s, but APIExport %q claims it with %s: look up which one you mean, and accept that",
				identityText(accepted.IdentityHash), f.Export.Name, identityText(claim.IdentityHash))
		}
	}
	return fmt.Sprintf("APIExport %q does not claim it: remove it from spec.permissionClaims, or wait until it does", f.Export.Name)
}

func misfit(claim apisv1alpha2.PermissionClaim, served Served) string {
	if served.Identity == "" {
		return fmt.Sprintf("claimed with %s, but here it is %s, which has none", identityText(claim.IdentityHash), served.Origin)
	}
	return fmt.Sprintf("claimed with %s, but here it comes from an export with %s", identityText(claim.IdentityHash), identityText(served.Identity))
}

func (f Facts) offers(resource apisv1alpha2.GroupResource) bool {
	return slices.ContainsFunc(f.Export.Spec.Resources, func(r apisv1alpha2.ResourceSchema) bool {
		return r.Group == resource.Group && r.Name == resource.Resource
	})
}

// notStored reports resources that exist as requests only.
func notStored(resource apisv1alpha2.GroupResource) bool {
	return resource.Group == "authorization.k8s.io" || resource.Group == "authentication.k8s.io"
}

// Same reports whether two claims are for the same resource of the same export.
func Same(a, b apisv1alpha2.PermissionClaim) bool {
	return a.GroupResource == b.GroupResource && a.IdentityHash == b.IdentityHash
}

// Selector returns the selector of an accepted claim. One that chooses nothing is
// an error, as it could mean all or none, and so is one that says two things.
func Selector(s apisv1alpha2.PermissionClaimSelector) (labels.Selector, error) {
	chosen := len(s.MatchLabels) > 0 || len(s.MatchExpressions) > 0
	switch {
	case s.MatchAll && chosen:
		return nil, fmt.Errorf("selector: matchAll cannot be combined with matchLabels or matchExpressions")
	case s.MatchAll:
		return labels.Everything(), nil
	case !chosen:
		return nil, fmt.Errorf("selector: set one of matchAll, matchLabels and matchExpressions")
	}
	selector, err := metav1.LabelSelectorAsSelector(&s.LabelSelector)
	if err != nil {
		return nil, fmt.Errorf("selector: %w", err)
	}
	requirements, _ := selector.Requirements()
	for i := range requirements {
		if key := requirements[i].Key(); IsLabel(key) {
			return nil, fmt.Errorf("selector: label %q follows from claims, it cannot decide about them", key)
		}
	}
	return selector, nil
}

// Text names a claim in messages, as kubectl takes it: "things.example.io", and
// with the identity when there is one.
func Text(claim apisv1alpha2.PermissionClaim) string {
	text := schema.GroupResource{Group: claim.Group, Resource: claim.Resource}.String()
	if claim.IdentityHash != "" {
		text += ":" + short(claim.IdentityHash)
	}
	return text
}

func identityText(hash string) string {
	if hash == "" {
		return "no identityHash"
	}
	return "identityHash " + short(hash)
}

// short is enough of a hash to tell it from others.
func short(hash string) string {
	const enough = 12
	if len(hash) <= enough {
		return hash
	}
	return hash[:enough] + "…"
}

// ExportOf returns the export that a binding got, or false while it has none.
func ExportOf(binding *apisv1alpha2.APIBinding) (Export, bool) {
	reference, workspace := binding.Spec.Reference.Export, logicalcluster.Name(binding.Status.APIExportClusterName)
	if reference == nil || binding.Status.Phase != apisv1alpha2.APIBindingPhaseBound || !workspace.IsValid() {
		return Export{}, false
	}
	return Export{Workspace: workspace, Name: reference.Name}, true
}
