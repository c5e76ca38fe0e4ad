package views

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/endpoints/handlers"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"

	"github.com/atriumhub/atrium/pkg/target"
	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	"github.com/atriumhub/atrium/sdk/apis/scheme"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// schemasREST serves what is on the shelf with Kubernetes' own handlers.
type schemasREST struct {
	rest.TableConvertor
	shelf *shelf
	get   http.Handler
	list  http.Handler
}

func newSchemasREST(s *shelf, minRequestTimeout time.Duration) *schemasREST {
	r := &schemasREST{TableConvertor: rest.NewDefaultTableConvertor(apisv1alpha1.Resource("apiresourceschemas")), shelf: s}
	scope := &handlers.RequestScope{
		Namer:      handlers.ContextBasedNaming{Namer: runtime.Namer(meta.NewAccessor()), ClusterScoped: true},
		Serializer: scheme.Codecs, ParameterCodec: scheme.ParameterCodec,
		Creater: scheme.Scheme, Convertor: scheme.Scheme, Defaulter: scheme.Scheme, Typer: scheme.Scheme, UnsafeConvertor: scheme.Scheme,
		TableConvertor: r, MetaGroupVersion: metav1.SchemeGroupVersion, HubGroupVersion: apisv1alpha1.SchemeGroupVersion,
		Resource: apisv1alpha1.SchemeGroupVersion.WithResource("apiresourceschemas"), Kind: apisv1alpha1.SchemeGroupVersion.WithKind("APIResourceSchema"),
	}
	r.get = handlers.GetResource(r, scope)
	r.list = handlers.ListResource(r, r, scope, false, minRequestTimeout)
	return r
}

func (r *schemasREST) serve(w http.ResponseWriter, req *http.Request, verb string) {
	if verb == "get" {
		r.get.ServeHTTP(w, req)
		return
	}
	r.list.ServeHTTP(w, req)
}

// notFoundVersion is the answer for a version that is not served.
func notFoundVersion(info *request.RequestInfo) error {
	return apierrors.NewGenericServerResponse(http.StatusNotFound, info.Verb, apisv1alpha1.Resource(info.Resource), "", "", 0, false)
}

// NewList implements rest.Lister.
func (r *schemasREST) NewList() runtime.Object { return &apisv1alpha1.APIResourceSchemaList{} }

// asked returns the workspace whose bindings a request is about, and that of the
// provider, or "" for all.
func asked(ctx context.Context) (consumer logicalcluster.Name, provider string) {
	t, _ := target.From(ctx)
	return t.Identity, t.View.Key
}

// Get implements rest.Getter. Of several of one name, of several providers, it is
// the first.
func (r *schemasREST) Get(ctx context.Context, name string, _ *metav1.GetOptions) (runtime.Object, error) {
	consumer, provider := asked(ctx)
	found, _, _ := r.shelf.look(consumer)
	for _, one := range found {
		if one.Name == name && isFrom(one, provider) {
			return one, nil
		}
	}
	return nil, apierrors.NewNotFound(apisv1alpha1.Resource("apiresourceschemas"), name)
}

// List implements rest.Lister. It is always the newest state, and all of it.
func (r *schemasREST) List(ctx context.Context, options *internalversion.ListOptions) (runtime.Object, error) {
	consumer, provider := asked(ctx)
	found, version, _ := r.shelf.look(consumer)
	list := &apisv1alpha1.APIResourceSchemaList{}
	list.ResourceVersion = strconv.FormatUint(version, 10)
	for _, one := range found {
		if isFrom(one, provider) && matches(options, one) {
			list.Items = append(list.Items, *one)
		}
	}
	return list, nil
}

// Watch implements rest.Watcher. It begins where a list of the same state ended, or
// with all that there is; from any other state there is no way.
func (r *schemasREST) Watch(ctx context.Context, options *internalversion.ListOptions) (watch.Interface, error) {
	if options.SendInitialEvents != nil {
		return nil, errStreamsAll
	}
	consumer, provider := asked(ctx)
	changes, leave := r.shelf.watch(consumer)
	found, version, since := r.shelf.look(consumer)
	w := &schemaWatch{
		rest: r, options: options, consumer: consumer, provider: provider, known: map[types.UID]*apisv1alpha1.APIResourceSchema{},
		changes: changes, leave: leave, out: make(chan watch.Event), done: make(chan struct{}),
	}
	if from := options.ResourceVersion; from != "" && from != "0" {
		began, err := strconv.ParseUint(from, 10, 64)
		if err != nil || began < since || began > version {
			leave()
			return nil, apierrors.NewResourceExpired("the schemas of this workspace have changed since: list them again")
		}
		for _, one := range found {
			w.known[one.UID] = one
		}
	}
	go w.run(ctx)
	return w, nil
}

func isFrom(one *apisv1alpha1.APIResourceSchema, provider string) bool {
	return provider == "" || logicalcluster.From(one).String() == provider
}

func matches(options *internalversion.ListOptions, one *apisv1alpha1.APIResourceSchema) bool {
	if options == nil {
		return true
	}
	return (options.LabelSelector == nil || options.LabelSelector.Matches(labels.Set(one.Labels))) &&
		(options.FieldSelector == nil || options.FieldSelector.Matches(fields.Set{"metadata.name": one.Name}))
}

// schemaWatch tells what is bound and unbound in one workspace.
type schemaWatch struct {
	rest     *schemasREST
	options  *internalversion.ListOptions
	consumer logicalcluster.Name
	provider string
	known    map[types.UID]*apisv1alpha1.APIResourceSchema
	changes  <-chan struct{}
	leave    func()
	out      chan watch.Event
	done     chan struct{}
	once     sync.Once
}

// ResultChan implements watch.Interface.
func (w *schemaWatch) ResultChan() <-chan watch.Event { return w.out }

// Stop implements watch.Interface.
func (w *schemaWatch) Stop() { w.once.Do(func() { close(w.done) }) }

func (w *schemaWatch) run(ctx context.Context) {
	defer close(w.out)
	defer w.leave()
	for {
		for _, event := range w.events() {
			select {
			case w.out <- event:
			case <-w.done:
				return
			case <-ctx.Done():
				return
			}
		}
		select {
		case <-w.changes:
		case <-w.done:
			return
		case <-ctx.Done():
			return
		}
	}
}

// events returns what has changed since it was last called. Schemas never change.
func (w *schemaWatch) events() []watch.Event {
	var events []watch.Event
	found, version, _ := w.rest.shelf.look(w.consumer)
	now := map[types.UID]*apisv1alpha1.APIResourceSchema{}
	for _, one := range found {
		if !isFrom(one, w.provider) || !matches(w.options, one) {
			continue
		}
		now[one.UID] = one
		if w.known[one.UID] == nil {
			events = append(events, watch.Event{Type: watch.Added, Object: one})
		}
	}
	for uid, one := range w.known {
		if now[uid] == nil && isFrom(one, w.provider) && matches(w.options, one) {
			gone := *one
			gone.ResourceVersion = strconv.FormatUint(version, 10)
			events = append(events, watch.Event{Type: watch.Deleted, Object: &gone})
		}
	}
	w.known = now
	return events
}
