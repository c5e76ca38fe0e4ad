package mounts

import (
	"context"
	"fmt"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"github.com/atriumhub/atrium/pkg/mounts/doors"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// board holds what matters of the objects of one source, and tells those who
// refer to them. A reflector writes to it.
type board struct {
	wake func(logicalcluster.Key)
	stop context.CancelFunc

	mu      sync.Mutex
	synced  bool
	objects map[types.NamespacedName]doors.Object
	// readers are the mounts that refer to an object, which need not be there.
	readers map[types.NamespacedName]map[logicalcluster.Key]struct{}
}

var _ cache.ReflectorStore = (*board)(nil)

func newBoard(wake func(logicalcluster.Key), stop context.CancelFunc) *board {
	return &board{
		wake: wake, stop: stop,
		objects: map[types.NamespacedName]doors.Object{},
		readers: map[types.NamespacedName]map[logicalcluster.Key]struct{}{},
	}
}

// follow watches the source until ctx ends.
func (b *board) follow(ctx context.Context, hub *client.Hub, from source) {
	resource := hub.Dynamic(from.workspace.Path()).Resource(from.resource)
	listed := listWatch{&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return resource.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return resource.Watch(ctx, options)
		},
	}}
	cache.NewReflectorWithOptions(listed, &unstructured.Unstructured{}, b, cache.ReflectorOptions{Name: "mounts"}).RunWithContext(ctx)
}

// listWatch lists, then watches: the hub's watches do not begin with a list.
type listWatch struct{ *cache.ListWatch }

// IsWatchListSemanticsUnSupported tells the reflector.
func (listWatch) IsWatchListSemanticsUnSupported() bool { return true }

func (b *board) join(key logicalcluster.Key, name types.NamespacedName) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.readers[name] == nil {
		b.readers[name] = map[logicalcluster.Key]struct{}{}
	}
	b.readers[name][key] = struct{}{}
}

// leave reports whether nobody is left.
func (b *board) leave(key logicalcluster.Key, name types.NamespacedName) (last bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.readers[name], key)
	if len(b.readers[name]) == 0 {
		delete(b.readers, name)
	}
	return len(b.readers) == 0
}

func (b *board) get(name types.NamespacedName) (object *doors.Object, known bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if found, ok := b.objects[name]; ok {
		return &found, b.synced
	}
	return nil, b.synced
}

// Add implements cache.ReflectorStore.
func (b *board) Add(obj any) error { return b.Update(obj) }

// Update implements cache.ReflectorStore.
func (b *board) Update(obj any) error {
	object, name, err := read(obj)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if before, ok := b.objects[name]; !ok || before != object {
		b.objects[name] = object
		b.tell(name)
	}
	return nil
}

// Delete implements cache.ReflectorStore.
func (b *board) Delete(obj any) error {
	_, name, err := read(obj)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.objects, name)
	b.tell(name)
	return nil
}

// Replace implements cache.ReflectorStore.
func (b *board) Replace(list []any, _ string) error {
	objects := make(map[types.NamespacedName]doors.Object, len(list))
	for _, obj := range list {
		object, name, err := read(obj)
		if err != nil {
			return err
		}
		objects[name] = object
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.objects, b.synced = objects, true
	for name := range b.readers {
		b.tell(name)
	}
	return nil
}

// Resync implements cache.ReflectorStore.
func (b *board) Resync() error { return nil }

// tell wakes the mounts that refer to name.
func (b *board) tell(name types.NamespacedName) {
	for key := range b.readers[name] {
		b.wake(key)
	}
}

func read(obj any) (doors.Object, types.NamespacedName, error) {
	raw, ok := obj.(*unstructured.Unstructured)
	if !ok {
		return doors.Object{}, types.NamespacedName{}, fmt.Errorf("the watch brought %T", obj)
	}
	return doors.ObjectOf(raw), types.NamespacedName{Namespace: raw.GetNamespace(), Name: raw.GetName()}, nil
}
