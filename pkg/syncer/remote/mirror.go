package remote

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// reconnect is how long a Mirror waits before it tries again: short at first, as
// most cuts are, and never so long that a person would wonder.
var reconnect = wait.Backoff{Duration: 200 * time.Millisecond, Factor: 2, Jitter: 0.5, Steps: 6, Cap: 8 * time.Second}

// reconnectReset is how long a connection has to hold before the next cut counts
// as the first.
const reconnectReset = 30 * time.Second

// place is where an object can be listed.
type place struct {
	workspace logicalcluster.Name
	namespace string
}

// Mirror holds the objects of a Collection as last seen. It survives cuts: what
// it held stays, and what changed meanwhile is told once the server is back.
type Mirror struct {
	collection Collection
	onChange   func(logicalcluster.Key)
	onError    func(error)

	mu     sync.RWMutex
	places map[place]map[string]*item
	size   int

	synced     chan struct{}
	syncedOnce sync.Once
}

// NewMirror returns a Mirror that does nothing until Run. onChange is called
// after every change, from one goroutine, and must not block; onError when the
// server cannot be followed.
func NewMirror(collection Collection, onChange func(logicalcluster.Key), onError func(error)) *Mirror {
	return &Mirror{
		collection: collection,
		onChange:   onChange,
		onError:    onError,
		places:     map[place]map[string]*item{},
		synced:     make(chan struct{}),
	}
}

// Run follows the server until ctx ends.
func (m *Mirror) Run(ctx context.Context) {
	backoff := reconnect
	reflector := cache.NewReflectorWithOptions(&listerWatcher{m.collection}, nil, reflectorStore{m}, cache.ReflectorOptions{
		Name:            m.collection.Resource.GroupResource().String(),
		TypeDescription: m.collection.Resource.Kind,
		Backoff:         &backoff,
	})
	// The Reflector's own loop would log errors its own way and tell nobody.
	delay := reconnect.DelayWithReset(clock.RealClock{}, reconnectReset)
	_ = delay.Until(ctx, true, true, func(ctx context.Context) (bool, error) {
		if err := reflector.ListAndWatchWithContext(ctx); err != nil && ctx.Err() == nil {
			m.onError(err)
		}
		return false, nil
	})
}

// Collection is what the mirror follows.
func (m *Mirror) Collection() Collection { return m.collection }

// Synced is closed once all objects that existed at the start are there.
func (m *Mirror) Synced() <-chan struct{} { return m.synced }

// HasSynced reports whether Synced is closed.
func (m *Mirror) HasSynced() bool {
	select {
	case <-m.synced:
		return true
	default:
		return false
	}
}

// Get returns the object called key, decoded anew, or nil.
func (m *Mirror) Get(key logicalcluster.Key) (*unstructured.Unstructured, error) {
	m.mu.RLock()
	i := m.places[place{key.Workspace, key.Namespace}][key.Name]
	m.mu.RUnlock()
	if i == nil {
		return nil, nil
	}
	return decodeObject(i.json, m.collection.Resource)
}

// In returns the keys of the objects of one namespace.
func (m *Mirror) In(workspace logicalcluster.Name, namespace string) []logicalcluster.Key {
	m.mu.RLock()
	defer m.mu.RUnlock()
	objects := m.places[place{workspace, namespace}]
	keys := make([]logicalcluster.Key, 0, len(objects))
	for _, i := range objects {
		keys = append(keys, i.key)
	}
	return keys
}

// Any reports whether there are objects in a namespace.
func (m *Mirror) Any(workspace logicalcluster.Name, namespace string) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.places[place{workspace, namespace}]) > 0
}

// Len is the number of objects.
func (m *Mirror) Len() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.size
}

// set stores i and reports whether it is news.
func (m *Mirror) set(i *item) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := place{i.key.Workspace, i.key.Namespace}
	objects := m.places[at]
	if objects == nil {
		objects = map[string]*item{}
		m.places[at] = objects
	}
	former := objects[i.key.Name]
	if former == nil {
		m.size++
	}
	objects[i.key.Name] = i
	return former == nil || former.resourceVersion != i.resourceVersion
}

func (m *Mirror) remove(key logicalcluster.Key) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := place{key.Workspace, key.Namespace}
	objects := m.places[at]
	if objects[key.Name] == nil {
		return false
	}
	m.size--
	delete(objects, key.Name)
	if len(objects) == 0 {
		delete(m.places, at)
	}
	return true
}

// missing returns the keys of all objects that are not in keep.
func (m *Mirror) missing(keep map[logicalcluster.Key]bool) []logicalcluster.Key {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var out []logicalcluster.Key
	for _, objects := range m.places {
		for _, i := range objects {
			if !keep[i.key] {
				out = append(out, i.key)
			}
		}
	}
	return out
}

// reflectorStore is the face of a Mirror towards its Reflector.
type reflectorStore struct{ mirror *Mirror }

var _ cache.ReflectorStore = reflectorStore{}

// Add stores an object.
func (s reflectorStore) Add(obj any) error {
	i, ok := obj.(*item)
	if !ok {
		return fmt.Errorf("unexpected %T", obj)
	}
	if s.mirror.set(i) {
		s.mirror.onChange(i.key)
	}
	return nil
}

// Update stores an object.
func (s reflectorStore) Update(obj any) error { return s.Add(obj) }

// Delete forgets an object.
func (s reflectorStore) Delete(obj any) error {
	i, ok := obj.(*item)
	if !ok {
		return fmt.Errorf("unexpected %T", obj)
	}
	if s.mirror.remove(i.key) {
		s.mirror.onChange(i.key)
	}
	return nil
}

// Replace makes the mirror hold exactly these objects.
func (s reflectorStore) Replace(objects []any, _ string) error {
	keep := make(map[logicalcluster.Key]bool, len(objects))
	for _, obj := range objects {
		if i, ok := obj.(*item); ok {
			keep[i.key] = true
		}
	}
	for _, key := range s.mirror.missing(keep) {
		if s.mirror.remove(key) {
			s.mirror.onChange(key)
		}
	}
	for _, obj := range objects {
		if err := s.Add(obj); err != nil {
			return err
		}
	}
	s.mirror.syncedOnce.Do(func() { close(s.mirror.synced) })
	return nil
}

// Resync does nothing: everything is level-triggered already.
func (s reflectorStore) Resync() error { return nil }
