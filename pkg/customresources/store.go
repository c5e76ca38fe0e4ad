package customresources

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apiextensions-apiserver/pkg/registry/customresource"
	"k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/utils/clock"

	"github.com/atriumhub/atrium/pkg/schemas"
)

// Store lets do have the store that the handler of api writes objects with, in the
// version that they are stored in. It is for what is no request: what goes to its
// Storage is neither admitted nor validated. The scope is in the context, as
// everywhere.
func (h *Handlers) Store(ctx context.Context, api *schemas.API, do func(context.Context, *registry.Store) error) error {
	for {
		entry, err := h.entry(api)
		if errors.Is(err, errRetired) {
			continue // while it was being made: make a new one
		}
		if err != nil {
			return fmt.Errorf("make the handler of %s: %w", api.GroupResource(), err)
		}
		if served, err := entry.use(ctx, h.config.Clock, api, do); served {
			return err
		}
	}
}

// use counts as a request. It returns false without having called do when the
// handler was retired before.
func (s *served) use(ctx context.Context, clk clock.PassiveClock, api *schemas.API, do func(context.Context, *registry.Store) error) (bool, error) {
	ctx, leave, ok := s.enter(ctx, clk)
	if !ok {
		return false, nil
	}
	defer leave()
	store, err := s.handler.GetCustomResourceListerCollectionDeleter(api.CRD)
	if err != nil {
		return true, fmt.Errorf("find the store of %s: %w", api.GroupResource(), err)
	}
	return true, do(ctx, store.(*customresource.REST).Store)
}
