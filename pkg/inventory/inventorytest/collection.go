package inventorytest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/informers"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Collection is one kind of objects in all workspaces. It is a source whose
// changes are told before the write returns. Lists are sorted by key.
type Collection[T metav1.Object] struct {
	hub      *Hub
	gvr      schema.GroupVersionResource
	fresh    func() T
	objects  map[logicalcluster.Key]T
	handlers []informers.ChangeFunc[T]
	synced   chan struct{}
}

// Collect adds a collection to the hub. fresh returns an empty object.
func Collect[T metav1.Object](h *Hub, gvr schema.GroupVersionResource, fresh func() T) *Collection[T] {
	c := &Collection[T]{hub: h, gvr: gvr, fresh: fresh, objects: map[logicalcluster.Key]T{}, synced: make(chan struct{})}
	close(c.synced)
	h.collections[gvr] = c
	return c
}

// Put stores an object as a user would, without a line in the log. It panics on
// an object that cannot be written as JSON.
func (c *Collection[T]) Put(workspace logicalcluster.Name, o T) {
	key := logicalcluster.Key{Workspace: workspace, Namespace: o.GetNamespace(), Name: o.GetName()}
	if err := c.hub.write(c.gvr, key, toMap(o)); err != nil {
		panic(fmt.Sprintf("inventorytest: %v", err))
	}
}

// Edit changes an object as a user would. It panics when there is none.
func (c *Collection[T]) Edit(key logicalcluster.Key, edit func(T)) {
	content, found := c.load(key)
	if !found {
		panic(fmt.Sprintf("inventorytest: no %s %s", c.gvr.Resource, key))
	}
	o := c.decode(content)
	edit(o)
	c.Put(key.Workspace, o)
}

// Delete removes an object as a user would. It panics when there is none.
func (c *Collection[T]) Delete(key logicalcluster.Key) {
	if err := c.hub.Delete(c.gvr, key); err != nil {
		panic(fmt.Sprintf("inventorytest: %v", err))
	}
}

// Get returns the object with the given key.
func (c *Collection[T]) Get(key logicalcluster.Key) (T, bool) {
	o, ok := c.objects[key]
	return o, ok
}

// In returns the objects of one workspace.
func (c *Collection[T]) In(workspace logicalcluster.Name) []T {
	return slices.DeleteFunc(c.All(), func(o T) bool { return logicalcluster.From(o) != workspace })
}

// All returns the objects of all workspaces.
func (c *Collection[T]) All() []T {
	out := make([]T, 0, len(c.objects))
	for _, o := range c.objects {
		out = append(out, o)
	}
	slices.SortFunc(out, func(a, b T) int { return cmp.Compare(informers.KeyOf(a).String(), informers.KeyOf(b).String()) })
	return out
}

// OnChange registers a function that is told of every change.
func (c *Collection[T]) OnChange(f informers.ChangeFunc[T]) { c.handlers = append(c.handlers, f) }

// Synced is closed.
func (c *Collection[T]) Synced() <-chan struct{} { return c.synced }

func (c *Collection[T]) load(key logicalcluster.Key) (map[string]any, bool) {
	o, found := c.objects[key]
	if !found {
		return nil, false
	}
	return toMap(o), true
}

func (c *Collection[T]) store(key logicalcluster.Key, content map[string]any) error {
	old, o := c.objects[key], c.decode(content)
	c.objects[key] = o
	c.tell(old, o, key)
	return nil
}

func (c *Collection[T]) drop(key logicalcluster.Key) {
	old, found := c.objects[key]
	if !found {
		return
	}
	delete(c.objects, key)
	var none T
	c.tell(old, none, key)
}

func (c *Collection[T]) tell(old, new T, key logicalcluster.Key) {
	for _, handle := range c.handlers {
		handle(old, new, key)
	}
}

func (c *Collection[T]) decode(content map[string]any) T {
	data, err := json.Marshal(content)
	o := c.fresh()
	if err == nil {
		err = json.Unmarshal(data, o)
	}
	if err != nil {
		panic(fmt.Sprintf("inventorytest: %s: %v", c.gvr.Resource, err))
	}
	return o
}

func toMap(o any) map[string]any {
	data, err := json.Marshal(o)
	var content map[string]any
	if err == nil {
		err = json.Unmarshal(data, &content)
	}
	if err != nil {
		panic(fmt.Sprintf("inventorytest: %v", err))
	}
	return content
}
