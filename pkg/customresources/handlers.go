package customresources

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"sync"
	"time"

	"k8s.io/apiextensions-apiserver/pkg/apiserver"
	apiservervalidation "k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/endpoints/handlers/negotiation"
	"k8s.io/apiserver/pkg/endpoints/handlers/responsewriters"
	apirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/util/webhook"
	"k8s.io/klog/v2"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/utils/clock"

	"github.com/atriumhub/atrium/pkg/schemas"
)

// Defaults for the zero values of Config.
const (
	// DefaultIdleAfter is how long a shape nobody asks for keeps its handler.
	DefaultIdleAfter = 10 * time.Minute
	// DefaultRequestTimeout is what an ordinary request may take.
	DefaultRequestTimeout = time.Minute
	// DefaultMinRequestTimeout is the least time a watch is given.
	DefaultMinRequestTimeout = 30 * time.Minute
	// DefaultBudget is how many bytes all handlers may hold, by estimate.
	DefaultBudget = 512 << 20
)

// Config is what all handlers share. Zero durations stand for the defaults.
type Config struct {
	// Storage returns where objects are stored that come from the export with
	// the given identity hash, or, when that is empty, from a definition of the
	// workspace itself. It partitions by the workspace in the request's context
	// and encodes unstructured objects.
	Storage func(identity string) generic.RESTOptionsGetter
	// Admission judges writes.
	Admission admission.Interface
	// Conversion returns what reaches the conversion webhook of an API, in the
	// form in which Kubernetes wants it.
	Conversion func(api *schemas.API) (webhook.ServiceResolver, webhook.AuthenticationInfoResolverWrapper)
	// Authorizer decides who may create by updating or applying.
	Authorizer authorizer.UnconditionalAuthorizer
	// RequestTimeout bounds how long a torn-down handler waits for requests.
	RequestTimeout time.Duration
	// MinRequestTimeout is the least time a watch is given.
	MinRequestTimeout time.Duration
	// MaxRequestBodyBytes bounds what a write may send; 0 is no limit.
	MaxRequestBodyBytes int64
	// IdleAfter is how long a shape nobody asks for keeps its handler.
	IdleAfter time.Duration
	// Budget is how many bytes all handlers may hold, by estimate. Tenants can
	// think of any number of large definitions that differ.
	Budget int64
	// Keep names shapes whose handlers stay although they are idle, such as
	// those of the hub's own kinds; nil keeps none.
	Keep func(shape string) bool
	// Clock is for tests.
	Clock clock.WithTicker
}

// Handlers holds the handlers of all shapes in use.
type Handlers struct {
	config Config

	served sync.Map // shape → *served
}

// New returns Handlers that hold nothing yet.
func New(config Config) (*Handlers, error) {
	if config.Storage == nil || config.Admission == nil || config.Conversion == nil || config.Authorizer == nil {
		return nil, errors.New("customresources needs a Storage, an Admission, a Conversion and an Authorizer")
	}
	if config.RequestTimeout == 0 {
		config.RequestTimeout = DefaultRequestTimeout
	}
	if config.MinRequestTimeout == 0 {
		config.MinRequestTimeout = DefaultMinRequestTimeout
	}
	if config.IdleAfter == 0 {
		config.IdleAfter = DefaultIdleAfter
	}
	if config.Budget == 0 {
		config.Budget = DefaultBudget
	}
	if config.Keep == nil {
		config.Keep = func(string) bool { return false }
	}
	if config.Clock == nil {
		config.Clock = clock.RealClock{}
	}
	apiservervalidation.RegisterMetrics()
	return &Handlers{config: config}, nil
}

// Serve answers req, a resource request with RequestInfo and Scope in its
// context, by the definition of api. Equal shapes are served by whichever
// handler was made first.
func (h *Handlers) Serve(api *schemas.API, w http.ResponseWriter, req *http.Request) {
	if encodedAsProtobuf(req) {
		err := negotiation.NewUnsupportedMediaTypeError([]string{runtime.ContentTypeJSON, runtime.ContentTypeYAML})
		responsewriters.ErrorNegotiated(err, apiserver.Codecs, schema.GroupVersion{Group: api.Group}, w, req)
		return
	}
	for {
		entry, err := h.entry(api)
		if errors.Is(err, errRetired) {
			continue // while it was being made: make a new one
		}
		if err != nil {
			klog.ErrorS(err, "Making a custom resource handler failed", "crd", api.CRD.Name, "shape", api.Shape)
			responsewriters.ErrorNegotiated(
				apierrors.NewInternalError(fmt.Errorf("serve CustomResourceDefinition %q: %w", api.CRD.Name, err)),
				apiserver.Codecs, schema.GroupVersion{Group: api.Group}, w, req)
			return
		}
		if entry.serve(h.config.Clock, w, req) {
			return
		}
		// It was retired between the look-up and the request: make a new one.
	}
}

// encodedAsProtobuf reports whether req sends a custom resource in a form that has none.
// Upstream takes that for known, looks for what decodes it strictly, and panics, with
// two hundred lines in the log. The Scale of a custom resource is another matter.
func encodedAsProtobuf(req *http.Request) bool {
	info, ok := apirequest.RequestInfoFrom(req.Context())
	if !ok || info.Subresource == "scale" || info.Verb != "create" && info.Verb != "update" {
		return false
	}
	kind, _, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
	return err == nil && kind == runtime.ContentTypeProtobuf
}

// Retire tears down the handler of a shape that no workspace has any more.
// Watches on it end; other requests under way are answered first. It returns
// at once. A later request for the shape makes a new handler.
func (h *Handlers) Retire(shape string) {
	if value, ok := h.served.LoadAndDelete(shape); ok {
		value.(*served).retire()
	}
}

// Close ends all watches and closes all stores at once, without waiting for
// requests. It is for the end of the process, when no more come: register it
// with the server's destroy functions.
func (h *Handlers) Close() {
	h.served.Range(func(shape, value any) bool {
		h.Retire(shape.(string))
		value.(*served).closeStores()
		return true
	})
}

// Run tears down handlers that have been idle, until ctx ends.
func (h *Handlers) Run(ctx context.Context) {
	ticker := h.config.Clock.NewTicker(max(h.config.IdleAfter/4, time.Second))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
			h.RetireIdle()
		}
	}
}

// RetireIdle tears down handlers without a request for IdleAfter.
func (h *Handlers) RetireIdle() {
	before := h.config.Clock.Now().Add(-h.config.IdleAfter)
	h.served.Range(func(shape, value any) bool {
		if name := shape.(string); !h.config.Keep(name) && value.(*served).idleSince(before) {
			h.Retire(name)
		}
		return true
	})
}

// Len returns the number of shapes that have a handler.
func (h *Handlers) Len() int {
	n := 0
	h.served.Range(func(any, any) bool { n++; return true })
	return n
}

// entry returns the handler of the shape of api, made at most once.
func (h *Handlers) entry(api *schemas.API) (*served, error) {
	value, ok := h.served.Load(api.Shape)
	if !ok {
		value, _ = h.served.LoadOrStore(api.Shape, &served{used: h.config.Clock.Now()})
	}
	entry := value.(*served)
	made := false
	entry.once.Do(func() {
		entry.handler, entry.world, entry.err = h.make(api, entry.opened)
		made = true
	})
	if entry.err != nil {
		h.served.CompareAndDelete(api.Shape, entry) // the next request tries again
		return nil, entry.err
	}
	if made {
		entry.weighed(weigh(api.CRD))
		h.makeRoom(api.Shape)
	}
	return entry, nil
}

// make returns the upstream handler for a world in which only api exists.
func (h *Handlers) make(api *schemas.API, opened func(closeStore func())) (handler, *single, error) {
	world := &single{crd: api.CRD}
	services, webhooks := h.config.Conversion(api)
	handler, err := apiserver.NewCustomResourceDefinitionHandler(
		nil, nil, // discovery is not its business here
		world,
		http.NotFoundHandler(), // for versions and scopes that api does not serve
		options{h.config.Storage(api.Provider.Identity), opened},
		h.config.Admission,
		nil, // everything it sees is established
		services, webhooks,
		1,
		h.config.Authorizer,
		h.config.RequestTimeout,
		h.config.MinRequestTimeout,
		// Not nil, or server-side apply would merge lists without their keys.
		// The schemas of metadata come with those of the definition.
		map[string]*spec.Schema{},
		h.config.MaxRequestBodyBytes,
	)
	if err != nil {
		return nil, nil, fmt.Errorf("make handler: %w", err)
	}
	return handler, world, nil
}
