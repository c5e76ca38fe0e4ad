package informers

import (
	"cmp"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// change is one difference between two states of the store.
type change[T metav1.Object] struct {
	old, new T
	key      logicalcluster.Key
}

// put stores obj and returns the difference.
func (i *Informer[T]) put(obj T) change[T] {
	i.mu.Lock()
	defer i.mu.Unlock()
	c := change[T]{new: obj, key: KeyOf(obj)}
	c.old, _ = i.store.put(c.key, obj)
	return c
}

// remove drops the object named by key and returns the difference, if there
// was one.
func (i *Informer[T]) remove(key logicalcluster.Key) (change[T], bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	old, found := i.store.drop(key)
	return change[T]{old: old, key: key}, found
}

// replace makes the store equal to objects and returns the differences:
// deletions first, so that a name given up in one place is free before it is
// taken in another, then the rest; each sorted by key, for reproducible runs.
func (i *Informer[T]) replace(objects map[logicalcluster.Key]T) []change[T] {
	i.mu.Lock()
	defer i.mu.Unlock()
	var gone, changed []change[T]
	for _, old := range i.store.all() {
		key := KeyOf(old)
		if _, still := objects[key]; !still {
			i.store.drop(key)
			gone = append(gone, change[T]{old: old, key: key})
		}
	}
	for key, obj := range objects {
		if old, found := i.store.get(key); found && old.GetResourceVersion() == obj.GetResourceVersion() {
			continue
		}
		c := change[T]{new: obj, key: key}
		c.old, _ = i.store.put(key, obj)
		changed = append(changed, c)
	}
	slices.SortFunc(gone, byKey[T])
	slices.SortFunc(changed, byKey[T])
	return append(gone, changed...)
}

func byKey[T metav1.Object](a, b change[T]) int {
	return cmp.Or(
		cmp.Compare(a.key.Workspace, b.key.Workspace),
		cmp.Compare(a.key.Namespace, b.key.Namespace),
		cmp.Compare(a.key.Name, b.key.Name),
	)
}

// notify tells every handler of c, in the order they were registered.
func (i *Informer[T]) notify(c change[T]) {
	i.handlersMu.RLock()
	handlers := i.handlers
	i.handlersMu.RUnlock()
	for _, handle := range handlers {
		handle(c.old, c.new, c.key)
	}
}
