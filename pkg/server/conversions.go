package server

import (
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/endpoints/handlers/responsewriters"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/kubernetes/pkg/api/legacyscheme"

	"github.com/atriumhub/atrium/pkg/conversions"
	"github.com/atriumhub/atrium/pkg/customresources"
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
// pleases.
const (
	convertingPerWorkspace, convertingTogether = 25, 100
)

// converting serves custom resources, but few at a time where a webhook is asked.
type converting struct {
	*customresources.Handlers
	waiting *roster.Limits[logicalcluster.Name]
}

func newConverting(handlers *customresources.Handlers) *converting {
	return &converting{handlers, roster.NewLimits[logicalcluster.Name](convertingPerWorkspace, convertingTogether)}
}

// Serve answers req by api. Watches do not count: they do not keep others out.
func (c *converting) Serve(api *schemas.API, w http.ResponseWriter, req *http.Request) {
	if info, ok := request.RequestInfoFrom(req.Context()); !ok || info.Verb == "watch" || !schemas.CallsOut(api.CRD) {
		c.Handlers.Serve(api, w, req)
		return
	}
	whose := webhookOwner(api, req)
	if !c.waiting.Enter(whose) {
		err := apierrors.NewTooManyRequests("too many requests wait for conversion webhooks, those of this API or all: ask again", 1)
		responsewriters.ErrorNegotiated(err, legacyscheme.Codecs, schema.GroupVersion{}, w, req)
		return
	}
	defer c.waiting.Leave(whose)
	c.Handlers.Serve(api, w, req)
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
