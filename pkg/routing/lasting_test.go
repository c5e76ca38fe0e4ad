package routing

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/endpoints/request"

	"github.com/atriumhub/atrium/pkg/target"
)

func TestLasting(t *testing.T) {
	for name, tc := range map[string]struct {
		verb   string
		groups []string
		// closed is whether the workspace is closed before the end.
		act   func(l *Lasting, closed *atomic.Bool)
		ended bool
	}{
		"phase changed, still open": {"watch", nil, func(l *Lasting, _ *atomic.Bool) { l.Recheck("aaaa") }, false},
		"closed":                    {"watch", nil, func(l *Lasting, c *atomic.Bool) { c.Store(true); l.Recheck("aaaa") }, true},
		"closed, for the hub":       {"watch", []string{user.SystemPrivilegedGroup}, func(l *Lasting, c *atomic.Bool) { c.Store(true); l.Recheck("aaaa") }, false},
		"another one closed":        {"watch", nil, func(l *Lasting, c *atomic.Bool) { c.Store(true); l.Recheck("bbbb") }, false},
		"gone":                      {"watch", nil, func(l *Lasting, _ *atomic.Bool) { l.End("aaaa", 0) }, true},
		"gone, for the hub":         {"watch", []string{user.SystemPrivilegedGroup}, func(l *Lasting, _ *atomic.Bool) { l.End("aaaa", 0) }, true},
		"another one gone":          {"watch", nil, func(l *Lasting, _ *atomic.Bool) { l.End("bbbb", 0) }, false},
		"a list":                    {"list", nil, func(l *Lasting, c *atomic.Bool) { c.Store(true); l.Recheck("aaaa") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			var closed atomic.Bool
			l := NewLasting(func(target.Target, *request.RequestInfo) error {
				if closed.Load() {
					return errors.New("closed")
				}
				return nil
			})
			began, finish := make(chan context.Context), make(chan struct{})
			handler := l.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
				began <- req.Context()
				<-finish
			}))
			ctx := target.With(t.Context(), target.Target{Path: "root:x", Identity: "aaaa"})
			ctx = request.WithUser(ctx, &user.DefaultInfo{Groups: tc.groups})
			ctx = request.WithRequestInfo(ctx, &request.RequestInfo{Verb: tc.verb})
			done := make(chan struct{})
			go func() {
				defer close(done)
				handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/api", nil))
			}()
			watch := <-began
			tc.act(l, &closed)
			if tc.ended {
				<-watch.Done()
				if !errors.Is(context.Cause(watch), ErrClosed) {
					t.Errorf("ended because of %v", context.Cause(watch))
				}
			} else if watch.Err() != nil {
				t.Errorf("ended: %v", context.Cause(watch))
			}
			close(finish)
			<-done
			if l.Len() != 0 {
				t.Errorf("kept account of %d", l.Len())
			}
		})
	}
}

// TestLastingTooLate: a workspace that was closed while the watch was on its way.
func TestLastingTooLate(t *testing.T) {
	l := NewLasting(func(target.Target, *request.RequestInfo) error { return errors.New("closed") })
	var cause error
	handler := l.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { cause = context.Cause(req.Context()) }))
	ctx := target.With(t.Context(), target.Target{Identity: "aaaa"})
	ctx = request.WithRequestInfo(ctx, &request.RequestInfo{Verb: "watch"})
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/api", nil))
	if !errors.Is(cause, ErrClosed) {
		t.Errorf("the watch goes on: %v", cause)
	}
}
