package workspaces

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	sdkscheme "github.com/atriumhub/atrium/sdk/apis/scheme"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var (
	workspacesGVR      = tenancyv1alpha1.SchemeGroupVersion.WithResource("workspaces")
	logicalClustersGVR = corev1alpha1.SchemeGroupVersion.WithResource("logicalclusters")
)

// object is what the door stores.
type object interface {
	runtime.Object
	metav1.Object
}

// door is the API server as this package uses it. Its only implementation
// outside of tests is hubDoor.
type door interface {
	// Create stores obj, which becomes what was stored.
	Create(ctx context.Context, in logicalcluster.Name, gvr schema.GroupVersionResource, obj object) error
	// Get reads into obj.
	Get(ctx context.Context, in logicalcluster.Name, gvr schema.GroupVersionResource, name string, into object) error
	// Update replaces obj, which carries the resource version it is based on and
	// becomes what was stored. The subresource may be empty.
	Update(ctx context.Context, in logicalcluster.Name, gvr schema.GroupVersionResource, obj object, subresource string) error
	// Delete deletes the object with that UID in the background.
	Delete(ctx context.Context, in logicalcluster.Name, gvr schema.GroupVersionResource, namespace, name string, uid types.UID) error
	// List returns one page of the metadata of all objects of a resource.
	List(ctx context.Context, in logicalcluster.Name, gvr schema.GroupVersionResource, options metav1.ListOptions) (*metav1.PartialObjectMetadataList, error)
}

// hubDoor talks to the hub with one client for all workspaces: making a client
// per workspace costs more than the requests that go through it.
type hubDoor struct {
	hub *client.Hub
	// native speaks protobuf, custom JSON.
	native, custom rest.Interface
}

var _ door = (*hubDoor)(nil)

func newHubDoor(hub *client.Hub) (*hubDoor, error) {
	config := hub.Config(logicalcluster.Root.Path())
	config.Host = hub.Base()
	config.GroupVersion = &schema.GroupVersion{Version: "v1"}
	config.APIPath = "/api"

	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf
	native, err := rest.RESTClientForConfigAndClient(config, hub.HTTPClient())
	if err != nil {
		return nil, fmt.Errorf("failed to make a client for native objects: %w", err)
	}
	config.NegotiatedSerializer = sdkscheme.Codecs.WithoutConversion()
	config.ContentType = runtime.ContentTypeJSON
	config.AcceptContentTypes = runtime.ContentTypeJSON
	custom, err := rest.RESTClientForConfigAndClient(config, hub.HTTPClient())
	if err != nil {
		return nil, fmt.Errorf("failed to make a client for the hub's own objects: %w", err)
	}
	return &hubDoor{hub: hub, native: native, custom: custom}, nil
}

func (d *hubDoor) clientFor(gvr schema.GroupVersionResource) rest.Interface {
	if sdkscheme.Scheme.IsVersionRegistered(gvr.GroupVersion()) && gvr.Group != "" {
		return d.custom
	}
	return d.native
}

// segments is the URL path of a resource in a workspace.
func segments(in logicalcluster.Name, gvr schema.GroupVersionResource, namespace string) []string {
	path := []string{in.Path().RequestPath(), "apis", gvr.Group, gvr.Version}
	if gvr.Group == "" {
		path = []string{in.Path().RequestPath(), "api", gvr.Version}
	}
	if namespace != "" {
		path = append(path, "namespaces", namespace)
	}
	return append(path, gvr.Resource)
}

func (d *hubDoor) Create(ctx context.Context, in logicalcluster.Name, gvr schema.GroupVersionResource, obj object) error {
	return d.clientFor(gvr).Post().AbsPath(segments(in, gvr, obj.GetNamespace())...).Body(obj).Do(ctx).Into(obj)
}

func (d *hubDoor) Get(ctx context.Context, in logicalcluster.Name, gvr schema.GroupVersionResource, name string, into object) error {
	return d.clientFor(gvr).Get().AbsPath(append(segments(in, gvr, ""), name)...).Do(ctx).Into(into)
}

func (d *hubDoor) Update(ctx context.Context, in logicalcluster.Name, gvr schema.GroupVersionResource, obj object, subresource string) error {
	path := append(segments(in, gvr, obj.GetNamespace()), obj.GetName())
	if subresource != "" {
		path = append(path, subresource)
	}
	return d.clientFor(gvr).Put().AbsPath(path...).Body(obj).Do(ctx).Into(obj)
}

// Delete goes without a typed body: DeleteOptions are written as JSON, which
// every resource of every version understands.
func (d *hubDoor) Delete(ctx context.Context, in logicalcluster.Name, gvr schema.GroupVersionResource, namespace, name string, uid types.UID) error {
	body := `{"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":"Background","preconditions":{"uid":` + strconv.Quote(string(uid)) + `}}`
	return d.custom.Delete().AbsPath(append(segments(in, gvr, namespace), name)...).
		SetHeader("Content-Type", runtime.ContentTypeJSON).Body([]byte(body)).Do(ctx).Error()
}

func (d *hubDoor) List(ctx context.Context, in logicalcluster.Name, gvr schema.GroupVersionResource, options metav1.ListOptions) (*metav1.PartialObjectMetadataList, error) {
	lister, err := metadata.NewForConfigAndClient(metadata.ConfigFor(d.hub.Config(in.Path())), d.httpClient())
	if err != nil {
		return nil, fmt.Errorf("failed to make a metadata client: %w", err)
	}
	return lister.Resource(gvr).List(ctx, options)
}

func (d *hubDoor) httpClient() *http.Client { return d.hub.HTTPClient() }
