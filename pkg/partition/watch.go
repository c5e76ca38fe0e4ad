package partition

import (
	"context"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/fields"
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
	if s.indexed {
		opts.Predicate = indexedPredicate(scope, opts.Predicate)
		return s.Interface.Watch(ctx, inner, opts)
	}
	opts.ProgressNotify = opts.ProgressNotify || opts.Predicate.AllowWatchBookmarks
	watcher, err := s.Interface.Watch(ctx, inner, opts)
	if err != nil {
		return nil, err
	}
	return verifyWatch(ctx, watcher, scope, inner), nil
}

// indexedPredicate adds to p by what a cache finds the watchers of an event: the
// workspace. Everywhere, objects that belong to no workspace are left out.
func indexedPredicate(scope keyspace.Scope, p storage.SelectionPredicate) storage.SelectionPredicate {
	p.GetAttrs = stampedAttrs(p.GetAttrs) // for etcd, should the watch be served by it
	if name, single := scope.Workspace(); single {
		p.IndexFields = []string{workspaceField}
		p.Field = require(p.Field, workspaceField, string(name))
	}
	if scope.All() {
		p.Field = fields.AndSelectors(p.Field, fields.OneTermNotEqualSelector(workspaceField, ""))
	}
	return p
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
