package bootstrap

import (
	"slices"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac/bootstrappolicy"
)

func TestAggregatedRolesHaveRules(t *testing.T) {
	roles := map[string]rbacv1.ClusterRole{}
	for _, role := range aggregated(bootstrappolicy.ClusterRoles()) {
		roles[role.Name] = role
		if role.AggregationRule != nil {
			t.Errorf("%s waits for a controller that does not run", role.Name)
		}
	}
	may := func(name, verb, resource string) bool {
		return slices.ContainsFunc(roles[name].Rules, func(rule rbacv1.PolicyRule) bool {
			return slices.Contains(rule.Verbs, verb) && slices.Contains(rule.Resources, resource)
		})
	}
	for _, c := range []struct {
		role, verb, resource string
		want                 bool
	}{
		{"view", "get", "configmaps", true},
		{"view", "get", "secrets", false},
		{"view", "create", "configmaps", false},
		{"edit", "create", "configmaps", true},
		{"edit", "get", "deployments", true},
		{"edit", "create", "rolebindings", false},
		{"admin", "create", "rolebindings", true},
		{"admin", "delete", "secrets", true},
	} {
		if got := may(c.role, c.verb, c.resource); got != c.want {
			t.Errorf("%s may %s %s: %v", c.role, c.verb, c.resource, got)
		}
	}
}
