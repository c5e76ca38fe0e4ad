package catalog

import (
	"context"
	"errors"
	"sync"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// ErrReplaced is why a held request ended: its workspace serves the resource
// differently now, or not at all.
var ErrReplaced = errors.New("the API was changed or removed in this workspace")

// holds are the requests that must end when what they are about changes.
type holds struct {
	mu sync.Mutex
	of map[logicalcluster.Name]map[*hold]struct{}
}

type hold struct {
	api    *API
	cancel context.CancelCauseFunc
}

// Hold returns a context that ends, with the cause ErrReplaced, when ws stops
// serving api as it is. Requests that last, such as watches, run under it, so
// that their clients come back and find the new schema, or 404. The caller
// must call release when the request is done.
func (c *Catalog) Hold(ctx context.Context, ws logicalcluster.Name, api *API) (held context.Context, release func()) {
	held, cancel := context.WithCancelCause(ctx)
	h := &hold{api: api, cancel: cancel}
	c.holds.add(ws, h)
	// The API may have been replaced since it was looked up.
	if now, ok := c.Lookup(ws, api.GroupResource()); !ok || now != api {
		cancel(ErrReplaced)
	}
	return held, func() {
		c.holds.remove(ws, h)
		cancel(context.Canceled)
	}
}

func (h *holds) add(ws logicalcluster.Name, one *hold) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.of == nil {
		h.of = map[logicalcluster.Name]map[*hold]struct{}{}
	}
	if h.of[ws] == nil {
		h.of[ws] = map[*hold]struct{}{}
	}
	h.of[ws][one] = struct{}{}
}

func (h *holds) remove(ws logicalcluster.Name, one *hold) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.of[ws], one)
	if len(h.of[ws]) == 0 {
		delete(h.of, ws)
	}
}

// release ends the requests of ws whose API is not in set.
func (h *holds) release(ws logicalcluster.Name, set *Set) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for one := range h.of[ws] {
		if now, ok := set.Lookup(one.api.GroupResource()); !ok || now != one.api {
			one.cancel(ErrReplaced)
		}
	}
}
