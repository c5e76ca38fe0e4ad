package customresources

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsoptions "k8s.io/apiextensions-apiserver/pkg/cmd/server/options"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/audit"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	apirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/generic"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/util/webhook"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/atriumhub/atrium/pkg/etcd"
	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/partition"
	"github.com/atriumhub/atrium/pkg/schemas"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// house is custom resources on a real etcd, behind the least HTTP that the
// handlers need: /clusters/<workspace>/apis/...
type house struct {
	handlers *Handlers
	clock    *clocktesting.FakeClock
	url      string

	mu   sync.RWMutex
	apis map[logicalcluster.Name]map[schema.GroupResource]*schemas.API
}

func newHouse(t testing.TB) *house {
	t.Helper()
	server, err := etcd.Start(context.Background(), etcd.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)

	storageConfig := storagebackend.NewDefaultConfig("/registry", nil)
	storageConfig.Transport.ServerList = server.Endpoints()
	upstream := apiextensionsoptions.NewCRDRESTOptionsGetter(*genericoptions.NewEtcdOptions(storageConfig), nil, nil)
	getter := partition.New(upstream, partition.Config{
		Segment:         "customresources",
		Cached:          func(schema.GroupResource) bool { return false },
		MetricsResource: &schema.GroupResource{Group: "local", Resource: "customresources"},
	})

	h := &house{
		clock: clocktesting.NewFakeClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)),
		apis:  map[logicalcluster.Name]map[schema.GroupResource]*schemas.API{},
	}
	h.handlers, err = New(Config{
		Storage:    func(string) generic.RESTOptionsGetter { return getter },
		Conversion: noWebhooks,
		Admission:  admission.NewChainHandler(),
		Authorizer: authorizerfactory.NewAlwaysAllowAuthorizer(),
		Clock:      h.clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(h)
	t.Cleanup(func() { web.CloseClientConnections(); web.Close(); h.handlers.Close() })
	h.url = web.URL
	return h
}

var requestInfos = &apirequest.RequestInfoFactory{APIPrefixes: sets.NewString("api", "apis"), GrouplessAPIPrefixes: sets.NewString("api")}

// ServeHTTP does what routing, filters and the dispatcher do in the hub.
func (h *house) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	rest, _ := strings.CutPrefix(req.URL.Path, "/clusters/")
	ws, path, _ := strings.Cut(rest, "/")
	req.URL.Path = "/" + path
	info, err := requestInfos.NewRequestInfo(req)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	ctx := apirequest.WithRequestInfo(req.Context(), info)
	ctx = audit.WithAuditContext(ctx)
	ctx = apirequest.WithUser(ctx, &user.DefaultInfo{Name: "tester"})
	ctx = keyspace.WithScope(ctx, keyspace.In(logicalcluster.Name(ws)))
	api := h.api(logicalcluster.Name(ws), schema.GroupResource{Group: info.APIGroup, Resource: info.Resource})
	if api == nil {
		http.NotFound(w, req)
		return
	}
	h.handlers.Serve(api, w, req.WithContext(ctx))
}

func (h *house) api(ws logicalcluster.Name, gr schema.GroupResource) *schemas.API {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.apis[ws][gr]
}

// install makes ws serve crd and returns the shape.
func (h *house) install(ws logicalcluster.Name, crd *apiextensionsv1.CustomResourceDefinition) *schemas.API {
	api := schemas.FromCRD(crd, schemas.Local)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.apis[ws] == nil {
		h.apis[ws] = map[schema.GroupResource]*schemas.API{}
	}
	h.apis[ws][api.GroupResource()] = api
	return api
}

// widgets returns a client for widgets.example.io in ws.
func (h *house) widgets(t testing.TB, ws logicalcluster.Name) dynamic.ResourceInterface {
	t.Helper()
	client, err := dynamic.NewForConfig(&rest.Config{Host: h.url + "/clusters/" + string(ws), QPS: -1})
	if err != nil {
		t.Fatal(err)
	}
	return client.Resource(schema.GroupVersionResource{Group: "example.io", Version: "v1", Resource: "widgets"}).Namespace("default")
}

// widgetCRD returns an established definition of widgets whose spec has the
// given properties.
func widgetCRD(properties map[string]apiextensionsv1.JSONSchemaProps) *apiextensionsv1.CustomResourceDefinition {
	return schemas.Installed(&apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "widgets.example.io"},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: "example.io", Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "widgets", Singular: "widget", Kind: "Widget", ListKind: "WidgetList"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Subresources: &apiextensionsv1.CustomResourceSubresources{Status: &apiextensionsv1.CustomResourceSubresourceStatus{}},
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
					Type:       "object",
					Properties: map[string]apiextensionsv1.JSONSchemaProps{"spec": {Type: "object", Properties: properties}},
				}},
			}},
		},
	})
}

func coloured() *apiextensionsv1.CustomResourceDefinition {
	return widgetCRD(map[string]apiextensionsv1.JSONSchemaProps{
		"colour": {Type: "string", Enum: []apiextensionsv1.JSON{{Raw: []byte(`"red"`)}, {Raw: []byte(`"blue"`)}}, Default: &apiextensionsv1.JSON{Raw: []byte(`"red"`)}},
	})
}

func sized() *apiextensionsv1.CustomResourceDefinition {
	return widgetCRD(map[string]apiextensionsv1.JSONSchemaProps{
		"size": {Type: "integer", Default: &apiextensionsv1.JSON{Raw: []byte(`3`)}},
	})
}

// widget returns a widget with the given spec.
func widget(name string, spec map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "example.io/v1", "kind": "Widget",
		"metadata": map[string]any{"name": name}, "spec": spec,
	}}
}

// ends waits until the results of a watch are closed.
func ends[T any](t *testing.T, results <-chan T) {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		select {
		case _, open := <-results:
			if !open {
				return
			}
		case <-timeout:
			t.Fatal(errors.New("the watch goes on"))
		}
	}
}

// noWebhooks is for definitions that need no conversion.
func noWebhooks(*schemas.API) (webhook.ServiceResolver, webhook.AuthenticationInfoResolverWrapper) {
	return nil, nil
}
