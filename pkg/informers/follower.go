package informers

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/klog/v2"

	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const (
	// pageSize bounds what is decoded at once while listing.
	pageSize = 1000
	// firstPause and lastPause bound the wait before storage is asked again.
	firstPause = 50 * time.Millisecond
	lastPause  = 5 * time.Second
)

// follower is the one goroutine that feeds an Informer.
type follower[T metav1.Object] struct {
	informer *Informer[T]
	// revision is up to where the store is complete; "" asks for a list.
	revision string
	pause    time.Duration
}

// run lists and watches until ctx ends.
func (f *follower[T]) run(ctx context.Context) {
	ctx = keyspace.WithScope(ctx, keyspace.Everywhere())
	for ctx.Err() == nil {
		err := f.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		if apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
			f.revision = "" // storage no longer knows what came after it
		}
		f.wait(ctx, err)
	}
}

// follow brings the store up to date once and keeps it so until the watch ends.
func (f *follower[T]) follow(ctx context.Context) error {
	if f.revision == "" {
		if err := f.list(ctx); err != nil {
			return fmt.Errorf("listing: %w", err)
		}
	}
	if err := f.watch(ctx); err != nil {
		return fmt.Errorf("watching: %w", err)
	}
	return nil
}

// wait pauses after a failure, longer each time. A watch that simply ended, as
// all do some day, is taken up again soon.
func (f *follower[T]) wait(ctx context.Context, err error) {
	if f.pause == 0 {
		f.pause = firstPause
	}
	if err != nil {
		klog.FromContext(ctx).V(loudness(f.pause)).Info("Informer lost storage", "informer", f.informer.config.Name, "pause", f.pause, "err", err)
	}
	timer := f.informer.config.Clock.NewTimer(f.pause)
	defer timer.Stop()
	f.pause = min(2*f.pause, lastPause)
	select {
	case <-ctx.Done():
	case <-timer.C():
	}
}

// loudness keeps what mends itself at once out of the log.
func loudness(pause time.Duration) int {
	if pause < time.Second {
		return 2
	}
	return 0
}

// list reads everything and makes the store equal to it (I1, I3).
func (f *follower[T]) list(ctx context.Context) error {
	objects, revision, err := f.pages(ctx, pageSize)
	if apierrors.IsResourceExpired(err) {
		// The pages took longer than storage keeps revisions: all in one then.
		objects, revision, err = f.pages(ctx, 0)
	}
	if err != nil {
		return err
	}
	for _, change := range f.informer.replace(objects) {
		f.informer.notify(change)
	}
	f.revision = revision
	f.pause = 0
	f.informer.syncOnce.Do(func() { close(f.informer.synced) })
	return nil
}

// pages reads everything in pages of limit objects, all at one revision.
func (f *follower[T]) pages(ctx context.Context, limit int64) (map[logicalcluster.Key]T, string, error) {
	objects := map[logicalcluster.Key]T{}
	continueToken := ""
	for {
		page := f.informer.config.NewList()
		opts := storage.ListOptions{Recursive: true, Predicate: everything(limit, continueToken)}
		if err := f.informer.config.Storage.GetList(ctx, f.informer.config.Prefix, opts, page); err != nil {
			return nil, "", err
		}
		if err := f.collect(ctx, page, objects); err != nil {
			return nil, "", err
		}
		list, err := meta.ListAccessor(page)
		if err != nil {
			return nil, "", err
		}
		if continueToken = list.GetContinue(); continueToken == "" {
			return objects, list.GetResourceVersion(), nil
		}
	}
}

func everything(limit int64, continueToken string) storage.SelectionPredicate {
	return storage.SelectionPredicate{
		Label:               labels.Everything(),
		Field:               fields.Everything(),
		Limit:               limit,
		Continue:            continueToken,
		AllowWatchBookmarks: true,
	}
}

// collect converts the items of page. Items are copied out of the list: one
// that stays referenced would keep the whole page in memory.
func (f *follower[T]) collect(ctx context.Context, page runtime.Object, objects map[logicalcluster.Key]T) error {
	return meta.EachListItemWithAlloc(page, func(item runtime.Object) error {
		if obj, ok := f.convert(ctx, item); ok {
			objects[KeyOf(obj)] = obj
		}
		return nil
	})
}

// convert makes a T of what storage returned. An object that cannot be
// converted is reported and left out: it must not blind the hub to all others.
func (f *follower[T]) convert(ctx context.Context, from runtime.Object) (T, bool) {
	obj, err := f.informer.config.Convert(from)
	if err != nil {
		klog.FromContext(ctx).Error(err, "Leaving out an object", "informer", f.informer.config.Name)
		return obj, false
	}
	return obj, true
}

// watch applies changes after f.revision until the watch ends (I1, I2).
func (f *follower[T]) watch(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watcher, err := f.informer.config.Storage.Watch(ctx, f.informer.config.Prefix, storage.ListOptions{
		ResourceVersion: f.revision,
		Predicate:       everything(0, ""),
		Recursive:       true,
		ProgressNotify:  true,
	})
	if err != nil {
		return err
	}
	defer watcher.Stop()
	for event := range watcher.ResultChan() {
		if err := f.apply(ctx, event); err != nil {
			return err
		}
		f.pause = 0
	}
	return nil
}

// apply brings one event into the store and tells the handlers.
func (f *follower[T]) apply(ctx context.Context, event watch.Event) error {
	if event.Type == watch.Error {
		return apierrors.FromObject(event.Object)
	}
	obj := plain(event.Object)
	accessor, err := meta.Accessor(obj)
	if err != nil {
		return fmt.Errorf("reading a %s event: %w", event.Type, err)
	}
	revision := accessor.GetResourceVersion()
	if revision == "" {
		return errors.New("an event without a resource version")
	}
	if event.Type != watch.Bookmark {
		f.change(ctx, event.Type, obj, accessor)
	}
	f.revision = revision
	return nil
}

// change stores or removes the object of an event. To remove one it is enough
// to know its key; to store it, it must be convertible.
func (f *follower[T]) change(ctx context.Context, kind watch.EventType, from runtime.Object, meta metav1.Object) {
	if kind == watch.Deleted {
		if c, happened := f.informer.remove(KeyOf(meta)); happened {
			f.informer.notify(c)
		}
		return
	}
	if obj, ok := f.convert(ctx, from); ok {
		f.informer.notify(f.informer.put(obj))
	}
}

// plain takes an object out of the wrapper in which caches share its
// serialization.
func plain(obj runtime.Object) runtime.Object {
	if shared, ok := obj.(runtime.CacheableObject); ok {
		return shared.GetObject()
	}
	return obj
}
