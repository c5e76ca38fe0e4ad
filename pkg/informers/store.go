package informers

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/atriumhub/atrium/pkg/elastic"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// store holds objects by workspace. It is not safe for concurrent use.
type store[T metav1.Object] struct {
	workspaces elastic.Map[logicalcluster.Name, *bucket[T]]
	count      int
}

func newStore[T metav1.Object]() *store[T] {
	return &store[T]{}
}

func (s *store[T]) get(key logicalcluster.Key) (T, bool) {
	if b, ok := s.workspaces.Get(key.Workspace); ok {
		return b.get(key.Namespace, key.Name)
	}
	var zero T
	return zero, false
}

// put stores obj under key and returns what was there.
func (s *store[T]) put(key logicalcluster.Key, obj T) (old T, replaced bool) {
	b, ok := s.workspaces.Get(key.Workspace)
	if !ok {
		b = &bucket[T]{}
		s.workspaces.Set(key.Workspace, b)
	}
	old, replaced = b.put(obj)
	if !replaced {
		s.count++
	}
	return old, replaced
}

// drop removes what is under key and returns it.
func (s *store[T]) drop(key logicalcluster.Key) (old T, found bool) {
	b, ok := s.workspaces.Get(key.Workspace)
	if !ok {
		return old, false
	}
	old, found = b.drop(key.Namespace, key.Name)
	if !found {
		return old, false
	}
	s.count--
	if b.len() == 0 {
		s.workspaces.Delete(key.Workspace)
	}
	return old, true
}

func (s *store[T]) in(workspace logicalcluster.Name) []T {
	b, ok := s.workspaces.Get(workspace)
	if !ok {
		return nil
	}
	return b.appendTo(make([]T, 0, b.len()))
}

func (s *store[T]) all() []T {
	out := make([]T, 0, s.count)
	for _, b := range s.workspaces.All() {
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
	many *elastic.Map[objectName, T] // instead of few, once there are more
}

type objectName struct{ namespace, name string }

func (b *bucket[T]) len() int {
	if b.many != nil {
		return b.many.Len()
	}
	return len(b.few)
}

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
		return b.many.Get(objectName{namespace, name})
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
		old, replaced = b.many.Get(key)
		b.many.Set(key, obj)
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
	b.many = &elastic.Map[objectName, T]{}
	for _, obj := range b.few {
		b.many.Set(objectName{obj.GetNamespace(), obj.GetName()}, obj)
	}
	b.few = nil
}

func (b *bucket[T]) drop(namespace, name string) (old T, found bool) {
	if b.many != nil {
		key := objectName{namespace, name}
		old, found = b.many.Get(key)
		b.many.Delete(key)
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
	if b.many == nil {
		return append(out, b.few...)
	}
	for _, obj := range b.many.All() {
		out = append(out, obj)
	}
	return out
}
