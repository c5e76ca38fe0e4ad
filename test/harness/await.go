package harness

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/yaml"
)

// Collection is where objects of one kind are: any typed or dynamic client.
type Collection[L runtime.Object] interface {
	List(context.Context, metav1.ListOptions) (L, error)
	Watch(context.Context, metav1.ListOptions) (watch.Interface, error)
}

const (
	// reconnect is how long to wait before listing again after a failure.
	reconnect = 100 * time.Millisecond
	// shownObjects and shownBytes bound what an error shows.
	shownObjects = 3
	shownBytes   = 4000
)

// Await watches a collection until judge says that it is as it should be, by
// returning nothing. Until then judge returns what is still wrong, which becomes
// the error when ctx ends first, together with the objects. A server that does
// not answer is asked again.
func Await[T metav1.Object, L runtime.Object](ctx context.Context, from Collection[L], judge func([]T) string) error {
	w := waiting[T, L]{from: from, judge: judge}
	for {
		done, err := w.once(ctx)
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return w.explain(ctx, err)
		case <-time.After(reconnect):
		}
	}
}

// waiting is one call of Await.
type waiting[T metav1.Object, L runtime.Object] struct {
	from  Collection[L]
	judge func([]T) string
	found map[string]T
	wrong string
}

// once lists and follows one watch.
func (w *waiting[T, L]) once(ctx context.Context) (bool, error) {
	list, err := w.from.List(ctx, metav1.ListOptions{})
	if err != nil {
		return false, fmt.Errorf("failed to list: %w", err)
	}
	if err := w.fill(list); err != nil {
		return false, err
	}
	if w.content() {
		return true, nil
	}
	version, err := meta.NewAccessor().ResourceVersion(list)
	if err != nil {
		return false, fmt.Errorf("failed to read the list: %w", err)
	}
	events, err := w.from.Watch(ctx, metav1.ListOptions{ResourceVersion: version})
	if err != nil {
		return false, fmt.Errorf("failed to watch: %w", err)
	}
	defer events.Stop()
	for event := range events.ResultChan() {
		object, ok := event.Object.(T)
		if !ok {
			return false, fmt.Errorf("the watch ended: %v", event.Object)
		}
		if w.take(event.Type, object); w.content() {
			return true, nil
		}
	}
	return false, errors.New("the watch ended")
}

func (w *waiting[T, L]) fill(list L) error {
	items, err := meta.ExtractList(list)
	if err != nil {
		return fmt.Errorf("failed to read the list: %w", err)
	}
	w.found = map[string]T{}
	for _, item := range items {
		object, ok := item.(T)
		if !ok {
			return fmt.Errorf("the list holds %T, not %T", item, object)
		}
		w.take(watch.Added, object)
	}
	return nil
}

func (w *waiting[T, L]) take(event watch.EventType, object T) {
	key := object.GetAnnotations()["kcp.io/cluster"] + "|" + object.GetNamespace() + "/" + object.GetName()
	if event == watch.Deleted {
		delete(w.found, key)
		return
	}
	w.found[key] = object
}

func (w *waiting[T, L]) content() bool {
	w.wrong = w.judge(w.objects())
	return w.wrong == ""
}

// objects are those found, in the order of their keys.
func (w *waiting[T, L]) objects() []T {
	objects := make([]T, 0, len(w.found))
	for _, key := range slices.Sorted(maps.Keys(w.found)) {
		objects = append(objects, w.found[key])
	}
	return objects
}

func (w *waiting[T, L]) explain(ctx context.Context, last error) error {
	if w.found == nil {
		return fmt.Errorf("%w: %w", context.Cause(ctx), last)
	}
	return fmt.Errorf("%w: %s; there is %s", context.Cause(ctx), w.wrong, w.show())
}

// show prints what was seen last, for whoever has to find out what went wrong.
func (w *waiting[T, L]) show() string {
	if len(w.found) == 0 {
		return "nothing"
	}
	var text strings.Builder
	for i, object := range w.objects() {
		if i == shownObjects {
			fmt.Fprintf(&text, "\n… and %d more", len(w.found)-i)
			break
		}
		object.SetManagedFields(nil)
		content, err := yaml.Marshal(object)
		if err != nil {
			content = []byte(err.Error())
		}
		fmt.Fprintf(&text, "\n---\n%s", content[:min(len(content), shownBytes)])
	}
	return text.String()
}
