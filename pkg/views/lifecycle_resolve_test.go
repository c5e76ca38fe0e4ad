package views

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/atriumhub/atrium/pkg/target"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

func TestResolveLifecycle(t *testing.T) {
	view := func(name string) target.View {
		return target.View{Kind: InitializingKind, Name: name, Target: "free", Key: "home:free"}
	}
	nobodys := view("root:nope:free")
	nobodys.Key = ""
	for name, c := range map[string]struct {
		path      string
		identity  logicalcluster.Name
		workspace string // of the scope: an ID, "*", or "" for nowhere
		inner     string
		view      target.View
		malformed bool
	}{
		"by ID":               {path: "home:free/clusters/*/apis/core.kcp.io/v1alpha1/logicalclusters", identity: "home", workspace: "*", inner: "/apis/core.kcp.io/v1alpha1/logicalclusters", view: view("home:free")},
		"by path":             {path: "root:home:free/clusters/*/apis", identity: "home", workspace: "*", inner: "/apis", view: view("root:home:free")},
		"one workspace":       {path: "home:free/clusters/new/api/v1/configmaps", identity: "home", workspace: "new", inner: "/api/v1/configmaps", view: view("home:free")},
		"no rest":             {path: "home:free/clusters/new", identity: "home", workspace: "new", inner: "/", view: view("home:free")},
		"not there":           {path: "root:nope:free/clusters/*/apis", inner: "/apis", view: nobodys},
		"no type":             {path: "free/clusters/*/apis", malformed: true},
		"empty type":          {path: "home:/clusters/*/apis", malformed: true},
		"empty workspace":     {path: ":free/clusters/*/apis", malformed: true},
		"upper case":          {path: "home:Free/clusters/*/apis", malformed: true},
		"dots":                {path: "home:../clusters/*/apis", malformed: true},
		"no clusters":         {path: "home:free/apis", malformed: true},
		"nothing behind":      {path: "home:free", malformed: true},
		"a workspace by path": {path: "home:free/clusters/root:new/apis", malformed: true},
		"nested":              {path: "home:free/clusters/new/clusters/old/api", malformed: true},
		"nested in all":       {path: "home:free/clusters/*/clusters/old/api", malformed: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, scope, inner, err := NewInitializing(newVillage().config()).Resolve(t.Context(), "/services/initializingworkspaces/"+c.path)
			if c.malformed {
				if !errors.Is(err, ErrMalformed) {
					t.Errorf("%v, expected it to be malformed", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&c.view, got.View); diff != "" {
				t.Errorf("view (-want +got):\n%s", diff)
			}
			single, _ := scope.Workspace()
			if got.Identity != c.identity || inner != c.inner || scope.All() != (c.workspace == "*") || scope.None() != (c.workspace == "") || c.workspace != "*" && string(single) != c.workspace {
				t.Errorf("identity %q, scope %s, path %q", got.Identity, scope, inner)
			}
			key, value := corev1alpha1.InitializerOf("home", "free").Label()
			if c.workspace != "" && !scope.Sees(labels.Set{key: value}) {
				t.Error("the scope hides what waits")
			}
			other, hash := corev1alpha1.InitializerOf("home", "strict").Label()
			terminator, same := corev1alpha1.TerminatorOf("home", "free").Label()
			for _, hidden := range []labels.Set{nil, {key: "x"}, {other: hash}, {terminator: same}} {
				if c.workspace != "" && scope.Sees(hidden) {
					t.Errorf("the scope shows %v", hidden)
				}
			}
		})
	}
}

func FuzzResolveLifecycle(f *testing.F) {
	f.Add("root:home:free/clusters/*/api/v1/pods")
	f.Add("../../../clusters/clusters/clusters")
	f.Add("system:apibindings/clusters/new/api")
	view := NewTerminating(newVillage().config())
	f.Fuzz(func(t *testing.T, rest string) {
		got, scope, inner, err := view.Resolve(context.Background(), "/services/terminatingworkspaces/"+rest)
		if err != nil {
			return
		}
		if got.View == nil || !strings.HasPrefix(inner, "/") || strings.HasPrefix(inner, "/clusters/") {
			t.Errorf("%q gives %v, path %q", rest, got, inner)
		}
		if known := got.Identity == "home"; known != (scope.Selector() != nil) || known == scope.None() {
			t.Errorf("%q gives %v, scope %s", rest, got, scope)
		}
	})
}
