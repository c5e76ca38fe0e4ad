package proxy

import (
	"context"
	"net/http"
	"net/url"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/target"
)

// maxHops is how many mounts of this hub a request may go through.
const maxHops = 4

// kept is a request as it came in.
type kept struct {
	ctx    context.Context
	header http.Header
	hops   int
}

type keptKey struct{}

// Keep remembers requests for mounts as they came in, to ask a target of this
// hub as the client would have. It stands between the router and authentication,
// which takes away what the client proved its identity with.
func (p *Proxy) Keep(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if t, _ := target.From(req.Context()); t.View == nil || t.View.Kind != target.MountKind {
			next.ServeHTTP(w, req)
			return
		}
		before, _ := req.Context().Value(keptKey{}).(*kept)
		hops := 0
		if before != nil {
			hops = before.hops + 1
		}
		now := &kept{ctx: req.Context(), header: req.Header.Clone(), hops: hops}
		next.ServeHTTP(w, req.WithContext(context.WithValue(req.Context(), keptKey{}, now)))
	})
}

// ask serves a request by this hub, as if path had been asked for at once (M3).
// Nothing that was found out about the request so far goes along, but how many
// mounts it came through.
func (p *Proxy) ask(w http.ResponseWriter, req *http.Request, path string) error {
	original, ok := req.Context().Value(keptKey{}).(*kept)
	if !ok || original.hops >= maxHops {
		return apierrors.NewGenericServerResponse(http.StatusLoopDetected, req.Method, schema.GroupResource{}, "", "the mount leads to a mount, and that to another, and so on: too many of them", 0, true)
	}
	ctx, cancel := context.WithCancel(context.WithValue(original.ctx, keptKey{}, original))
	defer cancel()
	stop := context.AfterFunc(req.Context(), cancel)
	defer stop()
	again := req.WithContext(ctx)
	again.Header = original.header.Clone()
	again.URL = &url.URL{Path: path, RawQuery: req.URL.RawQuery}
	again.RequestURI = again.URL.RequestURI()
	p.config.Hub.ServeHTTP(w, again)
	return nil
}
