package catalog

import (
	"context"
	"errors"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// ErrReplaced is why a held request ended: its workspace serves the resource
// differently now, or not at all.
var ErrReplaced = errors.New("the API was changed or removed in this workspace")

// hold is a request that must end when what it is about changes.
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
	leave := c.holds.Enter(ws, &hold{api: api, cancel: cancel})
	// The API may have been replaced since it was looked up.
	if now, ok := c.Lookup(ws, api.GroupResource()); !ok || now != api {
		cancel(ErrReplaced)
	}
	return held, func() {
		leave()
		cancel(context.Canceled)
	}
}

// letGo ends the requests of ws whose API is not in set.
func (c *Catalog) letGo(ws logicalcluster.Name, set *Set) {
	c.holds.Each(ws, func(one *hold) {
		if now, ok := set.Lookup(one.api.GroupResource()); !ok || now != one.api {
			one.cancel(ErrReplaced)
		}
	})
}
