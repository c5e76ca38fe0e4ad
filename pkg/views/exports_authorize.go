package views

import (
	"context"
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac"

	"github.com/atriumhub/atrium/pkg/claims"
	"github.com/atriumhub/atrium/pkg/identity"
	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/target"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Authorize decides on a request that came through the view, and on what is asked
// on behalf of one that has gone on into a workspace.
func (e *Exports) Authorize(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	t, ok := target.From(ctx)
	switch {
	case ok && t.View != nil && t.View.Kind == ExportsKind:
		return e.authorizeCaller(ctx, t, a)
	case ok && t.View == nil && t.Visitor != nil && t.Visitor.Kind == ExportsKind:
		return e.authorizeVisitor(ctx, t.Visitor, a)
	default:
		return authorizer.DecisionNoOpinion, "", nil
	}
}

func (e *Exports) authorizeCaller(ctx context.Context, t target.Target, a authorizer.Attributes) (authorizer.Decision, string, error) {
	if ok, err := e.mayUse(ctx, t.Identity, t.View.Target, a.GetUser(), a.GetVerb()); !ok {
		return authorizer.DecisionDeny, fmt.Sprintf("the view of APIExport %q takes the verb %q on apiexports/content with the name %q: it does not exist, or who administers its workspace has to grant you the verb there",
			t.View.Name, target.Shorten(a.GetVerb()), t.View.Target), err
	}
	if reason := e.refusal(ctx, t, a); reason != "" {
		return authorizer.DecisionDeny, reason, nil
	}
	return authorizer.DecisionAllow, "", nil
}

// mayUse asks for the verb of the request on the content of an export, in its
// workspace.
func (e *Exports) mayUse(ctx context.Context, home logicalcluster.Name, export string, caller user.Info, verb string) (bool, error) {
	if home.Empty() || strings.HasPrefix(verb, "impersonate") {
		return false, nil
	}
	decision, _, err := e.ask.RBAC.Authorize(target.With(ctx, target.Target{Path: home.Path(), Identity: home}), authorizer.AttributesRecord{
		User: caller, Verb: verb,
		APIGroup: apisv1alpha2.SchemeGroupVersion.Group, APIVersion: apisv1alpha2.SchemeGroupVersion.Version,
		Resource: "apiexports", Subresource: "content", Name: export, ResourceRequest: true,
	})
	return decision == authorizer.DecisionAllow, err
}

// refusal says why something is not done through the view by one who may use it,
// or nothing. What the export does not show is not found rather than refused: see
// Enter.
func (e *Exports) refusal(ctx context.Context, t target.Target, a authorizer.Attributes) string {
	if !a.IsResourceRequest() {
		if a.GetVerb() == "get" && IsDescription(a.GetPath()) {
			return ""
		}
		return fmt.Sprintf("the view of an APIExport does not serve %s %s", target.Shorten(a.GetVerb()), target.Shorten(a.GetPath()))
	}
	key := fromKey(t.View.Key)
	made, found := e.offers.of(key)
	if !found {
		return ""
	}
	s, found := made.shown[resourceAsked(a)]
	if !found {
		return ""
	}
	if reason := e.beyond(ctx, key, s, a.GetUser(), a); reason != "" {
		return reason
	}
	scope, _ := keyspace.ScopeFrom(ctx)
	if scope.All() {
		return everywhereRefusal(s, a)
	}
	consumer, _ := scope.Workspace()
	v, reason := e.visit(t, made, consumer, a)
	if reason != "" {
		return reason
	}
	return e.notPermitted(v.target.Visitor, a)
}

// everywhereRefusal says why something is not done in all workspaces at once.
func everywhereRefusal(s *exhibit, a authorizer.Attributes) string {
	switch {
	case !slices.Contains(readVerbs, a.GetVerb()) || a.GetSubresource() != "":
		return fmt.Sprintf("the view of an APIExport offers %s only for one workspace: use /clusters/<workspace ID> in place of /clusters/*; the ID is in the annotation %s of each object",
			verbOn(a), logicalcluster.AnnotationKey)
	case !s.has(a.GetVerb()):
		return fmt.Sprintf("the APIExport does not claim the verb %q on %s: add it to spec.permissionClaims", a.GetVerb(), resourceOf(a))
	default:
		return ""
	}
}

// beyond says why the maximal permission policies of the exports that a claimed
// resource comes from do not allow the request, or nothing.
func (e *Exports) beyond(ctx context.Context, key logicalcluster.Key, s *exhibit, caller user.Info, a authorizer.Attributes) string {
	for _, owner := range s.owners {
		if !e.ask.WithinPolicy(ctx, owner, key.Workspace, identity.AskedBy{Attributes: a, User: caller}) {
			return fmt.Sprintf("%s comes from an export with a maximal permission policy that does not allow you to %s it: its owner can bind you to a role in its workspace", resourceOf(a), verbOn(a))
		}
	}
	return ""
}

// authorizeVisitor decides on what is asked behind the view, such as whether an
// update may create: the same people are asked again.
func (e *Exports) authorizeVisitor(ctx context.Context, who *target.Visitor, a authorizer.Attributes) (authorizer.Decision, string, error) {
	key := fromKey(who.Key)
	ok, err := e.mayUse(ctx, who.Home, key.Name, who.User, a.GetVerb())
	if !ok {
		return authorizer.DecisionDeny, fmt.Sprintf("it takes the verb %q on apiexports/content with the name %q in the workspace of the export", target.Shorten(a.GetVerb()), key.Name), err
	}
	if made, found := e.offers.of(key); found && a.IsResourceRequest() {
		if s, claimed := made.shown[resourceAsked(a)]; claimed {
			if reason := e.beyond(ctx, key, s, who.User, a); reason != "" {
				return authorizer.DecisionDeny, reason, nil
			}
		}
	}
	if reason := e.notPermitted(who, a); reason != "" {
		return authorizer.DecisionDeny, reason, nil
	}
	return authorizer.DecisionAllow, "", nil
}

// notPermitted says why the rules of a visitor do not allow the request, or
// nothing.
func (e *Exports) notPermitted(who *target.Visitor, a authorizer.Attributes) string {
	if a.IsResourceRequest() && rbac.RulesAllow(a, who.Rules...) {
		return ""
	}
	return fmt.Sprintf("the APIBinding in this workspace does not allow the provider of %q to %s %s: it is neither bound, nor claimed with this verb and accepted",
		fromKey(who.Key).Name, verbOn(a), resourceOf(a))
}

// visit finds out how a request goes on into consumer, or why not at all. A
// workspace that does not exist is refused like one that has not bound the export.
func (e *Exports) visit(t target.Target, made *offer, consumer logicalcluster.Name, a authorizer.Attributes) (visit, string) {
	home := t.Identity
	bindings := e.bindingsOf(made, consumer)
	if len(bindings) == 0 {
		return visit{}, fmt.Sprintf("workspace %q has not bound APIExport %q: it does not exist, or has no APIBinding to it that is Bound", t.Path, t.View.Name)
	}
	inside := target.Target{Path: t.Path, Identity: consumer, Visitor: &target.Visitor{
		Kind: ExportsKind, Key: t.View.Key, User: identity.From(a.GetUser(), home), Home: home, Rules: e.rules(made, consumer, bindings, resourceAsked(a)),
	}}
	if identity.IsHub(a.GetUser()) {
		return visit{inside, a.GetUser()}, ""
	}
	return visit{inside, identity.In(inside.Visitor.User, consumer)}, ""
}

// bindingsOf returns the bindings of consumer to the export, as it is now.
func (e *Exports) bindingsOf(made *offer, consumer logicalcluster.Name) []*apisv1alpha2.APIBinding {
	if consumer.Empty() {
		return nil
	}
	var found []*apisv1alpha2.APIBinding
	for _, binding := range e.ask.Bindings.In(consumer) {
		if isBindingTo(binding, made.export) {
			found = append(found, binding)
		}
	}
	return found
}

// isBindingTo reports whether a binding is to export. One of the same name that
// was made later has another identity.
func isBindingTo(binding *apisv1alpha2.APIBinding, export *apisv1alpha2.APIExport) bool {
	reference := binding.Spec.Reference.Export
	if reference == nil || reference.Name != export.Name || binding.Status.Phase != apisv1alpha2.APIBindingPhaseBound ||
		binding.Status.APIExportClusterName != logicalcluster.From(export).String() {
		return false
	}
	bound := binding.Status.BoundResources
	return len(bound) == 0 || slices.ContainsFunc(bound, func(b apisv1alpha2.BoundAPIResource) bool {
		return b.Schema.IdentityHash == export.Status.IdentityHash
	})
}

// rules are what the provider may do in a workspace with these bindings: whatever
// he likes with what is bound, as far as the request asks for it, and what was
// claimed and accepted. They are more than what is asked for because one thing may
// lead to another: who binds a role is asked whether he may.
func (e *Exports) rules(made *offer, consumer logicalcluster.Name, bindings []*apisv1alpha2.APIBinding, asked schema.GroupResource) []rbacv1.PolicyRule {
	rules := []rbacv1.PolicyRule{ruleFor(apiBindings, readVerbs)}
	if s := made.shown[asked]; s != nil && s.own() && slices.ContainsFunc(bindings, func(b *apisv1alpha2.APIBinding) bool { return hasBound(b, asked, made.export) }) {
		rules = append(rules, ruleFor(asked, []string{"*"}))
	}
	for gr, s := range made.shown {
		if grant, ok := e.grant(made, consumer, gr, s); ok {
			rules = append(rules, ruleFor(gr, grant.Verbs))
		}
	}
	return rules
}

// grant returns the claim in force that lets the provider see a resource.
func (e *Exports) grant(made *offer, consumer logicalcluster.Name, gr schema.GroupResource, s *exhibit) (claims.Grant, bool) {
	if s.claim == nil {
		return claims.Grant{}, false
	}
	return e.ask.Grant(consumer, claims.Export{Workspace: logicalcluster.From(made.export), Name: made.export.Name}, gr)
}

func hasBound(binding *apisv1alpha2.APIBinding, gr schema.GroupResource, export *apisv1alpha2.APIExport) bool {
	return slices.ContainsFunc(binding.Status.BoundResources, func(b apisv1alpha2.BoundAPIResource) bool {
		return b.Group == gr.Group && b.Resource == gr.Resource && b.Schema.IdentityHash == export.Status.IdentityHash
	})
}

// ruleFor allows verbs on a resource, and on those of its subresources that are
// about the object itself: not, for example, to make tokens.
func ruleFor(gr schema.GroupResource, verbs []string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{
		APIGroups: []string{gr.Group}, Verbs: verbs,
		Resources: []string{gr.Resource, gr.Resource + "/status", gr.Resource + "/scale"},
	}
}

func resourceAsked(a authorizer.Attributes) schema.GroupResource {
	return schema.GroupResource{Group: a.GetAPIGroup(), Resource: a.GetResource()}
}
