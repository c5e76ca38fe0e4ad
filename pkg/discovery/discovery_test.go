package discovery

import (
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	upstreamclient "k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
)

// What a client sees, resource by resource, asking in each of the forms.
func TestResourcesOfWorkspaces(t *testing.T) {
	w := newWorld(t)
	w.catalog.SetBound("bound", nil, compute)
	w.catalog.Upsert("local", define("example.io", "widgets", "Widget", "v1beta1", "v1"))
	w.catalog.Upsert("local", define("rbac.authorization.k8s.io", "wishes", "Wish"))
	w.catalog.Upsert("own", define("apps", "deployments", "Mine"))

	for ws, want := range map[string][]string{
		"bare":  {"v1/configmaps", "rbac.authorization.k8s.io/v1/roles", "scheduling.kcp.io/v1/placements"},
		"bound": {"v1/configmaps", "v1/pods", "apps/v1/deployments", "rbac.authorization.k8s.io/v1/roles", "scheduling.kcp.io/v1/placements"},
		"local": {"v1/configmaps", "rbac.authorization.k8s.io/v1/roles", "rbac.authorization.k8s.io/v1/wishes", "example.io/v1/widgets", "example.io/v1beta1/widgets", "scheduling.kcp.io/v1/placements"},
		"own":   {"v1/configmaps", "apps/v1/deployments", "rbac.authorization.k8s.io/v1/roles", "scheduling.kcp.io/v1/placements"},
		"*":     {"v1/configmaps", "v1/pods", "apps/v1/deployments", "rbac.authorization.k8s.io/v1/roles", "scheduling.kcp.io/v1/placements"},
	} {
		for form, legacy := range map[string]bool{"aggregated": false, "old": true} {
			t.Run(ws+"/"+form, func(t *testing.T) {
				client, err := upstreamclient.NewDiscoveryClientForConfig(&rest.Config{Host: w.url + "/clusters/" + ws})
				if err != nil {
					t.Fatal(err)
				}
				client.UseLegacyDiscovery = legacy
				_, lists, err := client.ServerGroupsAndResources()
				if err != nil {
					t.Fatal(err)
				}
				got := mainResources(lists)
				slices.Sort(got) // the client has its own order
				slices.Sort(want)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("resources (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// Groups come in the order in which kubectl prefers them.
func TestGroupOrder(t *testing.T) {
	w := newWorld(t)
	w.catalog.SetBound("a", nil, compute)
	w.catalog.Upsert("a", define("example.io", "widgets", "Widget"))
	want := []string{"apps", "rbac.authorization.k8s.io", "example.io", "scheduling.kcp.io"}
	var old metav1.APIGroupList
	w.getJSON(t, "a", "/apis", &old)
	var list apidiscoveryv2.APIGroupDiscoveryList
	w.getJSON(t, "a", "/apis", &list, "Accept", aggregatedJSON)
	var oldNames, names []string
	for _, group := range old.Groups {
		oldNames = append(oldNames, group.Name)
	}
	for _, group := range list.Items {
		names = append(names, group.Name)
	}
	for form, got := range map[string][]string{"old": oldNames, "aggregated": names} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", form, diff)
		}
	}
}

func mainResources(lists []*metav1.APIResourceList) []string {
	var names []string
	for _, list := range lists {
		for _, r := range list.APIResources {
			if gr := schema.ParseGroupResource(r.Name); gr.Resource == r.Name && !isSubresource(r.Name) {
				names = append(names, list.GroupVersion+"/"+r.Name)
			}
		}
	}
	return names
}

func isSubresource(name string) bool {
	for _, c := range name {
		if c == '/' {
			return true
		}
	}
	return false
}

func TestCustomResourceEntry(t *testing.T) {
	w := newWorld(t)
	w.catalog.Upsert("a", define("example.io", "widgets", "Widget"))
	var list metav1.APIResourceList
	w.getJSON(t, "a", "/apis/example.io/v1", &list)
	got := list.APIResources
	got[0].StorageVersionHash = ""
	want := []metav1.APIResource{
		{Name: "widgets", SingularName: "widget", Namespaced: true, Kind: "Widget", Verbs: resourceVerbs, ShortNames: []string{"wi"}, Categories: []string{"all"}},
		{Name: "widgets/status", Namespaced: true, Kind: "Widget", Verbs: subresourceVerbs},
		{Name: "widgets/scale", Namespaced: true, Kind: "Scale", Group: "autoscaling", Version: "v1", Verbs: subresourceVerbs},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	going := define("example.io", "widgets", "Widget")
	now := metav1.Now()
	going.DeletionTimestamp = &now
	w.catalog.Upsert("a", going)
	w.getJSON(t, "a", "/apis/example.io/v1", &list)
	if diff := cmp.Diff(terminatingVerbs, list.APIResources[0].Verbs); diff != "" {
		t.Errorf("verbs while terminating (-want +got):\n%s", diff)
	}
}

// Compiled-in resources keep what the server says of them in the old form.
func TestNativeEntriesAreKept(t *testing.T) {
	w := newWorld(t)
	w.catalog.SetBound("a", nil, compute)
	var list metav1.APIResourceList
	w.getJSON(t, "a", "/apis/apps/v1", &list)
	if diff := cmp.Diff(someNatives().Resources[schema.GroupVersion{Group: "apps", Version: "v1"}], list.APIResources); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func TestGroup(t *testing.T) {
	w := newWorld(t)
	w.catalog.Upsert("a", define("example.io", "widgets", "Widget", "v1alpha1", "v2", "v1beta1"))
	var group metav1.APIGroup
	w.getJSON(t, "a", "/apis/example.io", &group)
	var versions []string
	for _, v := range group.Versions {
		versions = append(versions, v.Version)
	}
	if diff := cmp.Diff([]string{"v2", "v1beta1", "v1alpha1"}, versions); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
	if group.PreferredVersion.Version != "v2" {
		t.Errorf("preferred %q, want v2", group.PreferredVersion.Version)
	}
}

func TestNotFound(t *testing.T) {
	w := newWorld(t)
	w.catalog.Upsert("a", define("example.io", "widgets", "Widget"))
	for _, path := range []string{
		"/apis/apps", "/apis/apps/v1", "/apis/example.io/v2", "/apis/nothing.io", "/api/v2",
		"/openapi/v3/apis/apps/v1", "/openapi/v3/apis/apps", "/openapi/v3/nonsense", "/apis/example.io/v1/widgets",
	} {
		if response, _ := w.get(t, "a", path); response.StatusCode != http.StatusNotFound {
			t.Errorf("GET %s: %d, want 404", path, response.StatusCode)
		}
	}
	for _, path := range []string{"/apis/example.io", "/openapi/v3/apis/example.io/v1"} {
		if response, _ := w.get(t, "b", path); response.StatusCode != http.StatusNotFound {
			t.Errorf("GET %s in another workspace: %d, want 404", path, response.StatusCode)
		}
	}
}

func TestOnlyReading(t *testing.T) {
	w := newWorld(t)
	response, err := http.Post(w.url+"/clusters/a/apis", "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST /apis: %d, want 405", response.StatusCode)
	}
}

// The aggregated document is cached by the client under an ETag that changes
// exactly when the workspace's APIs do.
func TestETag(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/api", "/apis"} {
		etag := func(ws string) string {
			var list apidiscoveryv2.APIGroupDiscoveryList
			return w.getJSON(t, ws, path, &list, "Accept", aggregatedJSON).Header.Get("ETag")
		}
		before := etag("a")
		if before == "" || before != etag("b") {
			t.Errorf("%s: ETags %q and %q of equal workspaces", path, before, etag("b"))
		}
		if response, body := w.get(t, "a", path, "Accept", aggregatedJSON, "If-None-Match", before); response.StatusCode != http.StatusNotModified || len(body) > 0 {
			t.Errorf("%s: %d with %d bytes for a known ETag, want 304", path, response.StatusCode, len(body))
		}
		w.catalog.SetBound("a", nil, compute)
		if after := etag("a"); after == before {
			t.Errorf("%s: ETag %q stays after binding", path, after)
		}
		w.catalog.Drop("a")
	}
}

func TestAggregatedBeta(t *testing.T) {
	w := newWorld(t)
	var list apidiscoveryv2.APIGroupDiscoveryList
	for version, accept := range map[string]string{
		"apidiscovery.k8s.io/v2":      "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json",
		"apidiscovery.k8s.io/v2beta1": "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json",
	} {
		list = apidiscoveryv2.APIGroupDiscoveryList{}
		w.getJSON(t, "a", "/apis", &list, "Accept", accept)
		if list.APIVersion != version || len(list.Items) == 0 {
			t.Errorf("asked for %s, got %s with %d groups", version, list.APIVersion, len(list.Items))
		}
	}
}

func TestHandles(t *testing.T) {
	for path, want := range map[string]bool{
		"/api": true, "/api/": true, "/api/v1": true, "/api/v1/pods": false,
		"/apis": true, "/apis/apps": true, "/apis/apps/v1": true, "/apis/apps/v1/deployments": false,
		"/openapi/v2": true, "/openapi/v3": true, "/openapi/v3/apis/apps/v1": true, "/openapi": false, "/openapi/v4": false, "/openapi/v2/x": false,
		"": false, "/": false, "/version": false, "/readyz": false,
	} {
		if got := Handles(path); got != want {
			t.Errorf("Handles(%q) = %v", path, got)
		}
	}
}

func TestPreferredResources(t *testing.T) {
	w := newWorld(t)
	w.catalog.Upsert("a", define("example.io", "widgets", "Widget", "v1beta1", "v1"))
	h, err := New(Config{Catalog: w.catalog, Natives: someNatives()})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"v1/configmaps", "rbac.authorization.k8s.io/v1/roles", "example.io/v1/widgets", "scheduling.kcp.io/v1/placements"}
	if diff := cmp.Diff(want, mainResources(h.Resources("a"))); diff != "" {
		t.Errorf("resources (-want +got):\n%s", diff)
	}
}
