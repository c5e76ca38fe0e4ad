package server

import (
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/partition"
)

// stores are the partitioned doors to storage: one for each codec.
type stores struct {
	natives, crds, customResources *partition.Getter
}

// customResourceMetrics is the name under which tenants' resources share their
// time series.
var customResourceMetrics = &schema.GroupResource{Group: "atrium.io", Resource: "customresources"}

func newStores(up *upstream, systemCRDs []*apiextensionsv1.CustomResourceDefinition) (*stores, error) {
	s := &stores{natives: partition.New(up.native, partition.Config{})}
	s.crds = s.natives.Sibling(up.crds, partition.Config{})
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
