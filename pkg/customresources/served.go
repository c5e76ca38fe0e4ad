package customresources

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/controller/finalizer"
	apirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/utils/clock"
)

// errRetired ends the watches of a handler that is torn down.
var errRetired = errors.New("no workspace serves this shape of the resource any more")

// handler is what upstream makes.
type handler interface {
	http.Handler
	GetCustomResourceListerCollectionDeleter(*apiextensionsv1.CustomResourceDefinition) (finalizer.ListerCollectionDeleter, error)
}

// served is the handler of one shape, with a count of the requests in it.
type served struct {
	once    sync.Once
	handler handler
	world   *single
	err     error

	mu       sync.Mutex
	retired  bool
	requests int
	weight   int64
	used     time.Time
	watches  map[*context.CancelCauseFunc]struct{}
	stores   []func() // each closes one; may be called twice
}

// serve answers req, or returns false without having touched w when the
// handler was retired before.
func (s *served) serve(clk clock.PassiveClock, w http.ResponseWriter, req *http.Request) bool {
	ctx, leave, ok := s.enter(req.Context(), clk)
	if !ok {
		return false
	}
	defer leave()
	if ctx != req.Context() {
		req = req.WithContext(ctx)
	}
	s.handler.ServeHTTP(w, req)
	return true
}

// enter counts a request in. A watch runs under a context that retire ends.
func (s *served) enter(ctx context.Context, clk clock.PassiveClock) (context.Context, func(), bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.retired {
		return nil, nil, false
	}
	s.requests++
	s.used = clk.Now()
	if !isWatch(ctx) {
		return ctx, func() { s.leave(clk, nil) }, true
	}
	ctx, cancel := context.WithCancelCause(ctx)
	if s.watches == nil {
		s.watches = map[*context.CancelCauseFunc]struct{}{}
	}
	s.watches[&cancel] = struct{}{}
	return ctx, func() { s.leave(clk, &cancel) }, true
}

func (s *served) leave(clk clock.PassiveClock, watch *context.CancelCauseFunc) {
	s.mu.Lock()
	s.requests--
	s.used = clk.Now()
	if watch != nil {
		delete(s.watches, watch)
	}
	s.mu.Unlock()
	if watch != nil {
		(*watch)(context.Canceled)
	}
}

// idleSince reports whether no request has been under way since t.
func (s *served) idleSince(t time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests == 0 && s.used.Before(t)
}

// weighed notes what the handler holds.
func (s *served) weighed(weight int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.weight = weight
}

func (s *served) standing(shape string) standing {
	s.mu.Lock()
	defer s.mu.Unlock()
	return standing{shape: shape, weight: s.weight, busy: s.requests > 0, used: s.used}
}

// retire refuses further requests, ends the watches, and has the upstream
// handler destroy its storage once the rest is answered.
func (s *served) retire() {
	s.mu.Lock()
	if s.retired {
		s.mu.Unlock()
		return
	}
	s.retired = true
	watches := make([]*context.CancelCauseFunc, 0, len(s.watches))
	for cancel := range s.watches {
		watches = append(watches, cancel)
	}
	s.mu.Unlock()
	for _, cancel := range watches {
		(*cancel)(errRetired)
	}
	s.once.Do(func() { s.err = errRetired }) // never asked for
	if s.world != nil {
		s.world.withdraw()
	}
}

// opened remembers how to close a store of the handler.
func (s *served) opened(closeStore func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stores = append(s.stores, closeStore)
}

// closeStores does at once what the upstream handler does when requests have
// drained.
func (s *served) closeStores() {
	s.mu.Lock()
	stores := s.stores
	s.stores = nil
	s.mu.Unlock()
	for _, closeStore := range stores {
		closeStore()
	}
}

func isWatch(ctx context.Context) bool {
	info, ok := apirequest.RequestInfoFrom(ctx)
	return ok && info.Verb == "watch"
}
