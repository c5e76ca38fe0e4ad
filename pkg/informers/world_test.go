package informers_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/storage"

	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

type object = metav1.PartialObjectMetadata

// world is storage whose weather the test makes: it can lose watches, forget
// history and refuse to answer. It remembers every revision.
type world struct {
	storage.Interface // nil: only lists and watches are asked for

	mu        sync.Mutex
	objects   map[logicalcluster.Key]*object
	revision  int
	history   []entry
	forgotten int // revisions up to this one cannot be asked for
	watches   map[*stream]struct{}
	refusing  int // so many more requests fail
	lists     int
}

type entry struct {
	revision int
	event    watch.Event
}

func newWorld() *world {
	return &world{objects: map[logicalcluster.Key]*object{}, revision: 1, watches: map[*stream]struct{}{}}
}

func (w *world) ResourcePrefix() string  { return "/things" }
func (w *world) NewList() runtime.Object { return &metav1.PartialObjectMetadataList{} }

// put creates or changes an object and returns its revision.
func (w *world) put(key logicalcluster.Key, label string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, exists := w.objects[key]
	w.revision++
	obj := &object{ObjectMeta: metav1.ObjectMeta{
		Namespace:       key.Namespace,
		Name:            key.Name,
		ResourceVersion: strconv.Itoa(w.revision),
		Annotations:     map[string]string{logicalcluster.AnnotationKey: string(key.Workspace)},
		Labels:          map[string]string{"value": label},
	}}
	w.objects[key] = obj
	kind := watch.Added
	if exists {
		kind = watch.Modified
	}
	w.record(kind, obj)
	return w.revision
}

func (w *world) remove(key logicalcluster.Key) {
	w.mu.Lock()
	defer w.mu.Unlock()
	obj, exists := w.objects[key]
	if !exists {
		return
	}
	delete(w.objects, key)
	w.revision++
	last := obj.DeepCopy()
	last.ResourceVersion = strconv.Itoa(w.revision)
	w.record(watch.Deleted, last)
}

func (w *world) record(kind watch.EventType, obj *object) {
	e := entry{w.revision, watch.Event{Type: kind, Object: obj}}
	w.history = append(w.history, e)
	for s := range w.watches {
		s.push(e.event)
	}
}

// bookmark tells watches the current revision.
func (w *world) bookmark() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for s := range w.watches {
		s.push(watch.Event{Type: watch.Bookmark, Object: &object{ObjectMeta: metav1.ObjectMeta{ResourceVersion: strconv.Itoa(w.revision)}}})
	}
}

// disconnect ends all watches.
func (w *world) disconnect() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for s := range w.watches {
		s.end()
	}
	clear(w.watches)
}

// fail ends all watches with an error event.
func (w *world) fail(err *apierrors.StatusError) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for s := range w.watches {
		s.push(watch.Event{Type: watch.Error, Object: &err.ErrStatus})
		s.end()
	}
	clear(w.watches)
}

// forget makes all revisions before now unknown.
func (w *world) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.revision++ // an unrelated write
	w.forgotten = w.revision
	w.history = nil
}

func (w *world) refuse(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refusing = n
}

func (w *world) refused(ctx context.Context) error {
	if scope, ok := keyspace.ScopeFrom(ctx); !ok || !scope.All() {
		return fmt.Errorf("asked in %v", scope)
	}
	if w.refusing > 0 {
		w.refusing--
		return apierrors.NewInternalError(fmt.Errorf("refused by request"))
	}
	return nil
}

// GetList answers in pages; "revision/offset" is its continue token.
func (w *world) GetList(ctx context.Context, _ string, opts storage.ListOptions, into runtime.Object) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lists++
	if err := w.refused(ctx); err != nil {
		return err
	}
	revision, offset := w.revision, 0
	if opts.Predicate.Continue != "" {
		if _, err := fmt.Sscanf(opts.Predicate.Continue, "%d/%d", &revision, &offset); err != nil {
			return err
		}
		if revision < w.forgotten {
			return apierrors.NewResourceExpired("the continue token is too old")
		}
		if revision != w.revision {
			return fmt.Errorf("pages at two revisions are not needed by any test")
		}
	}
	keys := slices.SortedFunc(maps.Keys(w.objects), func(a, b logicalcluster.Key) int { return strings.Compare(a.String(), b.String()) })
	list := into.(*metav1.PartialObjectMetadataList)
	list.ResourceVersion = strconv.Itoa(revision)
	for i, key := range keys[offset:] {
		if limit := int(opts.Predicate.Limit); limit > 0 && i == limit {
			list.Continue = fmt.Sprintf("%d/%d", revision, offset+i)
			break
		}
		list.Items = append(list.Items, *w.objects[key].DeepCopy())
	}
	return nil
}

func (w *world) Watch(ctx context.Context, _ string, opts storage.ListOptions) (watch.Interface, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.refused(ctx); err != nil {
		return nil, err
	}
	from, err := strconv.Atoi(opts.ResourceVersion)
	if err != nil {
		return nil, err
	}
	s := newStream(ctx)
	if from < w.forgotten {
		status := apierrors.NewResourceExpired("too old resource version").ErrStatus
		s.push(watch.Event{Type: watch.Error, Object: &status})
		s.end()
		return s, nil
	}
	for _, e := range w.history {
		if e.revision > from {
			s.push(e.event)
		}
	}
	w.watches[s] = struct{}{}
	return s, nil
}

// snapshot is what the world holds, by key.
func (w *world) snapshot() map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return render(slices.Collect(maps.Values(w.objects)))
}

// render shows objects as key: value@revision.
func render(objects []*object) map[string]string {
	out := map[string]string{}
	for _, obj := range objects {
		key := logicalcluster.Key{Workspace: logicalcluster.From(obj), Namespace: obj.Namespace, Name: obj.Name}
		out[key.String()] = obj.Labels["value"] + "@" + obj.ResourceVersion
	}
	return out
}

// stream is one watch with room for any number of events.
type stream struct {
	out  chan watch.Event
	in   chan watch.Event
	stop context.CancelFunc
}

func newStream(ctx context.Context) *stream {
	ctx, cancel := context.WithCancel(ctx)
	s := &stream{out: make(chan watch.Event), in: make(chan watch.Event, 100_000), stop: cancel}
	go s.pass(ctx)
	return s
}

func (s *stream) pass(ctx context.Context) {
	defer close(s.out)
	for {
		select {
		case event, open := <-s.in:
			if !open {
				return
			}
			select {
			case s.out <- event:
			case <-ctx.Done():
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

func (s *stream) push(event watch.Event)         { s.in <- event }
func (s *stream) end()                           { close(s.in) }
func (s *stream) Stop()                          { s.stop() }
func (s *stream) ResultChan() <-chan watch.Event { return s.out }
