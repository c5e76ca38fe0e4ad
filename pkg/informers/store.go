package informers

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// store holds objects by workspace. It is not safe for concurrent use.
type store[T metav1.Object] struct {
	workspaces map[logicalcluster.Name]*bucket[T]
	count      int
}

func newStore[T metav1.Object]() *store[T] {
	return &store[T]{workspaces: map[logicalcluster.Name]*bucket[T]{}}
}

func (s *store[T]) get(key logicalcluster.Key) (T, bool) {
	if b := s.workspaces[key.Workspace]; b != nil {
		return b.get(key.Namespace, key.Name)
	}
	var zero T
	return zero, false
}

// put stores obj under key and returns what was there.
func (s *store[T]) put(key logicalcluster.Key, obj T) (old T, replaced bool) {
	b := s.workspaces[key.Workspace]
	if b == nil {
		b = &bucket[T]{}
		s.workspaces[key.Workspace] = b
	}
	old, replaced = b.put(obj)
	if !replaced {
		s.count++
	}
	return old, replaced
}

// drop removes what is under key and returns it.
func (s *store[T]) drop(key logicalcluster.Key) (old T, found bool) {
	b := s.workspaces[key.Workspace]
	if b == nil {
		return old, false
	}
	old, found = b.drop(key.Namespace, key.Name)
	if !found {
		return old, false
	}
	s.count--
	if b.len() == 0 {
		delete(s.workspaces, key.Workspace)
	}
	return old, true
}

func (s *store[T]) in(workspace logicalcluster.Name) []T {
	b := s.workspaces[workspace]
	if b == nil {
		return nil
	}
	return b.appendTo(make([]T, 0, b.len()))
}

func (s *store[T]) all() []T {
	out := make([]T, 0, s.count)
	for _, b := range s.workspaces {
		out = b.appendTo(out)
	}
	return out
}

// fewObjects is up to where a slice is smaller and as fast as a map. Most
// workspaces have only a few objects of a kind, and there are many workspaces.
const fewObjects = 8

// bucket is the objects of one workspace.
type bucket[T metav1.Object] struct {
	few  []T
	many map[objectName]T // instead of few, once there are more
}

type objectName struct{ namespace, name string }

func (b *bucket[T]) len() int { return len(b.few) + len(b.many) }

func (b *bucket[T]) find(namespace, name string) int {
	for i, obj := range b.few {
		if obj.GetName() == name && obj.GetNamespace() == namespace {
			return i
		}
	}
	return -1
}

func (b *bucket[T]) get(namespace, name string) (T, bool) {
	if b.many != nil {
		obj, ok := b.many[objectName{namespace, name}]
		return obj, ok
	}
	if i := b.find(namespace, name); i >= 0 {
		return b.few[i], true
	}
	var zero T
	return zero, false
}

func (b *bucket[T]) put(obj T) (old T, replaced bool) {
	key := objectName{obj.GetNamespace(), obj.GetName()}
	if b.many != nil {
		old, replaced = b.many[key]
		b.many[key] = obj
		return old, replaced
	}
	if i := b.find(key.namespace, key.name); i >= 0 {
		old, b.few[i] = b.few[i], obj
		return old, true
	}
	b.few = append(b.few, obj)
	if len(b.few) > fewObjects {
		b.grow()
	}
	return old, false
}

// grow turns the slice into a map, for good: a workspace that had many objects
// will have them again.
func (b *bucket[T]) grow() {
	b.many = make(map[objectName]T, 2*fewObjects)
	for _, obj := range b.few {
		b.many[objectName{obj.GetNamespace(), obj.GetName()}] = obj
	}
	b.few = nil
}

func (b *bucket[T]) drop(namespace, name string) (old T, found bool) {
	if b.many != nil {
		key := objectName{namespace, name}
		old, found = b.many[key]
		delete(b.many, key)
		return old, found
	}
	i := b.find(namespace, name)
	if i < 0 {
		return old, false
	}
	old = b.few[i]
	last := len(b.few) - 1
	b.few[i] = b.few[last]
	var zero T
	b.few[last] = zero
	b.few = b.few[:last]
	return old, true
}

func (b *bucket[T]) appendTo(out []T) []T {
	out = append(out, b.few...)
	for _, obj := range b.many {
		out = append(out, obj)
	}
	return out
}
