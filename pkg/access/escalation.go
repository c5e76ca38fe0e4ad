package access

import (
	"context"
	"fmt"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/kubernetes/pkg/registry/rbac/validation"

	"github.com/atriumhub/atrium/pkg/identity"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Escalation returns the rules by which a registry judges whether somebody gives
// away more than he has: those of the same users, and with the same roles of
// system:admin, as when a request is judged. What is in the workspace itself is
// read from storage, as a role and its binding are often made one right after
// the other.
func (r *RBAC) Escalation(
	roles validation.RoleGetter, bindings validation.RoleBindingLister,
	clusterRoles validation.ClusterRoleGetter, clusterBindings validation.ClusterRoleBindingLister,
) validation.AuthorizationRuleResolver {
	merged := merged{clusterRoles, clusterBindings, r.resolver}
	return effectiveRules{validation.NewDefaultRuleResolver(roles, bindings, merged, merged)}
}

// merged is what is stored in the workspace, and besides it what holds in every
// workspace.
type merged struct {
	roles    validation.ClusterRoleGetter
	bindings validation.ClusterRoleBindingLister
	global   resolver
}

// GetClusterRole prefers the role of the workspace where resolver does.
func (m merged) GetClusterRole(ctx context.Context, name string) (*rbacv1.ClusterRole, error) {
	if global, ok := strings.CutPrefix(name, globalRole); ok {
		return m.global.globalClusterRole(global)
	}
	role, err := m.roles.GetClusterRole(ctx, name)
	if !apierrors.IsNotFound(err) {
		return role, err
	}
	return m.global.globalClusterRole(name)
}

// ListClusterRoleBindings adds the bindings that hold everywhere.
func (m merged) ListClusterRoleBindings(ctx context.Context) ([]*rbacv1.ClusterRoleBinding, error) {
	local, err := m.bindings.ListClusterRoleBindings(ctx)
	if err != nil || judging(ctx) == logicalcluster.SystemAdmin {
		return local, err
	}
	return append(local, m.global.globalBindings()...), nil
}

// effectiveRules are the rules of all users whose permissions somebody has.
type effectiveRules struct {
	validation.AuthorizationRuleResolver
}

// RulesFor returns the rules of all of them.
func (e effectiveRules) RulesFor(ctx context.Context, u user.Info, namespace string) (rules []rbacv1.PolicyRule, err error) {
	for _, effective := range identity.Effective(u, judging(ctx)) {
		more, problem := e.AuthorizationRuleResolver.RulesFor(ctx, effective, namespace)
		rules = append(rules, more...)
		if problem != nil {
			err = problem
		}
	}
	return rules, err
}

// VisitRulesFor visits the rules of all of them.
func (e effectiveRules) VisitRulesFor(ctx context.Context, u user.Info, namespace string, visit func(fmt.Stringer, *rbacv1.PolicyRule, error) bool) {
	goOn := true
	for _, effective := range identity.Effective(u, judging(ctx)) {
		if !goOn {
			return
		}
		e.AuthorizationRuleResolver.VisitRulesFor(ctx, effective, namespace, func(source fmt.Stringer, rule *rbacv1.PolicyRule, err error) bool {
			goOn = visit(source, rule, err)
			return goOn
		})
	}
}
