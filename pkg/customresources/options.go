package customresources

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/generic"
)

// options adjusts what every store of custom resources gets.
type options struct{ generic.RESTOptionsGetter }

// GetRESTOptions turns off the upstream counting of objects: it is one
// goroutine and one metric series for each version of each shape.
func (o options) GetRESTOptions(resource schema.GroupResource, example runtime.Object) (generic.RESTOptions, error) {
	restOptions, err := o.RESTOptionsGetter.GetRESTOptions(resource, example)
	if err != nil {
		return generic.RESTOptions{}, fmt.Errorf("find storage for %s: %w", resource, err)
	}
	restOptions.CountMetricPollPeriod = 0
	restOptions.StorageObjectCountTracker = nil
	return restOptions, nil
}
