package server

import (
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/generic"

	"github.com/atriumhub/atrium/pkg/partition"
)

// stores are the partitioned doors to storage: one for each codec.
type stores struct {
	natives, crds, customResources *partition.Getter
	// upstream is what customResources and bound partition.
	upstream generic.RESTOptionsGetter
}

// customResourceMetrics is the name under which tenants' resources share their
// time series.
var customResourceMetrics = &schema.GroupResource{Group: "atrium.io", Resource: "customresources"}

func newStores(up *upstream, systemCRDs []*apiextensionsv1.CustomResourceDefinition) (*stores, error) {
	s := &stores{natives: partition.New(up.native, partition.Config{}), upstream: up.customResources}
	s.crds = s.natives.Sibling(up.crds, partition.Config{
		// A cache would hold the schemas of all definitions of all workspaces, each for
		// itself, because somebody in one of them watches the few of his.
		Cached: func(schema.GroupResource) bool { return false },
	})
	s.customResources = s.natives.Sibling(up.customResources, partition.Config{
		// Custom resources are read from etcd: an idle tenant costs nothing.
		Cached:          func(schema.GroupResource) bool { return false },
		Segment:         "customresources",
		MetricsResource: customResourceMetrics,
		Forgettable:     true, // but for the hub's own, noted below
	})
	for _, crd := range systemCRDs {
		resource := schema.GroupResource{Group: crd.Spec.Group, Resource: crd.Spec.Names.Plural}
		if err := s.customResources.Note(resource); err != nil {
			return nil, fmt.Errorf("failed to note %s: %w", resource, err)
		}
	}
	return s, nil
}

// bound returns where objects of the exports with an identity are stored, or,
// without one, of definitions of workspaces themselves. A provider watches his
// objects in all workspaces, and so do their users: these have a watch cache, all
// workspaces together one.
func (s *stores) bound(identity string) *partition.Getter {
	if identity == "" {
		return s.customResources
	}
	return s.natives.Sibling(s.upstream, partition.Config{
		Segment: identity, MetricsResource: customResourceMetrics, Forgettable: true,
	})
}

// optionsOf is bound for those who know no partitions.
func (s *stores) optionsOf(identity string) generic.RESTOptionsGetter { return s.bound(identity) }
