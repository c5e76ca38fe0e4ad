package server

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/endpoints/handlers/responsewriters"
	"k8s.io/apiserver/pkg/endpoints/request"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/kubernetes/pkg/api/legacyscheme"

	"github.com/atriumhub/atrium/pkg/access"
	"github.com/atriumhub/atrium/pkg/admission"
	"github.com/atriumhub/atrium/pkg/catalog"
	"github.com/atriumhub/atrium/pkg/discovery"
	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/nativeapis"
	"github.com/atriumhub/atrium/pkg/routing"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// link wraps a handler in one concern.
type link func(http.Handler) http.Handler

// chain returns the request chain, in the order a request meets it. upstream are
// Kubernetes' own filters: request info, authentication, audit, limits,
// authorization.
func (h *Hub) chain(config *genericapiserver.Config) []link {
	scoped := *config
	scoped.Authentication.Authenticator = access.ScopeImpersonation(config.Authentication.Authenticator)
	upstream := func(next http.Handler) http.Handler { return genericapiserver.DefaultBuildHandlerChain(next, &scoped) }
	return []link{
		h.issuers.WithPublicDocuments,
		h.router.Wrap,
		discovery.WithPlainRefusals,
		h.mounts.Keep,
		upstream,
		h.whenReady(config.Serializer),
		h.mounts.Wrap,
		func(next http.Handler) http.Handler { return h.homes.Wrap(next, config.Serializer) },
		h.lasting.Wrap,
		h.enterViews(config.Serializer),
		h.issuers.WithDocuments,
		h.discover,
		shallow(config),
		h.countWrites,
		h.dispatch,
	}
}

// buildChain is what the generic server calls to wrap its own handler.
func (h *Hub) buildChain(native http.Handler, config *genericapiserver.Config) http.Handler {
	handler := native
	for _, wrap := range slices.Backward(h.chain(config)) {
		handler = wrap(handler)
	}
	return handler
}

func (h *Hub) whenReady(serializer runtime.NegotiatedSerializer) link {
	return func(next http.Handler) http.Handler {
		return routing.WithReadiness(next, readiness(h.directory), serializer)
	}
}

func shallow(config *genericapiserver.Config) link {
	return func(next http.Handler) http.Handler {
		return admission.WithShallowBodies(next, config.MaxRequestBodyBytes, config.Serializer)
	}
}

// discover answers what a workspace serves. It can do so only after the native
// APIs are installed in the server whose chain this is.
func (h *Hub) discover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		composed := h.discovery.Load()
		if composed == nil || !discovery.Handles(req.URL.Path) {
			next.ServeHTTP(w, req)
			return
		}
		h.describing(req, composed).ServeHTTP(w, req)
	})
}

// dispatch sends a resource request to whoever serves it in its workspace.
func (h *Hub) dispatch(native http.Handler) http.Handler {
	return &dispatcher{catalog: h.catalog, viewSet: h.viewSet, windows: h.windows, customResources: newConverting(h.customResources), native: native}
}

type dispatcher struct {
	catalog         *catalog.Catalog
	viewSet         func(context.Context) (*catalog.Set, bool)
	windows         *windows
	customResources *converting
	native          http.Handler
}

// ServeHTTP implements http.Handler.
func (d *dispatcher) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	info, ok := request.RequestInfoFrom(req.Context())
	scope, scoped := keyspace.ScopeFrom(req.Context())
	if !ok || !scoped || !info.IsResourceRequest {
		d.native.ServeHTTP(w, req)
		return
	}
	if set, viewed := d.viewSet(req.Context()); viewed {
		d.serveView(set, w, req, info)
		return
	}
	workspace, single := scope.Workspace()
	if !single {
		workspace = logicalcluster.Wildcard
	}
	resource := schema.GroupResource{Group: info.APIGroup, Resource: info.Resource}
	api, found := d.catalog.Lookup(workspace, resource)
	switch {
	case !found && d.catalog.Gated(resource):
		refuseUnbound(w, req, resource)
	case !found || api.Origin == catalog.Native:
		d.serveNative(workspace, api, w, req, info)
	case api.Closed:
		refuseForNow(w, req, resource, "the "+resource.String()+" of this workspace are being taken over by an APIBinding: try again in a moment")
	default:
		held, release := d.hold(workspace, api, req, info)
		defer release()
		d.serveCustom(api, w, held, info)
	}
}

func (d *dispatcher) serveCustom(api *catalog.API, w http.ResponseWriter, req *http.Request, info *request.RequestInfo) {
	if api.Virtual() {
		d.windows.serve(api, w, req, info)
		return
	}
	d.customResources.Serve(api, w, req)
}

// serveView sends a request that came through a view of its own API to whoever
// serves it. That what the view shows may change under a watch is the business of
// the view.
func (d *dispatcher) serveView(set *catalog.Set, w http.ResponseWriter, req *http.Request, info *request.RequestInfo) {
	resource := schema.GroupResource{Group: info.APIGroup, Resource: info.Resource}
	api, found := set.Lookup(resource)
	switch {
	case found && d.outdated(api, req, info):
		refuseForNow(w, req, resource, "the schema of "+resource.String()+" has just changed in this workspace: try again") // the view looks again
	case found && api.Origin != catalog.Native:
		d.serveCustom(api, w, req, info)
	case set.ShowsNative(resource):
		d.native.ServeHTTP(w, req)
	default:
		err := apierrors.NewGenericServerResponse(http.StatusNotFound, req.Method, resource, "", "", 0, false)
		responsewriters.ErrorNegotiated(err, legacyscheme.Codecs, schema.GroupVersion{}, w, req)
	}
}

// refuseUnbound answers as if the API were not compiled in, but says how to get
// it.
func refuseUnbound(w http.ResponseWriter, req *http.Request, resource schema.GroupResource) {
	err := apierrors.NewGenericServerResponse(http.StatusNotFound, req.Method, resource, "", "", 0, false)
	err.ErrStatus.Message = fmt.Sprintf("the server could not find the requested resource: %s is not served in this workspace; bind the APIExport %q of workspace %s to get it (kubectl atrium bind compute)",
		resource, nativeapis.Compute.Name, nativeapis.Compute.Path)
	responsewriters.ErrorNegotiated(err, legacyscheme.Codecs, schema.GroupVersion{}, w, req)
}

// outdated reports whether a write that came by a view would be judged, and stored,
// by what its workspace does not serve any more.
func (d *dispatcher) outdated(api *catalog.API, req *http.Request, info *request.RequestInfo) bool {
	scope, _ := keyspace.ScopeFrom(req.Context())
	workspace, single := scope.Workspace()
	if !single || api.Origin != catalog.Bound || !slices.Contains(writeVerbs, info.Verb) {
		return false
	}
	now, found := d.catalog.Lookup(workspace, api.GroupResource())
	return found && now.Provider.Identity == api.Provider.Identity && now.Shape != api.Shape
}

// refuseForNow asks the client to come back: the objects are there, but not where, or
// not as, this request would have them.
func refuseForNow(w http.ResponseWriter, req *http.Request, resource schema.GroupResource, why string) {
	err := apierrors.NewServiceUnavailable(why)
	err.ErrStatus.Details = &metav1.StatusDetails{Group: resource.Group, Kind: resource.Resource, RetryAfterSeconds: 1}
	responsewriters.ErrorNegotiated(err, legacyscheme.Codecs, schema.GroupVersion{}, w, req)
}

func (d *dispatcher) serveNative(workspace logicalcluster.Name, api *catalog.API, w http.ResponseWriter, req *http.Request, info *request.RequestInfo) {
	if api == nil {
		d.native.ServeHTTP(w, req)
		return
	}
	held, release := d.hold(workspace, api, req, info)
	defer release()
	d.native.ServeHTTP(w, held)
}

// hold makes a watch end when its workspace stops serving the API as it is.
func (d *dispatcher) hold(workspace logicalcluster.Name, api *catalog.API, req *http.Request, info *request.RequestInfo) (*http.Request, func()) {
	if info.Verb != "watch" || workspace == logicalcluster.Wildcard {
		return req, func() {}
	}
	held, release := d.catalog.Hold(req.Context(), workspace, api)
	return req.WithContext(held), release
}
