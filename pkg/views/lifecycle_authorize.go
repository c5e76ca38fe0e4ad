package views

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac"

	"github.com/atriumhub/atrium/pkg/identity"
	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/target"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Authorize decides on a request that came through the view, and on what
// somebody asks who went on from it by rules of his type.
func (l *Lifecycle) Authorize(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	t, ok := target.From(ctx)
	switch {
	case !ok:
		return authorizer.DecisionNoOpinion, "", nil
	case t.View != nil && t.View.Kind == l.kind:
		return l.authorizeCaller(ctx, t, a)
	case t.Visitor != nil && t.Visitor.Kind == l.kind:
		return l.authorizeVisit(ctx, visit{target: t, user: a.GetUser()}, a)
	default:
		return authorizer.DecisionNoOpinion, "", nil
	}
}

func (l *Lifecycle) authorizeCaller(ctx context.Context, t target.Target, a authorizer.Attributes) (authorizer.Decision, string, error) {
	if ok, err := l.mayUse(ctx, t, a.GetUser()); !ok {
		return authorizer.DecisionDeny, fmt.Sprintf("the view of %s %q takes the verb %q on that workspace type: it does not exist, or who administers its workspace has to grant you the verb there",
			l.role, t.View.Name, l.verb), err
	}
	if strings.HasPrefix(a.GetVerb(), "impersonate") {
		return authorizer.DecisionDeny, fmt.Sprintf("through the view of %s %q nobody acts as somebody else", l.role, t.View.Name), nil
	}
	scope, _ := keyspace.ScopeFrom(ctx)
	workspace, single := scope.Workspace()
	if single && !isOwn(a) {
		v, reason := l.visit(ctx, t, workspace, a.GetUser())
		if reason != "" {
			return authorizer.DecisionDeny, reason, nil
		}
		return l.authorizeVisit(ctx, v, a)
	}
	if reason := l.refusal(a, single); reason != "" {
		return authorizer.DecisionDeny, reason, nil
	}
	return authorizer.DecisionAllow, "", nil
}

// mayUse asks for the verb, in the workspace of the type.
func (l *Lifecycle) mayUse(ctx context.Context, t target.Target, caller user.Info) (bool, error) {
	if t.Identity.Empty() {
		return false, nil
	}
	decision, _, err := l.ask.RBAC.Authorize(ctx, authorizer.AttributesRecord{
		User: caller, Verb: l.verb,
		APIGroup: tenancyv1alpha1.GroupName, APIVersion: tenancyv1alpha1.SchemeGroupVersion.Version,
		Resource: "workspacetypes", Name: t.View.Target, ResourceRequest: true,
	})
	return decision == authorizer.DecisionAllow, err
}

// isOwn reports whether a is about LogicalClusters, which the view itself shows.
// All else is the content of a workspace.
func isOwn(a authorizer.Attributes) bool {
	return a.IsResourceRequest() && a.GetAPIGroup() == corev1alpha1.GroupName && a.GetResource() == "logicalclusters"
}

// refusal says why something is not done on LogicalClusters, or nothing.
func (l *Lifecycle) refusal(a authorizer.Attributes, single bool) string {
	switch {
	case !a.IsResourceRequest():
		if a.GetVerb() == "get" && IsDescription(a.GetPath()) {
			return ""
		}
		return fmt.Sprintf("the view of %ss does not serve %s %s", l.role, a.GetVerb(), target.Shorten(a.GetPath()))
	case !isOwn(a):
		return fmt.Sprintf("the view of %ss shows logicalclusters.core.kcp.io of many workspaces, and %s only of one: use /clusters/<workspace ID> in place of /clusters/*", l.role, resourceOf(a))
	}
	switch a.GetSubresource() + "/" + a.GetVerb() {
	case "/get", "/list", "/watch":
		return ""
	case "status/get", "status/update", "status/patch":
		if single {
			return ""
		}
		return fmt.Sprintf("a write through the view of %ss has to name its workspace: use /clusters/<workspace ID> in place of /clusters/*", l.role)
	default:
		return fmt.Sprintf("the view of %ss does not offer %s on logicalclusters: when the work is done, patch the status and take yourself out of status.%s", l.role, verbOn(a), l.field)
	}
}

// authorizeVisit decides on a request to the content of a workspace, as whoever
// the caller is there.
func (l *Lifecycle) authorizeVisit(ctx context.Context, v visit, a authorizer.Attributes) (authorizer.Decision, string, error) {
	who := v.target.Visitor
	if who == nil {
		return l.ask.Inside.Authorize(target.With(ctx, v.target), a)
	}
	if who.Rules != nil && slices.Contains(v.user.GetGroups(), l.group+who.Key) {
		return l.authorizeByRules(who, a)
	}
	direct := v.target
	direct.Visitor = nil
	decision, reason, err := l.ask.Inside.Authorize(target.With(ctx, direct), identity.AskedBy{Attributes: a, User: v.user})
	if decision != authorizer.DecisionAllow && who.Rules == nil {
		reason = strings.TrimSuffix(fmt.Sprintf("%s %q acts here as %q, who created the workspace: %s", l.role, who.Key, v.user.GetName(), reason), ": ")
	}
	return decision, reason, err
}

// authorizeByRules judges by what the type says. Rules are written by tenants, so
// that they cannot give what no administrator of a workspace has: what is about
// the whole hub, and other people's identities.
func (l *Lifecycle) authorizeByRules(who *target.Visitor, a authorizer.Attributes) (authorizer.Decision, string, error) {
	described := !a.IsResourceRequest() && a.GetVerb() == "get" && IsDescription(a.GetPath())
	permitted := a.IsResourceRequest() && !strings.HasPrefix(a.GetVerb(), "impersonate") && rbac.RulesAllow(a, who.Rules...)
	if described || permitted {
		return authorizer.DecisionAllow, "", nil
	}
	what := target.Shorten(a.GetPath())
	if a.IsResourceRequest() {
		what = resourceOf(a)
	}
	return authorizer.DecisionDeny, fmt.Sprintf("no rule in spec.%sPermissions of the workspace type allows %s %q to %s %s", l.role, l.role, who.Key, verbOn(a), what), nil
}

// visit is how a request goes on into a workspace: what it is about, and who
// makes it there.
type visit struct {
	target target.Target
	user   user.Info
}

// visit finds out as whom caller acts in workspace, or why not at all.
func (l *Lifecycle) visit(ctx context.Context, t target.Target, workspace logicalcluster.Name, caller user.Info) (visit, string) {
	cluster, ok := l.awaited(ctx, workspace, t.View.Key)
	if !ok {
		return visit{}, fmt.Sprintf("workspace %s does not wait for %s %q: it is not there, is in another phase, or the work is done", workspace, l.role, t.View.Name)
	}
	kind, ok := l.ask.Type(t.Identity, t.View.Target)
	if !ok {
		return visit{}, fmt.Sprintf("workspace type %q is gone, and with it what its %s may do in workspaces: create it again, or take the %s out of status.%s", t.View.Name, l.role, l.role, l.field)
	}
	inside := target.Target{Path: t.Path, Identity: workspace}
	if identity.IsHub(caller) {
		return visit{inside, caller}, ""
	}
	inside.Visitor = &target.Visitor{Kind: l.kind, Key: t.View.Key, User: caller, Home: t.Identity}
	rules := l.rules(kind)
	if acting, found := creator(cluster, workspace); len(rules) == 0 && found {
		return visit{inside, acting}, ""
	}
	if len(rules) == 0 {
		rules = everything
	}
	inside.Visitor.Rules = rules
	return visit{inside, l.guest(caller, t, workspace)}, ""
}
