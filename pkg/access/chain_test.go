package access

import (
	"context"
	"errors"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/atriumhub/atrium/pkg/identity"
	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/target"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// in returns the context of a request to a workspace.
func in(workspace logicalcluster.Name) context.Context {
	if workspace.Empty() {
		return nowhere("nowhere")
	}
	ctx := target.With(context.Background(), target.Target{Path: workspace.Path(), Identity: workspace})
	return keyspace.WithScope(ctx, keyspace.In(workspace))
}

// nowhere returns the context of a request to a workspace that does not exist.
func nowhere(path logicalcluster.Path) context.Context {
	return keyspace.WithScope(target.With(context.Background(), target.Target{Path: path}), keyspace.Nowhere())
}

func can(verb, group, resource string) authorizer.AttributesRecord {
	return authorizer.AttributesRecord{Verb: verb, APIGroup: group, APIVersion: "v1", Resource: resource, ResourceRequest: true}
}

func as(u user.Info, a authorizer.AttributesRecord) authorizer.AttributesRecord {
	a.User = u
	return a
}

func entering() rbacv1.PolicyRule {
	return rbacv1.PolicyRule{NonResourceURLs: []string{"/"}, Verbs: []string{AccessVerb}}
}

// town is a hub in which alice administers a and b, carol c, and anybody of the
// workspace a may read secrets of c.
func town() Config {
	secrets := []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"list"}}, entering()}
	return Config{RBAC: NewRBAC(Roles{
		Roles: shelf[*rbacv1.Role]{}, RoleBindings: shelf[*rbacv1.RoleBinding]{},
		ClusterRoles: shelf[*rbacv1.ClusterRole]{
			logicalcluster.SystemAdmin: {clusterRole("cluster-admin", everything()), clusterRole("secrets", secrets)},
		},
		ClusterRoleBindings: shelf[*rbacv1.ClusterRoleBinding]{
			logicalcluster.SystemAdmin: {bound("cluster-admin", aGroup("system:kcp:admin"))},
			"a":                        {bound("cluster-admin", aUser("alice"), rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: "ci", Name: "bot"})},
			"b":                        {bound("cluster-admin", aUser("alice"), rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: "ci", Name: "bot"})},
			"c":                        {bound("cluster-admin", aUser("carol")), bound("secrets", aGroup("system:cluster:a"), aUser("system:kcp:serviceaccount:b:ci:bot"))},
			"system:provider":          {},
		},
	})}
}

func person(name string, groups ...string) *user.DefaultInfo {
	return &user.DefaultInfo{Name: name, Groups: append(groups, user.AllAuthenticated)}
}

func withExtra(u *user.DefaultInfo, key string, values ...string) *user.DefaultInfo {
	u.Extra = map[string][]string{key: values}
	return u
}

func botOf(home string) *user.DefaultInfo {
	return withExtra(person("system:serviceaccount:ci:bot", "system:serviceaccounts", "system:serviceaccounts:ci"), identity.ClusterExtraKey, home)
}

func TestEffectiveUsersAreJudged(t *testing.T) {
	secrets := can("list", "", "secrets")
	for name, c := range map[string]struct {
		u     user.Info
		in    logicalcluster.Name
		allow bool
	}{
		"in scope":                                {withExtra(person("alice"), identity.ScopesExtraKey, "cluster:a"), "a", true},
		"out of scope":                            {withExtra(person("alice"), identity.ScopesExtraKey, "cluster:a"), "b", false},
		"administrator of the hub out of scope":   {withExtra(person("x", "system:kcp:admin"), identity.ScopesExtraKey, "cluster:a"), "b", false},
		"masters out of scope":                    {withExtra(person("x", user.SystemPrivilegedGroup), identity.ScopesExtraKey, "cluster:a"), "b", false},
		"a warrant":                               {withExtra(person("bob"), identity.WarrantExtraKey, `{"user":"alice"}`), "a", true},
		"a warrant for another workspace":         {withExtra(person("bob"), identity.WarrantExtraKey, `{"user":"alice","extra":{"authentication.kcp.io/scopes":["cluster:a"]}}`), "b", false},
		"a warrant does not make the hub":         {withExtra(person("bob"), identity.WarrantExtraKey, `{"groups":["hub"]}`), "a", false},
		"a service account at home":               {botOf("a"), "a", true},
		"a service account and its namesake":      {botOf("a"), "b", false},
		"a service account by its long name":      {botOf("b"), "c", true},
		"a service account by its group":          {botOf("a"), "c", true},
		"a service account of an unknown place":   {botOf("d"), "c", false},
		"a service account in no workspace":       {botOf("a"), "", false},
		"a local user elsewhere, by its group":    {local(t, "dora", "a"), "c", true},
		"a local user elsewhere":                  {local(t, "carol", "b"), "c", false},
		"a local user named as an administrator":  {local(t, "alice", "c"), "a", false},
		"a local user at home by the same name":   {local(t, "alice", "a"), "a", true},
		"a namesake that forgot where it is from": {person("system:serviceaccount:ci:bot"), "c", false},
	} {
		t.Run(name, func(t *testing.T) {
			decision, reason, err := New(town()).Authorize(in(c.in), as(c.u, secrets))
			if err != nil {
				t.Fatal(err)
			}
			if (decision == authorizer.DecisionAllow) != c.allow {
				t.Errorf("%v (%s), expected allowed: %v", decision, reason, c.allow)
			}
		})
	}
}

func local(t *testing.T, name string, home logicalcluster.Name) user.Info {
	t.Helper()
	u, err := identity.Local(person(name), home)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestRequiredGroups(t *testing.T) {
	for name, c := range map[string]struct {
		required string
		groups   []string
		want     bool
	}{
		"one":                             {"staff", []string{"staff"}, true},
		"not in it":                       {"staff", []string{"guests"}, false},
		"one of two":                      {"staff;guests", []string{"guests"}, true},
		"both":                            {"staff,eu", []string{"eu", "staff"}, true},
		"only one of both":                {"staff,eu", []string{"eu"}, false},
		"both or one, with the one":       {"staff,eu;root", []string{"root"}, true},
		"spaces":                          {" staff , eu ; root ", []string{"staff", "eu"}, true},
		"empty lets nobody in":            {"", []string{""}, false},
		"separators only let nobody in":   {";,;", []string{""}, false},
		"an empty name is no requirement": {"staff,", []string{"staff"}, true},
		"administrators":                  {"staff", []string{"system:kcp:admin"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := inRequiredGroups(c.required, c.groups); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func TestRequiredGroupsInTheChain(t *testing.T) {
	config := town()
	config.RequiredGroups = func(workspace logicalcluster.Name) (string, bool) { return "staff", workspace == "a" }
	chain := New(config)
	for name, c := range map[string]struct {
		u     user.Info
		in    logicalcluster.Name
		allow bool
		says  string
	}{
		"an admin who is no member":        {person("alice"), "a", false, `only for members of the groups "staff"`},
		"an admin who is one":              {person("alice", "staff"), "a", true, ""},
		"elsewhere":                        {person("alice"), "b", true, ""},
		"a member who may not enter":       {person("bob", "staff"), "a", false, "it does not exist, or"},
		"a stranger":                       {person("bob"), "a", false, "it does not exist, or"},
		"a service account of it":          {botOf("a"), "a", true, ""},
		"a service account of another":     {botOf("b"), "a", false, "it does not exist, or"},
		"an administrator of the hub":      {person("x", "system:kcp:admin"), "a", true, ""},
		"a member only elsewhere":          {withExtra(person("alice", "staff"), identity.ScopesExtraKey, "cluster:b"), "a", false, "it does not exist, or"},
		"a member by a warrant":            {withExtra(person("alice"), identity.WarrantExtraKey, `{"groups":["staff"]}`), "a", true, ""},
		"a would-be administrator, scoped": {withExtra(person("x", "system:kcp:admin"), identity.ScopesExtraKey, "cluster:b"), "a", false, "it does not exist, or"},
	} {
		t.Run(name, func(t *testing.T) {
			decision, reason, err := chain.Authorize(in(c.in), as(c.u, can("list", "", "secrets")))
			if err != nil || (decision == authorizer.DecisionAllow) != c.allow || !strings.Contains(reason, c.says) {
				t.Errorf("%v (%s), %v; expected allowed: %v, with %q", decision, reason, err, c.allow, c.says)
			}
		})
	}
}

// TestNoEntryTellsNothing compares what a stranger is told of a workspace that
// exists, however it is closed, with what he is told of one that does not.
func TestNoEntryTellsNothing(t *testing.T) {
	stranger := person("eve")
	asks := map[string]authorizer.AttributesRecord{
		"a resource": can("list", "", "secrets"), "discovery": {Verb: "get", Path: "/api"}, "metrics": {Verb: "get", Path: "/metrics"}, "health": {Verb: "get", Path: "/healthz"},
		"impersonation": {Verb: "impersonate", Resource: "groups", Name: "system:masters", ResourceRequest: true},
		"the scope":     {Verb: "impersonate", Resource: "users", Name: "alice", ResourceRequest: true},
	}
	closed := town()
	closed.RequiredGroups = func(logicalcluster.Name) (string, bool) { return "staff", true }
	hooked := town()
	hooked.Webhook = opinion{authorizer.DecisionDeny, "eve has no business in secret-project"}
	broken := town()
	broken.Webhook = opinion{authorizer.DecisionDeny, ""}
	bounded := town()
	bounded.Policy = func(logicalcluster.Name, schema.GroupResource) (Policy, bool) {
		return Policy{Workspace: "system:provider", Export: "x"}, true
	}
	for name, ask := range asks {
		for what, config := range map[string]Config{"open": town(), "required groups": closed, "a webhook": hooked, "a broken webhook": broken, "a policy": bounded} {
			t.Run(name+" with "+what, func(t *testing.T) {
				config.AlwaysAllowPaths = []string{"/healthz"}
				chain := New(config)
				d1, here, e1 := chain.Authorize(in("a"), as(stranger, ask))
				d2, gone, e2 := chain.Authorize(nowhere("a"), as(stranger, ask))
				if d1 != authorizer.DecisionDeny || d1 != d2 || here != gone || e1 != nil || e2 != nil {
					t.Errorf("exists: %v %q %v\ndoes not: %v %q %v", d1, here, e1, d2, gone, e2)
				}
			})
		}
	}
}

// opinion is an authorizer that always says the same.
type opinion struct {
	decision authorizer.Decision
	reason   string
}

func (o opinion) Authorize(context.Context, authorizer.Attributes) (authorizer.Decision, string, error) {
	if o.reason == "" {
		return o.decision, "", errors.New("connection refused")
	}
	return o.decision, o.reason, nil
}

func TestAlwaysAllowPaths(t *testing.T) {
	config := town()
	config.AlwaysAllowPaths = []string{"/livez", "/open/*"}
	chain := New(config)
	nobody := &user.DefaultInfo{Name: user.Anonymous, Groups: []string{user.AllUnauthenticated}}
	for path, want := range map[string]bool{"/livez": true, "/livez/etcd": false, "/open/x": true, "/open": false, "/metrics": false} {
		ask := authorizer.AttributesRecord{User: nobody, Verb: "get", Path: path}
		if decision, _, _ := chain.Authorize(in(logicalcluster.SystemAdmin), ask); (decision == authorizer.DecisionAllow) != want {
			t.Errorf("%s: %v, expected allowed: %v", path, decision, want)
		}
		if decision, _, _ := chain.Authorize(in("a"), ask); decision == authorizer.DecisionAllow {
			t.Errorf("%s is open in a workspace", path)
		}
	}
}

func TestMaximalPermissionPolicy(t *testing.T) {
	config := town()
	roles := config.RBAC.resolver.Roles
	read := []rbacv1.PolicyRule{{APIGroups: []string{"apps"}, Resources: []string{"*"}, Verbs: []string{"get", "list"}}}
	roles.ClusterRoles.(shelf[*rbacv1.ClusterRole])["provider"] = []*rbacv1.ClusterRole{clusterRole("read", read), clusterRole("all", everything())}
	roles.ClusterRoleBindings.(shelf[*rbacv1.ClusterRoleBinding])["provider"] = []*rbacv1.ClusterRoleBinding{
		bound("read", aGroup("apis.kcp.io:binding:system:authenticated")),
		bound("all", aUser("apis.kcp.io:binding:carol"), aUser("apis.kcp.io:binding:system:kcp:serviceaccount:a:ci:bot"), aUser("alice")),
	}
	config.Policy = func(_ logicalcluster.Name, resource schema.GroupResource) (Policy, bool) {
		return Policy{Workspace: "provider", Export: "root:provider:apps"}, resource.Group == "apps"
	}
	chain := New(config)
	for name, c := range map[string]struct {
		u     user.Info
		in    logicalcluster.Name
		ask   authorizer.AttributesRecord
		allow bool
	}{
		"within the policy":                            {person("alice"), "a", can("get", "apps", "deployments"), true},
		"beyond it, although admin in both workspaces": {person("alice"), "a", can("delete", "apps", "deployments"), false},
		"another resource":                             {person("alice"), "a", can("delete", "", "secrets"), true},
		"granted more":                                 {person("carol"), "c", can("delete", "apps", "deployments"), true},
		"granted more, but not by the workspace":       {person("carol"), "a", can("delete", "apps", "deployments"), false},
		"a service account by its long name":           {botOf("a"), "a", can("delete", "apps", "deployments"), true},
		"its namesake":                                 {botOf("b"), "b", can("delete", "apps", "deployments"), false},
		"one that does not say where it is from":       {person("system:serviceaccount:ci:bot"), "a", can("delete", "apps", "deployments"), true},
		"by a warrant":                                 {withExtra(person("alice"), identity.WarrantExtraKey, `{"user":"carol"}`), "a", can("delete", "apps", "deployments"), true},
		"an impersonated user who would be granted":    {withExtra(person("carol"), identity.ScopesExtraKey, "cluster:b"), "c", can("delete", "apps", "deployments"), false},
		"the same, where he is impersonated":           {withExtra(person("carol"), identity.ScopesExtraKey, "cluster:c"), "c", can("delete", "apps", "deployments"), false},
		"what everybody may":                           {withExtra(person("carol"), identity.ScopesExtraKey, "cluster:c"), "c", can("get", "apps", "deployments"), true},
	} {
		t.Run(name, func(t *testing.T) {
			decision, reason, err := chain.Authorize(in(c.in), as(c.u, c.ask))
			if err != nil || (decision == authorizer.DecisionAllow) != c.allow {
				t.Errorf("%v (%s), %v; expected allowed: %v", decision, reason, err, c.allow)
			}
		})
	}
	t.Run("a policy whose workspace is gone allows nothing", func(t *testing.T) {
		config.Policy = func(logicalcluster.Name, schema.GroupResource) (Policy, bool) { return Policy{Export: "x"}, true }
		decision, reason, _ := New(config).Authorize(in("a"), as(person("alice"), can("get", "apps", "deployments")))
		if decision == authorizer.DecisionAllow || !strings.Contains(reason, "the workspace of the export x is gone") {
			t.Errorf("%v (%s), want refused because its workspace is gone", decision, reason)
		}
	})
}
