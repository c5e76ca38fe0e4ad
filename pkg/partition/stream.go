package partition

import (
	"context"

	"google.golang.org/grpc/metadata"

	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/storage"
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
