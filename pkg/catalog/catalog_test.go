package catalog

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/atriumhub/atrium/pkg/schemas"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const compute = NativeAPIName("root:compute:kubernetes")

var (
	deployments = schema.GroupResource{Group: "apps", Resource: "deployments"}
	widgets     = schema.GroupResource{Group: "example.io", Resource: "widgets"}
	places      = schema.GroupResource{Group: "scheduling.kcp.io", Resource: "placements"}
	configMaps  = schema.GroupResource{Resource: "configmaps"}
)

// crd returns a servable definition of plural.group; note makes its shape.
func crd(gr schema.GroupResource, note string) *apiextensionsv1.CustomResourceDefinition {
	return schemas.Installed(&apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: gr.String()},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: gr.Group, Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: gr.Resource, Kind: strings.ToUpper(gr.Resource)},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object", Description: note}},
			}},
		},
	})
}

func newCatalog() *Catalog {
	c := New([]*apiextensionsv1.CustomResourceDefinition{crd(places, "")}, []NativeAPI{{
		Name: compute, Resources: []schema.GroupVersionResource{deployments.WithVersion("v1"), {Version: "v1", Resource: "pods"}},
	}})
	c.Reserve(configMaps, deployments)
	return c
}

func TestLookup(t *testing.T) {
	c := newCatalog()
	c.SetBound("bound", nil, compute, "root:other:thing")
	c.Upsert("local", crd(widgets, "a"))
	c.Upsert("local", crd(deployments, "mine"))
	c.Upsert("both", crd(deployments, "mine"))
	c.SetBound("both", nil, compute)
	c.Upsert("shadow", crd(places, "mine"))
	c.Upsert("shadow", crd(configMaps, "mine"))
	unready := crd(widgets, "a")
	unready.Status = apiextensionsv1.CustomResourceDefinitionStatus{}
	c.Upsert("unready", unready)

	for _, tc := range []struct {
		ws   logicalcluster.Name
		gr   schema.GroupResource
		want string
	}{
		{"bare", places, "system"}, {"bare", deployments, ""}, {"bare", widgets, ""}, {"bare", configMaps, ""},
		{"bound", deployments, "native"}, {"bound", widgets, ""},
		{"local", widgets, "local"}, {"local", deployments, "local"},
		{"both", deployments, "native"},
		{"shadow", places, "system"}, {"shadow", configMaps, ""},
		{"unready", widgets, ""},
		{logicalcluster.Wildcard, deployments, "native"}, {logicalcluster.Wildcard, places, "system"}, {logicalcluster.Wildcard, widgets, ""},
	} {
		got := ""
		if api, ok := c.Lookup(tc.ws, tc.gr); ok {
			got = api.Origin.String()
		}
		if got != tc.want {
			t.Errorf("%s in %s is served by %q, want %q", tc.gr, tc.ws, got, tc.want)
		}
	}
	if !c.Gated(deployments) || c.Gated(configMaps) || c.Gated(widgets) {
		t.Error("only deployments are gated")
	}
	for ws, want := range map[logicalcluster.Name]bool{"bare": false, "bound": true, "local": false, "both": true} {
		if got := c.Served(ws).ShowsNative(deployments); got != want {
			t.Errorf("%s shows native deployments: %v, want %v", ws, got, want)
		}
	}
}

// Equal workspaces share one Set, and one that has nothing costs nothing.
func TestSetsAreShared(t *testing.T) {
	c := newCatalog()
	const workspaces = 10_000
	for i := range workspaces {
		ws := logicalcluster.Name(fmt.Sprintf("w%d", i))
		c.Upsert(ws, crd(widgets, "same"))
		c.SetBound(ws, nil, compute)
	}
	if diff := cmp.Diff(Stats{Workspaces: workspaces, Sets: 1, Shapes: 1}, c.Stats()); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
	if c.Served("w0") != c.Served("w9999") {
		t.Error("two equal workspaces have two sets")
	}
	for i := range workspaces {
		c.Drop(logicalcluster.Name(fmt.Sprintf("w%d", i)))
	}
	if diff := cmp.Diff(Stats{}, c.Stats()); diff != "" {
		t.Errorf("after dropping all (-want +got):\n%s", diff)
	}
	if _, ok := c.Lookup("w0", widgets); ok {
		t.Error("a dropped workspace still serves widgets")
	}
}

// The hash says what is served, whatever the way there.
func TestHash(t *testing.T) {
	c := newCatalog()
	empty := c.Served("a").Hash
	c.Upsert("a", crd(widgets, "1"))
	c.Upsert("a", crd(schema.GroupResource{Group: "example.io", Resource: "gadgets"}, "1"))
	c.Upsert("b", crd(schema.GroupResource{Group: "example.io", Resource: "gadgets"}, "1"))
	c.Upsert("b", crd(widgets, "1"))
	if c.Served("a").Hash != c.Served("b").Hash {
		t.Error("the order of events shows in the hash")
	}
	c.Upsert("b", crd(widgets, "2"))
	if c.Served("a").Hash == c.Served("b").Hash {
		t.Error("another schema does not show in the hash")
	}
	c.Delete("a", "widgets.example.io")
	c.Delete("a", "gadgets.example.io")
	if c.Served("a").Hash != empty {
		t.Error("a workspace that lost all it had is not like one that never had anything")
	}
	if newCatalog().Served("a").Hash != empty {
		t.Error("the hash differs between processes")
	}
	c.SetBound("a", nil, compute)
	if c.Served("a").Hash == empty {
		t.Error("a bound API does not show in the hash")
	}
}

// TestManyWorkspacesFewShapes: what thousands of workspaces installed alike is kept
// once, and nothing of it when they have gone.
func TestManyWorkspacesFewShapes(t *testing.T) {
	const workspaces, definitions = 5000, 10
	c := newCatalog()
	unused := 0
	c.OnUnused(func(string) { unused++ })
	for w := range workspaces {
		ws := logicalcluster.Name(fmt.Sprint("w", w))
		for d := range definitions {
			one := crd(schema.GroupResource{Group: "example.io", Resource: fmt.Sprint("r", d)}, "the same everywhere")
			one.UID, one.ResourceVersion = types.UID(fmt.Sprint(w, "-", d)), fmt.Sprint(w)
			one.Labels, one.Annotations = map[string]string{"of": string(ws)}, map[string]string{"of": string(ws)}
			c.Upsert(ws, one)
		}
	}
	if diff := cmp.Diff(Stats{Workspaces: workspaces, Sets: 1, Shapes: definitions}, c.Stats()); diff != "" || unused != 0 {
		t.Errorf("%s, %d unused", diff, unused)
	}
	for w := range workspaces {
		ws := logicalcluster.Name(fmt.Sprint("w", w))
		for d := range definitions {
			c.Delete(ws, fmt.Sprintf("r%d.example.io", d))
		}
	}
	if diff := cmp.Diff(Stats{}, c.Stats()); diff != "" || unused != definitions {
		t.Errorf("%s, %d unused", diff, unused)
	}
}

func TestUnusedShapesAreReported(t *testing.T) {
	c := newCatalog()
	var unused []string
	c.OnUnused(func(shape string) { unused = append(unused, shape) })
	c.Upsert("a", crd(widgets, "1"))
	c.Upsert("b", crd(widgets, "1"))
	api, _ := c.Lookup("a", widgets)
	c.Upsert("a", crd(widgets, "2"))
	c.Upsert("a", crd(widgets, "2")) // nothing new
	if len(unused) != 0 {
		t.Errorf("%v reported while b serves it", unused)
	}
	c.Drop("b")
	if diff := cmp.Diff([]string{api.Shape}, unused); diff != "" {
		t.Errorf("unused (-want +got):\n%s", diff)
	}
}

// Whoever holds an API is let go when the workspace serves it differently,
// and only then.
func TestHold(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Catalog)
		ends   bool
	}{
		"another schema":          {func(c *Catalog) { c.Upsert("a", crd(widgets, "2")) }, true},
		"deleted":                 {func(c *Catalog) { c.Delete("a", "widgets.example.io") }, true},
		"workspace dropped":       {func(c *Catalog) { c.Drop("a") }, true},
		"written again":           {func(c *Catalog) { c.Upsert("a", crd(widgets, "1")) }, false},
		"another definition":      {func(c *Catalog) { c.Upsert("a", crd(deployments, "1")) }, false},
		"another workspace":       {func(c *Catalog) { c.Upsert("b", crd(widgets, "2")) }, false},
		"something else is bound": {func(c *Catalog) { c.SetBound("a", nil, compute) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCatalog()
			c.Upsert("a", crd(widgets, "1"))
			api, _ := c.Lookup("a", widgets)
			held, release := c.Hold(context.Background(), "a", api)
			defer release()
			tc.change(c)
			if ended := errors.Is(context.Cause(held), ErrReplaced); ended != tc.ends {
				t.Errorf("ended: %v, want %v", ended, tc.ends)
			}
		})
	}
}

func TestHoldOfWhatIsGone(t *testing.T) {
	c := newCatalog()
	c.Upsert("a", crd(widgets, "1"))
	api, _ := c.Lookup("a", widgets)
	c.Delete("a", "widgets.example.io")
	held, release := c.Hold(context.Background(), "a", api)
	defer release()
	if !errors.Is(context.Cause(held), ErrReplaced) {
		t.Error("an API that was replaced before it was held goes on")
	}
}

func TestHoldOfBoundAPI(t *testing.T) {
	c := newCatalog()
	c.SetBound("a", nil, compute)
	api, _ := c.Lookup("a", deployments)
	held, release := c.Hold(context.Background(), "a", api)
	defer release()
	c.SetBound("a", nil)
	if !errors.Is(context.Cause(held), ErrReplaced) {
		t.Error("a watch of a bound API goes on after it was unbound")
	}
	release()
	if c.holds.Len() != 0 {
		t.Errorf("%d are remembered without a request", c.holds.Len())
	}
}

func TestClaims(t *testing.T) {
	c := newCatalog()
	c.SetBound("a", nil, compute)
	owners := func(ws logicalcluster.Name, group string) []string {
		var owners []string
		for _, claim := range c.Claims(ws, group) {
			owners = append(owners, claim.Owner)
		}
		return owners
	}
	for _, tc := range []struct {
		ws    logicalcluster.Name
		group string
		want  []string
	}{
		{"a", "apps", []string{`the API "deployments.apps" bound from "root:compute:kubernetes"`}},
		{"b", "apps", nil},
		{"b", "scheduling.kcp.io", []string{`the hub's own API "placements.scheduling.kcp.io"`}},
		{"a", "", []string{`the built-in API "configmaps"`, `the API "pods" bound from "root:compute:kubernetes"`}},
	} {
		if diff := cmp.Diff(tc.want, owners(tc.ws, tc.group)); diff != "" {
			t.Errorf("claims in %q of %s (-want +got):\n%s", tc.group, tc.ws, diff)
		}
	}
}

func TestRebound(t *testing.T) {
	c := newCatalog()
	var told []logicalcluster.Name
	c.OnRebound(func(ws logicalcluster.Name) { told = append(told, ws) })
	c.SetBound("a", nil, compute)
	c.SetBound("a", nil, compute)
	c.SetBound("b", nil, "root:other:thing")
	if diff := cmp.Diff([]logicalcluster.Name{"a"}, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// source is an informer that the test speaks through.
type source struct {
	handler func(old, new *apiextensionsv1.CustomResourceDefinition, key logicalcluster.Key)
}

func (s *source) OnChange(handler func(old, new *apiextensionsv1.CustomResourceDefinition, key logicalcluster.Key)) {
	s.handler = handler
}

func TestFeed(t *testing.T) {
	c, events := newCatalog(), &source{}
	c.Feed(events)
	key := logicalcluster.Key{Workspace: "a", Name: "widgets.example.io"}
	events.handler(nil, crd(widgets, "1"), key)
	if _, ok := c.Lookup("a", widgets); !ok {
		t.Error("an added definition is not served")
	}
	events.handler(crd(widgets, "1"), nil, key)
	if _, ok := c.Lookup("a", widgets); ok {
		t.Error("a deleted definition is served")
	}
}

// Readers see one Set or another, never something in between, while writers
// are at work.
func TestConcurrentUse(t *testing.T) {
	c := newCatalog()
	a, b := crd(widgets, "a"), crd(widgets, "b")
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	for i := range 4 {
		writers.Go(func() {
			ws := logicalcluster.Name(fmt.Sprintf("w%d", i%2))
			for range 200 {
				c.Upsert(ws, a)
				c.SetBound(ws, nil, compute)
				c.Upsert(ws, b)
				c.Drop(ws)
			}
		})
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				set := c.Served("w0")
				if !slices.IsSortedFunc(set.All(), func(x, y *API) int { return strings.Compare(x.Group, y.Group) }) {
					t.Error("a set is not sorted")
				}
				if api, ok := set.Lookup(widgets); ok {
					_, release := c.Hold(context.Background(), "w0", api)
					release()
				}
				runtime.Gosched()
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	if diff := cmp.Diff(Stats{}, c.Stats()); diff != "" {
		t.Errorf("left over (-want +got):\n%s", diff)
	}
}

func BenchmarkLookup(b *testing.B) {
	c := newCatalog()
	for i := range 1000 {
		c.Upsert(logicalcluster.Name(fmt.Sprintf("w%d", i)), crd(widgets, "same"))
	}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c.Lookup("w500", widgets)
		}
	})
}

// BenchmarkWorkspace reports what one more workspace like the others costs.
func BenchmarkWorkspace(b *testing.B) {
	c := newCatalog()
	definition := crd(widgets, "same")
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	b.ResetTimer()
	for i := range b.N {
		c.Upsert(logicalcluster.Name(fmt.Sprintf("w%d", i)), definition)
	}
	b.StopTimer()
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(b.N), "B/workspace")
	runtime.KeepAlive(c)
}

// widgetsOf returns the API of widgets that the export of a provider offers.
func widgetsOf(provider schemas.Provider, note string) *API {
	return schemas.FromExport(crd(widgets, note), provider, "root:"+string(provider.Workspace)+":"+provider.Export)
}

var (
	acme  = schemas.Provider{Workspace: "acme", Export: "widgets", Identity: "1111"}
	other = schemas.Provider{Workspace: "other", Export: "widgets", Identity: "2222"}
)

// A bound API comes before a definition of the workspace, and after the hub's
// own; those who bound the same export share it.
func TestBoundAPIs(t *testing.T) {
	c := newCatalog()
	c.Upsert("a", crd(widgets, "mine"))
	c.SetBound("a", []*API{widgetsOf(acme, "1")})
	c.SetBound("b", []*API{widgetsOf(acme, "1")}, compute)
	c.SetBound("c", []*API{widgetsOf(other, "1")})
	a, _ := c.Lookup("a", widgets)
	b, _ := c.Lookup("b", widgets)
	foreign, _ := c.Lookup("c", widgets)
	if a == nil || a.Origin != Bound || a != b {
		t.Errorf("a serves %+v, b %+v: want the one API of acme", a, b)
	}
	if foreign.Shape == a.Shape || foreign.Provider != other {
		t.Errorf("equal schemas of two exports are one shape: %+v", foreign)
	}
	if c.Served("b").ShowsNative(widgets) || !c.Served("b").ShowsNative(deployments) {
		t.Error("b does not serve what it bound")
	}
	want := []string{`the API "widgets.example.io" bound from "root:acme:widgets"`}
	var owners []string
	for _, claim := range c.Claims("a", "example.io") {
		owners = append(owners, claim.Owner)
	}
	if diff := cmp.Diff(want, owners); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
	c.SetBound("a", nil)
	if a, _ := c.Lookup("a", widgets); a == nil || a.Origin != Local {
		t.Errorf("after unbinding a serves %+v, want its own definition", a)
	}
	c.Drop("a")
	c.Drop("b")
	c.SetBound("c", nil)
	if diff := cmp.Diff(Stats{}, c.Stats()); diff != "" {
		t.Errorf("left over (-want +got):\n%s", diff)
	}
}

// A watch of a bound API ends when the workspace gets another schema of it.
func TestHoldOfExportedAPI(t *testing.T) {
	c := newCatalog()
	c.SetBound("a", []*API{widgetsOf(acme, "1")})
	api, _ := c.Lookup("a", widgets)
	held, release := c.Hold(context.Background(), "a", api)
	defer release()
	c.SetBound("a", []*API{widgetsOf(acme, "1")})
	if held.Err() != nil {
		t.Error("a watch ended although nothing changed")
	}
	c.SetBound("a", []*API{widgetsOf(acme, "2")})
	if !errors.Is(context.Cause(held), ErrReplaced) {
		t.Error("a watch goes on with a schema that was replaced")
	}
}

// A view shows what it is given and nothing besides.
func TestViewSet(t *testing.T) {
	c := newCatalog()
	api := widgetsOf(acme, "1")
	set := NewViewSet([]*API{api}, []schema.GroupResource{configMaps})
	if got, ok := set.Lookup(widgets); !ok || got != api {
		t.Errorf("widgets are served by %+v", got)
	}
	for gr, want := range map[schema.GroupResource]bool{configMaps: true, deployments: false, widgets: false, {Resource: "secrets"}: false} {
		if got := set.ShowsNative(gr); got != want {
			t.Errorf("the view shows native %s: %v, want %v", gr, got, want)
		}
	}
	if set.Hash == NewViewSet([]*API{api}, nil).Hash || set.Hash == c.Served("a").Hash {
		t.Error("what is claimed does not show in the hash")
	}
}

// What a view limits shows in its hash, whatever the order.
func TestLimitedSet(t *testing.T) {
	set := NewViewSet([]*API{widgetsOf(acme, "1")}, []schema.GroupResource{configMaps})
	one := set.Limited(map[schema.GroupResource][]string{configMaps: {"get", "list"}})
	if verbs, ok := one.Limit(configMaps); !ok || !slices.Equal(verbs, []string{"get", "list"}) {
		t.Errorf("configmaps are shown with %v, %v", verbs, ok)
	}
	if _, ok := one.Limit(widgets); ok {
		t.Error("widgets are limited")
	}
	if _, ok := set.Limit(configMaps); ok {
		t.Error("the set that was limited has changed")
	}
	same := set.Limited(map[schema.GroupResource][]string{configMaps: {"list", "get"}})
	other := set.Limited(map[schema.GroupResource][]string{configMaps: {"get"}})
	if one.Hash != same.Hash || one.Hash == other.Hash || one.Hash == set.Hash {
		t.Errorf("hashes: %s, %s, %s, %s", set.Hash, one.Hash, same.Hash, other.Hash)
	}
	if !one.ShowsNative(configMaps) {
		t.Error("a limited resource is not shown")
	}
}
