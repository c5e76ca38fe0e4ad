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
		if limit := limitOf(kind, lookup, allowedParents); !admits(limit, parents) {
			return fmt.Errorf("a workspace of type %q can not be made in one of type %q: %s", child, parent, allowed(limit, "its parent"))
		}
	}
	for _, kind := range parents {
		if limit := limitOf(kind, lookup, allowedChildren); !admits(limit, children) {
			return fmt.Errorf("a workspace of type %q can not be made in one of type %q: %s", child, parent, allowed(limit, "a workspace there"))
		}
	}
	return nil
}

func allowedParents(spec tenancyv1alpha1.WorkspaceTypeSpec) *tenancyv1alpha1.WorkspaceTypeSelector {
	return spec.LimitAllowedParents
}

func allowedChildren(spec tenancyv1alpha1.WorkspaceTypeSpec) *tenancyv1alpha1.WorkspaceTypeSelector {
	return spec.LimitAllowedChildren
}

func limitOf(kind tenancyv1alpha1.WorkspaceTypeReference, lookup TypeLookup, which func(tenancyv1alpha1.WorkspaceTypeSpec) *tenancyv1alpha1.WorkspaceTypeSelector) *tenancyv1alpha1.WorkspaceTypeSelector {
	found, ok := lookup(logicalcluster.Path(kind.Path), kind.Name)
	if !ok {
		return nil
	}
	return which(found.Spec)
}

func admits(limit *tenancyv1alpha1.WorkspaceTypeSelector, kinds []tenancyv1alpha1.WorkspaceTypeReference) bool {
	switch {
	case limit == nil:
		return true
	case limit.None:
		return false
	case len(limit.Types) == 0:
		return true
	}
	return slices.ContainsFunc(kinds, func(kind tenancyv1alpha1.WorkspaceTypeReference) bool {
		return slices.Contains(limit.Types, kind)
	})
}

func allowed(limit *tenancyv1alpha1.WorkspaceTypeSelector, who string) string {
	if limit.None {
		return "nothing is allowed as " + who
	}
	return fmt.Sprintf("%s has to be of one of the types %v", who, limit.Types)
}

// lineage returns kind and all types it extends, each once.
func lineage(kind tenancyv1alpha1.WorkspaceTypeReference, lookup TypeLookup) []tenancyv1alpha1.WorkspaceTypeReference {
	kinds := []tenancyv1alpha1.WorkspaceTypeReference{kind}
	for i := 0; i < len(kinds); i++ {
		found, ok := lookup(logicalcluster.Path(kinds[i].Path), kinds[i].Name)
		if !ok {
			continue
		}
		for _, base := range found.Spec.Extend.With {
			if !slices.Contains(kinds, base) {
				kinds = append(kinds, base)
			}
		}
	}
	return kinds
}
