package customresources

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/storage/storagebackend/factory"
	"k8s.io/client-go/tools/cache"
)

// options adjusts what the stores of one handler get.
type options struct {
	generic.RESTOptionsGetter
	// opened is told how to close each store.
	opened func(closeStore func())
}

// GetRESTOptions turns off the upstream counting of objects: it is one
// goroutine and one metric series for each version of each shape.
func (o options) GetRESTOptions(resource schema.GroupResource, example runtime.Object) (generic.RESTOptions, error) {
	restOptions, err := o.RESTOptionsGetter.GetRESTOptions(resource, example)
	if err != nil {
		return generic.RESTOptions{}, fmt.Errorf("find storage for %s: %w", resource, err)
	}
	restOptions.CountMetricPollPeriod = 0
	restOptions.StorageObjectCountTracker = nil
	restOptions.Decorator = o.observe(restOptions.Decorator)
	return restOptions, nil
}

// observe returns decorator, but opened hears of each store it makes.
func (o options) observe(decorator generic.StorageDecorator) generic.StorageDecorator {
	return func(config *storagebackend.ConfigForResource, prefix string, keyFunc func(runtime.Object) (string, error),
		newFunc, newListFunc func() runtime.Object, getAttrs storage.AttrFunc, triggers storage.IndexerFuncs, indexers *cache.Indexers,
	) (storage.Interface, factory.DestroyFunc, error) {
		store, destroy, err := decorator(config, prefix, keyFunc, newFunc, newListFunc, getAttrs, triggers, indexers)
		if err != nil {
			return nil, nil, err
		}
		o.opened(destroy)
		return store, destroy, nil
	}
}
