package informers

import (
	"context"
	"fmt"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/utils/clock"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Config describes an Informer for objects of type T.
type Config[T metav1.Object] struct {
	// Name is for logs: "workspaces".
	Name string
	// Storage is partitioned storage of the resource.
	Storage storage.Interface
	// Prefix is the resource prefix that Storage was opened with. When empty,
	// Storage must be able to tell: see Described.
	Prefix string
	// NewList returns an empty list to read pages into. When nil, Storage must
	// be able to tell: see Described.
	NewList func() runtime.Object
	// Convert makes a T of what storage returns; nil is a type assertion.
	Convert func(runtime.Object) (T, error)
	// Clock is the real one when nil.
	Clock clock.Clock
}

// Described is storage that knows what it was opened with.
type Described interface {
	// ResourcePrefix returns the prefix above the workspaces.
	ResourcePrefix() string
	// NewList returns an empty list of the stored type.
	NewList() runtime.Object
}

// ChangeFunc is told of a change. old is the zero T for an added object, new
// for a deleted one.
type ChangeFunc[T metav1.Object] = func(old, new T, key logicalcluster.Key)

// Informer is a copy in memory of all objects of one kind. Make it with New.
// Reading methods may be called at any time, also while it is not synced.
type Informer[T metav1.Object] struct {
	config Config[T]

	mu    sync.RWMutex
	store *store[T]

	handlersMu sync.RWMutex
	handlers   []ChangeFunc[T]

	syncOnce sync.Once
	synced   chan struct{}
}

// New returns an Informer that is empty until Run. It panics if neither config
// nor the storage says what to list.
func New[T metav1.Object](config Config[T]) *Informer[T] {
	config = described(config)
	if config.Convert == nil {
		config.Convert = assert[T]
	}
	if config.Clock == nil {
		config.Clock = clock.RealClock{}
	}
	return &Informer[T]{
		config: config,
		store:  newStore[T](),
		synced: make(chan struct{}),
	}
}

// described fills in what the storage knows of itself.
func described[T metav1.Object](config Config[T]) Config[T] {
	if config.Prefix != "" && config.NewList != nil {
		return config
	}
	storage, ok := config.Storage.(Described)
	if !ok {
		panic(fmt.Sprintf("informers: %s needs Prefix and NewList", config.Name))
	}
	if config.Prefix == "" {
		config.Prefix = storage.ResourcePrefix()
	}
	if config.NewList == nil {
		config.NewList = storage.NewList
	}
	return config
}

func assert[T metav1.Object](obj runtime.Object) (T, error) {
	typed, ok := obj.(T)
	if !ok {
		var want T
		return want, fmt.Errorf("storage returned %T instead of %T", obj, want)
	}
	return typed, nil
}

// OnChange has f called for every change from now on. Handlers are called one
// after the other, in the order changes are applied; a slow one holds up the
// informer. Register before Run to see every object.
func (i *Informer[T]) OnChange(f ChangeFunc[T]) {
	i.handlersMu.Lock()
	defer i.handlersMu.Unlock()
	i.handlers = append(i.handlers, f)
}

// Name returns the configured name.
func (i *Informer[T]) Name() string { return i.config.Name }

// HasSynced reports whether the first complete state was read and every
// handler has been told of it.
func (i *Informer[T]) HasSynced() bool {
	select {
	case <-i.synced:
		return true
	default:
		return false
	}
}

// Synced is closed when HasSynced becomes true.
func (i *Informer[T]) Synced() <-chan struct{} { return i.synced }

// Get returns the object named by key.
func (i *Informer[T]) Get(key logicalcluster.Key) (T, bool) {
	i.mu.RLock()
	defer i.mu.RUnlock()
	return i.store.get(key)
}

// In returns the objects of one workspace, in no particular order.
func (i *Informer[T]) In(workspace logicalcluster.Name) []T {
	i.mu.RLock()
	defer i.mu.RUnlock()
	return i.store.in(workspace)
}

// All returns the objects of all workspaces, in no particular order.
func (i *Informer[T]) All() []T {
	i.mu.RLock()
	defer i.mu.RUnlock()
	return i.store.all()
}

// Len returns the number of objects.
func (i *Informer[T]) Len() int {
	i.mu.RLock()
	defer i.mu.RUnlock()
	return i.store.count
}

// Run keeps the copy up to date until ctx ends. An Informer runs once.
func (i *Informer[T]) Run(ctx context.Context) {
	(&follower[T]{informer: i}).run(ctx)
}

// KeyOf returns the key of an object that carries its workspace's stamp.
func KeyOf(obj metav1.Object) logicalcluster.Key {
	return logicalcluster.Key{
		Workspace: logicalcluster.From(obj),
		Namespace: obj.GetNamespace(),
		Name:      obj.GetName(),
	}
}
