package partition

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/apis/example"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/component-base/metrics/legacyregistry"

	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

func newEmptyPod() runtime.Object { return &example.Pod{} }

func (h *hub) lazy() *lazyCache { return h.pods.Interface.(*lazyCache) }

func (h *hub) cacheRuns() bool { return h.lazy().running.Load() != nil }

// P8: what does not need a cache does not start one, and is right without it.
func TestCacheStartsWithTheFirstWatch(t *testing.T) {
	h := newHub(t, hubOptions{cached: true})
	ctx := in(t, "one")
	if err := h.pods.ReadinessCheck(); err != nil {
		t.Errorf("before the start: %v", err)
	}
	mustCreate(t, ctx, h.pods, newPod("ns", "a"))
	for _, op := range operations {
		if op.name == "watch" {
			continue
		}
		if err := op.call(ctx, h.pods); err != nil && op.name != "create" {
			t.Errorf("%s: %v", op.name, err)
		}
	}
	if _, err := h.pods.Stats(t.Context()); err != nil {
		t.Errorf("stats: %v", err)
	}
	if h.cacheRuns() {
		t.Fatal("a cache was started without a watch")
	}
	mustWatch(t, ctx, h.pods, "/pods", recursive())
	if !h.cacheRuns() {
		t.Fatal("a watch did not start the cache")
	}
	if err := h.pods.ReadinessCheck(); err != nil {
		t.Errorf("after the start: %v", err)
	}
}

// An informer lists from the cache before it watches.
func TestCacheStartsWithAnInformersList(t *testing.T) {
	for name, opts := range map[string]storage.ListOptions{
		"version 0":      {ResourceVersion: "0"},
		"not older than": {ResourceVersion: "1", ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t, hubOptions{cached: true})
			mustCreate(t, in(t, "one"), h.pods, newPod("ns", "a"))
			opts.Predicate, opts.Recursive = storage.Everything, true
			list := &example.PodList{}
			if err := h.pods.GetList(in(t, "one"), "/pods", opts, list); err != nil || len(list.Items) != 1 {
				t.Fatalf("%v, %v", namesOf(list), err)
			}
			if !h.cacheRuns() {
				t.Error("the cache was not started")
			}
		})
	}
}

// What the hub's own parts watch in system:admin, from its first second on,
// starts no cache.
func TestSystemAdminStartsNoCache(t *testing.T) {
	h := newHub(t, hubOptions{cached: true})
	ctx := in(t, logicalcluster.SystemAdmin)
	mustCreate(t, in(t, "one"), h.pods, newPod("ns", "foreign"))
	mustCreate(t, ctx, h.pods, newPod("ns", "a"))
	list := &example.PodList{}
	opts := recursive()
	opts.ResourceVersion = "0"
	if err := h.pods.GetList(ctx, "/pods", opts, list); err != nil || len(list.Items) != 1 {
		t.Fatalf("%v, %v", namesOf(list), err)
	}
	for i, from := range []string{"", "0", list.ResourceVersion} {
		opts.ResourceVersion = from
		w := mustWatch(t, ctx, h.pods, "/pods", opts)
		name := fmt.Sprintf("later-%d", i)
		mustCreate(t, in(t, "one"), h.pods, newPod("ns", name))
		mustCreate(t, ctx, h.pods, newPod("ns", name))
		for event := range w.ResultChan() {
			got := describe(event)
			if !strings.HasPrefix(got, "ADDED system:admin/") {
				t.Fatalf("a watch from %q says %q", from, got)
			}
			if got == "ADDED system:admin/ns/"+name {
				break
			}
		}
	}
	if h.cacheRuns() {
		t.Error("a cache was started")
	}
}

// Many first requests start one cache, and none is told to come back later.
func TestCacheStartsOnce(t *testing.T) {
	h := newHub(t, hubOptions{cached: true})
	ctx := in(t, "one")
	mustCreate(t, ctx, h.pods, newPod("ns", "a"))
	caches := make([]*runningCache, 20)
	var starting sync.WaitGroup
	for i := range caches {
		starting.Go(func() {
			w, err := h.pods.Watch(ctx, "/pods", recursive())
			if err != nil {
				t.Error(err)
				return
			}
			defer w.Stop()
			if got := describe(<-w.ResultChan()); got != "ADDED one/ns/a" {
				t.Errorf("first event %q", got)
			}
			caches[i] = h.lazy().running.Load()
		})
	}
	starting.Wait()
	for _, c := range caches {
		if c != caches[0] {
			t.Fatal("several caches were started")
		}
	}
}

// A closed store does not start a cache any more.
func TestClosedStoreStartsNoCache(t *testing.T) {
	h := newHub(t, hubOptions{cached: true})
	h.lazy().stop()
	if _, err := h.pods.Watch(in(t, "one"), "/pods", recursive()); !errors.Is(err, errStopped) {
		t.Errorf("watch of a closed store: %v", err)
	}
}

// P8: another workspace costs no connection and no time series.
func TestWorkspacesAddNoMetrics(t *testing.T) {
	h := newHub(t, hubOptions{cached: true})
	h.warm(t)
	use := func(name logicalcluster.Name) {
		for _, op := range operations {
			if err := op.call(in(t, name), h.pods); err != nil && op.name != "get" {
				t.Errorf("%s in %s: %v", op.name, name, err)
			}
		}
	}
	use("first")
	before := series(t)
	for i := range 20 {
		use(logicalcluster.Name(fmt.Sprintf("ws-%d", i)))
	}
	if after := series(t); after != before {
		t.Errorf("%d time series became %d with 20 workspaces", before, after)
	}
	if n := len(h.shared.connections); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// series counts the time series about storage that this process exports.
func series(t *testing.T) int {
	t.Helper()
	families, err := legacyregistry.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, family := range families {
		if strings.Contains(family.GetName(), "etcd") || strings.Contains(family.GetName(), "storage") || strings.Contains(family.GetName(), "watch") {
			n += len(family.GetMetric())
		}
	}
	return n
}

// P8: custom resources share one name in metrics, and one connection.
func TestCustomResourcesShareMetrics(t *testing.T) {
	label := schema.GroupResource{Resource: "customresources"}
	h := newHub(t, hubOptions{getter: Config{Segment: "customresources", MetricsResource: &label}})
	options, err := h.GetRESTOptions(schema.GroupResource{Group: "example.io", Resource: "widgets"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if options.CountMetricPollPeriod != 0 {
		t.Error("custom resources are counted one by one")
	}
	if options.ResourcePrefix != "/pods/customresources" {
		t.Errorf("custom resources lie under %q", options.ResourcePrefix)
	}
	if got := h.labelled(options.StorageConfig).GroupResource; got != label {
		t.Errorf("metrics name %v", got)
	}
}

// P8: a connection ends with its last store, and a new one can be made.
func TestConnectionIsShared(t *testing.T) {
	h := newHub(t, hubOptions{})
	open := func() func() {
		_, closeStore, err := h.Open(OpenConfig{
			GroupResource: schema.GroupResource{Resource: "others"},
			Prefix:        "/others",
			NewFunc:       newEmptyPod,
			NewListFunc:   h.pods.NewList,
		})
		if err != nil {
			t.Fatal(err)
		}
		return closeStore
	}
	for range 3 {
		closeStore := open()
		if n := len(h.shared.connections); n != 1 {
			t.Fatalf("%d connections", n)
		}
		closeStore()
		closeStore()
	}
	mustCreate(t, in(t, "one"), h.pods, newPod("ns", "still-works"))
}

// Storage opened for the hub itself sees what requests write, and decodes it
// as asked.
func TestOpen(t *testing.T) {
	h := newHub(t, hubOptions{cached: true})
	opened, closeStore, err := h.Open(OpenConfig{GroupResource: pods, NewFunc: newEmptyPod, NewListFunc: h.pods.NewList})
	if err != nil {
		t.Fatal(err)
	}
	defer closeStore()
	all := keyspace.WithScope(t.Context(), keyspace.Everywhere())
	w := mustWatch(t, all, opened, "/pods", storage.ListOptions{Predicate: storage.Everything, Recursive: true})
	mustCreate(t, in(t, "one"), h.pods, newPod("ns", "a"))
	mustCreate(t, in(t, "two"), h.pods, newPod("ns", "a"))
	expect(t, w, "ADDED one/ns/a", "ADDED two/ns/a")
	if h.cacheRuns() {
		t.Error("the hub's own watch started the cache of requests")
	}
}

// P9
func TestPurge(t *testing.T) {
	h := newHub(t, hubOptions{cached: true})
	secrets := schema.GroupResource{Resource: "secrets"}
	other, closeOther, err := h.Open(OpenConfig{GroupResource: secrets, Prefix: "/secrets", NewFunc: newEmptyPod, NewListFunc: h.pods.NewList})
	if err != nil {
		t.Fatal(err)
	}
	defer closeOther()
	const many = 1200 // more than two pages
	var creating sync.WaitGroup
	for i := range many {
		creating.Go(func() { mustCreate(t, in(t, "one"), h.pods, newPod("ns", fmt.Sprintf("pod-%d", i))) })
	}
	creating.Wait()
	for _, name := range []logicalcluster.Name{"one-more", "on", "two"} {
		mustCreate(t, in(t, name), h.pods, newPod("ns", "a"))
	}
	if err := other.Create(in(t, "one"), "/secrets/ns/a", newPod("ns", "a"), nil, 0); err != nil {
		t.Fatal(err)
	}
	check := func(name logicalcluster.Name, want map[schema.GroupResource]int64) {
		t.Helper()
		got, err := h.Counts(t.Context(), name)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("counts of %s: %v, %v, want %v", name, got, err, want)
		}
	}
	check("one", map[schema.GroupResource]int64{pods: many, secrets: 1})

	start := &example.PodList{}
	if err := h.pods.GetList(in(t, "one"), "/pods", recursive(), start); err != nil {
		t.Fatal(err)
	}
	deleted := make(chan map[string]string)
	go func() { deleted <- h.collectDeletions(in(t, "one"), t, start.ResourceVersion, many) }()
	if err := h.Purge(t.Context(), "one", pods); err != nil {
		t.Fatal(err)
	}
	if got := <-deleted; len(got) != many {
		t.Errorf("the watch saw %d deletions at different revisions, want %d", len(got), many)
	}
	check("one", map[schema.GroupResource]int64{secrets: 1})
	testPurgeOfSeveral(t, h, other, secrets)
	for _, name := range []logicalcluster.Name{"one-more", "on", "two"} {
		check(name, map[schema.GroupResource]int64{pods: 1})
	}
	if err := h.Purge(t.Context(), "one", secrets); err != nil {
		t.Fatal(err)
	}
	check("one", map[schema.GroupResource]int64{})
}

// testPurgeOfSeveral purges two resources at once: each deletion has a revision
// of its own among those of its resource.
func testPurgeOfSeveral(t *testing.T, h *hub, other storage.Interface, secrets schema.GroupResource) {
	t.Helper()
	const some = 30
	for i := range some {
		mustCreate(t, in(t, "one"), h.pods, newPod("ns", fmt.Sprintf("pod-%d", i)))
	}
	start := &example.PodList{}
	if err := h.pods.GetList(in(t, "one"), "/pods", recursive(), start); err != nil {
		t.Fatal(err)
	}
	deleted := make(chan map[string]string)
	go func() { deleted <- h.collectDeletions(in(t, "one"), t, start.ResourceVersion, some) }()
	if err := h.Purge(t.Context(), "one", pods, secrets); err != nil {
		t.Fatal(err)
	}
	if got := <-deleted; len(got) != some {
		t.Errorf("the watch saw %d deletions at different revisions, want %d", len(got), some)
	}
	if counts, err := h.Counts(t.Context(), "one"); err != nil || len(counts) > 0 {
		t.Errorf("left %v, error %v", counts, err)
	}
	if err := other.Create(in(t, "one"), "/secrets/ns/a", newPod("ns", "a"), nil, 0); err != nil {
		t.Fatal(err)
	}
}

// collectDeletions returns the names of n deleted pods by revision. A watch that
// falls behind is ended by its cache; it resumes where it was.
func (h *hub) collectDeletions(ctx context.Context, t testing.TB, since string, n int) map[string]string {
	out := map[string]string{}
	for len(out) < n {
		opts := recursive()
		opts.ResourceVersion = since
		w, err := h.pods.Watch(ctx, "/pods", opts)
		if err != nil {
			t.Error(err)
			return out
		}
		for event := range w.ResultChan() {
			obj := event.Object
			if shared, ok := obj.(runtime.CacheableObject); ok {
				obj = shared.GetObject()
			}
			pod, ok := obj.(*example.Pod)
			if !ok {
				break
			}
			if since = pod.ResourceVersion; event.Type == watch.Deleted {
				out[since] = pod.Name
			}
			if len(out) == n {
				break
			}
		}
		w.Stop()
	}
	return out
}

// A watch may start where a list ended even if the cache began later, and
// hears of what happened in between.
func TestWatchFromBeforeTheCacheBegan(t *testing.T) {
	h := newHub(t, hubOptions{cached: true})
	ctx := in(t, "one")
	mustCreate(t, ctx, h.pods, newPod("ns", "a"))
	list := &example.PodList{}
	if err := h.pods.GetList(ctx, "/pods", recursive(), list); err != nil {
		t.Fatal(err)
	}
	mustCreate(t, in(t, "two"), h.pods, newPod("ns", "b"))
	mustCreate(t, ctx, h.pods, newPod("ns", "b"))
	if h.cacheRuns() {
		t.Fatal("the cache runs already")
	}
	early := mustWatch(t, ctx, h.pods, "/pods", from(list, recursive()))
	if !h.cacheRuns() {
		t.Fatal("the cache was not started")
	}
	opts := from(list, recursive())
	opts.Predicate.GetAttrs = podAttrs // knows nothing of workspaces
	late := mustWatch(t, ctx, h.pods, "/pods", opts)
	mustCreate(t, ctx, h.pods, newPod("ns", "c"))
	expect(t, early, "ADDED one/ns/b", "ADDED one/ns/c")
	expect(t, late, "ADDED one/ns/b", "ADDED one/ns/c")
	h.barrier(t, early, ctx)
}
