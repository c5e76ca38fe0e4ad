package access

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/target"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// AccessVerb on the non-resource URL "/" lets someone into a workspace.
const AccessVerb = "access"

// Chain is the hub's authorizer. See the package comment for its order.
type Chain struct {
	rbac  authorizer.Authorizer
	views map[string]authorizer.Authorizer
}

var _ authorizer.Authorizer = &Chain{}

// New returns the chain. views judge requests that came in through a view, by
// the view's kind, and of those who went on from one by rules of its own.
func New(rbac authorizer.Authorizer, views map[string]authorizer.Authorizer) *Chain {
	return &Chain{rbac: rbac, views: views}
}

// Authorize decides. It denies rather than abstains, as nothing follows it.
func (c *Chain) Authorize(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	if target.IsHub(a.GetUser()) {
		return authorizer.DecisionAllow, "", nil
	}
	t, ok := target.From(ctx)
	if !ok {
		return authorizer.DecisionDeny, "the request names no workspace", nil
	}
	if kind, ok := t.JudgedBy(); ok {
		return c.authorizeView(ctx, kind, a)
	}
	if scope, _ := keyspace.ScopeFrom(ctx); scope.All() {
		return authorizer.DecisionDeny, "only system:masters may read all workspaces at once; name one workspace, or use the URL of a view from an endpoint slice", nil
	}
	if !c.mayEnter(ctx, t, a.GetUser()) {
		return authorizer.DecisionDeny, fmt.Sprintf("access to workspace %q denied", t.Path), nil
	}
	if t.Identity != logicalcluster.SystemAdmin && hubOnly(a) {
		return authorizer.DecisionDeny, "it is about the whole hub: ask for it outside of /clusters/", nil
	}
	if reservedIdentity(a) {
		return authorizer.DecisionDeny, fmt.Sprintf("only system:masters may impersonate %q", a.GetName()), nil
	}
	return c.rbac.Authorize(ctx, a)
}

func (c *Chain) authorizeView(ctx context.Context, kind string, a authorizer.Attributes) (authorizer.Decision, string, error) {
	view, ok := c.views[kind]
	if !ok {
		return authorizer.DecisionDeny, fmt.Sprintf("nobody judges view %q", kind), nil
	}
	return view.Authorize(ctx, a)
}

// mayEnter reports whether the user has access to the content of the workspace
// at all. A service account that authenticated belongs to it by construction.
func (c *Chain) mayEnter(ctx context.Context, t target.Target, info user.Info) bool {
	if t.Identity == logicalcluster.SystemAdmin {
		return true
	}
	if t.Identity.Empty() || info == nil {
		return false
	}
	if slices.Contains(info.GetGroups(), serviceaccount.AllServiceAccountsGroup) {
		return true
	}
	decision, _, err := c.rbac.Authorize(ctx, authorizer.AttributesRecord{User: info, Verb: AccessVerb, Path: "/"})
	return err == nil && decision == authorizer.DecisionAllow
}

// ConditionsAwareAuthorize converts Authorize: the chain knows no conditions.
func (c *Chain) ConditionsAwareAuthorize(ctx context.Context, a authorizer.Attributes) authorizer.ConditionsAwareDecision {
	return authorizer.ConditionsAwareDecisionFromParts(c.Authorize(ctx, a))
}

// EvaluateConditions is never called, as the chain returns no conditions.
func (c *Chain) EvaluateConditions(context.Context, authorizer.ConditionsAwareDecision, authorizer.ConditionsData) (authorizer.Decision, string, error) {
	return authorizer.DecisionDeny, "", authorizer.ErrorConditionEvaluationNotSupported
}
