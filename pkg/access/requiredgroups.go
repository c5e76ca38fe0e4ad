package access

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/atriumhub/atrium/pkg/identity"
)

// unrequired are groups that may enter whatever other groups are required: the
// administrators of the hub, and parts of it.
var unrequired = []string{
	"system:kcp:admin", "system:kcp:logical-cluster-admin", "system:kcp:external-logical-cluster-admin", "system:kcp:workspace-bootstrapper",
}

// requireGroups denies whoever is not in the groups that the workspace requires,
// whatever its roles allow. Only who could enter otherwise learns the reason.
func (c *Chain) requireGroups(ctx context.Context, r request) (authorizer.Decision, string, error) {
	here := r.target.Identity
	if c.config.RequiredGroups == nil || here.Empty() || isAccountOf(r.GetUser(), here) {
		return authorizer.DecisionNoOpinion, "", nil
	}
	required, ok := c.config.RequiredGroups(here)
	if !ok || inRequiredGroups(required, groupsOf(identity.Effective(r.GetUser(), here))) {
		return authorizer.DecisionNoOpinion, "", nil
	}
	if !c.mayEnter(ctx, r) {
		return authorizer.DecisionDeny, NoEntry(r.target.Path), nil
	}
	return authorizer.DecisionDeny, fmt.Sprintf("workspace %q is only for members of the groups %q; whoever manages your account can add you", r.target.Path, required), nil
}

// inRequiredGroups reports whether groups satisfy the annotation: alternatives
// are separated by ";", the groups of one, which are all needed, by ",". An
// annotation that names no group lets nobody in.
func inRequiredGroups(required string, groups []string) bool {
	if slices.ContainsFunc(unrequired, func(group string) bool { return slices.Contains(groups, group) }) {
		return true
	}
	for alternative := range strings.SplitSeq(required, ";") {
		if hasAll(groups, alternative) {
			return true
		}
	}
	return false
}

func hasAll(groups []string, alternative string) bool {
	named := false
	for name := range strings.SplitSeq(alternative, ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		named = true
		if !slices.Contains(groups, name) {
			return false
		}
	}
	return named
}

func groupsOf(users []user.Info) []string {
	var groups []string
	for _, u := range users {
		groups = append(groups, u.GetGroups()...)
	}
	return groups
}
