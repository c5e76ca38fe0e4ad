package views

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/atriumhub/atrium/pkg/target"
	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
)

func TestResolve(t *testing.T) {
	key := workloadv1alpha1.ToSyncTargetKey("compute1", "eu")
	cases := map[string]struct {
		path, workspace, inner string // workspace "" means malformed
	}{
		"all workspaces":          {"/services/syncer/compute1/eu/0a-1b/clusters/*/apis/apps/v1/deployments", "*", "/apis/apps/v1/deployments"},
		"one workspace":           {"/services/syncer/compute1/eu/0a-1b/clusters/ws1/api/v1/namespaces/a/secrets/b", "ws1", "/api/v1/namespaces/a/secrets/b"},
		"nothing behind it":       {"/services/syncer/compute1/eu/0a-1b/clusters/ws1", "ws1", "/"},
		"a slash behind it":       {"/services/syncer/compute1/eu/0a-1b/clusters/ws1/", "ws1", "/"},
		"dotted name":             {"/services/syncer/compute1/eu.west/0a-1b/clusters/ws1/", "ws1", "/"},
		"another view":            {path: "/services/apiexport/compute1/eu/0a/clusters/*/"},
		"too short":               {path: "/services/syncer/compute1/eu/0a/clusters"},
		"no clusters":             {path: "/services/syncer/compute1/eu/0a/api/v1/pods"},
		"path for an ID":          {path: "/services/syncer/root:compute/eu/0a/clusters/*/api"},
		"path for the workspace":  {path: "/services/syncer/compute1/eu/0a/clusters/root:x/api"},
		"wildcard for the target": {path: "/services/syncer/*/eu/0a/clusters/*/api"},
		"dots":                    {path: "/services/syncer/compute1/../0a/clusters/*/api"},
		"upper case":              {path: "/services/syncer/compute1/EU/0a/clusters/*/api"},
		"empty name":              {path: "/services/syncer/compute1//0a/clusters/*/api"},
		"empty UID":               {path: "/services/syncer/compute1/eu//clusters/*/api"},
		"strange UID":             {path: "/services/syncer/compute1/eu/a b/clusters/*/api"},
		"empty workspace":         {path: "/services/syncer/compute1/eu/0a/clusters//api"},
		"nested":                  {path: "/services/syncer/compute1/eu/0a/clusters/ws1/clusters/ws2/api"},
		"10 kB":                   {path: "/services/syncer/" + strings.Repeat("a", 10_000) + "/eu/0a/clusters/ws1/"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, scope, inner, err := (&Syncer{}).Resolve(context.Background(), tc.path)
			if tc.workspace == "" {
				if !errors.Is(err, ErrMalformed) || len(err.Error()) > 400 {
					t.Errorf("error is %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			name := strings.Split(tc.path, "/")[4]
			want := target.Target{
				Path:     got.Path,
				Identity: "compute1",
				View:     &target.View{Kind: "syncer", Target: name, UID: "0a-1b", Key: workloadv1alpha1.ToSyncTargetKey("compute1", name)},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("target (-want +got):\n%s", diff)
			}
			if string(got.Path) != tc.workspace || inner != tc.inner {
				t.Errorf("workspace %q, inner path %q", got.Path, inner)
			}
			if ws, one := scope.Workspace(); scope.All() != (tc.workspace == "*") || one && string(ws) != tc.workspace {
				t.Errorf("scope is %s", scope)
			}
			if name == "eu" && !scope.Sees(labels.Set{"state.workload.kcp.io/" + key: "Sync"}) {
				t.Error("the scope hides what is assigned")
			}
			for _, hidden := range []labels.Set{nil, {"state.workload.kcp.io/" + key: ""}, {"state.workload.kcp.io/" + key: "Upsync"}, {"state.workload.kcp.io/other": "Sync"}} {
				if scope.Sees(hidden) {
					t.Errorf("the scope shows %v", hidden)
				}
			}
		})
	}
}

func FuzzResolve(f *testing.F) {
	f.Add("compute1/eu/0a/clusters/*/api/v1/pods")
	f.Add("../../../clusters/clusters/clusters")
	f.Fuzz(func(t *testing.T, rest string) {
		got, scope, inner, err := (&Syncer{}).Resolve(context.Background(), "/services/syncer/"+rest)
		if err != nil {
			return
		}
		if scope.Selector() == nil || scope.None() || got.View == nil || !got.Identity.IsValid() || !strings.HasPrefix(inner, "/") {
			t.Errorf("%q gives %v, scope %s, path %q", rest, got, scope, inner)
		}
	})
}
