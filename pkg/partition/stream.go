package partition

import (
	"context"
	"fmt"
	"sync/atomic"

	"google.golang.org/grpc/metadata"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/klog/v2"
)

// streamHeader tells watches apart that shall not share a stream. etcd ignores
// it.
const streamHeader = "atrium-stream"

// ownStream is a store whose long-lived watch has a gRPC stream of its own on
// the shared connection. etcd answers "how far are you?" on a stream only when
// all watches on it have caught up; one stream for all would let every watch
// that starts somewhere delay consistent reads from every cache.
type ownStream struct {
	storage.Interface
	name string
}

// Watch implements storage.Interface.
func (o ownStream) Watch(ctx context.Context, key string, opts storage.ListOptions) (watch.Interface, error) {
	return o.Interface.Watch(o.context(ctx), key, opts)
}

// RequestWatchProgress implements storage.Interface.
func (o ownStream) RequestWatchProgress(ctx context.Context) error {
	return o.Interface.RequestWatchProgress(o.context(ctx))
}

func (o ownStream) context(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, streamHeader, o.name)
}

// IsWatchListSemanticsUnSupported is looked for by client-go under this name.
// It keeps the reflector inside a cache from collecting the initial state by
// watching: it would key it by namespace and name, so that equal names in
// different workspaces overwrote each other.
func (ownStream) IsWatchListSemanticsUnSupported() bool { return true }

// cacheFeed is the store below a watch cache, used by nobody else.
type cacheFeed struct {
	ownStream
	// floor is the revision of the first state the cache was given. Older ones
	// it has never known.
	floor atomic.Uint64
}

// GetList implements storage.Interface.
func (f *cacheFeed) GetList(ctx context.Context, key string, opts storage.ListOptions, list runtime.Object) error {
	if err := f.Interface.GetList(ctx, key, opts, list); err != nil {
		return err
	}
	accessor, err := meta.ListAccessor(list)
	if err != nil {
		return fmt.Errorf("reading the revision of a list: %w", err)
	}
	revision, err := f.Versioner().ParseResourceVersion(accessor.GetResourceVersion())
	if err != nil {
		return fmt.Errorf("reading the revision of a list: %w", err)
	}
	f.floor.CompareAndSwap(0, revision)
	return nil
}

// GetCurrentResourceVersion implements storage.Interface. A cache asks for the
// newest revision before a consistent read and then waits until its watch has
// come that far. If nothing of its own resource was written it waits for etcd
// to say so, and asks for that every 100 ms; in a hub somebody always writes
// something, so nearly every list would wait. Asking along with the revision
// makes it a round trip.
func (f *cacheFeed) GetCurrentResourceVersion(ctx context.Context) (uint64, error) {
	revision, err := f.Interface.GetCurrentResourceVersion(ctx)
	if err != nil {
		return 0, err
	}
	if err := f.Interface.RequestWatchProgress(f.context(context.Background())); err != nil {
		klog.FromContext(ctx).V(4).Info("Asking etcd for progress failed", "stream", f.name, "err", err)
	}
	return revision, nil
}
