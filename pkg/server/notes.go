package server

import (
	"context"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/klog/v2"

	"github.com/atriumhub/atrium/pkg/loop"
	"github.com/atriumhub/atrium/pkg/partition"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// noteDefinitions makes workspace deletion know of tenants' resources, also of
// those nobody asked for since the hub started, and only as long as need be:
// tenants invent names, and every deletion looks at all of them.
func (h *Hub) noteDefinitions() {
	custom := h.stores.customResources
	h.models.definitions.OnChange(func(old, crd *apiextensionsv1.CustomResourceDefinition, _ logicalcluster.Key) {
		var err error
		switch {
		case old == nil && crd != nil:
			err = custom.Define(resourceOf(crd))
		case old != nil && crd == nil:
			err = custom.Undefine(resourceOf(old))
		}
		if err != nil {
			h.printf("cannot keep account of resources: %v", err)
		}
	})
}

func resourceOf(crd *apiextensionsv1.CustomResourceDefinition) schema.GroupResource {
	return schema.GroupResource{Group: crd.Spec.Group, Resource: crd.Spec.Names.Plural}
}

// forgetAfter is how often resources that nobody defines are looked at. While
// there are none that costs nothing.
const forgetAfter = time.Minute

// forgetting is the loop that forgets resources which tenants named.
type forgetting struct {
	known *partition.Getter
	// late hears of workspaces in which something is left of a resource that
	// nobody defines. One that is gone was written to while it went.
	late func(logicalcluster.Name)
}

var _ loop.Controller = forgetting{}

// Name implements loop.Controller.
func (forgetting) Name() string { return "forgetting" }

// Run implements loop.Controller.
func (f forgetting) Run(ctx context.Context) {
	ticker := time.NewTicker(forgetAfter)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := f.look(ctx); err != nil && ctx.Err() == nil {
				klog.FromContext(ctx).Error(err, "Forgetting resources failed; trying again", "after", forgetAfter)
			}
		}
	}
}

func (f forgetting) look(ctx context.Context) error {
	left, err := f.known.Forget(ctx)
	for _, name := range left {
		f.late(name)
	}
	return err
}
