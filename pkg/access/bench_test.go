package access

import (
	"fmt"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac/bootstrappolicy"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// indexed is a read model as an informer keeps it: by workspace, then by name.
type indexed[T metav1.Object] map[logicalcluster.Name]map[logicalcluster.Key]T

func (x indexed[T]) put(workspace logicalcluster.Name, object T) {
	if x[workspace] == nil {
		x[workspace] = map[logicalcluster.Key]T{}
	}
	x[workspace][logicalcluster.Key{Workspace: workspace, Namespace: object.GetNamespace(), Name: object.GetName()}] = object
}

func (x indexed[T]) Get(key logicalcluster.Key) (T, bool) {
	found, ok := x[key.Workspace][key]
	return found, ok
}

func (x indexed[T]) In(workspace logicalcluster.Name) []T {
	found := make([]T, 0, len(x[workspace]))
	for _, object := range x[workspace] {
		found = append(found, object)
	}
	return found
}

// crowd is a hub with Kubernetes' own policy, and workspaces that have an
// administrator and four more roles and bindings each.
func crowd(workspaces int) *Chain {
	clusterRoles, clusterBindings := indexed[*rbacv1.ClusterRole]{}, indexed[*rbacv1.ClusterRoleBinding]{}
	for _, role := range bootstrappolicy.ClusterRoles() {
		clusterRoles.put(logicalcluster.SystemAdmin, &role)
	}
	for _, binding := range bootstrappolicy.ClusterRoleBindings() {
		clusterBindings.put(logicalcluster.SystemAdmin, &binding)
	}
	for i := range workspaces {
		name := logicalcluster.Name(fmt.Sprintf("w%d", i))
		clusterBindings.put(name, bound("cluster-admin", aUser(fmt.Sprintf("user%d", i))))
		for j := range 4 {
			role := clusterRole(fmt.Sprintf("role%d", j), []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get"}}})
			clusterRoles.put(name, role)
			clusterBindings.put(name, bound(role.Name, aGroup(fmt.Sprintf("group%d", j))))
		}
	}
	return New(Config{
		RBAC: NewRBAC(Roles{
			Roles: indexed[*rbacv1.Role]{}, RoleBindings: indexed[*rbacv1.RoleBinding]{}, ClusterRoles: clusterRoles, ClusterRoleBindings: clusterBindings,
		}),
		RequiredGroups: func(logicalcluster.Name) (string, bool) { return "", false },
	})
}

// BenchmarkAuthorize measures A4: what a decision costs in a hub of few and of
// many workspaces.
func BenchmarkAuthorize(b *testing.B) {
	for _, workspaces := range []int{10, 10_000} {
		chain := crowd(workspaces)
		for name, u := range map[string]string{"allowed": "user7", "refused": "stranger"} {
			b.Run(fmt.Sprintf("%s/workspaces=%d", name, workspaces), func(b *testing.B) {
				ctx, ask := in("w7"), as(person(u), can("list", "", "secrets"))
				b.ReportAllocs()
				for b.Loop() {
					decision, _, err := chain.Authorize(ctx, ask)
					if err != nil || (decision == authorizer.DecisionAllow) != (name == "allowed") {
						b.Fatal(decision, err)
					}
				}
			})
		}
	}
}
