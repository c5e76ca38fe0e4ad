package views

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/schemas"
	"github.com/atriumhub/atrium/pkg/target"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// publishedFlavors is the view in a world where workspace cloud shows flavors in
// its slice "shown", consumer has bound that, and reader may read it.
func publishedFlavors() *Replication {
	crd := &apiextensionsv1.CustomResourceDefinition{}
	original := &schemas.API{Group: "cloud.example.io", Resource: "flavors", Origin: schemas.Local, CRD: crd, Shape: "s"}
	bound := &schemas.API{Group: "cloud.example.io", Resource: "flavors", Origin: schemas.Bound, CRD: crd, Provider: schemas.Provider{
		Workspace: "cloud", Virtual: schemas.Virtual{Slice: "shown", Identity: "1"},
	}}
	return NewReplication(ReplicationConfig{
		RBAC: authorizer.AuthorizerFunc(func(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
			t, _ := target.From(ctx)
			if t.Identity == "cloud" && a.GetUser().GetName() == "reader" && a.GetResource() == "clustercachedresourceendpointslices" &&
				a.GetSubresource() == "content" && a.GetName() == "shown" && a.GetVerb() == "list" {
				return authorizer.DecisionAllow, "", nil
			}
			return authorizer.DecisionNoOpinion, "", nil
		}),
		Resolve: func(path logicalcluster.Path) (logicalcluster.Name, bool) {
			name, ok := path.Name()
			return name, ok && slices.Contains([]logicalcluster.Name{"cloud", "consumer", "bystander"}, name)
		},
		Shown: func(slice logicalcluster.Key) (*schemas.API, string, error) {
			if slice != (logicalcluster.Key{Workspace: "cloud", Name: "shown"}) {
				return nil, "", errors.New("not there")
			}
			return original, "1", nil
		},
		Lookup: func(workspace logicalcluster.Name, gr schema.GroupResource) (*schemas.API, bool) {
			if workspace == "consumer" {
				return bound, true
			}
			return original, workspace == "bystander"
		},
	})
}

func TestReplicationResolve(t *testing.T) {
	for path, want := range map[string]string{
		"/services/replication/cloud/shown/clusters/*/apis/x":         "all workspaces /apis/x",
		"/services/replication/cloud/shown/clusters/consumer":         "workspace consumer /",
		"/services/replication/cloud/shown/clusters/bystander/api":    "no workspace /api",
		"/services/replication/cloud/other/clusters/consumer/api":     "no workspace /api",
		"/services/replication/nobody/shown/clusters/*/api":           "no workspace /api",
		"/services/replication/cloud/shown/clusters/unknown/api":      "no workspace /api",
		"/services/replication/cloud/shown/clusters/*/clusters/x":     "malformed",
		"/services/replication/cloud/shown/clusters/*/services/x":     "malformed",
		"/services/replication/cloud/shown":                           "malformed",
		"/services/replication/cloud/UPPER/clusters/*/api":            "malformed",
		"/services/replication/../shown/clusters/*/api":               "malformed",
		"/services/replication/cloud/shown/clusters/UPPER/apis/x":     "malformed",
		"/services/replicationcloud/shown/clusters/*/apis/x":          "malformed",
		"/services/replication/cloud/shown/workspaces/consumer/api/x": "malformed",
	} {
		_, scope, inner, err := publishedFlavors().Resolve(context.Background(), path)
		got := scope.String() + " " + inner
		if errors.Is(err, ErrMalformed) {
			got = "malformed"
		}
		if got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

func TestReplicationAuthorize(t *testing.T) {
	view := publishedFlavors()
	flavors := authorizer.AttributesRecord{ResourceRequest: true, APIGroup: "cloud.example.io", Resource: "flavors", Verb: "list"}
	for name, tc := range map[string]struct {
		path, user string
		change     func(*authorizer.AttributesRecord)
		want       string
	}{
		"may":                  {path: "*", user: "reader"},
		"in one workspace":     {path: "consumer", user: "reader"},
		"in one without it":    {path: "bystander", user: "reader", want: "has not bound"},
		"somebody":             {path: "*", user: "somebody", want: "takes the verb"},
		"a verb not given":     {path: "*", user: "reader", change: func(a *authorizer.AttributesRecord) { a.Verb = "watch" }, want: `takes the verb "watch"`},
		"a subresource":        {path: "*", user: "reader", change: func(a *authorizer.AttributesRecord) { a.Subresource = "status" }, want: "only read"},
		"something of the hub": {path: "*", user: "reader", change: func(a *authorizer.AttributesRecord) { a.ResourceRequest, a.Path = false, "/metrics" }, want: "does not serve"},
	} {
		t.Run(name, func(t *testing.T) {
			to, scope, _, err := view.Resolve(context.Background(), "/services/replication/cloud/shown/clusters/"+tc.path+"/apis/x")
			if err != nil {
				t.Fatal(err)
			}
			asked := flavors
			asked.User = &user.DefaultInfo{Name: tc.user}
			if tc.change != nil {
				tc.change(&asked)
			}
			decision, reason, err := view.Authorize(keyspace.WithScope(target.With(context.Background(), to), scope), asked)
			if err != nil || (decision == authorizer.DecisionAllow) != (tc.want == "") || !strings.Contains(reason, tc.want) {
				t.Errorf("decision %v, %q, error %v, want %q", decision, reason, err, tc.want)
			}
		})
	}
}

// The view shows what is published, as something to read; and nothing without it.
func TestReplicationSet(t *testing.T) {
	view := publishedFlavors()
	for slice, want := range map[string]int{"shown": 1, "other": 0} {
		to, _, _, err := view.Resolve(context.Background(), "/services/replication/cloud/"+slice+"/clusters/*/api")
		if err != nil {
			t.Fatal(err)
		}
		set := view.Set(target.With(context.Background(), to))
		if len(set.All()) != want || set.ShowsNative(schema.GroupResource{Resource: "secrets"}) {
			t.Errorf("slice %q shows %+v, want %d", slice, set.All(), want)
		}
		for _, api := range set.All() {
			if !api.Virtual() {
				t.Error("what is published can be written")
			}
		}
	}
}
