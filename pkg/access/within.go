package access

import (
	"context"

	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/atriumhub/atrium/pkg/target"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// WithinPolicy reports whether the roles in owner that are the maximal permission
// policy of an export let the user of a, who is known in home, do what a says. It
// is for views, whose requests are not about one workspace.
func (c *Chain) WithinPolicy(ctx context.Context, owner, home logicalcluster.Name, a authorizer.Attributes) bool {
	return c.policyAllows(ctx, Policy{Workspace: owner}, request{Attributes: a, target: target.Target{Identity: home}})
}
