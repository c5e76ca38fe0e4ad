package access

import (
	"context"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/atriumhub/atrium/pkg/identity"
	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/target"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// shelf is a read model made of literals.
type shelf[T metav1.Object] map[logicalcluster.Name][]T

func (s shelf[T]) In(workspace logicalcluster.Name) []T { return s[workspace] }

func (s shelf[T]) Get(key logicalcluster.Key) (found T, ok bool) {
	for _, object := range s[key.Workspace] {
		if object.GetNamespace() == key.Namespace && object.GetName() == key.Name {
			return object, true
		}
	}
	return found, false
}

func everything() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}},
		{NonResourceURLs: []string{"*"}, Verbs: []string{"*"}},
	}
}

func clusterRole(name string, rules []rbacv1.PolicyRule) *rbacv1.ClusterRole {
	return &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules}
}

func bound(role string, subjects ...rbacv1.Subject) *rbacv1.ClusterRoleBinding {
	return &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role}, Subjects: subjects,
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
	}
}

func aUser(name string) rbacv1.Subject {
	return rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}
}

func aGroup(name string) rbacv1.Subject {
	return rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: name}
}

// newChain is a hub in which alice administers workspace a, bob workspace b,
// hub-admins everything, and system:admin trusts a service account of its own.
func newChain() *Chain {
	account := rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: "kube-system", Name: "controller"}
	return New(Config{RBAC: NewRBAC(Roles{
		Roles:        shelf[*rbacv1.Role]{},
		RoleBindings: shelf[*rbacv1.RoleBinding]{},
		ClusterRoles: shelf[*rbacv1.ClusterRole]{
			logicalcluster.SystemAdmin: {clusterRole("cluster-admin", everything()), clusterRole("trusted", everything())},
			"c":                        {clusterRole("cluster-admin", nil), clusterRole("system:basic-user", everything())},
			"a":                        {clusterRole("reader", []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get"}}})},
		},
		ClusterRoleBindings: shelf[*rbacv1.ClusterRoleBinding]{
			logicalcluster.SystemAdmin: {bound("cluster-admin", aGroup("hub-admins")), bound("system:basic-user", aGroup(user.AllAuthenticated)), bound("trusted", account, aUser("system:robot"))},
			"a":                        {bound("cluster-admin", aUser("alice")), bound("reader", aUser("carol"))},
			"b":                        {bound("cluster-admin", aUser("bob"))},
			"c":                        {bound("cluster-admin", aUser("mallory"))},
		},
	})})
}

func TestChain(t *testing.T) {
	secrets := authorizer.AttributesRecord{Verb: "list", APIVersion: "v1", Resource: "secrets", ResourceRequest: true}
	nonResource := func(path string) authorizer.AttributesRecord {
		return authorizer.AttributesRecord{Verb: "get", Path: path}
	}
	impersonate := func(resource, name string) authorizer.AttributesRecord {
		return authorizer.AttributesRecord{Verb: "impersonate", Resource: resource, Name: name, ResourceRequest: true}
	}
	extra := func(key, value string) authorizer.AttributesRecord {
		return authorizer.AttributesRecord{Verb: "impersonate", Resource: "userextras", Subresource: key, Name: value, ResourceRequest: true}
	}
	masters := []string{user.SystemPrivilegedGroup}
	for name, c := range map[string]struct {
		user   string
		groups []string
		in     logicalcluster.Name
		all    bool
		ask    authorizer.AttributesRecord
		allow  bool
	}{
		"an admin at home":                                    {user: "alice", in: "a", ask: secrets, allow: true},
		"an admin at a neighbour's":                           {user: "alice", in: "b", ask: secrets},
		"nowhere":                                             {user: "alice", in: "", ask: secrets},
		"nowhere, for the hub":                                {user: "x", groups: masters, in: "", ask: secrets, allow: true},
		"everywhere":                                          {user: "alice", all: true, ask: secrets},
		"everywhere, for hub administrators":                  {user: "x", groups: []string{"hub-admins"}, all: true, ask: secrets},
		"everywhere, for the hub":                             {user: "x", groups: masters, all: true, ask: secrets, allow: true},
		"hub administrators in any workspace":                 {user: "x", groups: []string{"hub-admins"}, in: "b", ask: secrets, allow: true},
		"hub administrators, with a namesake of their role":   {user: "x", groups: []string{"hub-admins"}, in: "c", ask: secrets, allow: true},
		"everybody, with a namesake of the role of everybody": {user: "x", groups: []string{user.AllAuthenticated}, in: "c", ask: secrets},
		"who is bound to a namesake":                          {user: "mallory", in: "c", ask: secrets},
		"somebody without the verb access":                    {user: "carol", in: "a", ask: authorizer.AttributesRecord{Verb: "get", Resource: "configmaps", ResourceRequest: true}},
		"discovery needs access too":                          {user: "dave", groups: []string{user.AllAuthenticated}, in: "a", ask: nonResource("/api")},
		"an admin reads discovery":                            {user: "alice", in: "a", ask: nonResource("/apis/apps"), allow: true},
		"an admin reads metrics of the hub":                   {user: "alice", in: "a", ask: nonResource("/metrics")},
		"a namesake of a trusted service account":             {user: "system:serviceaccount:kube-system:controller", groups: []string{"system:serviceaccounts"}, in: "a", ask: secrets},
		"a trusted user of the hub":                           {user: "system:robot", in: "a", ask: secrets, allow: true},
		"an admin becomes somebody ordinary":                  {user: "alice", in: "a", ask: impersonate("users", "carol"), allow: true},
		"an admin becomes a service account's group":          {user: "alice", in: "a", ask: impersonate("groups", "system:serviceaccounts:default"), allow: true},
		"an admin becomes the hub":                            {user: "alice", in: "a", ask: impersonate("groups", "system:masters")},
		"an admin becomes a hub administrator":                {user: "alice", in: "a", ask: impersonate("groups", "system:kcp:admin")},
		"an admin becomes a trusted user of the hub":          {user: "alice", in: "a", ask: impersonate("users", "system:robot")},
		"a hub administrator becomes the hub":                 {user: "x", groups: []string{"hub-admins"}, in: "a", ask: impersonate("groups", "system:masters")},
		"an admin takes a warrant":                            {user: "alice", in: "a", ask: extra(identity.WarrantExtraKey, `{"groups":["system:masters"]}`)},
		"an admin takes a scope":                              {user: "alice", in: "a", ask: extra("AUTHENTICATION.kcp.io/scopes", "cluster:b")},
		"an admin takes a home":                               {user: "alice", in: "a", ask: extra(identity.ClusterExtraKey, "b")},
		"an admin takes an ordinary extra":                    {user: "alice", in: "a", ask: extra("example.io/team", "x"), allow: true},
		"an admin becomes a node":                             {user: "alice", in: "a", ask: impersonate("nodes", "n")},
		"nobody asks":                                         {in: "a", ask: secrets},
	} {
		t.Run(name, func(t *testing.T) {
			scope := keyspace.Nowhere()
			if c.all {
				scope = keyspace.Everywhere()
			} else if c.in != "" {
				scope = keyspace.In(c.in)
			}
			ctx := keyspace.WithScope(target.With(context.Background(), target.Target{Path: c.in.Path(), Identity: c.in}), scope)
			if c.user != "" {
				c.ask.User = &user.DefaultInfo{Name: c.user, Groups: c.groups}
			}
			decision, reason, err := newChain().Authorize(ctx, c.ask)
			if err != nil {
				t.Fatal(err)
			}
			if (decision == authorizer.DecisionAllow) != c.allow {
				t.Errorf("decision %v (%s), expected allowed: %v", decision, reason, c.allow)
			}
		})
	}
}

// counted counts how often a read model is asked.
type counted[T metav1.Object] struct {
	shelf[T]
	asked *int
}

func (c counted[T]) In(workspace logicalcluster.Name) []T {
	*c.asked++
	return c.shelf.In(workspace)
}

// TestNothingIsRefusedFaster: what a stranger is told of a workspace does not
// depend on whether it exists, nor does what the hub does before it tells him.
func TestNothingIsRefusedFaster(t *testing.T) {
	asked := 0
	chain := newChain()
	roles := chain.config.RBAC.resolver.Roles
	roles.ClusterRoleBindings = counted[*rbacv1.ClusterRoleBinding]{roles.ClusterRoleBindings.(shelf[*rbacv1.ClusterRoleBinding]), &asked}
	chain.config.RBAC = NewRBAC(roles)
	looks := map[logicalcluster.Name]int{}
	for _, workspace := range []logicalcluster.Name{"a", ""} {
		asked = 0
		ctx := target.With(t.Context(), target.Target{Path: "root:x", Identity: workspace})
		decision, reason, err := chain.Authorize(ctx, authorizer.AttributesRecord{User: &user.DefaultInfo{Name: "eve"}, Verb: "get", Path: "/api"})
		if decision != authorizer.DecisionDeny || reason != NoEntry("root:x") || err != nil {
			t.Errorf("%q: %v, %q, %v", workspace, decision, reason, err)
		}
		looks[workspace] = asked
	}
	if looks["a"] != looks[""] || looks["a"] == 0 {
		t.Errorf("one that exists takes %d looks, one that does not %d", looks["a"], looks[""])
	}
}

func TestNoTargetNoRights(t *testing.T) {
	ask := authorizer.AttributesRecord{User: &user.DefaultInfo{Name: "alice"}, Verb: "list", Resource: "secrets", ResourceRequest: true}
	if decision, _, _ := newChain().Authorize(context.Background(), ask); decision == authorizer.DecisionAllow {
		t.Error("a request that names no workspace was allowed")
	}
}
