package crds_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apiextensions-apiserver/pkg/apihelpers"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsapiserver "k8s.io/apiextensions-apiserver/pkg/apiserver"
	apiextensionsclient "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	apiextensionsoptions "k8s.io/apiextensions-apiserver/pkg/cmd/server/options"
	generatedopenapi "k8s.io/apiextensions-apiserver/pkg/generated/openapi"
	"k8s.io/apiextensions-apiserver/pkg/registry/customresourcedefinition"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/audit"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	apirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	serverstorage "k8s.io/apiserver/pkg/server/storage"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/util/compatibility"
	"k8s.io/apiserver/pkg/util/webhook"
	clientrest "k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/atriumhub/atrium/pkg/catalog"
	"github.com/atriumhub/atrium/pkg/customresources"
	"github.com/atriumhub/atrium/pkg/discovery"
	"github.com/atriumhub/atrium/pkg/etcd"
	"github.com/atriumhub/atrium/pkg/informers"
	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/partition"
	"github.com/atriumhub/atrium/pkg/schemas"
	"github.com/atriumhub/atrium/pkg/upkeep/crds"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// compute is the native API that workspaces of the world can bind. Nothing
// serves it: requests for it are answered by the server of definitions, with
// 404.
const compute = catalog.NativeAPIName("root:compute:kubernetes")

// world is a hub that knows custom resources and nothing else, on a real etcd:
// the API of definitions, the loop under test, the catalog, the handlers and
// discovery, behind URLs with /clusters/<workspace>.
type world struct {
	hub      *client.Hub
	catalog  *catalog.Catalog
	handlers *customresources.Handlers
	storage  *partition.Getter
}

func newWorld(t testing.TB) *world {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	etcdServer, err := etcd.Start(ctx, etcd.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(etcdServer.Stop)

	definitionStore, objectStore := newStores(etcdServer.Endpoints())
	w := &world{
		catalog: catalog.New(nil, []catalog.NativeAPI{{
			Name: compute, Resources: []schema.GroupVersionResource{{Group: "apps.example.io", Version: "v1", Resource: "engines"}},
		}}),
		storage: objectStore,
	}
	w.handlers, err = customresources.New(customresources.Config{
		Storage:   func(string) generic.RESTOptionsGetter { return objectStore },
		Admission: admission.NewChainHandler(), Authorizer: authorizerfactory.NewAlwaysAllowAuthorizer(),
		Conversion: func(*schemas.API) (webhook.ServiceResolver, webhook.AuthenticationInfoResolverWrapper) {
			return nil, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.catalog.OnUnused(w.handlers.Retire)

	server, composed := newServer(t, definitionStore, w.catalog)
	web := httptest.NewServer(&chain{world: w, native: server.Handler.Director, discovery: composed})
	t.Cleanup(func() { web.CloseClientConnections(); web.Close(); w.handlers.Close(); server.Destroy() })
	if w.hub, err = client.New(client.Unthrottled(&clientrest.Config{Host: web.URL})); err != nil {
		t.Fatal(err)
	}

	definitions := newInformer(t, definitionStore)
	w.catalog.Feed(definitions)
	controller := crds.New(crds.Config{Hub: w.hub, Definitions: definitions, Catalog: w.catalog, Purge: objectStore.Purge})
	var running sync.WaitGroup
	running.Go(func() { definitions.Run(ctx) })
	running.Go(func() { controller.Run(ctx) })
	running.Go(func() { w.handlers.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	<-definitions.Synced()
	return w
}

// newStores returns the storage of definitions and that of custom resources.
func newStores(endpoints []string) (definitions, objects *partition.Getter) {
	config := storagebackend.NewDefaultConfig("/registry", apiextensionsapiserver.Codecs.LegacyCodec(apiextensionsv1.SchemeGroupVersion))
	config.Transport.ServerList = endpoints
	options := genericoptions.NewEtcdOptions(config)
	definitions = partition.New(options.CreateRESTOptionsGetter(&genericoptions.SimpleStorageFactory{StorageConfig: *config}, nil), partition.Config{})
	objects = definitions.Sibling(apiextensionsoptions.NewCRDRESTOptionsGetter(*options, nil, nil), partition.Config{
		Segment:         "customresources",
		Cached:          func(schema.GroupResource) bool { return false },
		MetricsResource: &schema.GroupResource{Group: "atrium.io", Resource: "customresources"},
	})
	return definitions, objects
}

// newServer returns a generic server with the API of definitions, and the
// discovery composed with it.
func newServer(t testing.TB, definitions generic.RESTOptionsGetter, served *catalog.Catalog) (*genericapiserver.GenericAPIServer, *discovery.Handler) {
	t.Helper()
	namer := openapinamer.NewDefinitionNamer(apiextensionsapiserver.Scheme)
	config := genericapiserver.NewConfig(apiextensionsapiserver.Codecs)
	config.ExternalAddress = "127.0.0.1:443"
	config.LoopbackClientConfig = &clientrest.Config{}
	config.EffectiveVersion = compatibility.DefaultBuildEffectiveVersion()
	config.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(generatedopenapi.GetOpenAPIDefinitions, namer)
	config.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(generatedopenapi.GetOpenAPIDefinitions, namer)
	config.SkipOpenAPIInstallation = true
	config.RESTOptionsGetter = definitions
	config.MergedResourceConfig = serverstorage.NewResourceConfig()
	server, err := config.Complete(nil).New("definitions", genericapiserver.NewEmptyDelegate())
	if err != nil {
		t.Fatal(err)
	}
	store, err := customresourcedefinition.NewREST(apiextensionsapiserver.Scheme, definitions)
	if err != nil {
		t.Fatal(err)
	}
	group := genericapiserver.NewDefaultAPIGroupInfo(apiextensions.GroupName, apiextensionsapiserver.Scheme, metav1.ParameterCodec, apiextensionsapiserver.Codecs)
	group.VersionedResourcesStorageMap["v1"] = map[string]rest.Storage{
		"customresourcedefinitions":        store,
		"customresourcedefinitions/status": customresourcedefinition.NewStatusREST(apiextensionsapiserver.Scheme, store),
	}
	if err := server.InstallAPIGroup(&group); err != nil {
		t.Fatal(err)
	}
	natives, err := discovery.NativesOf(server, config.OpenAPIConfig, config.OpenAPIV3Config)
	if err != nil {
		t.Fatal(err)
	}
	composed, err := discovery.New(discovery.Config{Catalog: served, Natives: natives})
	if err != nil {
		t.Fatal(err)
	}
	return server, composed
}

func newInformer(t testing.TB, definitions *partition.Getter) *informers.Informer[*apiextensionsv1.CustomResourceDefinition] {
	t.Helper()
	codecs := apiextensionsapiserver.Codecs
	info, _ := runtime.SerializerInfoForMediaType(codecs.SupportedMediaTypes(), runtime.ContentTypeJSON)
	gv := apiextensionsv1.SchemeGroupVersion
	storage, closeStorage, err := definitions.Open(partition.OpenConfig{
		GroupResource: apiextensionsv1.Resource("customresourcedefinitions"),
		Codec:         codecs.CodecForVersions(info.Serializer, codecs.UniversalDeserializer(), gv, gv),
		NewFunc:       func() runtime.Object { return &apiextensionsv1.CustomResourceDefinition{} },
		NewListFunc:   func() runtime.Object { return &apiextensionsv1.CustomResourceDefinitionList{} },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(closeStorage)
	return informers.New(informers.Config[*apiextensionsv1.CustomResourceDefinition]{Name: "definitions", Storage: storage})
}

// chain does what routing, the filters and the dispatcher do in the hub.
type chain struct {
	world     *world
	native    http.Handler
	discovery *discovery.Handler
}

// ServeHTTP implements http.Handler.
func (c *chain) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	below, _ := strings.CutPrefix(req.URL.Path, "/clusters/")
	name, path, _ := strings.Cut(below, "/")
	ws := logicalcluster.Name(name)
	req.URL.Path = "/" + path
	infos := genericapiserver.NewRequestInfoResolver(&genericapiserver.Config{LegacyAPIGroupPrefixes: genericapiserver.NewConfig(apiextensionsapiserver.Codecs).LegacyAPIGroupPrefixes})
	info, err := infos.NewRequestInfo(req)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	ctx := apirequest.WithRequestInfo(audit.WithAuditContext(req.Context()), info)
	ctx = apirequest.WithUser(ctx, &user.DefaultInfo{Name: "tester", Groups: []string{user.SystemPrivilegedGroup}})
	ctx = keyspace.WithScope(ctx, keyspace.In(ws))
	req = req.WithContext(ctx)
	if discovery.Handles(req.URL.Path) {
		c.discovery.ServeHTTP(w, req)
		return
	}
	c.dispatch(ws, info, w, req)
}

func (c *chain) dispatch(ws logicalcluster.Name, info *apirequest.RequestInfo, w http.ResponseWriter, req *http.Request) {
	gr := schema.GroupResource{Group: info.APIGroup, Resource: info.Resource}
	api, found := c.world.catalog.Lookup(ws, gr)
	if !info.IsResourceRequest || !found || api.Origin == catalog.Native {
		c.native.ServeHTTP(w, req)
		return
	}
	if info.Verb == "watch" {
		held, release := c.world.catalog.Hold(req.Context(), ws, api)
		defer release()
		req = req.WithContext(held)
	}
	c.world.handlers.Serve(api, w, req)
}

// definitions returns a client for the definitions of ws.
func (w *world) definitions(t testing.TB, ws logicalcluster.Name) apiextensionsclient.Interface {
	t.Helper()
	clientset, err := apiextensionsclient.NewForConfig(w.hub.Config(ws.Path()))
	if err != nil {
		t.Fatal(err)
	}
	return clientset
}

// parse reads a definition as a person writes it.
func parse(t testing.TB, text string) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := json.Unmarshal(data, crd); err != nil {
		t.Fatal(err)
	}
	return crd
}

// create stores crd in ws.
func (w *world) create(t testing.TB, ws logicalcluster.Name, crd *apiextensionsv1.CustomResourceDefinition) {
	t.Helper()
	if _, err := w.definitions(t, ws).ApiextensionsV1().CustomResourceDefinitions().Create(context.Background(), crd, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// install is create, and waits until the definition is established.
func (w *world) install(t testing.TB, ws logicalcluster.Name, crd *apiextensionsv1.CustomResourceDefinition) {
	t.Helper()
	w.create(t, ws, crd)
	w.await(t, ws, crd.Name, func(crd *apiextensionsv1.CustomResourceDefinition) bool {
		return crd != nil && apihelpers.IsCRDConditionTrue(crd, apiextensionsv1.Established)
	})
}

// await watches a definition until done; it is nil when there is none. It
// returns the last state.
func (w *world) await(t testing.TB, ws logicalcluster.Name, name string, done func(*apiextensionsv1.CustomResourceDefinition) bool) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		if crd, ok := w.awaitOnce(ctx, t, ws, name, done); ok {
			return crd
		}
	}
	t.Fatalf("definition %s in %s is not as awaited", name, ws)
	return nil
}

// awaitOnce lists and watches until done; false when the watch ended before.
func (w *world) awaitOnce(ctx context.Context, t testing.TB, ws logicalcluster.Name, name string, done func(*apiextensionsv1.CustomResourceDefinition) bool) (*apiextensionsv1.CustomResourceDefinition, bool) {
	t.Helper()
	definitions := w.definitions(t, ws).ApiextensionsV1().CustomResourceDefinitions()
	list, err := definitions.List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name})
	if err != nil {
		t.Fatal(err)
	}
	var crd *apiextensionsv1.CustomResourceDefinition
	if len(list.Items) > 0 {
		crd = &list.Items[0]
	}
	if done(crd) {
		return crd, true
	}
	events, err := definitions.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name, ResourceVersion: list.ResourceVersion})
	if err != nil {
		t.Fatal(err)
	}
	defer events.Stop()
	for event := range events.ResultChan() {
		crd, ok := event.Object.(*apiextensionsv1.CustomResourceDefinition)
		if !ok {
			return nil, false // too old a state to watch from
		}
		if event.Type == watch.Deleted {
			crd = nil
		}
		if done(crd) {
			return crd, true
		}
	}
	return nil, false
}
