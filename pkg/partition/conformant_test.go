package partition

import (
	"context"
	"reflect"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/storage"

	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// conformant shows one workspace of a partitioned store to a test that knows
// nothing of workspaces: it adds the Scope, which some tests lose with their
// context, and takes the stamp out of what comes back. Everything else must be
// as if the store were not partitioned.
type conformant struct {
	storage.Interface
	name logicalcluster.Name
}

func (c *conformant) scoped(ctx context.Context) context.Context {
	return keyspace.WithScope(ctx, keyspace.In(c.name))
}

func (c *conformant) Create(ctx context.Context, key string, obj, out runtime.Object, ttl uint64) error {
	copied := obj
	if !isNil(obj) {
		copied = obj.DeepCopyObject()
	}
	err := c.Interface.Create(c.scoped(ctx), key, copied, out, ttl)
	unstamp(out)
	return err
}

func (c *conformant) Get(ctx context.Context, key string, opts storage.GetOptions, out runtime.Object) error {
	err := c.Interface.Get(c.scoped(ctx), key, opts, out)
	unstamp(out)
	return err
}

// GetList reads into a new list: tests reuse theirs, with items that have lost
// their stamp.
func (c *conformant) GetList(ctx context.Context, key string, opts storage.ListOptions, list runtime.Object) error {
	if isNil(list) {
		return c.Interface.GetList(c.scoped(ctx), key, opts, list)
	}
	fresh := reflect.New(reflect.TypeOf(list).Elem()).Interface().(runtime.Object)
	err := c.Interface.GetList(c.scoped(ctx), key, opts, fresh)
	fresh = fresh.DeepCopyObject()
	_ = meta.EachListItem(fresh, func(item runtime.Object) error {
		removeStamp(item)
		return nil
	})
	reflect.ValueOf(list).Elem().Set(reflect.ValueOf(fresh).Elem())
	return err
}

func (c *conformant) Delete(ctx context.Context, key string, out runtime.Object, preconditions *storage.Preconditions,
	validate storage.ValidateObjectFunc, cached runtime.Object, opts storage.DeleteOptions) error {
	plain := func(ctx context.Context, obj runtime.Object) error {
		return validate(ctx, withoutStamp(obj))
	}
	err := c.Interface.Delete(c.scoped(ctx), key, out, preconditions, plain, c.stamped(cached), opts)
	unstamp(out)
	return err
}

func (c *conformant) GuaranteedUpdate(ctx context.Context, key string, out runtime.Object, ignoreNotFound bool,
	preconditions *storage.Preconditions, update storage.UpdateFunc, cached runtime.Object) error {
	plain := func(current runtime.Object, meta storage.ResponseMeta) (runtime.Object, *uint64, error) {
		updated, ttl, err := update(withoutStamp(current), meta)
		if err != nil {
			return nil, nil, err
		}
		return updated.DeepCopyObject(), ttl, nil
	}
	err := c.Interface.GuaranteedUpdate(c.scoped(ctx), key, out, ignoreNotFound, preconditions, plain, c.stamped(cached))
	unstamp(out)
	return err
}

func (c *conformant) Watch(ctx context.Context, key string, opts storage.ListOptions) (watch.Interface, error) {
	inner, err := c.Interface.Watch(c.scoped(ctx), key, opts)
	if err != nil {
		return nil, err
	}
	w := &unstampedWatch{Interface: inner, out: make(chan watch.Event, 100), done: make(chan struct{})}
	go w.pass(ctx)
	return w, nil
}

func (c *conformant) stamped(obj runtime.Object) runtime.Object {
	if isNil(obj) {
		return nil
	}
	obj = obj.DeepCopyObject()
	if err := stamp(obj, c.name); err != nil {
		panic(err)
	}
	return obj
}

type unstampedWatch struct {
	watch.Interface
	out  chan watch.Event
	done chan struct{}
	once sync.Once
}

func (w *unstampedWatch) ResultChan() <-chan watch.Event { return w.out }

func (w *unstampedWatch) Stop() {
	w.once.Do(func() { close(w.done); w.Interface.Stop() })
}

func (w *unstampedWatch) pass(ctx context.Context) {
	defer close(w.out)
	for event := range w.Interface.ResultChan() {
		if shared, ok := event.Object.(runtime.CacheableObject); ok {
			event.Object = shared.GetObject()
		}
		if event.Type != watch.Error {
			event.Object = withoutStamp(event.Object)
		}
		select {
		case w.out <- event:
			continue
		case <-w.done:
		case <-ctx.Done():
		}
		select {
		case w.out <- event:
		default:
			return
		}
	}
}

// unstamp takes the stamp out of obj, which may share its annotations with a
// cache.
func unstamp(obj runtime.Object) {
	if isNil(obj) {
		return
	}
	reflect.ValueOf(obj).Elem().Set(reflect.ValueOf(withoutStamp(obj)).Elem())
}

func withoutStamp(obj runtime.Object) runtime.Object {
	if isNil(obj) {
		return nil
	}
	obj = obj.DeepCopyObject()
	removeStamp(obj)
	return obj
}

func removeStamp(obj runtime.Object) {
	accessor, err := meta.Accessor(obj)
	if err != nil {
		return
	}
	annotations := accessor.GetAnnotations()
	delete(annotations, logicalcluster.AnnotationKey)
	if len(annotations) == 0 {
		accessor.SetAnnotations(nil)
	}
}

func isNil(obj runtime.Object) bool {
	return obj == nil || reflect.ValueOf(obj).IsNil()
}
