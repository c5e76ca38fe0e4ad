package routing

import (
	"fmt"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/endpoints/handlers/responsewriters"
	"k8s.io/apiserver/pkg/endpoints/request"

	"github.com/atriumhub/atrium/pkg/target"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Readiness reports whether a workspace takes requests, and if not in which
// phase it is.
type Readiness func(logicalcluster.Name) (phase string, open bool)

// WithReadiness answers 503 for workspaces that are not open. It stands behind
// authorization, so that only those who may enter learn of the phase. The hub's
// own loops (system:masters) are let through: they are the ones who make the
// workspace ready.
func WithReadiness(next http.Handler, readiness Readiness, serializer runtime.NegotiatedSerializer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		t, _ := target.From(req.Context())
		phase, open := readiness(t.Identity)
		if open || t.Identity.Empty() || isHub(req) {
			next.ServeHTTP(w, req)
			return
		}
		err := apierrors.NewServiceUnavailable(fmt.Sprintf("workspace %q is not ready: it is in phase %s", t.Path, phase))
		responsewriters.ErrorNegotiated(err, serializer, schema.GroupVersion{}, w, req)
	})
}

func isHub(req *http.Request) bool {
	info, _ := request.UserFrom(req.Context())
	return target.IsHub(info)
}
