package views

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/atriumhub/atrium/pkg/identity"
	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/target"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

func TestVisit(t *testing.T) {
	robot := &user.DefaultInfo{Name: "robot", Groups: []string{"robots"}}
	account := &user.DefaultInfo{Name: "system:serviceaccount:default:robot", Groups: []string{"system:serviceaccounts", "system:serviceaccounts:default", user.AllAuthenticated}}
	hub := &user.DefaultInfo{Name: "x", Groups: []string{user.SystemPrivilegedGroup}}
	for name, c := range map[string]struct {
		caller    user.Info
		id        string
		workspace logicalcluster.Name
		as        user.Info
		rules     int
	}{
		"as the creator": {robot, "home:free", "new", &user.DefaultInfo{Name: "alice", Groups: []string{"team", user.AllAuthenticated}, Extra: map[string][]string{}}, 0},
		"by rules":       {robot, "home:strict", "new", &user.DefaultInfo{Name: "robot", Groups: []string{"robots", "system:kcp:initializer:home:strict"}}, 2},
		"a service account by rules": {account, "home:strict", "new", &user.DefaultInfo{
			Name: "system:kcp:serviceaccount:home:default:robot", Groups: []string{user.AllAuthenticated, "system:cluster:home", "system:kcp:initializer:home:strict"},
			Extra: map[string][]string{identity.ClusterExtraKey: {"home"}},
		}, 2},
		"in a workspace the hub created":   {robot, "home:free", "hubs", &user.DefaultInfo{Name: "robot", Groups: []string{"robots", "system:kcp:initializer:home:free"}}, 1},
		"by rules in one the hub created":  {robot, "home:strict", "hubs", &user.DefaultInfo{Name: "robot", Groups: []string{"robots", "system:kcp:initializer:home:strict"}}, 2},
		"the hub itself":                   {hub, "home:strict", "new", hub, -1},
		"by path it is the same, by rules": {robot, "root:home:strict", "new", &user.DefaultInfo{Name: "robot", Groups: []string{"robots", "system:kcp:initializer:home:strict"}}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			l := NewInitializing(newVillage().config())
			ctx := through(t, l, c.id, c.workspace.String())
			outside, _ := target.From(ctx)
			v, reason := l.visit(ctx, outside, c.workspace, c.caller)
			if reason != "" {
				t.Fatal(reason)
			}
			if diff := cmp.Diff(c.as, v.user); diff != "" {
				t.Errorf("acts as (-want +got):\n%s", diff)
			}
			inside := v.enter(ctx)
			scope, _ := keyspace.ScopeFrom(inside)
			if ws, single := scope.Workspace(); !single || ws != c.workspace || scope.Selector() != nil {
				t.Errorf("the scope is %s", scope)
			}
			got, _ := target.From(inside)
			if got.Identity != c.workspace || got.View != nil || (got.Visitor == nil) != (c.rules < 0) {
				t.Errorf("the target is %+v", got)
			}
			if who := got.Visitor; who != nil && (len(who.Rules) != c.rules || who.Home != "home" || who.User != c.caller || (who.Rules == nil) != (c.rules == 0)) {
				t.Errorf("the visitor is %+v", who)
			}
			if identity.IsHub(v.user) != identity.IsHub(c.caller) {
				t.Error("somebody became the hub")
			}
		})
	}
}

func TestCreator(t *testing.T) {
	extra := func(key string, values ...string) map[string]authenticationv1.ExtraValue {
		return map[string]authenticationv1.ExtraValue{key: values}
	}
	account := func(home string) user.Info {
		return &user.DefaultInfo{
			Name: "system:kcp:serviceaccount:" + home + ":ns:a", Groups: []string{user.AllAuthenticated, "system:cluster:" + home},
			Extra: map[string][]string{identity.ClusterExtraKey: {home}},
		}
	}
	const plain = `{"user":"bob","groups":["team"]}`
	for name, c := range map[string]struct {
		by   *authenticationv1.UserInfo
		want user.Info
	}{
		"the hub":       {nil, nil},
		"nobody":        {&authenticationv1.UserInfo{}, nil},
		"a user":        {&authenticationv1.UserInfo{Username: "alice", UID: "7", Groups: []string{"team"}}, &user.DefaultInfo{Name: "alice", UID: "7", Groups: []string{"team"}, Extra: map[string][]string{}}},
		"a masters":     {&authenticationv1.UserInfo{Username: "x", Groups: []string{"system:masters", "system:kcp:admin", "system:kcp:logical-cluster-admin", "system:authenticated"}}, &user.DefaultInfo{Name: "x", Groups: []string{"system:authenticated"}, Extra: map[string][]string{}}},
		"an account":    {&authenticationv1.UserInfo{Username: "system:serviceaccount:ns:a", Groups: []string{"system:serviceaccounts"}}, account("parent")},
		"with its home": {&authenticationv1.UserInfo{Username: "system:serviceaccount:ns:a", Extra: extra(identity.ClusterExtraKey, "far")}, account("far")},
		"in scope":      {&authenticationv1.UserInfo{Username: "a", Extra: extra(identity.ScopesExtraKey, "cluster:ws")}, &user.DefaultInfo{Name: "a", Extra: map[string][]string{identity.ScopesExtraKey: {"cluster:ws"}}}},
		"out of scope":  {&authenticationv1.UserInfo{Username: "a", Groups: []string{user.AllAuthenticated}, Extra: extra(identity.ScopesExtraKey, "cluster:x")}, &user.DefaultInfo{Name: user.Anonymous, Groups: []string{user.AllAuthenticated}}},
		"warrants": {&authenticationv1.UserInfo{Username: "a", Extra: extra(identity.WarrantExtraKey,
			plain, `{"user":"x","groups":["system:masters"]}`, `{"user":"x","extra":{"authorization.kcp.io/warrant":["{}"]}}`, `not JSON`)},
			&user.DefaultInfo{Name: "a", Extra: map[string][]string{identity.WarrantExtraKey: {plain}}}},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := &corev1alpha1.LogicalCluster{Spec: corev1alpha1.LogicalClusterSpec{CreatedBy: c.by, Owner: &corev1alpha1.LogicalClusterOwner{Cluster: "parent"}}}
			got, found := creator(cluster, "ws")
			if found != (c.want != nil) {
				t.Fatalf("found: %v", found)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
