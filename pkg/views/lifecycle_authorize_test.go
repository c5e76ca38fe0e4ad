package views

import (
	"context"
	"strings"
	"testing"

	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/atriumhub/atrium/pkg/target"
)

func ask(as, verb, resource, path string) authorizer.AttributesRecord {
	a := authorizer.AttributesRecord{User: &user.DefaultInfo{Name: as, Groups: []string{user.AllAuthenticated}}, Verb: verb, Path: path, ResourceRequest: path == ""}
	resource, a.Subresource, _ = strings.Cut(resource, "/")
	a.Resource, a.APIGroup, _ = strings.Cut(resource, ".")
	return a
}

func TestAuthorizeLifecycle(t *testing.T) {
	const own = "logicalclusters.core.kcp.io"
	for name, c := range map[string]struct {
		as, id, workspace    string
		verb, resource, path string
		says                 string // part of the reason for denial; "" means allowed
	}{
		"list all":                    {workspace: "*", verb: "list", resource: own},
		"watch all":                   {workspace: "*", verb: "watch", resource: own},
		"by path":                     {id: "root:home:free", workspace: "*", verb: "list", resource: own},
		"discovery of all":            {workspace: "*", verb: "get", path: "/apis"},
		"schemas of all":              {workspace: "*", verb: "get", path: "/openapi/v3"},
		"metrics":                     {workspace: "*", verb: "get", path: "/metrics", says: "does not serve"},
		"other kinds of all":          {workspace: "*", verb: "list", resource: "configmaps", says: "only of one"},
		"status of all":               {workspace: "*", verb: "patch", resource: own + "/status", says: "has to name its workspace"},
		"get":                         {workspace: "new", verb: "get", resource: own},
		"patch status":                {workspace: "new", verb: "patch", resource: own + "/status"},
		"update status":               {workspace: "new", verb: "update", resource: own + "/status"},
		"patch":                       {workspace: "new", verb: "patch", resource: own, says: "take yourself out of status."},
		"delete":                      {workspace: "new", verb: "delete", resource: own, says: "does not offer delete"},
		"create":                      {workspace: "new", verb: "create", resource: own, says: "does not offer create"},
		"content":                     {workspace: "new", verb: "create", resource: "configmaps"},
		"content by path":             {id: "root:home:free", workspace: "new", verb: "create", resource: "configmaps"},
		"discovery of one":            {workspace: "new", verb: "get", path: "/apis/example.io/v1"},
		"content memory lacks":        {workspace: "late", verb: "create", resource: "configmaps"},
		"content of a ready one":      {workspace: "ready", verb: "get", resource: "configmaps", says: "does not wait for"},
		"content of one not there":    {workspace: "nope", verb: "get", resource: "configmaps", says: "does not wait for"},
		"content of root":             {workspace: "root", verb: "get", resource: "configmaps", says: "does not wait for"},
		"the hub's creation":          {workspace: "hubs", verb: "create", resource: "configmaps"},
		"metrics by the hub's rights": {workspace: "hubs", verb: "get", path: "/metrics", says: "no rule"},
		"by rules":                    {id: "home:strict", workspace: "new", verb: "get", resource: "configmaps"},
		"against rules":               {id: "home:strict", workspace: "new", verb: "create", resource: "configmaps", says: "Permissions of the workspace type allows"},
		"secrets against rules":       {id: "home:strict", workspace: "new", verb: "get", resource: "secrets", says: "no rule"},
		"discovery needs no rule":     {id: "home:strict", workspace: "new", verb: "get", path: "/apis"},
		"metrics by a rule":           {id: "home:strict", workspace: "new", verb: "get", path: "/metrics", says: "no rule"},
		"impersonation":               {workspace: "new", verb: "impersonate", resource: "users", says: "nobody acts as somebody else"},
		"impersonation by a rule":     {id: "home:strict", workspace: "new", verb: "impersonate", resource: "users", says: "nobody acts as somebody else"},
		"impersonation of all":        {workspace: "*", verb: "impersonate", resource: "users", says: "nobody acts as somebody else"},
		"a type that is gone":         {id: "home:gone", workspace: "*", verb: "list", resource: own},
		"somebody else":               {as: "eve", workspace: "*", verb: "list", resource: own, says: "takes the verb"},
		"somebody else inside":        {as: "eve", workspace: "new", verb: "get", resource: "configmaps", says: "takes the verb"},
		"the creator":                 {as: "alice", workspace: "new", verb: "get", resource: "configmaps", says: "takes the verb"},
		"no such workspace":           {id: "root:nope:free", workspace: "*", verb: "list", resource: own, says: "takes the verb"},
	} {
		for _, l := range []*Lifecycle{NewInitializing(newVillage().config()), NewTerminating(newVillage().config())} {
			t.Run(name+", "+l.role, func(t *testing.T) {
				workspace := c.workspace
				if l.kind == TerminatingKind {
					// There, these stand for the same.
					if swapped, ok := map[string]string{"new": "old", "late": "old"}[workspace]; ok {
						workspace = swapped
					}
					if workspace == "hubs" {
						return
					}
				}
				decision, reason, err := l.Authorize(through(t, l, or(c.id, "home:free"), workspace), ask(or(c.as, "robot"), c.verb, c.resource, c.path))
				if err != nil {
					t.Fatal(err)
				}
				if (decision == authorizer.DecisionAllow) != (c.says == "") || !strings.Contains(reason, c.says) || strings.Contains(reason, "secret RBAC") {
					t.Errorf("decision %v, reason %q, expected %q", decision, reason, c.says)
				}
			})
		}
	}
}

// TestSecretTypes: to a stranger, whether a workspace or a type exists does not
// show (V1).
func TestSecretTypes(t *testing.T) {
	l := NewInitializing(newVillage().config())
	seen := map[string]bool{}
	for _, id := range []string{"root:home:free", "home:free", "home:gone", "root:nope:free"} {
		for _, workspace := range []string{"*", "new", "ready", "nope"} {
			_, reason, _ := l.Authorize(through(t, l, id, workspace), ask("eve", "get", "configmaps", ""))
			seen[strings.ReplaceAll(reason, id, "ID")] = true
		}
	}
	if len(seen) != 1 {
		t.Errorf("a stranger can tell these apart: %v", seen)
	}
}

func TestNoOpinionOfLifecycle(t *testing.T) {
	l := NewInitializing(newVillage().config())
	for name, ctx := range map[string]context.Context{
		"no target":       context.Background(),
		"no view":         target.With(context.Background(), target.Target{Identity: "home"}),
		"another view":    target.With(context.Background(), target.Target{Identity: "home", View: &target.View{Kind: TerminatingKind}}),
		"another visitor": target.With(context.Background(), target.Target{Identity: "home", Visitor: &target.Visitor{Kind: TerminatingKind}}),
	} {
		if decision, _, err := l.Authorize(ctx, ask("robot", "list", "configmaps", "")); decision != authorizer.DecisionNoOpinion || err != nil {
			t.Errorf("%s: decision %v, error %v", name, decision, err)
		}
	}
}

// TestRulesAreOfTheVisitorAlone: within a visit others are judged by the roles of
// the workspace, as by a SubjectAccessReview.
func TestRulesAreOfTheVisitorAlone(t *testing.T) {
	l := NewInitializing(newVillage().config())
	ctx := through(t, l, "home:strict", "new")
	t0, _ := target.From(ctx)
	v, reason := l.visit(ctx, t0, "new", &user.DefaultInfo{Name: "robot"})
	if reason != "" {
		t.Fatal(reason)
	}
	inside := v.enter(ctx)
	for name, c := range map[string]struct {
		user  user.Info
		verb  string
		allow bool
	}{
		"himself":                {v.user, "get", true},
		"himself, against rules": {v.user, "delete", false},
		"himself, impersonating": {v.user, "impersonate", false},
		"alice":                  {&user.DefaultInfo{Name: "alice"}, "delete", true},
		"a namesake":             {&user.DefaultInfo{Name: "robot"}, "get", false},
	} {
		a := ask("", c.verb, "configmaps", "")
		a.User = c.user
		if decision, reason, _ := l.Authorize(inside, a); (decision == authorizer.DecisionAllow) != c.allow {
			t.Errorf("%s: decision %v, reason %q", name, decision, reason)
		}
	}
}
