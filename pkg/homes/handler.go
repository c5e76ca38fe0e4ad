package homes

import (
	"errors"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/endpoints/handlers/responsewriters"
	"k8s.io/apiserver/pkg/endpoints/request"

	"github.com/atriumhub/atrium/pkg/homes/naming"
	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/target"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Alias is the name under which everybody's own home appears in root.
const Alias = "~"

var workspaces = tenancyv1alpha1.Resource("workspaces")

// errNone says that there is no home to act on.
var errNone = apierrors.NewNotFound(workspaces, Alias)

// Wrap returns next with requests for homes led to where the homes are. It stands
// behind authorization.
func (h *Homes) Wrap(next http.Handler, serializer runtime.NegotiatedSerializer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		info, asked := request.RequestInfoFrom(req.Context())
		t, _ := target.From(req.Context())
		if !asked || !forHome(info, t) {
			next.ServeHTTP(w, req)
			return
		}
		caller, _ := request.UserFrom(req.Context())
		key, err := h.find(req, info.Verb, caller)
		if err != nil {
			refuse(w, req, serializer, err)
			return
		}
		next.ServeHTTP(w, redirected(req, info, key))
	})
}

// forHome reports whether a request is for the Workspace "~" in root, by a verb
// that has a meaning there.
func forHome(info *request.RequestInfo, t target.Target) bool {
	return t.Identity == logicalcluster.Root && t.View == nil &&
		info.IsResourceRequest && info.APIGroup == workspaces.Group && info.Resource == workspaces.Resource &&
		info.Name == Alias && info.Subresource == "" &&
		(info.Verb == "get" || info.Verb == "delete")
}

// find returns where the home of the caller is. One that is asked for is made.
func (h *Homes) find(req *http.Request, verb string, caller user.Info) (logicalcluster.Key, error) {
	if !h.config.Enabled {
		err := apierrors.NewNotFound(workspaces, Alias)
		err.ErrStatus.Message += ": this hub has no home workspaces (--home-workspaces=false)"
		return logicalcluster.Key{}, err
	}
	if why := naming.Refusal(caller); why != "" {
		return logicalcluster.Key{}, apierrors.NewForbidden(workspaces, Alias, errors.New(why))
	}
	if verb == "get" {
		return h.Ensure(req.Context(), caller)
	}
	return h.existing(caller.GetName())
}

// redirected is req as if it named the Workspace at key.
func redirected(req *http.Request, info *request.RequestInfo, key logicalcluster.Key) *http.Request {
	real := *info
	real.Name = key.Name
	real.Path = "/" + info.APIPrefix + "/" + info.APIGroup + "/" + info.APIVersion + "/" + info.Resource + "/" + key.Name
	real.Parts = []string{info.Resource, key.Name}
	ctx := request.WithRequestInfo(req.Context(), &real)
	ctx = target.With(ctx, target.Target{Path: key.Workspace.Path(), Identity: key.Workspace})
	ctx = keyspace.WithScope(ctx, keyspace.In(key.Workspace))
	led := req.Clone(ctx)
	led.URL.Path, led.URL.RawPath = real.Path, ""
	led.RequestURI = led.URL.RequestURI()
	return led
}

func refuse(w http.ResponseWriter, req *http.Request, serializer runtime.NegotiatedSerializer, err error) {
	responsewriters.ErrorNegotiated(err, serializer, schema.GroupVersion{}, w, req)
}
