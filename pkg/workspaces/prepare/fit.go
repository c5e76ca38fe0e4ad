package prepare

import (
	"fmt"
	"slices"

	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// fits checks the limits that the types of a workspace and of its parent set on
// each other. A type stands for all types it extends: it has their limits, and
// is allowed where one of them is. A type that does not exist sets no limits.
func fits(parent, child tenancyv1alpha1.WorkspaceTypeReference, lookup TypeLookup) error {
	parents, children := lineage(parent, lookup), lineage(child, lookup)
	for _, kind := range children {
		if limit := kind.Type.Spec.LimitAllowedParents; !admits(limit, parents, lookup) {
			return fmt.Errorf("a workspace of type %q can not be made in one of type %q: %s", child, parent, allowed(limit, "its parent"))
		}
	}
	for _, kind := range parents {
		if limit := kind.Type.Spec.LimitAllowedChildren; !admits(limit, children, lookup) {
			return fmt.Errorf("a workspace of type %q can not be made in one of type %q: %s", child, parent, allowed(limit, "a workspace there"))
		}
	}
	return nil
}

func admits(limit *tenancyv1alpha1.WorkspaceTypeSelector, kinds []Ancestor, lookup TypeLookup) bool {
	switch {
	case limit == nil:
		return true
	case limit.None:
		return false
	case len(limit.Types) == 0:
		return true
	}
	return slices.ContainsFunc(limit.Types, func(ref tenancyv1alpha1.WorkspaceTypeReference) bool {
		return slices.ContainsFunc(kinds, func(kind Ancestor) bool { return names(ref, kind, lookup) })
	})
}

// names reports whether ref is one of the ways to write kind.
func names(ref tenancyv1alpha1.WorkspaceTypeReference, kind Ancestor, lookup TypeLookup) bool {
	if ref == kind.WorkspaceTypeReference {
		return true
	}
	found, ok := lookup(logicalcluster.Path(ref.Path), ref.Name)
	return ok && Ancestor{ref, found}.identity() == kind.identity()
}

func allowed(limit *tenancyv1alpha1.WorkspaceTypeSelector, who string) string {
	if limit.None {
		return "nothing is allowed as " + who
	}
	return fmt.Sprintf("%s has to be of one of the types %v, or of a type that extends one of them", who, limit.Types)
}

// lineage returns kind and all types it extends. One that was deleted is still
// what its workspaces are.
func lineage(kind tenancyv1alpha1.WorkspaceTypeReference, lookup TypeLookup) []Ancestor {
	if found := follow(kind, lookup).lineage; len(found) > 0 {
		return found
	}
	return []Ancestor{{kind, &tenancyv1alpha1.WorkspaceType{}}}
}
