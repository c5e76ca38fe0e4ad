package partition

import (
	"fmt"
	"path"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/storage/storagebackend/factory"
	"k8s.io/client-go/tools/cache"

	"github.com/atriumhub/atrium/pkg/keyspace"
)

// Config says how the resources of one Getter are kept.
type Config struct {
	// Cached decides which resources get a watch cache once somebody watches
	// them; the others are read from and watched in etcd. Nil caches all.
	Cached func(schema.GroupResource) bool

	// Segment is added to the inner getter's resource prefix: "" for native
	// resources, "customresources" or an identity hash for custom ones.
	Segment string

	// MetricsResource replaces the resource in storage metrics, so that custom
	// resources named by tenants do not each make a time series. When it is
	// set, objects are not counted per resource either. Nil keeps the name.
	MetricsResource *schema.GroupResource

	// Forgettable says that resources come and go with those who name them: a
	// closed store leaves nothing behind that Forget does not look at.
	Forgettable bool
}

// Getter is a generic.RESTOptionsGetter whose stores are partitioned by
// workspace. Make it with New.
type Getter struct {
	inner  generic.RESTOptionsGetter
	config Config
	shared *shared
}

var _ generic.RESTOptionsGetter = (*Getter)(nil)

// New returns a Getter for what inner would store unpartitioned. Nothing is
// connected before the first store is made.
func New(inner generic.RESTOptionsGetter, config Config) *Getter {
	return &Getter{inner: inner, config: config, shared: newShared()}
}

// Sibling returns a Getter that shares connections and the list of known
// resources with g, but stores differently. Counts and Purge of either cover
// both.
func (g *Getter) Sibling(inner generic.RESTOptionsGetter, config Config) *Getter {
	return &Getter{inner: inner, config: config, shared: g.shared}
}

// GetRESTOptions implements generic.RESTOptionsGetter.
func (g *Getter) GetRESTOptions(resource schema.GroupResource, example runtime.Object) (generic.RESTOptions, error) {
	options, err := g.inner.GetRESTOptions(resource, example)
	if err != nil {
		return generic.RESTOptions{}, fmt.Errorf("getting storage options of %s: %w", resource, err)
	}
	options.ResourcePrefix = g.prefix(options)
	options.Decorator = g.decorate
	if g.config.MetricsResource != nil {
		options.CountMetricPollPeriod = 0
	}
	return options, nil
}

// prefix is where the resource lies, above the workspaces.
func (g *Getter) prefix(options generic.RESTOptions) string {
	return path.Join("/", options.ResourcePrefix, g.config.Segment)
}

// decorate implements generic.StorageDecorator. The caller's index functions
// are left out: they know nothing of workspaces, and the one trigger a cache
// can have is ours.
func (g *Getter) decorate(
	config *storagebackend.ConfigForResource,
	resourcePrefix string,
	keyFunc func(runtime.Object) (string, error),
	newFunc, newListFunc func() runtime.Object,
	getAttrs storage.AttrFunc,
	_ storage.IndexerFuncs,
	_ *cache.Indexers,
) (storage.Interface, factory.DestroyFunc, error) {
	layout, err := keyspace.NewLayout(resourcePrefix)
	if err != nil {
		return nil, nil, err
	}
	resource := config.GroupResource
	raw, destroy, err := g.shared.open(g.labelled(config), layout, resource, g.config.Forgettable, newFunc, newListFunc)
	if err != nil {
		return nil, nil, fmt.Errorf("opening storage of %s: %w", resource, err)
	}
	attrs := stampedAttrs(getAttrs)
	if !g.cached(resource) {
		return &store{Interface: raw.Interface, layout: layout, resource: resource, attrs: attrs, newList: newListFunc}, destroy, nil
	}
	lazy := newLazyCache(raw.Interface, cacheSettings{
		config:      g.labelled(config),
		layout:      layout,
		keyFunc:     keyFunc,
		newFunc:     newFunc,
		newListFunc: newListFunc,
		attrs:       attrs,
	})
	stop := func() { lazy.stop(); destroy() }
	return &store{Interface: lazy, layout: layout, resource: resource, attrs: attrs, newList: newListFunc, indexed: true}, stop, nil
}

// labelled returns config under the resource name that metrics shall show.
func (g *Getter) labelled(config *storagebackend.ConfigForResource) *storagebackend.ConfigForResource {
	if g.config.MetricsResource == nil {
		return config
	}
	copied := *config
	copied.GroupResource = *g.config.MetricsResource
	return &copied
}

func (g *Getter) cached(resource schema.GroupResource) bool {
	return g.config.Cached == nil || g.config.Cached(resource)
}

// OpenConfig describes storage opened for use inside the process.
type OpenConfig struct {
	// GroupResource names the resource to the inner getter.
	GroupResource schema.GroupResource
	// Prefix is the resource prefix above the workspaces, such as
	// "/core.kcp.io/logicalclusters/customresources". When empty it is the one
	// stores of this Getter have.
	Prefix string
	// Codec decodes what is stored and encodes what is written. When nil it is
	// the inner getter's.
	Codec runtime.Codec
	// NewFunc and NewListFunc return empty objects of the type to decode to.
	NewFunc, NewListFunc func() runtime.Object
}

// Open returns partitioned storage without a cache, for informers of the hub.
// The returned function closes it.
func (g *Getter) Open(open OpenConfig) (storage.Interface, func(), error) {
	options, err := g.inner.GetRESTOptions(open.GroupResource, open.NewFunc())
	if err != nil {
		return nil, nil, fmt.Errorf("getting storage options of %s: %w", open.GroupResource, err)
	}
	config := *options.StorageConfig
	config.GroupResource = open.GroupResource
	if open.Codec != nil {
		config.Codec = open.Codec
	}
	prefix := g.prefix(options)
	if open.Prefix != "" {
		prefix = "/" + strings.Trim(open.Prefix, "/")
	}
	layout, err := keyspace.NewLayout(prefix)
	if err != nil {
		return nil, nil, err
	}
	raw, destroy, err := g.shared.open(g.labelled(&config), layout, open.GroupResource, g.config.Forgettable, open.NewFunc, open.NewListFunc)
	if err != nil {
		return nil, nil, fmt.Errorf("opening storage of %s: %w", open.GroupResource, err)
	}
	attrs := stampedAttrs(storage.DefaultNamespaceScopedAttr)
	return &store{
		Interface: ownStream{raw.Interface, "open:" + layout.Prefix()},
		layout:    layout,
		resource:  open.GroupResource,
		attrs:     attrs,
		newList:   open.NewListFunc,
		direct:    raw.direct,
	}, destroy, nil
}
