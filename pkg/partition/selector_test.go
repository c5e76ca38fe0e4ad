package partition

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/apis/example"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/utils/ptr"

	"github.com/atriumhub/atrium/pkg/keyspace"
)

const stateLabel = "state.workload.kcp.io/target"

// view returns a context that sees only what is labelled for the target.
func view(t testing.TB, scope keyspace.Scope) context.Context {
	return keyspace.WithScope(t.Context(), scope.Selecting(labels.SelectorFromSet(labels.Set{stateLabel: "Sync"})))
}

// populate makes one visible and three hidden pods in each of two workspaces.
func populate(t testing.TB, h *hub) {
	for _, ctx := range []context.Context{in(t, "one"), in(t, "two")} {
		mustCreate(t, ctx, h.pods, newPod("ns", "shown", stateLabel, "Sync", "app", "web"))
		mustCreate(t, ctx, h.pods, newPod("ns", "bare"))
		mustCreate(t, ctx, h.pods, newPod("ns", "paused", stateLabel, ""))
		mustCreate(t, ctx, h.pods, newPod("ns", "others", "state.workload.kcp.io/other", "Sync", "app", "web"))
	}
}

var hidden = []string{"bare", "paused", "others"}

// relabel changes the labels of a pod as the workspace's owner would.
func relabel(t testing.TB, h *hub, ctx context.Context, key string, set map[string]string) *example.Pod {
	t.Helper()
	out := &example.Pod{}
	err := h.pods.GuaranteedUpdate(ctx, key, out, false, nil,
		func(current runtime.Object, _ storage.ResponseMeta) (runtime.Object, *uint64, error) {
			pod := current.(*example.Pod)
			pod.Labels = set
			return pod, nil, nil
		}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// P5: reading.
func TestSelectorHidesFromReaders(t *testing.T) {
	eachKind(t, func(t *testing.T, h *hub) {
		populate(t, h)
		ctx := view(t, keyspace.In("one"))
		if err := h.pods.Get(ctx, "/pods/ns/shown", storage.GetOptions{}, &example.Pod{}); err != nil {
			t.Errorf("the visible pod: %v", err)
		}
		for _, name := range hidden {
			for _, version := range []string{"", "0"} {
				got := &example.Pod{}
				err := h.pods.Get(ctx, "/pods/ns/"+name, storage.GetOptions{ResourceVersion: version}, got)
				if !storage.IsNotFound(err) || got.Name != "" {
					t.Errorf("get of %s at %q: %v, %v", name, version, err, got)
				}
				err = h.pods.Get(ctx, "/pods/ns/"+name, storage.GetOptions{ResourceVersion: version, IgnoreNotFound: true}, got)
				if err != nil || got.Name != "" {
					t.Errorf("get of %s, absence ignored: %v, %v", name, err, got)
				}
			}
		}
		if diff := cmp.Diff([]string{"one/ns/shown"}, h.names(t, ctx, "/pods")); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"one/ns/shown", "two/ns/shown"}, h.names(t, view(t, keyspace.Everywhere()), "/pods")); diff != "" {
			t.Error(diff)
		}
		if names := h.names(t, view(t, keyspace.Nowhere()), "/pods"); len(names) != 0 {
			t.Errorf("nowhere: %v", names)
		}
	})
}

// P5: a list can ask for less, never for more.
func TestSelectorCombines(t *testing.T) {
	eachKind(t, func(t *testing.T, h *hub) {
		populate(t, h)
		for selector, want := range map[string][]string{
			"app=web":                  {"one/ns/shown"},
			"app!=web":                 {},
			stateLabel + "=":           {},
			stateLabel + "!=Sync":      {},
			"!" + stateLabel:           {},
			stateLabel + " in (,Sync)": {"one/ns/shown"},
		} {
			parsed, err := labels.Parse(selector)
			if err != nil {
				t.Fatal(err)
			}
			for _, getAttrs := range []storage.AttrFunc{nil, podAttrs, lyingAttrs} {
				opts := recursive()
				opts.Predicate.Label = parsed
				opts.Predicate.GetAttrs = getAttrs
				list := &example.PodList{}
				if err := h.pods.GetList(view(t, keyspace.In("one")), "/pods", opts, list); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, namesOf(list)); diff != "" {
					t.Errorf("%s: %s", selector, diff)
				}
			}
		}
		nothing := keyspace.WithScope(t.Context(), keyspace.In("one").Selecting(labels.Nothing()))
		if names := h.names(t, nothing, "/pods"); len(names) != 0 {
			t.Errorf("selecting nothing: %v", names)
		}
		everything := keyspace.WithScope(t.Context(), keyspace.In("one").Selecting(labels.Everything()))
		if names := h.names(t, everything, "/pods"); len(names) != 4 {
			t.Errorf("selecting everything: %v", names)
		}
	})
}

// lyingAttrs says what the view wants to hear. What counts is what is stored.
func lyingAttrs(obj runtime.Object) (labels.Set, fields.Set, error) {
	_, fieldSet, err := podAttrs(obj)
	return labels.Set{stateLabel: "Sync", "app": "web"}, fieldSet, err
}

// P5: pages hold visible objects only, and tell nothing of the others.
func TestSelectorPages(t *testing.T) {
	eachKind(t, func(t *testing.T, h *hub) {
		for i := range 20 {
			mustCreate(t, in(t, "one"), h.pods, newPod("ns", fmt.Sprintf("hidden-%02d", i)))
			if i%5 == 0 {
				mustCreate(t, in(t, "one"), h.pods, newPod("ns", fmt.Sprintf("shown-%02d", i), stateLabel, "Sync"))
			}
		}
		var names []string
		opts := recursive()
		opts.Predicate.Limit = 1
		for {
			list := &example.PodList{}
			if err := h.pods.GetList(view(t, keyspace.In("one")), "/pods", opts, list); err != nil {
				t.Fatal(err)
			}
			if list.RemainingItemCount != nil {
				t.Errorf("a page says that %d objects remain", *list.RemainingItemCount)
			}
			names = append(names, namesOf(list)...)
			if opts.Predicate.Continue = list.Continue; list.Continue == "" {
				break
			}
		}
		want := []string{"one/ns/shown-00", "one/ns/shown-05", "one/ns/shown-10", "one/ns/shown-15"}
		if diff := cmp.Diff(want, names); diff != "" {
			t.Error(diff)
		}
	})
}

// P5: writing.
func TestSelectorHidesFromWriters(t *testing.T) {
	eachKind(t, func(t *testing.T, h *hub) {
		populate(t, h)
		ctx := view(t, keyspace.In("one"))
		wrong := &storage.Preconditions{UID: ptr.To(types.UID("wrong")), ResourceVersion: ptr.To("1")}
		for _, name := range hidden {
			for what, preconditions := range map[string]*storage.Preconditions{"none": nil, "wrong": wrong} {
				called := false
				update := func(current runtime.Object, meta storage.ResponseMeta) (runtime.Object, *uint64, error) {
					called = true
					return touch(current, meta)
				}
				for _, ignore := range []bool{false, true} {
					err := h.pods.GuaranteedUpdate(ctx, "/pods/ns/"+name, &example.Pod{}, ignore, preconditions, update, nil)
					if !storage.IsNotFound(err) || called {
						t.Errorf("update of %s, preconditions %s: %v, function called %v", name, what, err, called)
					}
				}
				if err := remove(ctx, h.pods, "/pods/ns/"+name, preconditions); !storage.IsNotFound(err) {
					t.Errorf("delete of %s, preconditions %s: %v", name, what, err)
				}
			}
		}
		err := h.pods.Create(ctx, "/pods/ns/new", newPod("ns", "new", stateLabel, "Sync"), nil, 0)
		if !apierrors.IsForbidden(err) {
			t.Errorf("create: %v, want forbidden", err)
		}
		err = h.pods.GuaranteedUpdate(ctx, "/pods/ns/new", &example.Pod{}, true, nil, touch, nil)
		if !storage.IsNotFound(err) {
			t.Errorf("creating by update: %v, want not found", err)
		}
		if names := h.names(t, in(t, "one"), "/pods"); len(names) != 4 {
			t.Errorf("afterwards there is %v", names)
		}
	})
}

// P5: what is visible can be written, with preconditions, until it is not.
func TestSelectorLetsVisibleBeWritten(t *testing.T) {
	eachKind(t, func(t *testing.T, h *hub) {
		populate(t, h)
		ctx := view(t, keyspace.In("one"))
		out := &example.Pod{}
		if err := h.pods.GuaranteedUpdate(ctx, "/pods/ns/shown", out, false, nil, touch, nil); err != nil {
			t.Fatal(err)
		}
		stale := &storage.Preconditions{ResourceVersion: ptr.To("1")}
		if err := h.pods.GuaranteedUpdate(ctx, "/pods/ns/shown", out, false, stale, touch, nil); !storage.IsInvalidObj(err) {
			t.Errorf("update with a stale version: %v", err)
		}
		if err := remove(ctx, h.pods, "/pods/ns/shown", stale); !storage.IsInvalidObj(err) {
			t.Errorf("delete with a stale version: %v", err)
		}
		// Through the view its label can be taken off; then it is gone from it.
		relabel(t, h, ctx, "/pods/ns/shown", nil)
		if err := remove(ctx, h.pods, "/pods/ns/shown", nil); !storage.IsNotFound(err) {
			t.Errorf("delete after the label was taken off: %v", err)
		}
		relabel(t, h, in(t, "one"), "/pods/ns/shown", map[string]string{stateLabel: "Sync"})
		if err := remove(ctx, h.pods, "/pods/ns/shown", nil); err != nil {
			t.Errorf("delete after it came back: %v", err)
		}
	})
}

// P5: a guess at the current object that is out of date does not open a door,
// nor close one.
func TestSelectorChecksTheCurrentObject(t *testing.T) {
	eachKind(t, func(t *testing.T, h *hub) {
		ctx := view(t, keyspace.In("one"))
		was := mustCreate(t, in(t, "one"), h.pods, newPod("ns", "a", stateLabel, "Sync"))
		is := relabel(t, h, in(t, "one"), "/pods/ns/a", nil)
		err := h.pods.GuaranteedUpdate(ctx, "/pods/ns/a", &example.Pod{}, false, nil, touch, was.DeepCopy())
		if !storage.IsNotFound(err) {
			t.Errorf("update of what was visible: %v", err)
		}
		err = h.pods.Delete(ctx, "/pods/ns/a", &example.Pod{}, nil, storage.ValidateAllObjectFunc, was.DeepCopy(), storage.DeleteOptions{})
		if !storage.IsNotFound(err) {
			t.Errorf("delete of what was visible: %v", err)
		}
		relabel(t, h, in(t, "one"), "/pods/ns/a", map[string]string{stateLabel: "Sync"})
		err = h.pods.GuaranteedUpdate(ctx, "/pods/ns/a", &example.Pod{}, false, nil, touch, is.DeepCopy())
		if err != nil {
			t.Errorf("update of what became visible: %v", err)
		}
		err = h.pods.Delete(ctx, "/pods/ns/a", &example.Pod{}, nil, storage.ValidateAllObjectFunc, is.DeepCopy(), storage.DeleteOptions{})
		if err != nil {
			t.Errorf("delete of what became visible: %v", err)
		}
	})
}

// P6
func TestSelectorWatch(t *testing.T) {
	for _, scope := range []keyspace.Scope{keyspace.In("one"), keyspace.Everywhere()} {
		t.Run(scope.String(), func(t *testing.T) {
			eachKind(t, func(t *testing.T, h *hub) {
				start := &example.PodList{}
				if err := h.pods.GetList(in(t, "one"), "/pods", recursive(), start); err != nil {
					t.Fatal(err)
				}
				opts := from(start, recursive())
				opts.Predicate.GetAttrs = podAttrs
				w := mustWatch(t, view(t, scope), h.pods, "/pods", opts)
				owner := in(t, "one")
				shown := map[string]string{stateLabel: "Sync"}

				mustCreate(t, owner, h.pods, newPod("ns", "hidden"))
				mustCreate(t, owner, h.pods, newPod("ns", "a", stateLabel, "Sync"))
				expect(t, w, "ADDED one/ns/a")
				relabel(t, h, owner, "/pods/ns/a", map[string]string{stateLabel: "Sync", "more": "x"})
				expect(t, w, "MODIFIED one/ns/a")
				relabel(t, h, owner, "/pods/ns/a", map[string]string{stateLabel: ""})
				expect(t, w, "DELETED one/ns/a")
				relabel(t, h, owner, "/pods/ns/a", map[string]string{"still": "hidden"})
				relabel(t, h, owner, "/pods/ns/hidden", shown)
				expect(t, w, "ADDED one/ns/hidden")
				relabel(t, h, owner, "/pods/ns/a", shown)
				expect(t, w, "ADDED one/ns/a")
				if err := remove(owner, h.pods, "/pods/ns/a", nil); err != nil {
					t.Fatal(err)
				}
				expect(t, w, "DELETED one/ns/a")
				h.barrier(t, w, owner)
			})
		})
	}
}

// P5: the initial state of a watch is what a list shows.
func TestSelectorWatchFromNothing(t *testing.T) {
	eachKind(t, func(t *testing.T, h *hub) {
		populate(t, h)
		h.awaitCache(t)
		opts := recursive()
		opts.SendInitialEvents = ptr.To(true)
		opts.Predicate.AllowWatchBookmarks = true
		w := mustWatch(t, view(t, keyspace.Everywhere()), h.pods, "/pods", opts)
		expect(t, w, "ADDED one/ns/shown", "ADDED two/ns/shown", "BOOKMARK ")
		h.barrier(t, w, nil)
	})
}

// awaitCache lets a running cache catch up.
func (h *hub) awaitCache(t testing.TB) {
	t.Helper()
	list := &example.PodList{}
	if err := h.pods.GetList(in(t, "one"), "/pods", recursive(), list); err != nil {
		t.Fatal(err)
	}
}

// P5: a Scope that admits what matches lets just that in, by create and by update.
func TestSelectorAdmits(t *testing.T) {
	eachKind(t, func(t *testing.T, h *hub) {
		scope := keyspace.In("one").Selecting(labels.SelectorFromSet(labels.Set{stateLabel: "Sync"})).Admitting()
		ctx := keyspace.WithScope(t.Context(), scope)
		mustCreate(t, ctx, h.pods, newPod("ns", "shown", stateLabel, "Sync"))
		if err := h.pods.Create(ctx, "/pods/ns/bare", newPod("ns", "bare"), &example.Pod{}, 0); !apierrors.IsForbidden(err) {
			t.Errorf("create of what does not match: %v, want forbidden", err)
		}
		become := func(name string, set ...string) error {
			return h.pods.GuaranteedUpdate(ctx, "/pods/ns/"+name, &example.Pod{}, true, nil,
				func(runtime.Object, storage.ResponseMeta) (runtime.Object, *uint64, error) {
					return newPod("ns", name, set...), nil, nil
				}, nil)
		}
		if err := become("later", stateLabel, "Sync"); err != nil {
			t.Errorf("create by update: %v", err)
		}
		if err := become("never", stateLabel, "other"); !apierrors.IsForbidden(err) {
			t.Errorf("create by update of what does not match: %v, want forbidden", err)
		}
		if diff := cmp.Diff([]string{"one/ns/later", "one/ns/shown"}, h.names(t, in(t, "one"), "/pods")); diff != "" {
			t.Error(diff)
		}
		mustCreate(t, in(t, "one"), h.pods, newPod("ns", "hidden"))
		if err := become("hidden", stateLabel, "Sync"); !storage.IsNotFound(err) {
			t.Errorf("update of what is hidden: %v, want not found", err)
		}
	})
}
