package discovery

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/kube-openapi/pkg/spec3"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"github.com/atriumhub/atrium/pkg/catalog"
	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/schemas"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const compute = catalog.NativeAPIName("root:compute:kubernetes")

// world is a hub that can do nothing but discovery.
type world struct {
	catalog *catalog.Catalog
	url     string
}

// newWorld has configmaps and roles everywhere, pods and deployments where
// they are bound, and the system API placements.
func newWorld(t *testing.T) *world {
	t.Helper()
	c := catalog.New([]*apiextensionsv1.CustomResourceDefinition{define("scheduling.kcp.io", "placements", "Placement")}, []catalog.NativeAPI{{
		Name: compute,
		Resources: []schema.GroupVersionResource{
			{Version: "v1", Resource: "pods"}, {Group: "apps", Version: "v1", Resource: "deployments"},
		},
	}})
	h, err := New(Config{Catalog: c, Natives: someNatives()})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		rest, _ := strings.CutPrefix(req.URL.Path, "/clusters/")
		ws, path, _ := strings.Cut(rest, "/")
		scope := keyspace.Everywhere()
		if ws != "*" {
			scope = keyspace.In(logicalcluster.Name(ws))
		}
		req = req.WithContext(keyspace.WithScope(req.Context(), scope))
		req.URL.Path = "/" + path
		if !Handles(req.URL.Path) {
			http.NotFound(w, req)
			return
		}
		h.ServeHTTP(w, req)
	}))
	t.Cleanup(web.Close)
	return &world{catalog: c, url: web.URL}
}

func someNatives() Natives {
	resource := func(group, name, kind string) apidiscoveryv2.APIResourceDiscovery {
		return apidiscoveryv2.APIResourceDiscovery{
			Resource: name, SingularResource: strings.ToLower(kind), Scope: apidiscoveryv2.ScopeNamespace,
			ResponseKind: &metav1.GroupVersionKind{Group: group, Version: "v1", Kind: kind}, Verbs: metav1.Verbs{"get", "list"},
		}
	}
	group := func(name string, resources ...apidiscoveryv2.APIResourceDiscovery) apidiscoveryv2.APIGroupDiscovery {
		return newGroup(name, []apidiscoveryv2.APIVersionDiscovery{{Version: "v1", Resources: resources, Freshness: apidiscoveryv2.DiscoveryFreshnessCurrent}})
	}
	natives := Natives{
		Groups: []apidiscoveryv2.APIGroupDiscovery{
			group("", resource("", "configmaps", "ConfigMap"), resource("", "pods", "Pod")),
			group("apps", resource("apps", "deployments", "Deployment")),
			group("rbac.authorization.k8s.io", resource("rbac.authorization.k8s.io", "roles", "Role")),
		},
		Resources: map[schema.GroupVersion][]metav1.APIResource{
			{Group: "apps", Version: "v1"}: {
				{Name: "deployments", Kind: "Deployment", StorageVersionHash: "native"},
				{Name: "deployments/scale", Kind: "Scale", Group: "autoscaling", Version: "v1"},
			},
		},
		OpenAPIV2: func() (*spec.Swagger, error) { return someSwagger(), nil },
		OpenAPIV3: map[string]func() (*spec3.OpenAPI, error){},
	}
	for path, kinds := range map[string]map[string]string{
		"api/v1":                            {"/api/v1/namespaces/{namespace}/configmaps": "ConfigMap", "/api/v1/namespaces/{namespace}/pods": "Pod", "/api/v1/": "APIResourceList"},
		"apps":                              nil,
		"apis":                              {"/apis/": "APIGroupList"},
		"version":                           {"/version/": "Info"},
		"apis/rbac.authorization.k8s.io/v1": {"/apis/rbac.authorization.k8s.io/v1/roles": "Role"},
		"apis/apps":                         {"/apis/apps/": "APIGroup"},
		"apis/apps/v1":                      {"/apis/apps/v1/namespaces/{namespace}/deployments": "Deployment"},
	} {
		if kinds != nil {
			natives.OpenAPIV3[path] = func() (*spec3.OpenAPI, error) { return someDocument(kinds), nil }
		}
	}
	return natives
}

// someDocument has one path per kind; each kind refers to one of its own and
// to the shared Meta.
func someDocument(kinds map[string]string) *spec3.OpenAPI {
	document := &spec3.OpenAPI{
		Version: "3.0.0", Info: &spec.Info{}, Paths: &spec3.Paths{Paths: map[string]*spec3.Path{}},
		Components: &spec3.Components{Schemas: map[string]*spec.Schema{"Meta": {}}},
	}
	for path, kind := range kinds {
		document.Paths.Paths[path] = &spec3.Path{PathProps: spec3.PathProps{Get: &spec3.Operation{OperationProps: spec3.OperationProps{
			Responses: &spec3.Responses{ResponsesProps: spec3.ResponsesProps{StatusCodeResponses: map[int]*spec3.Response{200: {
				ResponseProps: spec3.ResponseProps{Content: map[string]*spec3.MediaType{"application/json": {
					MediaTypeProps: spec3.MediaTypeProps{Schema: spec.RefSchema("#/components/schemas/" + kind)},
				}}},
			}}}},
		}}}}
		document.Components.Schemas[kind] = &spec.Schema{SchemaProps: spec.SchemaProps{Properties: map[string]spec.Schema{
			"spec":     *spec.RefSchema("#/components/schemas/" + kind + "Spec"),
			"metadata": *spec.RefSchema("#/components/schemas/Meta"),
		}}}
		document.Components.Schemas[kind+"Spec"] = &spec.Schema{}
	}
	return document
}

func someSwagger() *spec.Swagger {
	swagger := emptySwagger()
	swagger.Definitions = spec.Definitions{}
	for path, kind := range map[string]string{
		"/api/v1/namespaces/{namespace}/configmaps":        "ConfigMap",
		"/api/v1/namespaces/{namespace}/pods":              "Pod",
		"/apis/apps/v1/namespaces/{namespace}/deployments": "Deployment",
	} {
		swagger.Paths.Paths[path] = spec.PathItem{PathItemProps: spec.PathItemProps{Get: &spec.Operation{OperationProps: spec.OperationProps{
			Responses: &spec.Responses{ResponsesProps: spec.ResponsesProps{StatusCodeResponses: map[int]spec.Response{
				200: {ResponseProps: spec.ResponseProps{Description: "OK", Schema: spec.RefSchema("#/definitions/" + kind)}},
			}}},
		}}}}
		swagger.Definitions[kind] = spec.Schema{SchemaProps: spec.SchemaProps{Type: []string{"object"}}}
	}
	return swagger
}

// define returns a definition with a spec that has a field "colour".
func define(group, plural, kind string, versions ...string) *apiextensionsv1.CustomResourceDefinition {
	if len(versions) == 0 {
		versions = []string{"v1"}
	}
	crd := &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: plural + "." + group},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: group, Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: plural, Kind: kind, ShortNames: []string{plural[:2]}, Categories: []string{"all"}},
		},
	}
	for i, v := range versions {
		crd.Spec.Versions = append(crd.Spec.Versions, apiextensionsv1.CustomResourceDefinitionVersion{
			Name: v, Served: true, Storage: i == 0,
			Subresources: &apiextensionsv1.CustomResourceSubresources{
				Status: &apiextensionsv1.CustomResourceSubresourceStatus{},
				Scale:  &apiextensionsv1.CustomResourceSubresourceScale{SpecReplicasPath: ".spec.n", StatusReplicasPath: ".status.n"},
			},
			Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
				Type: "object",
				Properties: map[string]apiextensionsv1.JSONSchemaProps{"spec": {
					Type: "object", Properties: map[string]apiextensionsv1.JSONSchemaProps{"colour": {Type: "string", Description: "what it looks like"}},
				}},
			}},
		})
	}
	return schemas.Installed(crd)
}

// get returns the answer to a GET in a workspace, with the given headers.
func (w *world) get(t *testing.T, ws, path string, headers ...string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, w.url+"/clusters/"+ws+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	// Redirects are for the test to see.
	response, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, body
}

// getJSON decodes a successful answer.
func (w *world) getJSON(t *testing.T, ws, path string, into any, headers ...string) *http.Response {
	t.Helper()
	response, body := w.get(t, ws, path, headers...)
	if response.StatusCode != http.StatusOK {
		t.Fatalf("GET %s in %s: %d %s", path, ws, response.StatusCode, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatalf("GET %s in %s: %v in %s", path, ws, err, body)
	}
	return response
}
