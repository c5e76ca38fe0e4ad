package views

import (
	"context"
	"errors"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/atriumhub/atrium/pkg/identity"
	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/target"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// village is what the views of initializers and terminators ask in these tests.
//
// Workspace "home" (path root:home) has the types "free", without rules, and
// "strict", which may get and impersonate. "robot" may initialize and terminate
// both. Workspaces, by what they are for:
//
//	new       waits for both initializers; alice created it
//	old       waits for both terminators; alice created it
//	ready     has terminators, but is not being deleted
//	hubs      waits for both initializers; the hub created it
//	late      as new, but memory does not know of it yet
//
// Inside, alice may do everything and others nothing.
type village struct {
	clusters, late map[logicalcluster.Name]*corev1alpha1.LogicalCluster
}

func newVillage() *village {
	alice := &authenticationv1.UserInfo{Username: "alice", Groups: []string{"team", user.AllAuthenticated, user.SystemPrivilegedGroup, "system:kcp:admin"}}
	initializers := []corev1alpha1.LogicalClusterInitializer{"home:free", "home:strict"}
	terminators := []corev1alpha1.LogicalClusterTerminator{"home:free", "home:strict"}
	cluster := func(by *authenticationv1.UserInfo, phase corev1alpha1.LogicalClusterPhaseType) *corev1alpha1.LogicalCluster {
		c := &corev1alpha1.LogicalCluster{ObjectMeta: metav1.ObjectMeta{Name: "cluster"}}
		c.Spec.CreatedBy = by
		c.Spec.Owner = &corev1alpha1.LogicalClusterOwner{Cluster: "parent"}
		c.Status.Phase, c.Status.Terminators = phase, terminators
		if phase == corev1alpha1.LogicalClusterPhaseInitializing {
			c.Status.Initializers = initializers
		}
		return c
	}
	return &village{
		clusters: map[logicalcluster.Name]*corev1alpha1.LogicalCluster{
			"new":   cluster(alice, corev1alpha1.LogicalClusterPhaseInitializing),
			"old":   cluster(alice, corev1alpha1.LogicalClusterPhaseTerminating),
			"ready": cluster(alice, corev1alpha1.LogicalClusterPhaseReady),
			"hubs":  cluster(nil, corev1alpha1.LogicalClusterPhaseInitializing),
		},
		late: map[logicalcluster.Name]*corev1alpha1.LogicalCluster{
			"late": cluster(alice, corev1alpha1.LogicalClusterPhaseInitializing),
		},
	}
}

func (v *village) config() LifecycleConfig {
	return LifecycleConfig{
		RBAC: authorizer.AuthorizerFunc(v.judgeHome), Inside: authorizer.AuthorizerFunc(v.judgeInside),
		Resolve: func(path logicalcluster.Path) (logicalcluster.Name, bool) {
			return "home", path == "root:home" || path == "home"
		},
		Type: func(workspace logicalcluster.Name, name string) (*tenancyv1alpha1.WorkspaceType, bool) {
			rules := map[string][]rbacv1.PolicyRule{
				"free": nil,
				"strict": {
					{APIGroups: []string{""}, Resources: []string{"configmaps", "users"}, Verbs: []string{"get", "impersonate"}},
					{NonResourceURLs: []string{"*"}, Verbs: []string{"*"}},
				},
			}
			found, ok := rules[name]
			return &tenancyv1alpha1.WorkspaceType{Spec: tenancyv1alpha1.WorkspaceTypeSpec{InitializerPermissions: found, TerminatorPermissions: found}}, ok && workspace == "home"
		},
		Cluster: func(workspace logicalcluster.Name) (*corev1alpha1.LogicalCluster, bool) {
			found, ok := v.clusters[workspace]
			return found, ok
		},
		Stored: func(_ context.Context, workspace logicalcluster.Name) (*corev1alpha1.LogicalCluster, error) {
			if found, ok := v.late[workspace]; ok {
				return found, nil
			}
			if found, ok := v.clusters[workspace]; ok {
				return found, nil
			}
			return nil, errors.New("not found")
		},
	}
}

// judgeHome are the roles of "home".
func (v *village) judgeHome(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	t, _ := target.From(ctx)
	verbs := a.GetVerb() == "initialize" || a.GetVerb() == "terminate"
	if verbs && t.Identity == "home" && a.GetResource() == "workspacetypes" && a.GetAPIGroup() == "tenancy.kcp.io" && a.GetUser().GetName() == "robot" {
		return authorizer.DecisionAllow, "", nil
	}
	return authorizer.DecisionNoOpinion, "secret RBAC talk", nil
}

// judgeInside is the chain of any workspace.
func (v *village) judgeInside(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	t, _ := target.From(ctx)
	if t.View != nil || t.Visitor != nil {
		return authorizer.DecisionDeny, "there are no views inside", nil
	}
	if identity.IsHub(a.GetUser()) || a.GetUser().GetName() == "alice" {
		return authorizer.DecisionAllow, "", nil
	}
	return authorizer.DecisionDeny, "not in " + t.Identity.String(), nil
}

// through is the context of a request through l, as routing makes it.
func through(t *testing.T, l *Lifecycle, id, workspace string) context.Context {
	t.Helper()
	got, scope, _, err := l.Resolve(t.Context(), "/services/"+l.kind+"/"+id+"/clusters/"+workspace+"/api")
	if err != nil {
		t.Fatal(err)
	}
	return keyspace.WithScope(target.With(t.Context(), got), scope)
}
