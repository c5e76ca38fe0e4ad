package partition

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/cacher"
	"k8s.io/apiserver/pkg/storage/storagebackend"

	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// warmUp bounds how long a request waits for a cache it has just started. When
// it runs out the cache answers "too many requests, try again", as it does
// whenever it has lost etcd.
const warmUp = 10 * time.Second

// errStopped is returned by a cache whose store was closed.
var errStopped = errors.New("storage is closed")

// cacheSettings is what a watch cache is made of.
type cacheSettings struct {
	config               *storagebackend.ConfigForResource
	layout               keyspace.Layout
	keyFunc              func(runtime.Object) (string, error)
	newFunc, newListFunc func() runtime.Object
	attrs                storage.AttrFunc
}

// lazyCache is the upstream watch cache, started by the first request that
// needs one. Until then it is nothing but the raw store: of the some fifty
// native resources most are never watched, and each cache costs memory.
type lazyCache struct {
	storage.Interface // the raw store

	settings cacheSettings
	running  atomic.Pointer[runningCache]

	mu      sync.Mutex // held while starting and stopping
	stopped bool
}

// runningCache is a started watch cache.
type runningCache struct {
	*cacher.CacheDelegator
	cacher *cacher.Cacher
	feed   *cacheFeed
}

func newLazyCache(raw storage.Interface, settings cacheSettings) *lazyCache {
	return &lazyCache{Interface: raw, settings: settings}
}

// start returns the running cache, after starting it if need be.
func (l *lazyCache) start() (*runningCache, error) {
	if running := l.running.Load(); running != nil {
		return running, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if running := l.running.Load(); running != nil {
		return running, nil
	}
	if l.stopped {
		return nil, errStopped
	}
	feed := &cacheFeed{ownStream: ownStream{l.Interface, l.settings.layout.Prefix()}}
	started, err := cacher.NewCacherFromConfig(l.settings.cacherConfig(feed))
	if err != nil {
		return nil, fmt.Errorf("starting the cache of %s: %w", l.settings.config.GroupResource, err)
	}
	running := &runningCache{CacheDelegator: cacher.NewCacheDelegator(started, l.Interface), cacher: started, feed: feed}
	l.running.Store(running)
	return running, nil
}

// cacherConfig describes the cache of all workspaces. Watchers are indexed by
// workspace: without it every event of every workspace would be offered to
// every watcher.
func (s cacheSettings) cacherConfig(inner storage.Interface) cacher.Config {
	return cacher.Config{
		Storage:             inner,
		Versioner:           storage.APIObjectVersioner{},
		GroupResource:       s.config.GroupResource,
		EventsHistoryWindow: s.config.EventsHistoryWindow,
		ResourcePrefix:      s.layout.Prefix(),
		KeyFunc:             s.key,
		GetAttrsFunc:        s.attrs,
		IndexerFuncs:        storage.IndexerFuncs{workspaceField: indexValue},
		NewFunc:             s.newFunc,
		NewListFunc:         s.newListFunc,
		Codec:               s.config.Codec,
	}
}

// key finds the stored key of a cached object from its stamp.
func (s cacheSettings) key(obj runtime.Object) (string, error) {
	key, err := s.keyFunc(obj)
	if err != nil {
		return "", err
	}
	return s.layout.Stamped(stampOf(obj), key)
}

func (l *lazyCache) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	if running := l.running.Load(); running != nil {
		running.Stop()
		running.cacher.Stop()
	}
}

// ready starts the cache if need be and waits until it has read its resource.
func (l *lazyCache) ready(ctx context.Context) (*runningCache, error) {
	running, err := l.start()
	if err != nil || running.cacher.Ready() {
		return running, err
	}
	ctx, cancel := context.WithTimeout(ctx, warmUp)
	defer cancel()
	_ = running.cacher.Wait(ctx) // an unready cache answers for itself
	return running, nil
}

// Watch starts the cache. A watch from before the cache began is served by
// etcd: whoever listed a resource that was not cached yet, and goes on to
// watch it, must not be told that the revision just seen is too old.
func (l *lazyCache) Watch(ctx context.Context, key string, opts storage.ListOptions) (watch.Interface, error) {
	if l.withoutCache(ctx) {
		return l.watchEtcd(ctx, key, opts)
	}
	running, err := l.ready(ctx)
	if err != nil {
		return nil, err
	}
	revision, err := l.Versioner().ParseResourceVersion(opts.ResourceVersion)
	if err != nil || revision == 0 || revision >= running.feed.floor.Load() {
		return running.Watch(ctx, key, opts)
	}
	return l.watchEtcd(ctx, key, opts)
}

func (l *lazyCache) watchEtcd(ctx context.Context, key string, opts storage.ListOptions) (watch.Interface, error) {
	opts.ProgressNotify = opts.ProgressNotify || opts.Predicate.AllowWatchBookmarks
	return l.Interface.Watch(ctx, key, opts)
}

// withoutCache reports whether a list or watch is to be answered by etcd. Parts
// of the hub that know no workspaces watch a few objects in system:admin for as
// long as it runs. That is no reason to hold the objects of all workspaces in
// memory, among them two ConfigMaps with a certificate of each.
func (l *lazyCache) withoutCache(ctx context.Context) bool {
	scope, _ := keyspace.ScopeFrom(ctx)
	workspace, single := scope.Workspace()
	return single && workspace == logicalcluster.SystemAdmin && l.running.Load() == nil
}

// GetList starts the cache if the caller accepts what a cache holds. A list
// that wants the newest state is cheap in etcd as long as nobody watches: it
// reads the keys of one workspace.
func (l *lazyCache) GetList(ctx context.Context, key string, opts storage.ListOptions, list runtime.Object) error {
	if l.running.Load() == nil && !acceptsCached(opts) || l.withoutCache(ctx) {
		return l.Interface.GetList(ctx, key, opts, list)
	}
	running, err := l.ready(ctx)
	if err != nil {
		return err
	}
	return running.GetList(ctx, key, opts, list)
}

// acceptsCached reports whether opts ask for a state not older than some
// version, as informers do.
func acceptsCached(opts storage.ListOptions) bool {
	return opts.ResourceVersionMatch == metav1.ResourceVersionMatchNotOlderThan ||
		opts.ResourceVersionMatch == "" && opts.ResourceVersion == "0"
}

// Get uses the cache if it runs; alone it is no reason to start one.
func (l *lazyCache) Get(ctx context.Context, key string, opts storage.GetOptions, out runtime.Object) error {
	if running := l.running.Load(); running != nil {
		return running.Get(ctx, key, opts, out)
	}
	return l.Interface.Get(ctx, key, opts, out)
}

// Delete lets a running cache save the read before the write.
func (l *lazyCache) Delete(ctx context.Context, key string, out runtime.Object, preconditions *storage.Preconditions,
	validate storage.ValidateObjectFunc, cached runtime.Object, opts storage.DeleteOptions) error {
	if running := l.running.Load(); running != nil {
		return running.Delete(ctx, key, out, preconditions, validate, cached, opts)
	}
	return l.Interface.Delete(ctx, key, out, preconditions, validate, cached, opts)
}

// GuaranteedUpdate lets a running cache save the read before the write.
func (l *lazyCache) GuaranteedUpdate(ctx context.Context, key string, out runtime.Object, ignoreNotFound bool,
	preconditions *storage.Preconditions, update storage.UpdateFunc, cached runtime.Object) error {
	if running := l.running.Load(); running != nil {
		return running.GuaranteedUpdate(ctx, key, out, ignoreNotFound, preconditions, update, cached)
	}
	return l.Interface.GuaranteedUpdate(ctx, key, out, ignoreNotFound, preconditions, update, cached)
}

// CompactRevision asks a running cache, which knows of compactions elsewhere.
func (l *lazyCache) CompactRevision() int64 {
	if running := l.running.Load(); running != nil {
		return running.CompactRevision()
	}
	return l.Interface.CompactRevision()
}

// ReadinessCheck is true before the cache is started: every request can be
// answered then. Once started it says what the cache says.
func (l *lazyCache) ReadinessCheck() error {
	if running := l.running.Load(); running != nil {
		return running.ReadinessCheck()
	}
	return l.Interface.ReadinessCheck()
}
