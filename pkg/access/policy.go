package access

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/atriumhub/atrium/pkg/identity"
	"github.com/atriumhub/atrium/pkg/target"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Policy is the export through which a workspace has a resource, where it says
// what may be done with it at most (spec.maximalPermissionPolicy).
type Policy struct {
	// Workspace is where the export, and the roles that are the policy, live. It
	// is empty when that is gone: then nothing is allowed.
	Workspace logicalcluster.Name
	// Export is "<path>:<name>", for messages.
	Export string
}

// PolicyLookup returns the policy that bounds resource in workspace, and false
// when none does. It answers from memory.
type PolicyLookup func(workspace logicalcluster.Name, resource schema.GroupResource) (Policy, bool)

// beyondPolicy says why the policy of the export that a resource comes from does
// not allow the request, or nothing. Roles of the export's workspace decide, for
// users and groups with a prefix, so that they are not mixed up with those who
// may do something in that workspace itself.
func (c *Chain) beyondPolicy(ctx context.Context, r request) string {
	if c.config.Policy == nil || !r.IsResourceRequest() {
		return ""
	}
	policy, ok := c.config.Policy(r.target.Identity, schema.GroupResource{Group: r.GetAPIGroup(), Resource: r.GetResource()})
	if !ok || c.policyAllows(ctx, policy, r) {
		return ""
	}
	if policy.Workspace.Empty() {
		return fmt.Sprintf("the workspace of the export %s is gone, and with it the roles that were its maximal permission policy, so that nothing is allowed: "+
			"delete the APIBinding, and its objects", policy.Export)
	}
	return fmt.Sprintf("the export %s allows nobody more than its maximal permission policy says; its owner can bind you to a role there as %q", policy.Export, binding(r.GetUser(), r.target.Identity, policy.Workspace).GetName())
}

func (c *Chain) policyAllows(ctx context.Context, policy Policy, r request) bool {
	if policy.Workspace.Empty() {
		return false
	}
	there := target.With(ctx, target.Target{Path: policy.Workspace.Path(), Identity: policy.Workspace})
	for _, u := range identity.Effective(r.GetUser(), r.target.Identity) {
		decision, _, err := c.config.RBAC.Authorize(there, identity.AskedBy{Attributes: r.Attributes, User: binding(u, r.target.Identity, policy.Workspace)})
		if err == nil && decision == authorizer.DecisionAllow {
			return true
		}
	}
	return false
}

// binding returns who u, who acts in home, is to the export in owner. A name that
// was lent for home alone is worth nothing there: whoever administers home could
// have taken the name of anybody.
func binding(u user.Info, home, owner logicalcluster.Name) user.Info {
	abroad := identity.In(identity.From(u, home), owner)
	prefixed := &user.DefaultInfo{Name: bindingPrefix + identity.OutsideName(abroad), UID: abroad.GetUID()}
	for _, group := range abroad.GetGroups() {
		prefixed.Groups = append(prefixed.Groups, bindingPrefix+group)
	}
	return prefixed
}

const bindingPrefix = apisv1alpha2.MaximalPermissionPolicyRBACUserGroupPrefix
