package bindings

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/klog/v2"

	"github.com/atriumhub/atrium/pkg/loop"
	"github.com/atriumhub/atrium/pkg/schemas"
	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const (
	// leftoverAfter is how often copies that nobody has bound are looked for, and
	// how old they are at least: what was unbound may be bound again soon.
	leftoverAfter = 10 * time.Minute
	// leftoversAtOnce bounds how many are removed while bindings wait.
	leftoversAtOnce = 20
)

// copies keeps those who name copies of schemas in a status and those who remove
// copies apart, so that no status names one that is gone (B5).
type copies struct {
	// naming is held for reading from the look whether a copy is there until the
	// status that names it is known here, and for writing while one is removed.
	naming sync.RWMutex
	mu     sync.Mutex
	// removed are copies that were removed, until that is seen.
	removed map[string]bool
}

func (c *copies) remove(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.removed == nil {
		c.removed = map[string]bool{}
	}
	c.removed[name] = true
}

// seen is called when a copy was seen to come or to go.
func (c *copies) seen(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.removed, name)
}

func (c *copies) isRemoved(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.removed[name]
}

// leftovers is the loop that removes copies of schemas which nobody has bound.
type leftovers struct{ keeper *keeper }

var _ loop.Controller = leftovers{}

// Name implements loop.Controller.
func (leftovers) Name() string { return "bound-schemas" }

// Run implements loop.Controller.
func (l leftovers) Run(ctx context.Context) {
	ticker := l.keeper.Clock.NewTicker(leftoverAfter)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
			if err := l.keeper.removeLeftovers(ctx); err != nil && ctx.Err() == nil {
				klog.FromContext(ctx).Error(err, "Removing schemas that nobody has bound failed; trying again", "after", leftoverAfter)
			}
		}
	}
}

// removeLeftovers removes copies that nobody has bound and that are not new.
func (k *keeper) removeLeftovers(ctx context.Context) error {
	candidates := k.unused(k.Schemas.In(logicalcluster.SystemBoundCRDs))
	for len(candidates) > 0 {
		n := min(len(candidates), leftoversAtOnce)
		if err := k.removeUnused(ctx, candidates[:n]); err != nil {
			return err
		}
		candidates = candidates[n:]
	}
	return nil
}

// removeUnused removes those of candidates that are still unused when no binding
// is being judged.
func (k *keeper) removeUnused(ctx context.Context, candidates []*apisv1alpha1.APIResourceSchema) error {
	k.copies.naming.Lock()
	defer k.copies.naming.Unlock()
	for _, unused := range k.unused(candidates) {
		k.copies.remove(unused.Name)
		err := k.hub.Remove(ctx, schemasGVR, client.KeyOf(unused), unused.UID)
		if err != nil && !apierrors.IsNotFound(err) {
			k.copies.seen(unused.Name)
			return fmt.Errorf("failed to remove the copy %s: %w", unused.Name, err)
		}
	}
	return nil
}

// unused returns those of all that are old enough and in no status.
func (k *keeper) unused(all []*apisv1alpha1.APIResourceSchema) []*apisv1alpha1.APIResourceSchema {
	used := map[string]bool{}
	for _, binding := range k.APIBindings.All() {
		latest := k.ahead.latest(binding)
		for i := range latest.Status.BoundResources {
			used[copyOf(&latest.Status.BoundResources[i])] = true
		}
	}
	var unused []*apisv1alpha1.APIResourceSchema
	for _, copied := range all {
		if !used[copied.Name] && k.Clock.Since(copied.CreationTimestamp.Time) >= leftoverAfter {
			unused = append(unused, copied)
		}
	}
	return unused
}

// hasCopy reports whether there is a copy of the given name, as far as is known.
func (k *keeper) hasCopy(name string) bool {
	_, found := k.Schemas.Get(logicalcluster.Key{Workspace: logicalcluster.SystemBoundCRDs, Name: name})
	return found && !k.copies.isRemoved(name)
}

// copyNameOf is what the copy of a schema is called.
func copyNameOf(schema *apisv1alpha1.APIResourceSchema) string {
	return schemas.CopyName(schema.UID, schema.Spec.Names.Plural, schema.Spec.Group)
}
