package access

import (
	"context"
	"errors"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac"

	"github.com/atriumhub/atrium/pkg/identity"
	"github.com/atriumhub/atrium/pkg/target"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Reader is the part of an informer that decisions are made from.
type Reader[T any] interface {
	Get(logicalcluster.Key) (T, bool)
	In(logicalcluster.Name) []T
}

// Roles are the read models of role based access control, over all workspaces.
type Roles struct {
	Roles               Reader[*rbacv1.Role]
	RoleBindings        Reader[*rbacv1.RoleBinding]
	ClusterRoles        Reader[*rbacv1.ClusterRole]
	ClusterRoleBindings Reader[*rbacv1.ClusterRoleBinding]
}

// RBAC is Kubernetes' role based access control, reading the workspace that the
// context's target names as the judging one, for all users whose permissions
// somebody has in it.
type RBAC struct {
	plain    *rbac.RBACAuthorizer
	resolver resolver
}

var (
	_ authorizer.UnconditionalAuthorizer = &RBAC{}
	_ authorizer.RuleResolver            = &RBAC{}
)

// NewRBAC returns the authorizer.
func NewRBAC(roles Roles) *RBAC {
	r := resolver{roles}
	return &RBAC{plain: rbac.New(r, r, r, r), resolver: r}
}

// Authorize allows what one of the users may do. It never denies.
func (r *RBAC) Authorize(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	if a.GetUser() == nil {
		return authorizer.DecisionNoOpinion, "", nil
	}
	refusal := ""
	for _, u := range identity.Effective(a.GetUser(), judging(ctx)) {
		decision, reason, err := r.plain.Authorize(ctx, identity.AskedBy{Attributes: a, User: u})
		if err != nil || decision == authorizer.DecisionAllow {
			return decision, reason, err
		}
		if refusal == "" {
			refusal = reason
		}
	}
	return authorizer.DecisionNoOpinion, refusal, nil
}

// RulesFor returns the rules that Authorize judges by.
func (r *RBAC) RulesFor(ctx context.Context, u user.Info, namespace string) ([]authorizer.ResourceRuleInfo, []authorizer.NonResourceRuleInfo, bool, error) {
	var resources []authorizer.ResourceRuleInfo
	var others []authorizer.NonResourceRuleInfo
	var problems []error
	for _, effective := range identity.Effective(u, judging(ctx)) {
		more, moreOthers, _, err := r.plain.RulesFor(ctx, effective, namespace)
		resources, others = append(resources, more...), append(others, moreOthers...)
		if err != nil {
			problems = append(problems, err)
		}
	}
	return resources, others, false, errors.Join(problems...)
}

// resolver answers the lookups of the RBAC authorizer. ClusterRoles, and the
// bindings of groups and users, of system:admin hold in every workspace: they
// are Kubernetes' own bootstrap policy.
type resolver struct{ Roles }

func (r resolver) GetRole(ctx context.Context, namespace, name string) (*rbacv1.Role, error) {
	role, ok := r.Roles.Roles.Get(logicalcluster.Key{Workspace: judging(ctx), Namespace: namespace, Name: name})
	if !ok {
		return nil, apierrors.NewNotFound(rbacv1.Resource("roles"), name)
	}
	return role, nil
}

// globalRole begins, in the reference of a binding of system:admin, the name of a
// role that is that of system:admin, whatever a workspace has under the name:
// its administrator could take hub administrators their rights there, or give
// everybody more. The name of no role has a slash in it.
const globalRole = "system:admin/"

func (r resolver) GetClusterRole(ctx context.Context, name string) (*rbacv1.ClusterRole, error) {
	if global, ok := strings.CutPrefix(name, globalRole); ok {
		return r.globalClusterRole(global)
	}
	if role, ok := r.ClusterRoles.Get(logicalcluster.Key{Workspace: judging(ctx), Name: name}); ok {
		return role, nil
	}
	return r.globalClusterRole(name)
}

func (r resolver) globalClusterRole(name string) (*rbacv1.ClusterRole, error) {
	if role, ok := r.ClusterRoles.Get(logicalcluster.Key{Workspace: logicalcluster.SystemAdmin, Name: name}); ok {
		return role, nil
	}
	return nil, apierrors.NewNotFound(rbacv1.Resource("clusterroles"), name)
}

func (r resolver) ListRoleBindings(ctx context.Context, namespace string) ([]*rbacv1.RoleBinding, error) {
	var found []*rbacv1.RoleBinding
	for _, binding := range r.RoleBindings.In(judging(ctx)) {
		if binding.Namespace == namespace {
			found = append(found, binding)
		}
	}
	return found, nil
}

func (r resolver) ListClusterRoleBindings(ctx context.Context) ([]*rbacv1.ClusterRoleBinding, error) {
	workspace := judging(ctx)
	local := r.ClusterRoleBindings.In(workspace)
	if workspace == logicalcluster.SystemAdmin {
		return local, nil
	}
	return append(slices.Clip(local), r.globalBindings()...), nil
}

// globalBindings returns what of the bindings of system:admin holds everywhere.
func (r resolver) globalBindings() []*rbacv1.ClusterRoleBinding {
	bindings := r.ClusterRoleBindings.In(logicalcluster.SystemAdmin)
	kept := make([]*rbacv1.ClusterRoleBinding, 0, len(bindings))
	for _, binding := range bindings {
		if global, ok := withoutServiceAccounts(binding); ok {
			kept = append(kept, global)
		}
	}
	return kept
}

// withoutServiceAccounts returns what of a system:admin binding holds in other
// workspaces. A service account named in it is one of system:admin: a tenant
// who creates one of the same name must not inherit its rights. Nor is the role
// one of the same name.
func withoutServiceAccounts(binding *rbacv1.ClusterRoleBinding) (*rbacv1.ClusterRoleBinding, bool) {
	kept := 0
	for _, subject := range binding.Subjects {
		if subject.Kind != rbacv1.ServiceAccountKind {
			kept++
		}
	}
	if kept == 0 {
		return nil, false
	}
	global := *binding
	global.RoleRef.Name = globalRole + binding.RoleRef.Name
	if kept == len(binding.Subjects) {
		return &global, true
	}
	global.Subjects = nil
	for _, subject := range binding.Subjects {
		if subject.Kind != rbacv1.ServiceAccountKind {
			global.Subjects = append(global.Subjects, subject)
		}
	}
	return &global, true
}

// judging returns the workspace whose rules apply. An empty name matches no
// object, so that a request without a target has no rights.
func judging(ctx context.Context) logicalcluster.Name {
	t, _ := target.From(ctx)
	return t.Identity
}
