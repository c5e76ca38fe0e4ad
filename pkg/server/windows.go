package server

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/endpoints/handlers/responsewriters"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/kubernetes/pkg/api/legacyscheme"

	"github.com/atriumhub/atrium/pkg/catalog"
	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/replication"
	"github.com/atriumhub/atrium/pkg/roster"
	"github.com/atriumhub/atrium/pkg/views"
	cachev1alpha1 "github.com/atriumhub/atrium/sdk/apis/cache/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// errWindowChanged is why a watch through a window ended.
var errWindowChanged = errors.New("what the provider publishes was changed")

// windows serves what providers let others read.
type windows struct {
	publisher *replication.Publisher
	serveAPI  func(*catalog.API, http.ResponseWriter, *http.Request)
	hold      func(context.Context, logicalcluster.Name, *catalog.API) (context.Context, func())
	// watching are the requests that last, by ClusterCachedResource.
	watching roster.Roster[logicalcluster.Key, *context.CancelCauseFunc]
}

func (h *Hub) openWindows() {
	h.windows = &windows{
		publisher: h.publisher(), serveAPI: h.customResources.Serve, hold: h.catalog.Hold,
	}
	h.models.cached.OnChange(func(old, new *cachev1alpha1.ClusterCachedResource, key logicalcluster.Key) {
		if old == nil || new != nil && sameWindow(old, new) {
			return
		}
		h.windows.watching.Each(key, func(cancel *context.CancelCauseFunc) { (*cancel)(errWindowChanged) })
	})
}

func (h *Hub) publisher() *replication.Publisher {
	return &replication.Publisher{Resources: h.models.cached, Slices: h.models.cachedSlices, Lookup: h.catalog.Lookup}
}

// publishedView is the view of what providers publish.
func (h *Hub) publishedView() *views.Replication {
	return views.NewReplication(views.ReplicationConfig{RBAC: h.rbac, Resolve: h.resolve, Shown: h.publisher().Shown, Lookup: h.catalog.Lookup})
}

func sameWindow(a, b *cachev1alpha1.ClusterCachedResource) bool {
	return a.UID == b.UID && a.DeletionTimestamp.IsZero() == b.DeletionTimestamp.IsZero() &&
		a.Status.IdentityHash == b.Status.IdentityHash && equality.Semantic.DeepEqual(a.Spec, b.Spec)
}

var windowVerbs = []string{"get", "list", "watch"}

// serve answers a request for an API whose objects are read from elsewhere. That
// the caller may read them here was decided before.
func (v *windows) serve(api *catalog.API, w http.ResponseWriter, req *http.Request, info *request.RequestInfo) {
	resource := schema.GroupResource{Group: info.APIGroup, Resource: info.Resource}
	refuse := func(err *apierrors.StatusError) {
		responsewriters.ErrorNegotiated(err, legacyscheme.Codecs, schema.GroupVersion{}, w, req)
	}
	if !slices.Contains(windowVerbs, info.Verb) || info.Subresource != "" {
		err := apierrors.NewMethodNotSupported(resource, info.Verb)
		err.ErrStatus.Message += ": the objects belong to the provider of " + api.Export + " and can only be read"
		refuse(err)
		return
	}
	slice := logicalcluster.Key{Workspace: api.Provider.Workspace, Name: api.Provider.Virtual.Slice}
	window, err := v.publisher.Window(slice, api.Provider.Virtual.Identity)
	if err != nil {
		refuse(apierrors.NewServiceUnavailable("the provider of " + api.Export + " does not publish " + resource.String() + " now; its workspace says: " + err.Error()))
		return
	}
	held, release := v.holdWatch(req.Context(), window, info)
	defer release()
	if info.Verb == "watch" { // what changed before it was held ends nothing
		if again, err := v.publisher.Window(slice, api.Provider.Virtual.Identity); err != nil || again.Resource != window.Resource {
			refuse(apierrors.NewServiceUnavailable(errWindowChanged.Error()))
			return
		}
	}
	scope := keyspace.In(window.Resource.Workspace).Selecting(window.Selector)
	v.serveAPI(window.API, w, req.WithContext(keyspace.WithScope(held, scope)))
}

// holdWatch makes a watch end when what it looks at changes.
func (v *windows) holdWatch(ctx context.Context, window replication.Window, info *request.RequestInfo) (context.Context, func()) {
	if info.Verb != "watch" {
		return ctx, func() {}
	}
	held, release := v.hold(ctx, window.Resource.Workspace, window.API)
	held, cancel := context.WithCancelCause(held)
	leave := v.watching.Enter(window.Resource, &cancel)
	return held, func() {
		leave()
		cancel(context.Canceled)
		release()
	}
}

// countPage is how many objects are read at a time to count them.
const countPage = 500

// countWindow counts the objects a window shows, and all that there are of the
// resource in its workspace.
func (h *Hub) countWindow(ctx context.Context, window replication.Window) (shown, all int, err error) {
	resource := window.API.GroupResource().WithVersion(window.API.Versions[0])
	objects := h.hubClient.Dynamic(window.Resource.Workspace.Path()).Resource(resource)
	for page := ""; ; {
		list, err := objects.List(ctx, metav1.ListOptions{Limit: countPage, Continue: page})
		if err != nil {
			return 0, 0, err
		}
		for i := range list.Items {
			all++
			if window.Selector.Matches(labels.Set(list.Items[i].GetLabels())) {
				shown++
			}
		}
		if page = list.GetContinue(); page == "" {
			return shown, all, nil
		}
	}
}
