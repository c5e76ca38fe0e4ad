package claims

import (
	"maps"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Book answers which claims are in force. It holds nothing: its functions answer
// from memory what is stored.
type Book struct {
	// Bindings returns those of one workspace.
	Bindings func(logicalcluster.Name) []*apisv1alpha2.APIBinding
	// Export returns one, by the ID of its workspace and its name.
	Export func(Export) (*apisv1alpha2.APIExport, bool)
	// Served returns how a workspace serves a resource, and false when it does not.
	Served func(logicalcluster.Name, schema.GroupResource) (Served, bool)
}

// Grant is a claim in force in one workspace.
type Grant struct {
	Export Export
	Claim  apisv1alpha2.PermissionClaim
	// Verbs are what the export claims and the workspace accepts; "*" is all.
	Verbs []string
	// Selector chooses the objects it holds for.
	Selector apisv1alpha2.PermissionClaimSelector

	matches labels.Selector
	value   string
}

// Allows reports whether the provider may do verb to the objects of the claim.
func (g Grant) Allows(verb string) bool { return Allows(g.Verbs, verb) }

// Matches reports whether an object with these labels is one of the claim.
func (g Grant) Matches(set map[string]string) bool { return g.matches.Matches(labels.Set(set)) }

// Grant returns the claim by which an export has something to do with a resource
// in a workspace, and false when there is none in force.
func (b Book) Grant(workspace logicalcluster.Name, export Export, resource schema.GroupResource) (Grant, bool) {
	var found *Grant
	b.each(workspace, resource, func(g Grant) {
		if g.Export == export && found == nil {
			found = &g
		}
	})
	if found == nil {
		return Grant{}, false
	}
	return *found, true
}

// Labels returns the labels that claims give to an object with the given labels,
// and nil for none.
func (b Book) Labels(workspace logicalcluster.Name, resource schema.GroupResource, set map[string]string) map[string]string {
	var given map[string]string
	b.each(workspace, resource, func(g Grant) {
		if _, taken := given[g.Export.LabelKey()]; taken || !g.Matches(set) {
			return
		}
		if given == nil {
			given = map[string]string{}
		}
		given[g.Export.LabelKey()] = g.value
	})
	return given
}

// each calls do for every claim to a resource that is in force in a workspace.
func (b Book) each(workspace logicalcluster.Name, resource schema.GroupResource, do func(Grant)) {
	stored := Stored(groupResource(resource))
	for _, binding := range b.Bindings(workspace) {
		for i := range binding.Status.AppliedPermissionClaims {
			applied := &binding.Status.AppliedPermissionClaims[i]
			if Stored(applied.GroupResource) != stored {
				continue
			}
			if g, ok := b.grant(workspace, binding, applied); ok {
				do(g)
			}
		}
	}
}

// grant judges a claim that is noted down as applied as things are now (C1).
func (b Book) grant(workspace logicalcluster.Name, binding *apisv1alpha2.APIBinding, applied *apisv1alpha2.ScopedPermissionClaim) (Grant, bool) {
	export, ok := ExportOf(binding)
	if !ok || Ended(binding) {
		return Grant{}, false
	}
	f := Facts{Binding: binding, Served: func(gr schema.GroupResource) (Served, bool) { return b.Served(workspace, gr) }}
	if f.Export, ok = b.Export(export); !ok || f.stranger() != "" {
		return Grant{}, false
	}
	accepted := acceptance(binding, applied.PermissionClaim)
	if accepted == nil || !equality.Semantic.DeepEqual(accepted.Selector, applied.Selector) {
		return Grant{}, false
	}
	usable, verdict, _ := f.judge(accepted)
	if verdict != fine {
		return Grant{}, false
	}
	matches, err := Selector(usable.Selector)
	if err != nil {
		return Grant{}, false
	}
	return Grant{
		Export: export, Claim: usable.PermissionClaim, Verbs: usable.Verbs, Selector: usable.Selector, matches: matches,
		value: ClaimHash(usable.PermissionClaim) + ending(Common(usable.Verbs, applied.Verbs)), // C5
	}, true
}

func acceptance(binding *apisv1alpha2.APIBinding, claim apisv1alpha2.PermissionClaim) *apisv1alpha2.AcceptablePermissionClaim {
	for i := range binding.Spec.PermissionClaims {
		accepted := &binding.Spec.PermissionClaims[i]
		if Same(accepted.PermissionClaim, claim) && accepted.State == apisv1alpha2.ClaimAccepted {
			return accepted
		}
	}
	return nil
}

// Ended reports whether a binding is being deleted and nothing of what it brought
// is left, so that its claims end. Until then the provider may need them to clear
// up.
func Ended(binding *apisv1alpha2.APIBinding) bool {
	return binding.DeletionTimestamp != nil &&
		conditionsv1alpha1.IsTrue(binding.Status.Conditions, apisv1alpha2.BindingResourceDeleteSuccess)
}

// LabelsIn returns those labels that claims make.
func LabelsIn(set map[string]string) map[string]string {
	in := maps.Clone(set)
	maps.DeleteFunc(in, func(key, _ string) bool { return !IsLabel(key) })
	return in
}

// Exactly returns labels with those that claims make being just the given ones,
// and whether that is a change.
func Exactly(set, given map[string]string) (map[string]string, bool) {
	right, had := true, 0
	for key, value := range set {
		if !IsLabel(key) {
			continue
		}
		had++
		if wanted, ok := given[key]; !ok || wanted != value {
			right = false
		}
	}
	if right && had == len(given) {
		return set, false
	}
	out := maps.Clone(set)
	maps.DeleteFunc(out, func(key, _ string) bool { return IsLabel(key) })
	if out == nil {
		out = map[string]string{}
	}
	maps.Copy(out, given)
	return out, true
}
