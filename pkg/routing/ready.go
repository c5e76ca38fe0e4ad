package routing

import (
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/endpoints/handlers/responsewriters"
	"k8s.io/apiserver/pkg/endpoints/request"

	"github.com/atriumhub/atrium/pkg/identity"
	"github.com/atriumhub/atrium/pkg/target"
)

// Readiness says what becomes of a request to a workspace: nil lets it through,
// an error refuses it and says why, and how to go on.
type Readiness func(t target.Target, info *request.RequestInfo) error

// WithReadiness answers 503 for workspaces that are not open. It stands behind
// authorization, so that only those who may enter learn of the phase. The hub's
// own loops (system:masters) are let through: they are the ones who make the
// workspace ready.
func WithReadiness(next http.Handler, readiness Readiness, serializer runtime.NegotiatedSerializer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		t, _ := target.From(req.Context())
		info, _ := request.RequestInfoFrom(req.Context())
		if t.Identity.Empty() || isHub(req) {
			next.ServeHTTP(w, req)
			return
		}
		if closed := readiness(t, info); closed != nil {
			err := apierrors.NewServiceUnavailable(closed.Error())
			responsewriters.ErrorNegotiated(err, serializer, schema.GroupVersion{}, w, req)
			return
		}
		next.ServeHTTP(w, req)
	})
}

func isHub(req *http.Request) bool {
	info, _ := request.UserFrom(req.Context())
	return identity.IsHub(info)
}
