package routing

import (
	"context"
	"errors"
	"net/http"
	"time"

	"k8s.io/apiserver/pkg/endpoints/request"

	"github.com/atriumhub/atrium/pkg/roster"
	"github.com/atriumhub/atrium/pkg/target"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// ErrClosed is why a watch ended: its workspace was closed, or is gone.
var ErrClosed = errors.New("the workspace is closed or gone")

// Lasting ends watches with the workspace they are in. Nothing else would: what a
// watch reads from is shared by all workspaces and goes on. The zero value is not
// usable; call NewLasting.
type Lasting struct {
	readiness Readiness
	watches   roster.Roster[logicalcluster.Name, *lasting]
}

// lasting is one watch.
type lasting struct {
	target target.Target
	info   *request.RequestInfo
	hub    bool
	cancel context.CancelCauseFunc
}

// NewLasting returns a Lasting that knows of no watches. readiness is that of
// WithReadiness, behind which Wrap belongs.
func NewLasting(readiness Readiness) *Lasting {
	return &Lasting{readiness: readiness}
}

// Wrap keeps account of the watches that next serves.
func (l *Lasting) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		t, _ := target.From(req.Context())
		info, ok := request.RequestInfoFrom(req.Context())
		if !ok || info.Verb != "watch" || t.Identity.Empty() {
			next.ServeHTTP(w, req)
			return
		}
		ctx, cancel := context.WithCancelCause(req.Context())
		defer cancel(context.Canceled)
		one := &lasting{target: t, info: info, hub: isHub(req), cancel: cancel}
		defer l.watches.Enter(t.Identity, one)()
		if l.shut(one) { // since it was found open
			cancel(ErrClosed)
		}
		next.ServeHTTP(w, req.WithContext(ctx))
	})
}

// Recheck ends the watches in a workspace that is not open to them any more. It
// is to be called whenever the phase of a workspace changes.
func (l *Lasting) Recheck(workspace logicalcluster.Name) {
	l.end(workspace, l.shut)
}

func (l *Lasting) shut(one *lasting) bool {
	return !one.hub && l.readiness(one.target, one.info) != nil
}

// End ends all watches in a workspace that is gone, after a while in which they
// can read to the end.
func (l *Lasting) End(workspace logicalcluster.Name, after time.Duration) {
	if l.Any(workspace) {
		time.AfterFunc(after, func() { l.end(workspace, func(*lasting) bool { return true }) })
	}
}

func (l *Lasting) end(workspace logicalcluster.Name, which func(*lasting) bool) {
	l.watches.Each(workspace, func(one *lasting) {
		if which(one) {
			one.cancel(ErrClosed)
		}
	})
}

// Any reports whether there are watches in a workspace.
func (l *Lasting) Any(workspace logicalcluster.Name) bool { return l.watches.Any(workspace) }

// Len is how many watches there are.
func (l *Lasting) Len() int { return l.watches.Len() }
