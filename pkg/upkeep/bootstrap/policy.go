package bootstrap

import (
	"context"
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	rbacclient "k8s.io/client-go/kubernetes/typed/rbac/v1"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac/bootstrappolicy"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Policy stores Kubernetes' own roles and bindings in system:admin, from where
// they hold in every workspace. Upstream does the same in a hook that waits a
// second first and then works one by one. The roles of Kubernetes' controllers
// are left out, as those do not run here.
func Policy(ctx context.Context, config Config) error {
	rbac, err := rbacclient.NewForConfigAndClient(config.Hub.Config(logicalcluster.SystemAdmin.Path()), config.Hub.HTTPClient())
	if err != nil {
		return fmt.Errorf("failed to make a client: %w", err)
	}
	var tasks []func() error
	for _, role := range aggregated(bootstrappolicy.ClusterRoles()) {
		tasks = append(tasks, func() error { return named("role "+role.Name, ensureRole(ctx, rbac.ClusterRoles(), &role)) })
	}
	for _, binding := range bootstrappolicy.ClusterRoleBindings() {
		tasks = append(tasks, func() error {
			return named("binding "+binding.Name, ensureBinding(ctx, rbac.ClusterRoleBindings(), &binding))
		})
	}
	if err := together(tasks...); err != nil {
		return fmt.Errorf("failed to store the bootstrap policy: %w", err)
	}
	return nil
}

// aggregated fills in the roles that are made of others: admin, edit and view.
// In a cluster a controller does so.
func aggregated(roles []rbacv1.ClusterRole) []rbacv1.ClusterRole {
	for i := range roles {
		if roles[i].AggregationRule == nil {
			continue
		}
		roles[i].Rules = rulesOf(roles, roles[i].AggregationRule.ClusterRoleSelectors)
		roles[i].AggregationRule = nil
	}
	return roles
}

// rulesOf returns the rules of the plain roles that one of the selectors picks,
// and of what those are made of.
func rulesOf(roles []rbacv1.ClusterRole, selectors []metav1.LabelSelector) []rbacv1.PolicyRule {
	var rules []rbacv1.PolicyRule
	for _, role := range roles {
		if !selected(role.Labels, selectors) {
			continue
		}
		if role.AggregationRule != nil {
			rules = append(rules, rulesOf(roles, role.AggregationRule.ClusterRoleSelectors)...)
		}
		rules = append(rules, role.Rules...)
	}
	return rules
}

func selected(set labels.Set, selectors []metav1.LabelSelector) bool {
	for _, selector := range selectors {
		if parsed, err := metav1.LabelSelectorAsSelector(&selector); err == nil && parsed.Matches(set) {
			return true
		}
	}
	return false
}
