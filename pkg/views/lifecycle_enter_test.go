package views

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/endpoints/request"
	clientscheme "k8s.io/client-go/kubernetes/scheme"

	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/target"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// serve sends a request through Enter and returns the status code, calling inside
// with the context in which it goes on.
func serve(t *testing.T, l *Lifecycle, ctx context.Context, info request.RequestInfo, inside func(context.Context)) int {
	t.Helper()
	ctx = request.WithUser(request.WithRequestInfo(ctx, &info), &user.DefaultInfo{Name: "robot"})
	w := httptest.NewRecorder()
	handler := l.Enter(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { inside(req.Context()) }), clientscheme.Codecs)
	handler.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
	return w.Code
}

func TestEnter(t *testing.T) {
	secrets := request.RequestInfo{IsResourceRequest: true, Verb: "list", APIVersion: "v1", Resource: "secrets"}
	own := request.RequestInfo{IsResourceRequest: true, Verb: "get", APIGroup: "core.kcp.io", APIVersion: "v1alpha1", Resource: "logicalclusters", Name: "cluster"}
	for name, c := range map[string]struct {
		id, workspace string
		info          request.RequestInfo
		as            string // who goes on; "" if nobody
		in            logicalcluster.Name
	}{
		"content":               {"home:free", "new", secrets, "alice", "new"},
		"content by rules":      {"home:strict", "new", secrets, "robot", "new"},
		"discovery":             {"home:free", "new", request.RequestInfo{Verb: "get", Path: "/apis"}, "alice", "new"},
		"a LogicalCluster":      {"home:free", "new", own, "robot", "home"},
		"all of them":           {"home:free", "*", own, "robot", "home"},
		"one that is done with": {"home:free", "ready", secrets, "", ""},
		"one that is not there": {"home:free", "nope", secrets, "", ""},
		"of a type that's gone": {"home:gone", "new", secrets, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			l := NewInitializing(newVillage().config())
			var as string
			var in logicalcluster.Name
			code := serve(t, l, through(t, l, c.id, c.workspace), c.info, func(ctx context.Context) {
				info, _ := request.UserFrom(ctx)
				now, _ := target.From(ctx)
				scope, _ := keyspace.ScopeFrom(ctx)
				as, in = info.GetName(), now.Identity
				if (scope.Selector() == nil) != (now.View == nil) {
					t.Errorf("the scope is %s, the target %+v", scope, now)
				}
			})
			if as != c.as || in != c.in || (code == http.StatusForbidden) != (c.as == "") {
				t.Errorf("%d, as %q in %q", code, as, in)
			}
		})
	}
}

// TestWatchesEnd: whoever is done does not go on watching.
func TestWatchesEnd(t *testing.T) {
	watch := request.RequestInfo{IsResourceRequest: true, Verb: "watch", APIVersion: "v1", Resource: "secrets"}
	for name, done := range map[string]func(*village){
		"done":        func(v *village) { v.clusters["new"].Status.Initializers = nil },
		"ready":       func(v *village) { v.clusters["new"].Status.Phase = "Ready" },
		"gone":        func(v *village) { delete(v.clusters, "new") },
		"terminating": func(v *village) { v.clusters["new"].Status.Phase = "Terminating" },
	} {
		t.Run(name, func(t *testing.T) {
			v := newVillage()
			l := NewInitializing(v.config())
			serve(t, l, through(t, l, "home:free", "new"), watch, func(ctx context.Context) {
				l.Follow("new", v.clusters["new"])
				l.Follow("old", nil)
				if ctx.Err() != nil {
					t.Fatal("it ended too early")
				}
				done(v)
				l.Follow("new", v.clusters["new"])
				if !errors.Is(context.Cause(ctx), ErrDone) {
					t.Errorf("it goes on: %v", context.Cause(ctx))
				}
			})
			if l.holds.Len() != 0 {
				t.Errorf("%d are left behind", l.holds.Len())
			}
		})
	}
}
