package partition

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	clientv3 "go.etcd.io/etcd/client/v3"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/apis/example"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/value"

	"github.com/atriumhub/atrium/pkg/keyspace"
)

// openPods opens storage that keeps pods under the name of another resource.
func (h *hub) openPods(t testing.TB, resource string) storage.Interface {
	t.Helper()
	opened, closer, err := h.Open(OpenConfig{
		GroupResource: schema.GroupResource{Resource: resource}, Prefix: "/" + resource,
		NewFunc:     func() runtime.Object { return &example.Pod{} },
		NewListFunc: func() runtime.Object { return &example.PodList{} },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(closer)
	return opened
}

func creation(store storage.Interface, resource, name string) Creation {
	pod := newPod("ns", name)
	pod.Spec.NodeName = "by " + resource
	return Creation{Store: store, Key: "/" + resource + "/ns/" + name, Object: pod}
}

// sealed is a transformer that notes for which key it encrypted.
type sealed struct{}

func (sealed) TransformToStorage(_ context.Context, data []byte, dataCtx value.Context) ([]byte, error) {
	return []byte(fmt.Sprintf("%s|%s", dataCtx.AuthenticatedData(), data)), nil
}

func (sealed) TransformFromStorage(_ context.Context, data []byte, dataCtx value.Context) ([]byte, bool, error) {
	return data[len(dataCtx.AuthenticatedData())+1:], false, nil
}

// TestCreateMissingStoresAsCreateDoes compares the bytes in etcd (P10).
func TestCreateMissingStoresAsCreateDoes(t *testing.T) {
	for name, transformer := range map[string]value.Transformer{"plain": nil, "encrypted": sealed{}} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t, hubOptions{transformer: transformer})
			s := h.openPods(t, "pods")
			stored := func(create func(Creation) error) string {
				t.Helper()
				if err := create(creation(s, "pods", "a")); err != nil {
					t.Fatal(err)
				}
				key := h.root + "/pods/one/ns/a"
				response, err := h.client.KV.Delete(t.Context(), key, clientv3.WithPrevKV())
				if err != nil || len(response.PrevKvs) != 1 {
					t.Fatalf("nothing was under %s: %v", key, err)
				}
				return string(response.PrevKvs[0].Value)
			}
			want := stored(func(c Creation) error { return s.Create(in(t, "one"), c.Key, c.Object, nil, 0) })
			got := stored(func(c Creation) error { _, err := CreateMissing(in(t, "one"), c); return err })
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("stored (-Create +CreateMissing):\n%s", diff)
			}
		})
	}
}

// TestCreateMissing reads back through the ordinary stores what was created
// together, and watches it arrive at one revision.
func TestCreateMissing(t *testing.T) {
	h := newHub(t, hubOptions{cached: true})
	h.warm(t)
	blue, red := h.openPods(t, "blue"), h.openPods(t, "red")
	stored := h.openPods(t, "pods") // what the cached store of the hub reads
	events, err := h.pods.Watch(in(t, "one"), "/pods/", recursive())
	if err != nil {
		t.Fatal(err)
	}
	defer events.Stop()
	steps := []struct {
		name    string
		create  []Creation
		existed []bool
	}{
		{"nothing", nil, []bool{}},
		{"all", []Creation{creation(blue, "blue", "a"), creation(stored, "pods", "a")}, []bool{false, false}},
		{"some", []Creation{creation(blue, "blue", "a"), creation(red, "red", "a"), creation(stored, "pods", "b")}, []bool{true, false, false}},
		{"none", []Creation{creation(red, "red", "a"), creation(stored, "pods", "a")}, []bool{true, true}},
	}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			existed, err := CreateMissing(in(t, "one"), step.create...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(step.existed, existed); diff != "" {
				t.Errorf("existed (-want +got):\n%s", diff)
			}
			versions := map[string]bool{}
			for i, c := range step.create {
				got := &example.Pod{}
				if err := c.Store.Get(in(t, "one"), c.Key, storage.GetOptions{}, got); err != nil {
					t.Fatalf("%s: %v", c.Key, err)
				}
				if stamp := stampOf(got); stamp != "one" || got.Spec.NodeName == "" {
					t.Errorf("%s is %+v", c.Key, got)
				}
				if !existed[i] {
					versions[got.ResourceVersion] = true
				}
				if err := c.Store.Get(in(t, "two"), c.Key, storage.GetOptions{}, got); !storage.IsNotFound(err) {
					t.Errorf("%s in another workspace: %v", c.Key, err)
				}
			}
			if len(versions) > 1 {
				t.Errorf("created at %d revisions", len(versions))
			}
		})
	}
	for _, want := range []string{"a", "b"} {
		event := <-events.ResultChan()
		pod := event.Object.(runtime.CacheableObject).GetObject().(*example.Pod)
		if event.Type != watch.Added || pod.Name != want {
			t.Errorf("event %v %s, want ADDED %s", event.Type, pod.Name, want)
		}
	}
}

// TestCreateMissingAtOnce has many create the same objects: each is created
// once, whoever wins.
func TestCreateMissingAtOnce(t *testing.T) {
	h := newHub(t, hubOptions{})
	colors := []string{"blue", "red", "green"}
	stores := map[string]storage.Interface{}
	for _, color := range colors {
		stores[color] = h.openPods(t, color)
	}
	var mu sync.Mutex
	created := map[string]int{}
	var running sync.WaitGroup
	for i := range 20 {
		running.Go(func() {
			mine := colors[i%3:]
			var creations []Creation
			for _, color := range mine {
				creations = append(creations, creation(stores[color], color, "a"))
			}
			existed, err := CreateMissing(in(t, "one"), creations...)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for i, color := range mine {
				if !existed[i] {
					created[color]++
				}
			}
		})
	}
	running.Wait()
	if diff := cmp.Diff(map[string]int{"blue": 1, "red": 1, "green": 1}, created); diff != "" {
		t.Errorf("created how often (-want +got):\n%s", diff)
	}
}

func TestCreateMissingRefuses(t *testing.T) {
	h, elsewhere := newHub(t, hubOptions{}), newHub(t, hubOptions{ownEtcd: true})
	blue, red, far := h.openPods(t, "blue"), h.openPods(t, "red"), elsewhere.openPods(t, "far")
	versioned := creation(red, "red", "a")
	versioned.Object.(*example.Pod).ResourceVersion = "7"
	selector, err := labels.Parse("a=b")
	if err != nil {
		t.Fatal(err)
	}
	is := func(want error) func(error) bool { return func(err error) bool { return errors.Is(err, want) } }
	for name, tc := range map[string]struct {
		ctx    context.Context
		create []Creation
		want   func(error) bool
	}{
		"two of one resource": {in(t, "one"), []Creation{creation(blue, "blue", "a"), creation(blue, "blue", "b")}, is(errOneResource)},
		"two etcds":           {in(t, "one"), []Creation{creation(blue, "blue", "a"), creation(far, "far", "a")}, is(errTwoEtcds)},
		"storage of the API":  {in(t, "one"), []Creation{creation(h.pods, "pods", "a")}, is(errNotOpened)},
		"no scope":            {t.Context(), []Creation{creation(blue, "blue", "a")}, is(ErrNoScope)},
		"everywhere":          {keyspace.WithScope(t.Context(), keyspace.Everywhere()), []Creation{creation(blue, "blue", "a")}, apierrors.IsBadRequest},
		"nowhere":             {keyspace.WithScope(t.Context(), keyspace.Nowhere()), []Creation{creation(blue, "blue", "a")}, apierrors.IsNotFound},
		"through a view":      {keyspace.WithScope(t.Context(), keyspace.In("one").Selecting(selector)), []Creation{creation(blue, "blue", "a")}, apierrors.IsForbidden},
		"with a version":      {in(t, "one"), []Creation{creation(blue, "blue", "a"), versioned}, is(storage.ErrResourceVersionSetOnCreate)},
		"another's key":       {in(t, "one"), []Creation{{Store: blue, Key: "/red/ns/a", Object: newPod("ns", "a")}}, func(err error) bool { return err != nil }},
		"a way out":           {in(t, "one"), []Creation{{Store: blue, Key: "/blue/../two/a", Object: newPod("ns", "a")}}, func(err error) bool { return err != nil }},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := CreateMissing(tc.ctx, tc.create...); !tc.want(err) {
				t.Errorf("error %v", err)
			}
			response, err := h.client.KV.Get(t.Context(), h.root, clientv3.WithPrefix(), clientv3.WithKeysOnly())
			if err != nil || len(response.Kvs) > 0 {
				t.Errorf("stored %v, error %v", response.Kvs, err)
			}
		})
	}
}
