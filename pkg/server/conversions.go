package server

import (
	"context"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/endpoints/handlers/responsewriters"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/kubernetes/pkg/api/legacyscheme"

	"github.com/atriumhub/atrium/pkg/conversions"
	"github.com/atriumhub/atrium/pkg/customresources"
	"github.com/atriumhub/atrium/pkg/identity"
	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/roster"
	"github.com/atriumhub/atrium/pkg/scheduling/decide"
	"github.com/atriumhub/atrium/pkg/schemas"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// newConversions returns who converts between the versions of custom resources.
func (h *Hub) newConversions() *conversions.Conversions {
	return conversions.New(conversions.Config{Door: h.egress, Reserved: func(key string) bool {
		return key == logicalcluster.AnnotationKey || decide.Reserved(key)
	}})
}

// What requests that may call conversion webhooks take of the hub, those for
// webhooks of one workspace and those for all. The hub serves 400 reading and 200
// writing requests at a time, and one that calls a webhook takes as long as that
// pleases. The hub's own loops have few workers each.
const (
	convertingPerWorkspace, convertingTogether       = 25, 100
	convertingPerWorkspaceOwn, convertingTogetherOwn = 2, 3
)

// converting serves custom resources, but few at a time where a webhook is asked.
type converting struct {
	*customresources.Handlers
	waiting, own *roster.Limits[logicalcluster.Name]
}

func newConverting(handlers *customresources.Handlers) *converting {
	return &converting{
		handlers,
		roster.NewLimits[logicalcluster.Name](convertingPerWorkspace, convertingTogether),
		roster.NewLimits[logicalcluster.Name](convertingPerWorkspaceOwn, convertingTogetherOwn),
	}
}

// Serve answers req by api.
func (c *converting) Serve(api *schemas.API, w http.ResponseWriter, req *http.Request) {
	info, ok := request.RequestInfoFrom(req.Context())
	if !ok || !waits(api, info) {
		c.Handlers.Serve(api, w, req)
		return
	}
	waiting, refusal := c.waiting, apierrors.NewTooManyRequests(tooManyConverting, 1)
	if caller, _ := request.UserFrom(req.Context()); identity.IsHub(caller) {
		// A loop comes back by itself: told when, its client would wait here.
		waiting, refusal = c.own, apierrors.NewServiceUnavailable(tooManyConverting)
	}
	whose := webhookOwner(api, req)
	if !waiting.Enter(whose) {
		responsewriters.ErrorNegotiated(refusal, legacyscheme.Codecs, schema.GroupVersion{}, w, req)
		return
	}
	defer waiting.Leave(whose)
	c.Handlers.Serve(api, w, req)
}

const tooManyConverting = "too many requests wait for conversion webhooks, those of this API or all: ask again"

// waits reports whether a request may keep others out while a webhook is asked.
// Watches do not keep out anybody. A write in the stored version converts when
// fields have been written in another one.
func waits(api *schemas.API, info *request.RequestInfo) bool {
	switch info.Verb {
	case "watch":
		return false
	case "get", "list", "delete", "deletecollection":
		return schemas.MayCallOut(api.CRD, info.APIVersion)
	default:
		return schemas.CallsOut(api.CRD)
	}
}

// webhookOwner is the workspace whose fault a slow webhook is.
func webhookOwner(api *schemas.API, req *http.Request) logicalcluster.Name {
	if api.Origin == schemas.Bound {
		return api.Provider.Workspace
	}
	scope, _ := keyspace.ScopeFrom(req.Context())
	workspace, _ := scope.Workspace()
	return workspace
}

// serving returns the API that a request for resource is served by.
func (h *Hub) serving(ctx context.Context, resource schema.GroupResource) (*schemas.API, bool) {
	if set, viewed := h.viewSet(ctx); viewed {
		return set.Lookup(resource)
	}
	scope, _ := keyspace.ScopeFrom(ctx)
	workspace, single := scope.Workspace()
	if !single {
		return nil, false
	}
	return h.catalog.Lookup(workspace, resource)
}
