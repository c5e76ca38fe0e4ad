package discovery

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"weak"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	genericapiserver "k8s.io/apiserver/pkg/server"
	openapibuilder "k8s.io/kube-openapi/pkg/builder"
	openapibuilder3 "k8s.io/kube-openapi/pkg/builder3"
	openapicommon "k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/common/restfuladapter"
	openapihandler "k8s.io/kube-openapi/pkg/handler"
	"k8s.io/kube-openapi/pkg/spec3"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// Natives describes the compiled-in APIs, bound or not. It does not change
// while the hub runs.
type Natives struct {
	// Groups are the API groups in the order of preference. The core group,
	// which has no name, is one of them.
	Groups []apidiscoveryv2.APIGroupDiscovery
	// Resources are the lists served at /api/v1 and /apis/<group>/<version>.
	// Those not given here are derived from Groups.
	Resources map[schema.GroupVersion][]metav1.APIResource
	// OpenAPIV2 builds the specification of all compiled-in APIs; nil when
	// there is none. It is called when first needed.
	OpenAPIV2 func() (*spec.Swagger, error)
	// OpenAPIV3 builds the document of a path below /openapi/v3, as in
	// "apis/apps/v1". Each is called whenever its document is needed.
	OpenAPIV3 map[string]func() (*spec3.OpenAPI, error)
}

// aggregatedJSON asks for aggregated discovery.
const aggregatedJSON = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

// NativesOf reads Natives from a server in which all APIs are installed. The
// OpenAPI configurations are those of the server's config; the server needs
// not publish OpenAPI itself (SkipOpenAPIInstallation saves the memory), and v3
// needs not hold its definitions: they are made when a document is.
func NativesOf(server *genericapiserver.GenericAPIServer, v2 *openapicommon.Config, v3 *openapicommon.OpenAPIV3Config) (Natives, error) {
	groups, err := groupsOf(server)
	if err != nil {
		return Natives{}, err
	}
	container := server.Handler.GoRestfulContainer
	resources, err := resourcesOf(container, groups)
	if err != nil {
		return Natives{}, err
	}
	natives := Natives{Groups: groups, Resources: resources, OpenAPIV3: map[string]func() (*spec3.OpenAPI, error){}}
	if v2 != nil {
		natives.OpenAPIV2 = func() (*spec.Swagger, error) {
			swagger, err := openapibuilder.BuildOpenAPISpecFromRoutes(restfuladapter.AdaptWebServices(container.RegisteredWebServices()), v2)
			if err != nil {
				return nil, fmt.Errorf("build OpenAPI v2: %w", err)
			}
			swagger.Definitions = openapihandler.PruneDefaults(swagger.Definitions)
			return swagger, nil
		}
	}
	if v3 != nil {
		addOpenAPIV3(natives.OpenAPIV3, server, v3)
	}
	return natives, nil
}

// groupsOf returns the groups of server in the order of preference.
func groupsOf(server *genericapiserver.GenericAPIServer) ([]apidiscoveryv2.APIGroupDiscovery, error) {
	var groups []apidiscoveryv2.APIGroupDiscovery
	for _, manager := range []http.Handler{server.AggregatedLegacyDiscoveryGroupManager, server.AggregatedDiscoveryGroupManager} {
		var list apidiscoveryv2.APIGroupDiscoveryList
		if err := ask(manager, "/", aggregatedJSON, &list); err != nil {
			return nil, fmt.Errorf("read aggregated discovery: %w", err)
		}
		groups = append(groups, list.Items...)
	}
	slices.SortStableFunc(groups, func(a, b apidiscoveryv2.APIGroupDiscovery) int {
		return preference(a.Name) - preference(b.Name)
	})
	return groups, nil
}

// resourcesOf returns what handler lists for each version of groups.
func resourcesOf(handler http.Handler, groups []apidiscoveryv2.APIGroupDiscovery) (map[schema.GroupVersion][]metav1.APIResource, error) {
	resources := map[schema.GroupVersion][]metav1.APIResource{}
	for _, group := range groups {
		for _, version := range group.Versions {
			gv := schema.GroupVersion{Group: group.Name, Version: version.Version}
			var list metav1.APIResourceList
			if err := ask(handler, "/"+pathOf(gv), "application/json", &list); err != nil {
				return nil, fmt.Errorf("read resources of %s: %w", gv, err)
			}
			resources[gv] = list.APIResources
		}
	}
	return resources, nil
}

// addOpenAPIV3 adds a builder for each web service of the server.
func addOpenAPIV3(documents map[string]func() (*spec3.OpenAPI, error), server *genericapiserver.GenericAPIServer, config *openapicommon.OpenAPIV3Config) {
	definitions := definitionsOf(config)
	for _, service := range server.Handler.GoRestfulContainer.RegisteredWebServices() {
		path := strings.TrimPrefix(service.RootPath(), "/")
		documents[path] = func() (*spec3.OpenAPI, error) {
			described := *config
			described.Definitions = definitions()
			document, err := openapibuilder3.BuildOpenAPISpecFromRoutes([]openapicommon.RouteContainer{&restfuladapter.WebServiceAdapter{WebService: service}}, &described)
			if err != nil {
				return nil, fmt.Errorf("build OpenAPI v3 of %s: %w", path, err)
			}
			if gv, ok := groupVersionOf(path); ok {
				keepOwnKinds(document, gv)
			}
			return document, nil
		}
	}
}

// definitionsOf returns a function that makes the definitions when they are needed and
// there are none: they are kept no longer than memory is plentiful.
func definitionsOf(config *openapicommon.OpenAPIV3Config) func() map[string]openapicommon.OpenAPIDefinition {
	var mu sync.Mutex
	var kept weak.Pointer[map[string]openapicommon.OpenAPIDefinition]
	reference := func(name string) spec.Ref {
		name, _ = config.GetDefinitionName(name)
		return spec.MustCreateRef("#/components/schemas/" + openapicommon.EscapeJsonPointer(name))
	}
	return func() map[string]openapicommon.OpenAPIDefinition {
		mu.Lock()
		defer mu.Unlock()
		value := kept.Value()
		if value == nil {
			made := config.GetDefinitions(reference)
			value = &made
			kept = weak.Make(value)
		}
		return *value
	}
}

// ask decodes what handler answers to a GET.
func ask(handler http.Handler, path, accept string, into any) error {
	req, err := http.NewRequest(http.MethodGet, path, nil)
	if err != nil {
		return fmt.Errorf("make request for %s: %w", path, err)
	}
	req.Header.Set("Accept", accept)
	answer := &answer{header: http.Header{}}
	handler.ServeHTTP(answer, req)
	if answer.code != http.StatusOK {
		return fmt.Errorf("%s answered %d: %s", path, answer.code, answer.body)
	}
	if err := json.Unmarshal(answer.body, into); err != nil {
		return fmt.Errorf("decode answer of %s: %w", path, err)
	}
	return nil
}

// answer keeps what a handler writes.
type answer struct {
	header http.Header
	code   int
	body   []byte
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(code int) { a.code = code }

// Write implements http.ResponseWriter.
func (a *answer) Write(data []byte) (int, error) {
	if a.code == 0 {
		a.code = http.StatusOK
	}
	a.body = append(a.body, data...)
	return len(data), nil
}

// preferred lists the groups of Kubernetes in the order in which kubectl looks
// for a short name in them. It is that of kube-apiserver.
var preferred = []string{
	"", "apps", "events.k8s.io", "authentication.k8s.io", "authorization.k8s.io", "autoscaling", "batch",
	"certificates.k8s.io", "networking.k8s.io", "policy", "rbac.authorization.k8s.io", "storage.k8s.io",
	"admissionregistration.k8s.io", "apiextensions.k8s.io", "scheduling.k8s.io", "coordination.k8s.io",
	"node.k8s.io", "discovery.k8s.io", "resource.k8s.io", "flowcontrol.apiserver.k8s.io",
}

func preference(group string) int {
	if i := slices.Index(preferred, group); i >= 0 {
		return i
	}
	return len(preferred)
}

// pathOf returns "api/v1" or "apis/<group>/<version>".
func pathOf(gv schema.GroupVersion) string {
	if gv.Group == "" {
		return "api/" + gv.Version
	}
	return "apis/" + gv.Group + "/" + gv.Version
}

// groupVersionOf is the inverse of pathOf.
func groupVersionOf(path string) (schema.GroupVersion, bool) {
	parts := strings.Split(path, "/")
	switch {
	case len(parts) == 2 && parts[0] == "api":
		return schema.GroupVersion{Version: parts[1]}, true
	case len(parts) == 3 && parts[0] == "apis":
		return schema.GroupVersion{Group: parts[1], Version: parts[2]}, true
	}
	return schema.GroupVersion{}, false
}
