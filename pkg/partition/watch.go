package partition

import (
	"context"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/storage"

	"github.com/atriumhub/atrium/pkg/keyspace"
)

// Watch implements storage.Interface. In a cache the watcher is filed under
// its workspace and never sees an event of another one.
func (s *store) Watch(ctx context.Context, key string, opts storage.ListOptions) (watch.Interface, error) {
	scope, rest, err := s.collection(ctx, "watch", key, opts.Recursive)
	if err != nil {
		return nil, err
	}
	inner, opts := s.narrow(scope, rest, opts)
	opts.Predicate.IndexFields, opts.Predicate.IndexLabels = nil, nil
	name, single := scope.Workspace()
	if s.indexed && single {
		opts.Predicate.IndexFields = []string{workspaceField}
		opts.Predicate.GetAttrs = stampedAttrs(opts.Predicate.GetAttrs)
		opts.Predicate.Field = require(opts.Predicate.Field, workspaceField, string(name))
	}
	if s.indexed {
		return s.Interface.Watch(ctx, inner, opts)
	}
	opts.ProgressNotify = opts.ProgressNotify || opts.Predicate.AllowWatchBookmarks
	watcher, err := s.Interface.Watch(ctx, inner, opts)
	if err != nil {
		return nil, err
	}
	return verifyWatch(ctx, watcher, scope, inner), nil
}

// bufferedEvents may still be read after a watch was stopped.
const bufferedEvents = 10

// verifiedWatch passes on the events of a watch in etcd, up to the first one
// whose object does not belong to scope (P4). Caches need no such check: they
// find the watcher, and the key of the object, by the stamp.
type verifiedWatch struct {
	watch.Interface
	out  chan watch.Event
	done chan struct{}
	once sync.Once
}

func verifyWatch(ctx context.Context, inner watch.Interface, scope keyspace.Scope, key string) watch.Interface {
	v := &verifiedWatch{Interface: inner, out: make(chan watch.Event, bufferedEvents), done: make(chan struct{})}
	go v.pass(ctx, scope, key)
	return v
}

// ResultChan implements watch.Interface.
func (v *verifiedWatch) ResultChan() <-chan watch.Event { return v.out }

// Stop implements watch.Interface.
func (v *verifiedWatch) Stop() {
	v.once.Do(func() {
		close(v.done)
		v.Interface.Stop()
	})
}

func (v *verifiedWatch) pass(ctx context.Context, scope keyspace.Scope, key string) {
	defer close(v.out)
	for event := range v.Interface.ResultChan() {
		err := verifyEvent(scope, key, event)
		if err != nil && scope.All() {
			continue // it belongs to nobody, see verifyList
		}
		if err != nil {
			status := apierrors.NewInternalError(err).Status()
			event = watch.Event{Type: watch.Error, Object: &status}
		}
		if !v.send(ctx, event) || err != nil {
			v.Interface.Stop()
			return
		}
	}
}

// send hands out event. Once nobody needs to read any more it does so only if
// there is room.
func (v *verifiedWatch) send(ctx context.Context, event watch.Event) bool {
	select {
	case v.out <- event:
		return true
	case <-v.done:
	case <-ctx.Done():
	}
	select {
	case v.out <- event:
		return true
	default:
		return false
	}
}

// verifyEvent checks the stamp of events that have an object of the resource.
func verifyEvent(scope keyspace.Scope, key string, event watch.Event) error {
	switch event.Type {
	case watch.Added, watch.Modified, watch.Deleted:
		return verify(scope, key, event.Object)
	default:
		return nil
	}
}
