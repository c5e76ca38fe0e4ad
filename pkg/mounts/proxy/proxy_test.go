package proxy

import (
	"context"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/atriumhub/atrium/pkg/identity"
	"github.com/atriumhub/atrium/pkg/mounts/doors"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

func TestIntroduce(t *testing.T) {
	extra := func(key string, values ...string) map[string][]string { return map[string][]string{key: values} }
	for name, c := range map[string]struct {
		user user.DefaultInfo
		want http.Header // nil: does not pass
	}{
		"a user":                    {user.DefaultInfo{Name: "ann", UID: "7", Groups: []string{"devs", "system:authenticated"}}, http.Header{"X-Remote-User": {"ann"}, "X-Remote-Group": {"devs"}}},
		"groups the hub trusts":     {user.DefaultInfo{Name: "ann", Groups: []string{"system:masters", "system:kcp:admin", "system:nodes", ""}}, http.Header{"X-Remote-User": {"ann"}}},
		"extra of others":           {user.DefaultInfo{Name: "ann", Extra: extra("example.org/team", "a", "b")}, http.Header{"X-Remote-User": {"ann"}, "X-Remote-Extra-example.org%2fteam": {"a", "b"}}},
		"extra of the hub":          {user.DefaultInfo{Name: "ann", Extra: extra(identity.WarrantExtraKey, `{"user":"eve"}`)}, http.Header{"X-Remote-User": {"ann"}}},
		"extra of Kubernetes":       {user.DefaultInfo{Name: "ann", Extra: extra("authentication.kubernetes.io/credential-id", "x")}, http.Header{"X-Remote-User": {"ann"}}},
		"a service account":         {user.DefaultInfo{Name: "system:serviceaccount:ci:bot", Groups: []string{"system:serviceaccounts", "system:serviceaccounts:ci"}}, http.Header{"X-Remote-User": {"system:kcp:serviceaccount:abc:ci:bot"}}},
		"a service account at home": {user.DefaultInfo{Name: "system:serviceaccount:ci:bot", Extra: extra(identity.ClusterExtraKey, "abc")}, http.Header{"X-Remote-User": {"system:kcp:serviceaccount:abc:ci:bot"}}},
		"a foreign one":             {user.DefaultInfo{Name: "system:kcp:serviceaccount:xyz:ci:bot", Extra: extra(identity.ClusterExtraKey, "xyz")}, http.Header{"X-Remote-User": {"system:kcp:serviceaccount:xyz:ci:bot"}}},
		"one of two homes":          {user.DefaultInfo{Name: "system:serviceaccount:ci:bot", Extra: extra(identity.ClusterExtraKey, "abc", "xyz")}, nil},
		"known to one workspace":    {user.DefaultInfo{Name: "ann", Extra: extra(identity.ClusterExtraKey, "abc")}, nil},
		"scoped":                    {user.DefaultInfo{Name: "ann", Extra: extra(identity.ScopesExtraKey, "cluster:abc")}, nil},
		"a scoped service account":  {user.DefaultInfo{Name: "system:serviceaccount:ci:bot", Extra: extra(identity.ScopesExtraKey, "cluster:abc")}, nil},
		"a user of the system":      {user.DefaultInfo{Name: "system:kube-controller-manager"}, nil},
		"somebody not logged in":    {user.DefaultInfo{Name: user.Anonymous, Groups: []string{user.AllUnauthenticated}}, nil},
		"nobody":                    {user.DefaultInfo{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			req := &http.Request{Header: http.Header{}}
			if err := introduce(req, &c.user, "abc"); (err == nil) != (c.want != nil) {
				t.Fatalf("error %v", err)
			}
			if c.want == nil {
				c.want = http.Header{}
			}
			want := http.Header{}
			for name, values := range c.want {
				want[http.CanonicalHeaderKey(name)] = values
			}
			if diff := cmp.Diff(want, req.Header); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestThrough(t *testing.T) {
	header := http.Header{}
	for name, value := range map[string]string{
		"Accept": "application/json", "Content-Type": "a/b", "If-None-Match": `"x"`, "Upgrade": "SPDY/3.1", "Connection": "Upgrade",
		"Authorization": "Bearer x", "Cookie": "x", "Proxy-Authorization": "x", "X-Remote-User": "x", "X-Remote-Extra-A": "x",
		"Impersonate-User": "x", "X-Forwarded-For": "x", "X-Forwarded-Client-Cert": "x", "X-Auth-Token": "x", "Cf-Access-Jwt-Assertion": "x",
		"Sec-Websocket-Protocol": "base64url.bearer.authorization.k8s.io.c2VjcmV0,v4.channel.k8s.io ,BASE64URL.BEARER.authorization.k8s.io.x",
	} {
		header.Set(name, value)
	}
	want := http.Header{
		"Accept": {"application/json"}, "Content-Type": {"a/b"}, "If-None-Match": {`"x"`}, "Upgrade": {"SPDY/3.1"}, "Connection": {"Upgrade"},
		"Sec-Websocket-Protocol": {"v4.channel.k8s.io"},
	}
	if diff := cmp.Diff(want, through(header)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestNoFurtherRequests: over a connection that became HTTP again a client could
// send requests of its own, with headers that the target believes.
func TestNoFurtherRequests(t *testing.T) {
	for name, c := range map[string]struct {
		upgrade []string
		passes  bool
	}{
		"websocket": {[]string{"WebSocket"}, true}, "SPDY": {[]string{"SPDY/3.1"}, true},
		"HTTP/2": {[]string{"h2c"}, false}, "TLS": {[]string{"TLS/1.3, HTTP/1.1"}, false},
		"a choice": {[]string{"h2c, websocket"}, false}, "two": {[]string{"websocket", "h2c"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			kept := through(http.Header{"Connection": {"Upgrade"}, "Upgrade": c.upgrade})
			if _, passes := kept["Upgrade"]; passes != c.passes || len(kept["Connection"]) > 0 != c.passes {
				t.Errorf("%v; expected that it passes: %v", kept, c.passes)
			}
		})
	}
}

func TestGates(t *testing.T) {
	g, key := &gates{}, logicalcluster.Key{Workspace: "abc", Name: "eu"}
	pass := func() (context.Context, bool) {
		_, during, _, ok := g.through(t.Context(), key)
		return during, ok
	}
	if _, ok := pass(); ok {
		t.Error("open before it was opened")
	}
	g.Open(key, doors.Address{Host: "a"})
	first, ok := pass()
	if !ok {
		t.Fatal("shut after it was opened")
	}
	g.Open(key, doors.Address{Host: "a"})
	if first.Err() != nil {
		t.Error("M6: ended though nothing changed")
	}
	g.Open(key, doors.Address{Host: "b"})
	<-first.Done()
	second, _ := pass()
	g.Shut(key)
	<-second.Done()
	if _, ok := pass(); ok || len(g.open) > 0 {
		t.Errorf("open after it was shut: %v", g.open)
	}
}

func TestDotted(t *testing.T) {
	for path, want := range map[string]bool{
		"/": false, "/api/v1/namespaces/a.b/pods/...": false, "/api/..a/.b": false, "//api": false,
		"/../other/api": true, "/api/./v1": true, "/api/..": true, "/api/v1/namespaces/a/../b": true,
	} {
		if got := dotted(path); got != want {
			t.Errorf("%s: %v, expected %v", path, got, want)
		}
	}
}
