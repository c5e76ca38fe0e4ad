package views

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/target"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// agentRBAC lets "agent" sync the target eu of workspace compute1.
func agentRBAC(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	t, _ := target.From(ctx)
	want := authorizer.AttributesRecord{
		User: a.GetUser(), Verb: "sync", APIGroup: "workload.kcp.io", APIVersion: "v1alpha1",
		Resource: "synctargets", Name: "eu", ResourceRequest: true, Path: a.GetPath(),
	}
	switch {
	case a.GetUser().GetName() == "broken":
		return authorizer.DecisionNoOpinion, "", errors.New("cannot read roles")
	case a.GetUser().GetName() == "agent" && t.Identity == "compute1" && cmp.Equal(want, a):
		return authorizer.DecisionAllow, "", nil
	default:
		return authorizer.DecisionNoOpinion, "secret RBAC talk", nil
	}
}

func liveUIDs(workspace logicalcluster.Name, name string) (types.UID, bool) {
	if workspace == "compute1" && name == "eu" {
		return "0a", true
	}
	return "", false
}

func TestAuthorize(t *testing.T) {
	const all, one = "*", "ws1"
	cases := map[string]struct {
		as, target, uid, workspace string
		verb, group, resource, sub string
		path                       string
		want                       string // part of the reason for denial; "" means allowed
	}{
		"list":                    {verb: "list", group: "apps", resource: "deployments", workspace: all},
		"watch":                   {verb: "watch", resource: "secrets", workspace: all},
		"get":                     {verb: "get", resource: "services"},
		"namespaces":              {verb: "watch", resource: "namespaces", workspace: all},
		"own resource":            {verb: "list", group: "example.io", resource: "widgets", workspace: all},
		"status":                  {verb: "patch", group: "apps", resource: "deployments", sub: "status"},
		"handshake":               {verb: "patch", group: "batch", resource: "jobs"},
		"discovery":               {verb: "get", path: "/apis/apps/v1", workspace: all},
		"the root of discovery":   {verb: "get", path: "/api", workspace: all},
		"discovery of a tenant":   {verb: "get", path: "/apis/example.io/v1", want: "does not serve"},
		"schemas of a tenant":     {verb: "get", path: "/openapi/v3", want: "does not serve"},
		"metrics":                 {verb: "get", path: "/metrics", want: "does not serve"},
		"looks like discovery":    {verb: "get", path: "/apisecrets", want: "does not serve"},
		"create":                  {verb: "create", group: "apps", resource: "deployments", want: "does not offer create"},
		"delete":                  {verb: "delete", resource: "configmaps", want: "does not offer delete"},
		"delete all":              {verb: "deletecollection", resource: "configmaps", want: "does not offer"},
		"scale":                   {verb: "patch", group: "apps", resource: "deployments", sub: "scale", want: "patch of subresource scale"},
		"write a namespace":       {verb: "patch", resource: "namespaces", want: "does not offer"},
		"finalize a namespace":    {verb: "update", resource: "namespaces", sub: "finalize", want: "does not offer"},
		"write everywhere":        {verb: "patch", resource: "services", sub: "status", workspace: all, want: "has to name its workspace"},
		"pods":                    {verb: "list", resource: "pods", want: "does not show pods"},
		"service accounts":        {verb: "get", resource: "serviceaccounts", want: "does not show"},
		"tokens":                  {verb: "create", resource: "serviceaccounts", sub: "token", want: "does not show"},
		"roles":                   {verb: "list", group: "rbac.authorization.k8s.io", resource: "roles", want: "does not show roles.rbac"},
		"CRDs":                    {verb: "list", group: "apiextensions.k8s.io", resource: "customresourcedefinitions", want: "does not show"},
		"workspaces":              {verb: "list", group: "tenancy.kcp.io", resource: "workspaces", want: "does not show"},
		"sync targets":            {verb: "list", group: "workload.kcp.io", resource: "synctargets", want: "does not show"},
		"a neighbour of deploys":  {verb: "list", group: "apps", resource: "controllerrevisions", want: "does not show"},
		"somebody else":           {as: "eve", verb: "list", resource: "services", want: `takes the verb "sync"`},
		"RBAC is broken":          {as: "broken", verb: "list", resource: "services", want: `takes the verb "sync"`},
		"no such target":          {target: "us", verb: "list", resource: "services", want: `takes the verb "sync"`},
		"wrong UID":               {uid: "0b", verb: "list", resource: "services", want: "was deleted and created again"},
		"wrong UID of a stranger": {as: "eve", uid: "0b", verb: "list", resource: "services", want: `takes the verb "sync"`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			view := &target.View{Kind: "syncer", Target: or(tc.target, "eu"), UID: or(tc.uid, "0a"), Key: "k"}
			ctx := target.With(context.Background(), target.Target{Identity: "compute1", View: view})
			ctx = keyspace.WithScope(ctx, scopeOf(logicalcluster.Name(or(tc.workspace, one)), "k"))
			decision, reason, _ := NewSyncer(authorizer.AuthorizerFunc(agentRBAC), liveUIDs).Authorize(ctx, authorizer.AttributesRecord{
				User: &user.DefaultInfo{Name: or(tc.as, "agent")}, Verb: tc.verb,
				APIGroup: tc.group, Resource: tc.resource, Subresource: tc.sub,
				ResourceRequest: tc.resource != "", Path: tc.path,
			})
			want := authorizer.DecisionAllow
			if tc.want != "" {
				want = authorizer.DecisionDeny
			}
			if decision != want || !strings.Contains(reason, tc.want) || strings.Contains(reason, "secret RBAC") {
				t.Errorf("decision %v, reason %q", decision, reason)
			}
			if tc.as == "eve" && (strings.Contains(reason, "0a") || strings.Contains(reason, "created again")) {
				t.Errorf("a stranger is told what exists: %q", reason)
			}
		})
	}
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// TestSecretTargets: for a stranger, a target that exists and one that does not
// look the same (V1).
func TestSecretTargets(t *testing.T) {
	var reasons []string
	for _, name := range []string{"eu", "us"} {
		ctx := target.With(context.Background(), target.Target{Identity: "compute1", View: &target.View{Kind: "syncer", Target: name, UID: "0a"}})
		_, reason, _ := NewSyncer(authorizer.AuthorizerFunc(agentRBAC), liveUIDs).Authorize(ctx, authorizer.AttributesRecord{User: &user.DefaultInfo{Name: "eve"}, Verb: "list"})
		reasons = append(reasons, strings.ReplaceAll(reason, name, "NAME"))
	}
	if reasons[0] != reasons[1] {
		t.Errorf("reasons differ: %q", reasons)
	}
}

func TestNoOpinion(t *testing.T) {
	s := NewSyncer(authorizer.AuthorizerFunc(agentRBAC), liveUIDs)
	for name, ctx := range map[string]context.Context{
		"no target":    context.Background(),
		"no view":      target.With(context.Background(), target.Target{Identity: "compute1"}),
		"another view": target.With(context.Background(), target.Target{Identity: "compute1", View: &target.View{Kind: "apiexport"}}),
	} {
		if decision, _, err := s.Authorize(ctx, authorizer.AttributesRecord{}); decision != authorizer.DecisionNoOpinion || err != nil {
			t.Errorf("%s: decision %v, error %v", name, decision, err)
		}
	}
}
