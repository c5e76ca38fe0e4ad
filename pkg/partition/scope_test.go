package partition

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"path"
	"testing"

	"github.com/google/go-cmp/cmp"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/apis/example"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/utils/ptr"

	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// eachKind runs a test on raw, cold and warm cached stores.
func eachKind(t *testing.T, run func(*testing.T, *hub)) {
	t.Run("raw", func(t *testing.T) { run(t, newHub(t, hubOptions{})) })
	t.Run("cold", func(t *testing.T) { run(t, newHub(t, hubOptions{cached: true})) })
	t.Run("warm", func(t *testing.T) {
		h := newHub(t, hubOptions{cached: true})
		h.warm(t)
		run(t, h)
	})
}

// operation is one call of a storage.Interface on "/pods/ns/a".
type operation struct {
	name  string
	write bool
	call  func(context.Context, storage.Interface) error
}

var operations = []operation{
	{"get", false, func(ctx context.Context, s storage.Interface) error {
		return s.Get(ctx, "/pods/ns/a", storage.GetOptions{}, &example.Pod{})
	}},
	{"list", false, func(ctx context.Context, s storage.Interface) error {
		return s.GetList(ctx, "/pods", recursive(), &example.PodList{})
	}},
	{"watch", false, func(ctx context.Context, s storage.Interface) error {
		w, err := s.Watch(ctx, "/pods", recursive())
		if err == nil {
			w.Stop()
		}
		return err
	}},
	{"create", true, func(ctx context.Context, s storage.Interface) error {
		return s.Create(ctx, "/pods/ns/a", newPod("ns", "a"), &example.Pod{}, 0)
	}},
	{"update", true, func(ctx context.Context, s storage.Interface) error {
		return s.GuaranteedUpdate(ctx, "/pods/ns/a", &example.Pod{}, true, nil, touch, nil)
	}},
	{"delete", true, func(ctx context.Context, s storage.Interface) error {
		return remove(ctx, s, "/pods/ns/a", nil)
	}},
}

// touch is an update that changes an annotation, or creates the pod ns/a.
func touch(current runtime.Object, _ storage.ResponseMeta) (runtime.Object, *uint64, error) {
	pod := current.(*example.Pod)
	if pod.Name == "" {
		pod = newPod("ns", "a")
	}
	metav1.SetMetaDataAnnotation(&pod.ObjectMeta, "touched", pod.Annotations["touched"]+"x")
	return pod, nil, nil
}

func remove(ctx context.Context, s storage.Interface, key string, preconditions *storage.Preconditions) error {
	return s.Delete(ctx, key, &example.Pod{}, preconditions, storage.ValidateAllObjectFunc, nil, storage.DeleteOptions{})
}

// P1
func TestNothingWithoutScope(t *testing.T) {
	eachKind(t, func(t *testing.T, h *hub) {
		for _, op := range operations {
			if err := op.call(t.Context(), h.pods); !errors.Is(err, ErrNoScope) {
				t.Errorf("%s: %v, want ErrNoScope", op.name, err)
			}
		}
	})
}

// P7
func TestNoWritingEverywhere(t *testing.T) {
	eachKind(t, func(t *testing.T, h *hub) {
		mustCreate(t, in(t, "one"), h.pods, newPod("ns", "a"))
		ctx := keyspace.WithScope(t.Context(), keyspace.Everywhere())
		for _, op := range operations {
			err := op.call(ctx, h.pods)
			if wantErr := op.write || op.name == "get"; wantErr != apierrors.IsBadRequest(err) {
				t.Errorf("%s: %v", op.name, err)
			}
		}
	})
}

// P7, K4
func TestNowhereIsEmpty(t *testing.T) {
	eachKind(t, func(t *testing.T, h *hub) {
		mustCreate(t, in(t, "one"), h.pods, newPod("ns", "a"))
		ctx := keyspace.WithScope(t.Context(), keyspace.Nowhere())
		for _, op := range operations {
			err := op.call(ctx, h.pods)
			refused := storage.IsNotFound(err) || apierrors.IsNotFound(err)
			if wantErr := op.write || op.name == "get"; wantErr != refused {
				t.Errorf("%s: %v", op.name, err)
			}
		}
		list := &example.PodList{}
		if err := h.pods.GetList(ctx, "/pods", recursive(), list); err != nil {
			t.Fatal(err)
		}
		if len(list.Items) != 0 || list.ResourceVersion == "" {
			t.Errorf("a list of nothing has %d items at %q", len(list.Items), list.ResourceVersion)
		}
		opts := recursive()
		opts.SendInitialEvents = ptr.To(true)
		opts.Predicate.AllowWatchBookmarks = true
		w := mustWatch(t, ctx, h.pods, "/pods", opts)
		mustCreate(t, in(t, "one"), h.pods, newPod("ns", "b"))
		expect(t, w, "BOOKMARK ")
		h.barrier(t, w, ctx)
	})
}

// P3
func TestStampIsOurs(t *testing.T) {
	eachKind(t, func(t *testing.T, h *hub) {
		ctx := in(t, "one")
		forged := newPod("ns", "a")
		metav1.SetMetaDataAnnotation(&forged.ObjectMeta, logicalcluster.AnnotationKey, "two")
		if got := mustCreate(t, ctx, h.pods, forged); stampOf(got) != "one" {
			t.Errorf("created with the stamp %q", stampOf(got))
		}
		for name, update := range map[string]func(*example.Pod){
			"other": func(p *example.Pod) { p.Annotations[logicalcluster.AnnotationKey] = "two" },
			"empty": func(p *example.Pod) { p.Annotations[logicalcluster.AnnotationKey] = "" },
			"none":  func(p *example.Pod) { p.Annotations = nil },
		} {
			out := &example.Pod{}
			err := h.pods.GuaranteedUpdate(ctx, "/pods/ns/a", out, false, nil,
				func(current runtime.Object, _ storage.ResponseMeta) (runtime.Object, *uint64, error) {
					pod := current.(*example.Pod)
					pod.Spec.NodeName = name
					update(pod)
					return pod, nil, nil
				}, nil)
			if err != nil || stampOf(out) != "one" {
				t.Errorf("%s: updated to the stamp %q, %v", name, stampOf(out), err)
			}
		}
		if err := remove(ctx, h.pods, "/pods/ns/a", nil); err != nil {
			t.Fatal(err)
		}
		if err := h.pods.GuaranteedUpdate(ctx, "/pods/ns/a", &example.Pod{}, true, nil, touch, nil); err != nil {
			t.Fatal(err)
		}
		if names := h.names(t, ctx, "/pods"); !cmp.Equal(names, []string{"one/ns/a"}) {
			t.Errorf("created by an update: %v", names)
		}
	})
}

// P4
func TestForeignObjectIsRefused(t *testing.T) {
	h := newHub(t, hubOptions{})
	ctx := in(t, "one")
	events := mustWatch(t, ctx, h.pods, "/pods", recursive())
	mustCreate(t, in(t, "two"), h.pods, newPod("ns", "a"))
	stolen, err := h.client.KV.Get(t.Context(), h.root+"/pods/two/ns/a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.client.KV.Put(t.Context(), h.root+"/pods/one/ns/a", string(stolen.Kvs[0].Value)); err != nil {
		t.Fatal(err)
	}
	for _, op := range operations {
		err := op.call(ctx, h.pods)
		switch op.name {
		case "create", "watch":
		default:
			if !errors.Is(err, ErrForeignObject) {
				t.Errorf("%s: %v, want ErrForeignObject", op.name, err)
			}
		}
	}
	list, got := &example.PodList{}, &example.Pod{}
	_ = h.pods.GetList(ctx, "/pods", recursive(), list)
	_ = h.pods.Get(ctx, "/pods/ns/a", storage.GetOptions{}, got)
	if len(list.Items) != 0 || got.Namespace != "" {
		t.Errorf("an error came with %v and %v", list.Items, got)
	}
	if event := <-events.ResultChan(); event.Type != watch.Error {
		t.Errorf("the watch says %s", event.Type)
	}
	if event, open := <-events.ResultChan(); open {
		t.Errorf("after the error the watch says %s", event.Type)
	}
}

// P4: what somebody put into etcd by hand, into no workspace, is nobody's.
func TestStrayObjectIsLeftOut(t *testing.T) {
	eachKind(t, func(t *testing.T, h *hub) {
		mustCreate(t, in(t, "one"), h.pods, newPod("ns", "a"))
		data, err := runtime.Encode(codec, newPod("ns", "stray"))
		if err != nil {
			t.Fatal(err)
		}
		all := keyspace.WithScope(t.Context(), keyspace.Everywhere())
		list := &example.PodList{}
		if err := h.pods.GetList(all, "/pods", recursive(), list); err != nil {
			t.Fatal(err)
		}
		w := mustWatch(t, in(t, "one"), h.pods, "/pods", from(list, recursive()))
		wide := mustWatch(t, all, h.pods, "/pods", from(list, recursive()))
		for _, key := range []string{"/pods/stray", "/pods/ns/stray", "/pods/-/ns/stray", "/pods/!/ns/stray"} {
			if _, err := h.client.KV.Put(t.Context(), h.root+key, string(data)); err != nil {
				t.Fatal(err)
			}
		}
		mustCreate(t, in(t, "one"), h.pods, newPod("ns", "b"))
		expect(t, w, "ADDED one/ns/b")
		expect(t, wide, "ADDED one/ns/b")
		want := []string{"one/ns/a", "one/ns/b"}
		for name, ctx := range map[string]context.Context{"everywhere": all, "one": in(t, "one")} {
			if diff := cmp.Diff(want, h.names(t, ctx, "/pods")); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	})
}

// P2: what is not the workspace's is neither seen nor touched, however it is
// asked for.
func TestWorkspacesAreApart(t *testing.T) {
	eachKind(t, func(t *testing.T, h *hub) {
		for _, name := range []logicalcluster.Name{"one", "one-more", "two", "system:admin", "root"} {
			for _, pod := range []string{"a", "b"} {
				mustCreate(t, in(t, name), h.pods, newPod("ns", pod, "workspace", string(name)[:3]))
			}
		}
		ctx := in(t, "one")
		mine := []string{"one/ns/a", "one/ns/b"}
		for _, key := range []string{"/pods", "/pods/", "/pods/ns", "/pods/ns/"} {
			if names := h.names(t, ctx, key); !cmp.Equal(names, mine) {
				t.Errorf("list of %q: %v", key, names)
			}
		}
		for _, key := range []string{"/pods/one/ns/a", "/pods/two/ns/a", "/pods/../two/ns/a", "/pods/-more/ns/a", "/pods//two/ns/a", "/podsx/two/ns/a"} {
			got := &example.Pod{}
			if err := h.pods.Get(ctx, key, storage.GetOptions{}, got); err == nil {
				t.Errorf("get of %q: %v", key, got)
			}
		}
		if err := remove(ctx, h.pods, "/pods/ns/a", nil); err != nil {
			t.Fatal(err)
		}
		if names := h.names(t, in(t, "two"), "/pods"); len(names) != 2 {
			t.Errorf("deleting in one left two with %v", names)
		}
		everything := h.names(t, keyspace.WithScope(t.Context(), keyspace.Everywhere()), "/pods")
		if len(everything) != 9 {
			t.Errorf("everywhere: %v", everything)
		}
	})
}

// P2: a continue token is the client's; it can skip, not leave.
func TestForgedContinueToken(t *testing.T) {
	eachKind(t, func(t *testing.T, h *hub) {
		var last *example.Pod
		for _, name := range []logicalcluster.Name{"one", "two"} {
			for _, pod := range []string{"a", "b", "c"} {
				last = mustCreate(t, in(t, name), h.pods, newPod("ns", pod))
			}
		}
		starts := []string{"ns/a\x00", "", "/", "../", "../two/", "/../two/ns/a", "../../pods/two/ns/", "..", ".", "\x00", "ns/../../two/",
			"two/ns/a", h.root + "/pods/two/ns/a", "%2e%2e/two/", "zzz", "\xff\xff", "ns/\xff"}
		for _, start := range starts {
			for _, version := range []string{last.ResourceVersion, "-1"} {
				for _, key := range []string{"/pods", "/pods/ns"} {
					token := fmt.Sprintf(`{"v":"meta.k8s.io/v1","rv":%s,"start":%q}`, version, start)
					opts := recursive()
					opts.Predicate.Limit = 2
					opts.Predicate.Continue = base64.RawURLEncoding.EncodeToString([]byte(token))
					list := &example.PodList{}
					err := h.pods.GetList(in(t, "one"), key, opts, list)
					for _, item := range list.Items {
						if stampOf(&item) != "one" {
							t.Errorf("token %s on %s: got %s of %q", token, key, item.Name, stampOf(&item))
						}
					}
					if err != nil && len(list.Items) > 0 {
						t.Errorf("token %s on %s: %v with items", token, key, err)
					}
				}
			}
		}
	})
}

// Everywhere, namespace and name narrow like anywhere else.
func TestNarrowingEverywhere(t *testing.T) {
	eachKind(t, func(t *testing.T, h *hub) {
		for _, name := range []logicalcluster.Name{"one", "two"} {
			for _, key := range [][2]string{{"ns", "a"}, {"ns", "b"}, {"other", "a"}} {
				mustCreate(t, in(t, name), h.pods, newPod(key[0], key[1]))
			}
		}
		ctx := keyspace.WithScope(t.Context(), keyspace.Everywhere())
		if diff := cmp.Diff([]string{"one/ns/a", "one/ns/b", "two/ns/a", "two/ns/b"}, h.names(t, ctx, "/pods/ns")); diff != "" {
			t.Error(diff)
		}
		opts := recursive()
		opts.Recursive = false
		list := &example.PodList{}
		if err := h.pods.GetList(ctx, "/pods/ns/a", opts, list); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"one/ns/a", "two/ns/a"}, namesOf(list)); diff != "" {
			t.Error(diff)
		}
		w := mustWatch(t, request.WithNamespace(ctx, "ns"), h.pods, "/pods/ns", from(list, recursive()))
		mustCreate(t, in(t, "one"), h.pods, newPod("other", "c"))
		mustCreate(t, in(t, "two"), h.pods, newPod("ns", "c"))
		expect(t, w, "ADDED two/ns/c")
		h.barrier(t, w, in(t, "one"))
	})
}

// P2: a watch hears of its workspace, namespace and name only.
func TestWatchIsApart(t *testing.T) {
	eachKind(t, func(t *testing.T, h *hub) {
		start := &example.PodList{}
		ctx := in(t, "one")
		if err := h.pods.GetList(ctx, "/pods", recursive(), start); err != nil {
			t.Fatal(err)
		}
		byName := from(start, recursive())
		byName.Predicate.Field = fields.OneTermEqualSelector("metadata.name", "a")
		byName.Predicate.GetAttrs = podAttrs
		single := byName
		single.Recursive = false
		watches := map[string]watch.Interface{
			"all":       mustWatch(t, ctx, h.pods, "/pods", from(start, recursive())),
			"namespace": mustWatch(t, request.WithNamespace(ctx, "ns"), h.pods, "/pods/ns", from(start, recursive())),
			"name":      mustWatch(t, ctx, h.pods, "/pods", byName),
			"single": mustWatch(t, request.WithRequestInfo(request.WithNamespace(ctx, "ns"), &request.RequestInfo{Namespace: "ns", Name: "a"}),
				h.pods, "/pods/ns/a", single),
		}
		for _, name := range []logicalcluster.Name{"two", "one", "one-more"} {
			for _, key := range [][2]string{{"ns", "a"}, {"ns", "b"}, {"nsx", "a"}} {
				mustCreate(t, in(t, name), h.pods, newPod(key[0], key[1]))
			}
		}
		for name, want := range map[string][]string{
			"all":       {"ADDED one/ns/a", "ADDED one/ns/b", "ADDED one/nsx/a"},
			"namespace": {"ADDED one/ns/a", "ADDED one/ns/b"},
			"name":      {"ADDED one/ns/a", "ADDED one/nsx/a"},
			"single":    {"ADDED one/ns/a"},
		} {
			expect(t, watches[name], want...)
			h.barrier(t, watches[name], ctx)
		}
	})
}

// from makes opts start after what list shows.
func from(list *example.PodList, opts storage.ListOptions) storage.ListOptions {
	opts.ResourceVersion = list.ResourceVersion
	return opts
}

func mustWatch(t testing.TB, ctx context.Context, s storage.Interface, key string, opts storage.ListOptions) watch.Interface {
	t.Helper()
	w, err := s.Watch(ctx, key, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	return w
}

// expect reads as many events as are wanted and compares them.
func expect(t testing.TB, w watch.Interface, want ...string) {
	t.Helper()
	var got []string
	for range want {
		event, open := <-w.ResultChan()
		if !open {
			t.Fatalf("the watch ended after %q, want %q", got, want)
		}
		got = append(got, describe(event))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
}

func describe(event watch.Event) string {
	obj := event.Object
	if shared, ok := obj.(runtime.CacheableObject); ok {
		obj = shared.GetObject()
	}
	pod, ok := obj.(*example.Pod)
	switch {
	case !ok:
		return fmt.Sprintf("%s %v", event.Type, obj)
	case event.Type == watch.Bookmark:
		return "BOOKMARK "
	default:
		return string(event.Type) + " " + nameOfPod(pod)
	}
}

// barrier proves that a watch has nothing more to say. Watches deliver in the
// order of revisions: a second, unlimited watch over the same store is sent an
// object made now, and when it comes, everything before has been offered.
func (h *hub) barrier(t testing.TB, w watch.Interface, _ context.Context) {
	t.Helper()
	name := fmt.Sprintf("barrier-%d", h.barriers)
	h.barriers++
	all := keyspace.WithScope(t.Context(), keyspace.Everywhere())
	list := &example.PodList{}
	if err := h.pods.GetList(all, "/pods", recursive(), list); err != nil {
		t.Fatal(err)
	}
	marker := mustWatch(t, all, h.pods, "/pods", from(list, recursive()))
	defer marker.Stop()
	mustCreate(t, in(t, "barrier"), h.pods, newPod("barrier", name))
	expect(t, marker, "ADDED barrier/barrier/"+name)
	select {
	case event, open := <-w.ResultChan():
		t.Fatalf("unexpected event %s (open %v)", describe(event), open)
	default:
	}
}

func nameOfPod(pod *example.Pod) string {
	return path.Join(string(stampOf(pod)), pod.Namespace, pod.Name)
}

func namesOf(list *example.PodList) []string {
	names := []string{}
	for i := range list.Items {
		names = append(names, nameOfPod(&list.Items[i]))
	}
	return names
}

// names lists what ctx sees.
func (h *hub) names(t testing.TB, ctx context.Context, key string) []string {
	t.Helper()
	list := &example.PodList{}
	if err := h.pods.GetList(ctx, key, recursive(), list); err != nil {
		t.Fatal(err)
	}
	return namesOf(list)
}
