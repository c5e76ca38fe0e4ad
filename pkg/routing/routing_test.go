package routing

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/endpoints/request"
	clientscheme "k8s.io/client-go/kubernetes/scheme"

	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/target"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// town is all there is in these tests.
var town = map[logicalcluster.Path]logicalcluster.Name{"root": "root", "root:org": "aaaa", "root:org:team": "bbbb", "aaaa": "aaaa"}

func newRouter() *Router {
	return New(Config{
		Resolve: func(path logicalcluster.Path) (logicalcluster.Name, bool) { name, ok := town[path]; return name, ok },
		Mount: func(path logicalcluster.Path) (logicalcluster.Name, string, logicalcluster.Path, bool) {
			below, ok := strings.CutPrefix(path.String(), "root:org:eu")
			return "aaaa", "eu", logicalcluster.Path(strings.TrimPrefix(below, ":")), ok
		},
		Views: map[string]View{"syncer": func(_ context.Context, path string) (target.Target, keyspace.Scope, string, error) {
			return target.Target{Identity: "cccc"}, keyspace.Everywhere(), strings.TrimPrefix(path, "/services/syncer"), nil
		}},
		Serializer: clientscheme.Codecs,
	})
}

func TestRoute(t *testing.T) {
	type routed struct{ Identity, Scope, Path, Err string }
	for name, c := range map[string]struct {
		path string
		want routed
	}{
		"a path":                      {"/clusters/root:org/api/v1/pods", routed{"aaaa", "aaaa", "/api/v1/pods", ""}},
		"a name":                      {"/clusters/aaaa/apis", routed{"aaaa", "aaaa", "/apis", ""}},
		"no rest":                     {"/clusters/root", routed{"root", "root", "/", ""}},
		"no prefix":                   {"/api/v1/pods", routed{"system:admin", "system:admin", "/api/v1/pods", ""}},
		"unknown":                     {"/clusters/root:nope/api", routed{"", "no workspace", "/api", ""}},
		"everywhere":                  {"/clusters/*/api", routed{"", "all workspaces", "/api", ""}},
		"system name":                 {"/clusters/system:nope/api", routed{"", "no workspace", "/api", ""}},
		"upper case":                  {"/clusters/Root/api", routed{Err: "malformed"}},
		"empty":                       {"/clusters//api", routed{Err: "malformed"}},
		"dots":                        {"/clusters/../api", routed{Err: "malformed"}},
		"wildcard in a path":          {"/clusters/root:*/api", routed{Err: "malformed"}},
		"nested":                      {"/clusters/root/clusters/root:org/api", routed{Err: "not found"}},
		"nested, nothing behind":      {"/clusters/root/clusters", routed{Err: "not found"}},
		"clusters deeper in the path": {"/clusters/root/api/v1/namespaces/clusters", routed{"root", "root", "/api/v1/namespaces/clusters", ""}},
		"a view":                      {"/services/syncer/x", routed{"cccc", "all workspaces", "/x", ""}},
		"no such view":                {"/services/other/x", routed{Err: "not found"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, scope, path, err := newRouter().Route(t.Context(), c.path)
			have := routed{Identity: got.Identity.String(), Scope: strings.TrimPrefix(scope.String(), "workspace "), Path: path}
			if err != nil {
				have = routed{Err: map[bool]string{true: "malformed", false: "not found"}[errors.Is(err, ErrMalformed)]}
				if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrNotFound) {
					t.Errorf("unexpected error: %v", err)
				}
			}
			if diff := cmp.Diff(c.want, have); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzRoute throws URLs at the router. Whatever a stranger writes, a request
// either is refused, or ends in the workspace its first segment resolves to.
func FuzzRoute(f *testing.F) {
	for _, seed := range []string{
		"/clusters/root:org/api/v1/pods", "/clusters/%2e%2e/x", "/clusters/root%2f..%2faaaa/x", "/clusters/*/x", "/clusters/root/../aaaa/x",
		"/clusters/root:org\x00/x", "/clusters/ROOT/x", "//clusters/root/x", "/clusters/root//clusters/aaaa", "/services/syncer/../../clusters/root",
		"/clusters/" + strings.Repeat("a:", 5000) + "a/x", "/clusters/root:org:/x", "/clusters/system:admin/x", "/cluſters/root",
	} {
		f.Add(seed, "header")
	}
	router := newRouter()
	f.Fuzz(func(t *testing.T, path, header string) {
		req := &http.Request{Method: http.MethodGet, URL: parsed(path), Header: http.Header{"X-Kcp-Cluster": {header}, "X-Kubernetes-Cluster": {header}}}
		if req.URL == nil {
			return
		}
		first := ""
		if rest, ok := strings.CutPrefix(req.URL.Path, "/clusters/"); ok {
			first, _, _ = strings.Cut(rest, "/")
		}
		passed := false
		w := httptest.NewRecorder()
		router.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
			passed = true
			scope, ok := keyspace.ScopeFrom(req.Context())
			if !ok {
				t.Fatal("R1: no scope")
			}
			name, single := scope.Workspace()
			if want, known := town[logicalcluster.Path(first)]; first != "" && single && (!known || name != want) {
				t.Fatalf("%q went to %s", path, name)
			}
			if scope.All() && first != "*" && !strings.HasPrefix(path, "/services/syncer") {
				t.Fatalf("%q went everywhere", path)
			}
			if first != "" && strings.HasPrefix(req.URL.Path, "/clusters/") {
				t.Fatalf("R3: %q left as %q", path, req.URL.Path)
			}
		})).ServeHTTP(w, req)
		if !passed && w.Code != http.StatusBadRequest && w.Code != http.StatusNotFound {
			t.Fatalf("%q was refused with %d", path, w.Code)
		}
	})
}

func parsed(raw string) *url.URL {
	req, err := http.NewRequest(http.MethodGet, "https://hub"+raw, nil)
	if err != nil {
		return nil
	}
	return req.URL
}

func TestRouteToAMount(t *testing.T) {
	for path, want := range map[string]*target.View{
		"/clusters/root:org:eu/api":     {Kind: target.MountKind, Target: "eu"},
		"/clusters/root:org:eu:a:b/api": {Kind: target.MountKind, Target: "eu", Below: "a:b"},
		"/clusters/root:org:us/api":     nil,
		"/clusters/root:org/api":        nil,
	} {
		got, scope, rest, err := newRouter().Route(t.Context(), path)
		if err != nil || rest != "/api" {
			t.Errorf("%s: %q, %v", path, rest, err)
		}
		if diff := cmp.Diff(want, got.View); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
		if want != nil && (!scope.None() || got.Identity != "aaaa") {
			t.Errorf("%s is judged in %q and sees %s", path, got.Identity, scope)
		}
	}
}

func TestReadiness(t *testing.T) {
	phases := map[logicalcluster.Name]string{"aaaa": "Ready", "bbbb": "Deleting"}
	readiness := func(t target.Target, _ *request.RequestInfo) error {
		if phase := phases[t.Identity]; phase != "Ready" {
			return errors.New("phase " + phase)
		}
		return nil
	}
	handler := WithReadiness(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), readiness, clientscheme.Codecs)
	for name, c := range map[string]struct {
		workspace logicalcluster.Name
		groups    []string
		code      int
	}{
		"ready":                      {"aaaa", nil, http.StatusOK},
		"not ready":                  {"bbbb", nil, http.StatusServiceUnavailable},
		"not ready, for the hub":     {"bbbb", []string{user.SystemPrivilegedGroup}, http.StatusOK},
		"everywhere, or nobody's":    {"", nil, http.StatusOK},
		"not ready, for other group": {"bbbb", []string{"system:kcp:admin"}, http.StatusServiceUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := target.With(t.Context(), target.Target{Path: "root:x", Identity: c.workspace})
			ctx = request.WithUser(ctx, &user.DefaultInfo{Groups: c.groups})
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/api", nil))
			if w.Code != c.code {
				t.Errorf("%d, expected %d: %s", w.Code, c.code, w.Body)
			}
			if c.code == http.StatusServiceUnavailable && !strings.Contains(w.Body.String(), "phase Deleting") {
				t.Errorf("the answer does not name the phase: %s", w.Body)
			}
		})
	}
}
