package access

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/atriumhub/atrium/pkg/identity"
	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/target"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Config is what New needs.
type Config struct {
	// RBAC judges by the roles of the workspace in the target of its context.
	RBAC *RBAC
	// Views judge requests that came in through a view, by the view's kind, and of
	// those who went on from one by rules of its own.
	Views map[string]authorizer.UnconditionalAuthorizer
	// RequiredGroups returns the annotation that says which groups one must be in
	// to enter a workspace, and false when there is none. Nil means nowhere.
	RequiredGroups func(logicalcluster.Name) (string, bool)
	// Policy finds the export that bounds what may be done with a resource. Nil
	// means that none does.
	Policy PolicyLookup
	// AlwaysAllowPaths are URL paths outside of workspaces that everybody may
	// read. One that ends in "*" stands for all that begin so.
	AlwaysAllowPaths []string
	// Webhook is asked about what nobody else allows. It may be nil.
	Webhook authorizer.UnconditionalAuthorizer
}

// request is what the links of the chain judge.
type request struct {
	authorizer.Attributes
	target target.Target
	// named is false when the context has no target.
	named bool
}

// link is one named part of the chain. It allows, denies with a reason, or has
// no opinion, with what should be said if nobody else has one either.
type link struct {
	name  string
	judge func(context.Context, request) (authorizer.Decision, string, error)
}

// Chain is the hub's authorizer. See the package comment for its order.
type Chain struct {
	config Config
	links  []link
}

var (
	_ authorizer.UnconditionalAuthorizer = &Chain{}
	_ authorizer.RuleResolver            = &Chain{}
)

// New returns the chain.
func New(config Config) *Chain {
	c := &Chain{config: config}
	c.links = []link{
		{"always-allow groups", allowHub},
		{"target", needTarget},
		{"always-allow paths", c.allowPaths},
		{"views", c.judgeView},
		{"wildcard", refuseEverywhere},
		{"required groups", c.requireGroups},
		{"workspace", c.judgeWorkspace},
	}
	if config.Webhook != nil {
		c.links = append(c.links, link{"webhook", c.askWebhook})
	}
	return c
}

// Authorize decides: the first link with an opinion does. The chain denies
// rather than abstains, as nothing follows it.
func (c *Chain) Authorize(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	r := request{Attributes: a}
	r.target, r.named = target.From(ctx)
	refusal := ""
	for _, link := range c.links {
		decision, reason, err := link.judge(ctx, r)
		if err != nil {
			return authorizer.DecisionDeny, reason, fmt.Errorf("%s: %w", link.name, err)
		}
		if decision != authorizer.DecisionNoOpinion {
			return decision, reason, nil
		}
		if refusal == "" {
			refusal = reason
		}
	}
	return authorizer.DecisionDeny, refusal, nil
}

// allowHub lets the hub itself do everything.
func allowHub(_ context.Context, r request) (authorizer.Decision, string, error) {
	if identity.IsHub(r.GetUser()) {
		return authorizer.DecisionAllow, "", nil
	}
	return authorizer.DecisionNoOpinion, "", nil
}

func needTarget(_ context.Context, r request) (authorizer.Decision, string, error) {
	switch {
	case !r.named:
		return authorizer.DecisionDeny, "the request names no workspace", nil
	case r.GetUser() == nil:
		return authorizer.DecisionDeny, NoEntry(r.target.Path), nil
	default:
		return authorizer.DecisionNoOpinion, "", nil
	}
}

// allowPaths lets everybody read some paths of the process. They are not open
// inside of workspaces, where they would tell which workspaces there are.
func (c *Chain) allowPaths(_ context.Context, r request) (authorizer.Decision, string, error) {
	if _, judged := r.target.JudgedBy(); judged || r.IsResourceRequest() || r.target.Identity != logicalcluster.SystemAdmin {
		return authorizer.DecisionNoOpinion, "", nil
	}
	for _, open := range c.config.AlwaysAllowPaths {
		prefix, all := strings.CutSuffix(open, "*")
		if all && strings.HasPrefix(r.GetPath(), prefix) || !all && r.GetPath() == open {
			return authorizer.DecisionAllow, "", nil
		}
	}
	return authorizer.DecisionNoOpinion, "", nil
}

func (c *Chain) judgeView(ctx context.Context, r request) (authorizer.Decision, string, error) {
	kind, judged := r.target.JudgedBy()
	if !judged {
		return authorizer.DecisionNoOpinion, "", nil
	}
	view, ok := c.config.Views[kind]
	if !ok {
		return authorizer.DecisionDeny, fmt.Sprintf("nobody judges view %q", kind), nil
	}
	decision, reason, err := view.Authorize(ctx, r.Attributes)
	if decision != authorizer.DecisionAllow {
		decision = authorizer.DecisionDeny
	}
	return decision, reason, err
}

func refuseEverywhere(ctx context.Context, _ request) (authorizer.Decision, string, error) {
	if scope, _ := keyspace.ScopeFrom(ctx); scope.All() {
		return authorizer.DecisionDeny, "only system:masters may read all workspaces at once; name one workspace, or use the URL of a view from an endpoint slice", nil
	}
	return authorizer.DecisionNoOpinion, "", nil
}
