package access

import (
	"context"
	"fmt"

	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/atriumhub/atrium/pkg/identity"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// AccessVerb on the non-resource URL "/" lets someone into a workspace.
const AccessVerb = "access"

// judgeWorkspace judges by the roles of the workspace. What it does not allow a
// webhook still may, but for what nobody may do in a workspace.
func (c *Chain) judgeWorkspace(ctx context.Context, r request) (authorizer.Decision, string, error) {
	if ownScope(r) {
		return authorizer.DecisionAllow, "", nil // added by ScopeImpersonation, and only takes away
	}
	if !c.mayEnter(ctx, r) {
		return authorizer.DecisionNoOpinion, NoEntry(r.target.Path), nil
	}
	if hubOnly(r) {
		return authorizer.DecisionDeny, "it is about the whole hub: ask for it outside of /clusters/", nil
	}
	if reservedIdentity(r) {
		return authorizer.DecisionDeny, refusedIdentity(r), nil
	}
	if refusal := c.beyondPolicy(ctx, r); refusal != "" {
		return authorizer.DecisionNoOpinion, refusal, nil
	}
	return c.config.RBAC.Authorize(ctx, r.Attributes)
}

// NoEntry is what somebody is told who may not enter, whether the workspace
// exists or not.
func NoEntry(path logicalcluster.Path) string {
	return fmt.Sprintf("access to workspace %q denied: it does not exist, or its administrator has to bind you to the cluster role system:kcp:workspace:access in it", path)
}

// mayEnter reports whether the user has access to the content of the workspace
// at all. A service account has at home. Of a workspace that does not exist the
// same is asked as of any other, so that it does not take less time to refuse.
func (c *Chain) mayEnter(ctx context.Context, r request) bool {
	switch here := r.target.Identity; {
	case here == logicalcluster.SystemAdmin:
		return true
	case here == logicalcluster.SystemBoundCRDs:
		return false // what is there, the hub alone writes and reads
	case isAccountOf(r.GetUser(), here) && !here.Empty():
		return true
	default:
		decision, _, err := c.config.RBAC.Authorize(ctx, authorizer.AttributesRecord{User: r.GetUser(), Verb: AccessVerb, Path: "/"})
		return err == nil && decision == authorizer.DecisionAllow && !here.Empty()
	}
}

// isAccountOf reports whether u is a service account that is at home here. One
// that does not say where it is from was found here when it logged in.
func isAccountOf(u user.Info, here logicalcluster.Name) bool {
	_, ok := identity.ServiceAccount(identity.In(u, here))
	return ok
}
