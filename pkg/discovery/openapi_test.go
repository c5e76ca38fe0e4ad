package discovery

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/kube-openapi/pkg/handler3"
	"k8s.io/kube-openapi/pkg/spec3"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

func (w *world) index(t *testing.T, ws string) map[string]string {
	t.Helper()
	var index handler3.OpenAPIV3Discovery
	w.getJSON(t, ws, "/openapi/v3", &index)
	urls := map[string]string{}
	for path, at := range index.Paths {
		urls[path] = at.ServerRelativeURL
	}
	return urls
}

func TestOpenAPIV3Index(t *testing.T) {
	w := newWorld(t)
	bare := w.index(t, "a")
	if diff := cmp.Diff([]string{"api/v1", "apis", "apis/rbac.authorization.k8s.io/v1", "apis/scheduling.kcp.io/v1", "version"}, slices.Sorted(maps.Keys(bare))); diff != "" {
		t.Errorf("paths of a bare workspace (-want +got):\n%s", diff)
	}
	w.catalog.SetBound("a", nil, compute)
	w.catalog.Upsert("a", define("example.io", "widgets", "Widget"))
	full := w.index(t, "a")
	for _, path := range []string{"apis/apps", "apis/apps/v1", "apis/example.io/v1"} {
		if full[path] == "" {
			t.Errorf("%s is missing", path)
		}
	}
	for path := range bare {
		if same := bare[path] == full[path]; same != (path != "api/v1") {
			t.Errorf("%s: hash the same after binding: %v", path, same)
		}
	}
	changed := define("example.io", "widgets", "Widget")
	changed.Spec.Versions[0].Schema.OpenAPIV3Schema.Description = "new"
	w.catalog.Upsert("a", changed)
	again := w.index(t, "a")
	for path := range full {
		if same := again[path] == full[path]; same != (path != "apis/example.io/v1") {
			t.Errorf("%s: hash the same after a changed schema: %v", path, same)
		}
	}
}

// A document has the paths and schemas of what is visible and nothing of the
// rest.
func TestOpenAPIV3IsFiltered(t *testing.T) {
	w := newWorld(t)
	var document spec3.OpenAPI
	w.getJSON(t, "a", "/openapi/v3/api/v1", &document)
	if diff := cmp.Diff([]string{"/api/v1/", "/api/v1/namespaces/{namespace}/configmaps"}, slices.Sorted(maps.Keys(document.Paths.Paths))); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"APIResourceList", "APIResourceListSpec", "ConfigMap", "ConfigMapSpec", "Meta"}, slices.Sorted(maps.Keys(document.Components.Schemas))); diff != "" {
		t.Errorf("schemas (-want +got):\n%s", diff)
	}
	w.catalog.SetBound("a", nil, compute)
	w.getJSON(t, "a", "/openapi/v3/api/v1", &document)
	if document.Components.Schemas["PodSpec"] == nil {
		t.Error("pods are missing after binding")
	}
}

func TestOpenAPIV3OfDefinition(t *testing.T) {
	w := newWorld(t)
	w.catalog.Upsert("a", define("example.io", "widgets", "Widget"))
	w.catalog.Upsert("a", define("example.io", "gadgets", "Gadget"))
	client, err := discovery.NewDiscoveryClientForConfig(&rest.Config{Host: w.url + "/clusters/a"})
	if err != nil {
		t.Fatal(err)
	}
	paths, err := client.OpenAPIV3().Paths()
	if err != nil {
		t.Fatal(err)
	}
	for _, contentType := range []string{"application/json", "application/com.github.proto-openapi.spec.v3.v1.0+protobuf"} {
		data, err := paths["apis/example.io/v1"].Schema(contentType)
		if err != nil {
			t.Fatalf("%s: %v", contentType, err)
		}
		for _, want := range []string{"io.example.v1.Widget", "io.example.v1.Gadget", "what it looks like", "ObjectMeta"} {
			if !strings.Contains(string(data), want) {
				t.Errorf("%s: no %q in %d bytes", contentType, want, len(data))
			}
		}
	}
}

// A document asked for by its hash never changes; by an old hash the client
// is sent to the new one, without the workspace's prefix being known.
func TestOpenAPIV3Hash(t *testing.T) {
	w := newWorld(t)
	at := w.index(t, "a")["api/v1"]
	response, _ := w.get(t, "a", at)
	if got := response.Header.Get("Cache-Control"); response.StatusCode != http.StatusOK || got != "public, immutable" {
		t.Errorf("by hash: %d %q", response.StatusCode, got)
	}
	response, _ = w.get(t, "a", "/openapi/v3/api/v1?hash=OLD")
	to, err := response.Location()
	if err != nil {
		t.Fatal(err)
	}
	want, _ := url.Parse(w.url + "/clusters/a" + at)
	if response.StatusCode != http.StatusMovedPermanently || to.String() != want.String() {
		t.Errorf("by an old hash: %d to %s, want 301 to %s", response.StatusCode, to, want)
	}
	response, _ = w.get(t, "a", "/openapi/v3/api/v1", "Accept", "text/html")
	if response.StatusCode != http.StatusNotAcceptable {
		t.Errorf("as HTML: %d, want 406", response.StatusCode)
	}
}

func TestOpenAPIV2(t *testing.T) {
	w := newWorld(t)
	w.catalog.Upsert("a", define("example.io", "widgets", "Widget"))
	kinds := func(ws string) []string {
		var swagger spec.Swagger
		_, body := w.get(t, ws, "/openapi/v2", "Accept", "application/json")
		if err := json.Unmarshal(body, &swagger); err != nil {
			t.Fatal(err)
		}
		var kinds []string
		for name := range swagger.Definitions {
			if !strings.HasPrefix(name, "io.k8s.") {
				kinds = append(kinds, name)
			}
		}
		slices.Sort(kinds)
		return kinds
	}
	if diff := cmp.Diff([]string{"ConfigMap", "io.example.v1.Widget", "io.example.v1.WidgetList", "io.kcp.scheduling.v1.Placement", "io.kcp.scheduling.v1.PlacementList"}, kinds("a")); diff != "" {
		t.Errorf("definitions (-want +got):\n%s", diff)
	}
	w.catalog.SetBound("b", nil, compute)
	if diff := cmp.Diff([]string{"ConfigMap", "Deployment", "Pod", "io.kcp.scheduling.v1.Placement", "io.kcp.scheduling.v1.PlacementList"}, kinds("b")); diff != "" {
		t.Errorf("definitions where compute is bound (-want +got):\n%s", diff)
	}
	client, err := discovery.NewDiscoveryClientForConfig(&rest.Config{Host: w.url + "/clusters/a"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.OpenAPISchema(); err != nil {
		t.Errorf("as protobuf: %v", err)
	}
}

func TestResourceOfPath(t *testing.T) {
	for path, want := range map[string]schema.GroupResource{
		"/api/v1/pods": {Resource: "pods"},
		"/api/v1/namespaces/{namespace}/pods/{name}/log":   {Resource: "pods"},
		"/api/v1/watch/namespaces/{namespace}/pods":        {Resource: "pods"},
		"/api/v1/namespaces":                               {Resource: "namespaces"},
		"/api/v1/namespaces/{name}":                        {Resource: "namespaces"},
		"/api/v1/namespaces/{name}/status":                 {Resource: "namespaces"},
		"/apis/apps/v1/namespaces/{namespace}/deployments": {Group: "apps", Resource: "deployments"},
		"/apis/apps/v1/watch/deployments":                  {Group: "apps", Resource: "deployments"},
		"/apis/rbac.authorization.k8s.io/v1/clusterroles":  {Group: "rbac.authorization.k8s.io", Resource: "clusterroles"},
		"/api/v1/": {}, "/apis/": {}, "/apis/apps/": {}, "/apis/apps/v1/": {}, "/version/": {}, "/openid/v1/jwks": {},
	} {
		if got, _ := resourceOfPath(path); got != want {
			t.Errorf("%s is about %v, want %v", path, got, want)
		}
	}
}

func TestKeepOwnKinds(t *testing.T) {
	kind := func(group, version, kind string) any {
		return map[string]any{"group": group, "version": version, "kind": kind}
	}
	document := &spec3.OpenAPI{Components: &spec3.Components{Schemas: map[string]*spec.Schema{
		"DeleteOptions": {VendorExtensible: spec.VendorExtensible{Extensions: spec.Extensions{
			kindsExtension: []any{kind("", "v1", "DeleteOptions"), kind("apps", "v1", "DeleteOptions"), kind("batch", "v1", "DeleteOptions")},
		}}},
		"Scale": {VendorExtensible: spec.VendorExtensible{Extensions: spec.Extensions{
			kindsExtension: []any{kind("apps", "v1", "Scale"), kind("autoscaling", "v1", "Scale")},
		}}},
	}}}
	keepOwnKinds(document, schema.GroupVersion{Group: "apps", Version: "v1"})
	for name, want := range map[string]int{"DeleteOptions": 2, "Scale": 2} {
		if got := len(document.Components.Schemas[name].Extensions[kindsExtension].([]any)); got != want {
			t.Errorf("%s keeps %d kinds, want %d", name, got, want)
		}
	}
}
