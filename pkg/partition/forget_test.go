package partition

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/apis/example"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/storagebackend"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var widgets = schema.GroupResource{Group: "example.io", Resource: "widgets"}

// newTenants returns a Getter for what tenants name, on the etcd of h: as another
// process would have it.
func newTenants(h *hub) *Getter {
	backend := storagebackend.NewDefaultConfig(h.root, codec)
	backend.Transport.ServerList = sharedEtcd.Endpoints()
	return New(byGroup{generic.RESTOptions{StorageConfig: backend.ForResource(widgets)}}, Config{Segment: "customresources", Forgettable: true})
}

// byGroup gives every resource a prefix of its own, as upstream does for custom
// resources.
type byGroup struct{ generic.RESTOptions }

func (b byGroup) GetRESTOptions(resource schema.GroupResource, _ runtime.Object) (generic.RESTOptions, error) {
	b.ResourcePrefix = resource.Group + "/" + resource.Resource
	return b.RESTOptions, nil
}

func (h *hub) openWidgets(t *testing.T, tenants *Getter) (storage.Interface, func()) {
	t.Helper()
	store, closeStore, err := tenants.Open(OpenConfig{
		GroupResource: widgets,
		NewFunc:       func() runtime.Object { return &example.Pod{} },
		NewListFunc:   func() runtime.Object { return &example.PodList{} },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(closeStore)
	return store, closeStore
}

const widgetKey = "/example.io/widgets/customresources/ns/a"

// TestForgetting (P11): a resource is covered from its definition until nothing is
// left of it, whatever comes late.
func TestForgetting(t *testing.T) {
	h := newHub(t, hubOptions{})
	tenants := newTenants(h)
	check := func(when string, known int, left ...logicalcluster.Name) {
		t.Helper()
		got, err := tenants.Forget(t.Context())
		if err != nil || fmt.Sprint(got) != fmt.Sprint(left) || tenants.Known() != known {
			t.Fatalf("%s: %d are known, left in %v, error %v; want %d, %v", when, tenants.Known(), got, err, known, left)
		}
	}
	if err := tenants.Define(widgets); err != nil {
		t.Fatal(err)
	}
	check("defined", 1)
	store, closeStore := h.openWidgets(t, tenants)
	if err := tenants.Undefine(widgets); err != nil {
		t.Fatal(err)
	}
	check("a request is under way", 1)
	if err := store.Create(in(t, "late"), widgetKey, newPod("ns", "a"), nil, 0); err != nil {
		t.Fatal(err)
	}
	closeStore()
	check("it has written", 1, "late")
	if counts, err := tenants.Counts(t.Context(), "late"); err != nil || counts[widgets] != 1 {
		t.Fatalf("counts of what came late: %v, %v", counts, err)
	}
	restarted := newTenants(h)
	if err := restarted.Find(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if counts, err := restarted.Counts(t.Context(), "late"); err != nil || counts[widgets] != 1 || restarted.Known() != 1 {
		t.Fatalf("after a restart %d are known, counts %v, %v", restarted.Known(), counts, err)
	}
	if err := tenants.Purge(t.Context(), "late", widgets); err != nil {
		t.Fatal(err)
	}
	check("it was purged", 0)
}

// TestIdentitiesLieApart: objects of one resource that come from exports of
// different identities are counted together, found by a process that starts, and
// purged apart.
func TestIdentitiesLieApart(t *testing.T) {
	h := newHub(t, hubOptions{})
	tenants := newTenants(h)
	of := func(g *Getter, segment string) *Getter {
		return g.Sibling(g.inner, Config{Segment: segment, Forgettable: true})
	}
	const one, other = "1111", "ffff" // sorted before and after "customresources"
	for _, g := range []*Getter{of(tenants, one), tenants, of(tenants, other)} {
		store, closeStore := h.openWidgets(t, g)
		key := "/example.io/widgets/" + g.config.Segment + "/ns/a"
		if err := store.Create(in(t, "w"), key, newPod("ns", "a"), nil, 0); err != nil {
			t.Fatal(err)
		}
		closeStore()
	}
	restarted := newTenants(h)
	if err := restarted.Find(t.Context(), func(segment string) *Getter { return of(restarted, segment) }); err != nil {
		t.Fatal(err)
	}
	count := func() int64 {
		counts, err := restarted.Counts(t.Context(), "w")
		if err != nil {
			t.Fatal(err)
		}
		return counts[widgets]
	}
	if got := count(); got != 3 || restarted.Known() != 3 {
		t.Errorf("%d objects in %d places, want 3 in 3", got, restarted.Known())
	}
	if n, err := of(restarted, one).CountOwn(t.Context(), "w", widgets); err != nil || n != 1 {
		t.Errorf("%d objects of one identity (error %v), want 1", n, err)
	}
	if err := of(restarted, one).PurgeOwn(t.Context(), "w", widgets); err != nil || count() != 2 {
		t.Errorf("%d objects are left (error %v), want 2", count(), err)
	}
	if err := restarted.Purge(t.Context(), "w", widgets); err != nil || count() != 0 {
		t.Errorf("%d objects are left (error %v), want none", count(), err)
	}
}
