package views

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/endpoints/filters"
	"k8s.io/apiserver/pkg/endpoints/handlers/responsewriters"

	"github.com/atriumhub/atrium/pkg/catalog"
	"github.com/atriumhub/atrium/pkg/claims"
	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/target"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Validate implements View. Writes go on into a workspace before they are admitted,
// and are ordinary ones there.
func (e *Exports) Validate(target.Target, admission.Attributes) error {
	return errors.New("a write has to name its workspace")
}

type setKey struct{}

// nothing is what is seen by a request that Enter has not let through.
var nothing = catalog.NewViewSet(nil, nil)

// SetFrom returns what a request sees that Enter has let through. It stays the
// same for as long as the request lasts.
func SetFrom(ctx context.Context) *catalog.Set {
	if set, ok := ctx.Value(setKey{}).(*catalog.Set); ok {
		return set
	}
	return nothing
}

// Enter narrows an authorized request to what the export shows of the resource,
// and makes one to a single workspace an ordinary request of a visitor to it. It
// stands behind authorization, and before everything that looks at the user, the
// target, or what is served.
func (e *Exports) Enter(next http.Handler, serializer runtime.NegotiatedSerializer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		t, ok := target.From(req.Context())
		if !ok || t.View == nil || t.View.Kind != ExportsKind {
			next.ServeHTTP(w, req)
			return
		}
		a, err := filters.GetAuthorizerAttributes(req.Context())
		if err != nil {
			responsewriters.InternalError(w, req, err)
			return
		}
		ctx, leave, err := e.enter(req.Context(), t, a)
		if err == nil && streamsAll(ctx, a, req.URL.Query()) {
			leave()
			err = errStreamsAll
		}
		if err != nil {
			responsewriters.ErrorNegotiated(err, serializer, schema.GroupVersion{}, w, req)
			return
		}
		defer leave()
		next.ServeHTTP(w, req.WithContext(ctx))
	})
}

// streamsAll reports whether a watch asks for the state to begin with in all
// workspaces.
func streamsAll(ctx context.Context, a authorizer.Attributes, query url.Values) bool {
	scope, _ := keyspace.ScopeFrom(ctx)
	return scope.All() && a.GetVerb() == "watch" && query.Has("sendInitialEvents")
}

// errStreamsAll sends clients back to list and watch, in the way of a server that
// cannot do more. Those of Go collect the state that a watch begins with by
// namespace and name, so that equal names in different workspaces would get lost
// even where what comes after knows how to tell them apart.
var errStreamsAll = apierrors.NewInvalid(schema.GroupKind{Group: metav1.GroupName, Kind: "ListOptions"}, "", field.ErrorList{
	field.Forbidden(field.NewPath("sendInitialEvents"), "a watch of all workspaces does not send the state it begins with: list first"),
})

// enter returns the context that a request goes on with. The error is an API
// status.
func (e *Exports) enter(ctx context.Context, t target.Target, a authorizer.Attributes) (context.Context, func(), error) {
	key := fromKey(t.View.Key)
	made, found := e.offers.of(key)
	if !found {
		return nil, nil, apierrors.NewNotFound(apisv1alpha2.Resource("apiexports"), t.View.Target)
	}
	ctx = context.WithValue(ctx, setKey{}, made.set)
	if !a.IsResourceRequest() {
		return ctx, func() {}, nil
	}
	asked := resourceAsked(a)
	s, found := made.shown[asked]
	if !found {
		return nil, nil, notShown(made, asked, a)
	}
	scope, _ := keyspace.ScopeFrom(ctx)
	watch := a.GetVerb() == "watch"
	if scope.All() {
		ctx = keyspace.WithScope(ctx, scope.Selecting(s.selector(key, everywhere(watch))))
		ctx, leave := e.hold(ctx, lasting{key: key, uid: made.export.UID, resource: asked, shown: s}, watch)
		return ctx, leave, nil
	}
	consumer, _ := scope.Workspace()
	v, reason := e.visit(t, made, consumer, a)
	if reason != "" {
		return nil, nil, apierrors.NewForbidden(asked, a.GetName(), errors.New(reason))
	}
	if err := e.ask.Open(consumer); err != nil {
		return nil, nil, apierrors.NewServiceUnavailable(err.Error())
	}
	ctx = v.enter(ctx)
	ctx = keyspace.WithScope(ctx, keyspace.In(consumer).Selecting(s.selector(key, claims.OneWorkspace)).Selecting(written(key, asked, a)).Admitting())
	ctx, release := e.asBound(ctx, made, s, consumer, a)
	ctx, leave := e.hold(ctx, lasting{key: key, uid: made.export.UID, resource: asked, shown: s, consumer: consumer}, watch)
	return ctx, func() { leave(); release() }, nil
}

// written keeps the provider's own binding, which is always shown, from what is
// written by a claim that was accepted for other bindings: whoever writes it
// accepts claims. It is nil for all else.
func written(key logicalcluster.Key, asked schema.GroupResource, a authorizer.Attributes) labels.Selector {
	if asked != apiBindings || slices.Contains(readVerbs, a.GetVerb()) {
		return nil
	}
	requirement, err := labels.NewRequirement(claiming(key).LabelKey(), selection.NotEquals, []string{claims.OwnBinding})
	if err != nil {
		return labels.Nothing() // no label can say so: there is nothing to write
	}
	return labels.NewSelector().Add(*requirement)
}

func everywhere(watch bool) claims.Reach {
	if watch {
		return claims.WatchAll
	}
	return claims.ListAll
}

// notShown is the answer for a resource that an export does not show.
func notShown(made *offer, asked schema.GroupResource, a authorizer.Attributes) error {
	err := apierrors.NewGenericServerResponse(http.StatusNotFound, a.GetVerb(), asked, "", "", 0, false)
	err.ErrStatus.Message = fmt.Sprintf("the server could not find the requested resource: APIExport %q neither offers nor claims %s, or nobody has its schema", made.export.Name, asked)
	return err
}
