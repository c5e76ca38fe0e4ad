package views

import (
	"context"
	"errors"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/audit"
	"k8s.io/apiserver/pkg/endpoints/filters"
	"k8s.io/apiserver/pkg/endpoints/handlers/responsewriters"
	"k8s.io/apiserver/pkg/endpoints/request"

	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/target"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// ErrDone is why a request ended: the workspace does not wait for who made it
// any longer.
var ErrDone = errors.New("the workspace does not wait for this initializer or terminator any longer")

// Enter makes an authorized request to the content of a workspace one that the
// workspace itself could have been sent, by whoever the caller is there. It
// stands behind authorization, and before everything that looks at the user or
// the target.
func (l *Lifecycle) Enter(next http.Handler, serializer runtime.NegotiatedSerializer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		t, ok := target.From(req.Context())
		if !ok || t.View == nil || t.View.Kind != l.kind {
			next.ServeHTTP(w, req)
			return
		}
		a, err := filters.GetAuthorizerAttributes(req.Context())
		if err != nil {
			responsewriters.InternalError(w, req, err)
			return
		}
		scope, _ := keyspace.ScopeFrom(req.Context())
		workspace, single := scope.Workspace()
		if !single || isOwn(a) {
			next.ServeHTTP(w, req)
			return
		}
		v, reason := l.visit(req.Context(), t, workspace, a.GetUser())
		if reason != "" {
			responsewriters.Forbidden(a, w, req, reason, serializer)
			return
		}
		ctx, leave := l.hold(v.enter(req.Context()), workspace, t.View.Key, a.GetVerb() == "watch")
		defer leave()
		if ctx.Err() != nil {
			gone := apierrors.NewForbidden(schema.GroupResource{Group: a.GetAPIGroup(), Resource: a.GetResource()}, a.GetName(), ErrDone)
			responsewriters.ErrorNegotiated(gone, serializer, schema.GroupVersion{}, w, req)
			return
		}
		next.ServeHTTP(w, req.WithContext(ctx))
	})
}

// enter returns the context of the request from here on. The audit log names
// both the caller and who he is inside.
func (v visit) enter(ctx context.Context) context.Context {
	if v.target.Visitor != nil {
		audit.LogImpersonatedUser(ctx, v.user, "")
	}
	ctx = target.With(ctx, v.target)
	ctx = keyspace.WithScope(ctx, keyspace.In(v.target.Identity))
	return request.WithUser(ctx, v.user)
}

// Follow ends the watches of those who are done. It is called for every change of
// a LogicalCluster; cluster is nil when it is gone.
func (l *Lifecycle) Follow(workspace logicalcluster.Name, cluster *corev1alpha1.LogicalCluster) {
	l.holds.Each(workspace, func(one *hold) {
		if cluster == nil || !l.awaits(cluster, one.id) {
			one.cancel(ErrDone)
		}
	})
}

// hold returns a context that ends when workspace does not wait for id any more.
// Requests that do not last are over soon enough.
func (l *Lifecycle) hold(ctx context.Context, workspace logicalcluster.Name, id string, lasts bool) (context.Context, func()) {
	if !lasts {
		return ctx, func() {}
	}
	held, cancel := context.WithCancelCause(ctx)
	leave := l.holds.Enter(workspace, &hold{id: id, cancel: cancel})
	// It may have been done between the look and the hold.
	if _, ok := l.awaited(ctx, workspace, id); !ok {
		cancel(ErrDone)
	}
	return held, func() {
		leave()
		cancel(context.Canceled)
	}
}

// hold is a request that lasts.
type hold struct {
	id     string
	cancel context.CancelCauseFunc
}
