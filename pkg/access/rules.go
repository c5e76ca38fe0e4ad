package access

import (
	"context"

	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

// RulesFor lists what u may do in the workspace of the context, for "kubectl auth
// can-i --list". The list is marked as incomplete where something else than
// rules decides: a webhook allows more.
func (c *Chain) RulesFor(ctx context.Context, u user.Info, namespace string) ([]authorizer.ResourceRuleInfo, []authorizer.NonResourceRuleInfo, bool, error) {
	resources, others, incomplete, err := c.config.RBAC.RulesFor(ctx, u, namespace)
	return resources, others, incomplete || c.config.Webhook != nil, err
}
