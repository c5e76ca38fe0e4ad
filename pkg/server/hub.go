package server

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	genericapiserver "k8s.io/apiserver/pkg/server"

	"github.com/atriumhub/atrium/config/crds"
	"github.com/atriumhub/atrium/internal/pki"
	"github.com/atriumhub/atrium/pkg/access"
	"github.com/atriumhub/atrium/pkg/admission/policies"
	"github.com/atriumhub/atrium/pkg/authentication"
	"github.com/atriumhub/atrium/pkg/bindings"
	"github.com/atriumhub/atrium/pkg/catalog"
	"github.com/atriumhub/atrium/pkg/conversions"
	"github.com/atriumhub/atrium/pkg/customresources"
	"github.com/atriumhub/atrium/pkg/directory"
	"github.com/atriumhub/atrium/pkg/discovery"
	"github.com/atriumhub/atrium/pkg/egress"
	"github.com/atriumhub/atrium/pkg/etcd"
	"github.com/atriumhub/atrium/pkg/failpoint"
	"github.com/atriumhub/atrium/pkg/homes"
	"github.com/atriumhub/atrium/pkg/inflight"
	"github.com/atriumhub/atrium/pkg/loop"
	mountproxy "github.com/atriumhub/atrium/pkg/mounts/proxy"
	"github.com/atriumhub/atrium/pkg/nativeapis"
	"github.com/atriumhub/atrium/pkg/routing"
	"github.com/atriumhub/atrium/pkg/target"
	"github.com/atriumhub/atrium/pkg/views"
	"github.com/atriumhub/atrium/sdk/client"
)

// Hub is one hub process. Its fields are set by the start phases, in the order
// in which they stand here.
type Hub struct {
	options Options
	out     io.Writer

	// claim
	lock     *os.File
	listener net.Listener
	baseURL  string

	// storage
	etcd      *etcd.Server
	endpoints []string

	// configure
	egress      *egress.Door
	authority   *pki.Authority
	issuers     *authentication.Issuers
	systemCRDs  []*apiextensionsv1.CustomResourceDefinition
	inProcess   *inProcess
	hubClient   *client.Hub
	upstream    *upstream
	stores      *stores
	models      *readModels
	directory   *directory.Directory
	catalog     *catalog.Catalog
	conversions *conversions.Conversions
	convert     convert
	forecast    bindings.Forecast

	// build
	authorizer *access.Chain
	rbac       *access.RBAC
	router     *routing.Router
	homes      *homes.Homes
	lasting    *routing.Lasting
	lifecycles []*views.Lifecycle
	exports    *views.Exports
	schemas    *views.Schemas
	// viewSets say what the views show that have an API of their own, by kind.
	viewSets        map[string]viewSet
	mounts          *mountproxy.Proxy
	customResources *customresources.Handlers
	windows         *windows
	policies        *policies.Policies
	discovery       atomic.Pointer[discovery.Handler]
	// waiting describes what the views of initializers and terminators show of
	// many workspaces.
	waiting     *discovery.Handler
	server      *genericapiserver.GenericAPIServer
	controllers []loop.Controller
	writes      inflight.Writes

	// run
	ready   atomic.Bool
	stopped sync.WaitGroup
	failed  chan error
}

// New returns a hub that has not touched anything yet. Progress is written to
// out, in words for the person who typed the command.
func New(options Options, out io.Writer) (*Hub, error) {
	if err := options.Validate(); err != nil {
		return nil, err
	}
	armed, err := failpoint.Armed()
	if err != nil {
		return nil, err
	}
	if armed != "" {
		fmt.Fprintf(out, "This hub is under test: it kills itself at %s (%s).\n", armed, failpoint.Env)
	}
	return &Hub{options: options, out: out, inProcess: &inProcess{}, failed: make(chan error, 2)}, nil
}

// configure makes everything that needs no handler chain yet: keys, storage
// doors, read models, and the hub's client to itself.
func (h *Hub) configure(ctx context.Context) error {
	allowed, err := egress.ParsePolicy(h.options.TenantEgressAllow)
	if err != nil {
		return err
	}
	h.egress = egress.New(allowed)
	h.conversions = h.newConversions()
	if h.authority, err = pki.Open(h.options.file("pki"), time.Now()); err != nil {
		return err
	}
	if err := h.openIssuers(); err != nil {
		return err
	}
	if h.systemCRDs, err = crds.All(); err != nil {
		return fmt.Errorf("failed to read the hub's own definitions: %w", err)
	}
	if err := h.convertVersions(); err != nil {
		return err
	}
	options, err := controlPlaneOptions(&h.options, h.endpoints, h.listener, h.authority, h.issuers)
	if err != nil {
		return err
	}
	h.upstream, err = newUpstream(ctx, options)
	switch {
	case err != nil && h.etcd == nil:
		return fmt.Errorf("%w; does etcd answer at %s? Check --etcd-servers, --etcd-cafile, --etcd-certfile and --etcd-keyfile", err, strings.Join(h.endpoints, ", "))
	case err != nil:
		return err
	}
	if h.hubClient, err = client.New(h.inProcess.config(h.upstream.config.Generic.LoopbackClientConfig)); err != nil {
		return fmt.Errorf("failed to make the hub's own client: %w", err)
	}
	if h.stores, err = newStores(h.upstream, h.systemCRDs); err != nil {
		return err
	}
	if h.models, err = openReadModels(h.stores); err != nil {
		return err
	}
	h.feedModels()
	return nil
}

// feedModels connects the read models that are made of others. They come before
// every loop, so that a loop which is woken finds them up to date.
func (h *Hub) feedModels() {
	h.directory = directory.New()
	h.directory.Follow(h.models.workspaces, h.models.logicalClusters)
	h.endWatches()
	var gated []catalog.NativeAPI
	for _, export := range nativeapis.Exports() {
		gated = append(gated, catalog.NativeAPI{Name: exportName(export), Resources: export.Resources})
	}
	h.catalog = catalog.New(h.systemCRDs, gated)
	for _, resource := range nativeapis.Always() {
		h.catalog.Reserve(resource.GroupResource())
	}
	h.catalog.Feed(h.models.definitions)
	h.noteDefinitions()
	h.noteBound()
	h.feedBindings()
	h.homes = homes.New(homes.Config{Enabled: h.options.HomeWorkspaces, Hub: h.hubClient, Workspaces: h.models.workspaces})
}

// build makes the handler chain and the loops.
func (h *Hub) build(context.Context) error {
	h.rbac = access.NewRBAC(access.Roles{
		Roles: h.models.roles, RoleBindings: h.models.roleBindings,
		ClusterRoles: h.models.clusterRoles, ClusterRoleBindings: h.models.clusterRoleBindings,
	})
	if err := h.buildAuthentication(); err != nil {
		return err
	}
	parts, err := h.views()
	if err != nil {
		return err
	}
	h.lifecycles, h.exports, h.schemas, h.viewSets = parts.lifecycles, parts.exports, parts.schemas, parts.sets
	generic := h.upstream.config.Generic
	parts.authorizers[target.MountKind] = authorizer.AuthorizerFunc(h.authorizeMount)
	if err := h.buildAuthorization(generic, parts.authorizers); err != nil {
		return err
	}
	h.policies = h.newPolicies()
	if generic.AdmissionControl, err = h.inStoredVersion(h.admission(parts)); err != nil {
		return err
	}
	generic.RESTOptionsGetter = h.stores.natives
	h.router = routing.New(routing.Config{
		Resolve:    h.resolve,
		Mount:      h.mount,
		Views:      parts.routes,
		Serializer: generic.Serializer,
	})
	if err := h.buildCustomResources(generic); err != nil {
		return err
	}
	if err := h.buildMounts(generic); err != nil {
		return err
	}
	generic.BuildHandlerChainFunc = h.buildChain
	if err := h.buildControlPlane(); err != nil {
		return err
	}
	return h.buildControllers()
}

func (h *Hub) buildCustomResources(generic *genericapiserver.Config) error {
	customresources.LimitMetrics(h.knownResources())
	own := map[string]bool{}
	for _, api := range h.catalog.System() {
		own[api.Shape] = true
	}
	var err error
	h.customResources, err = customresources.New(customresources.Config{
		Keep:                func(shape string) bool { return own[shape] },
		Storage:             h.stores.optionsOf,
		Admission:           generic.AdmissionControl,
		Conversion:          h.conversions.For,
		Authorizer:          h.authorizer,
		RequestTimeout:      generic.RequestTimeout,
		MinRequestTimeout:   time.Duration(generic.MinRequestTimeout) * time.Second,
		MaxRequestBodyBytes: generic.MaxRequestBodyBytes,
	})
	if err != nil {
		return fmt.Errorf("failed to make the handlers of custom resources: %w", err)
	}
	h.catalog.OnUnused(h.retireUnused)
	h.openWindows()
	return nil
}

// knownResources are those that are not named by tenants.
func (h *Hub) knownResources() []schema.GroupVersionResource {
	known := nativeapis.Always()
	for _, export := range nativeapis.Exports() {
		known = append(known, export.Resources...)
	}
	for _, api := range h.catalog.System() {
		for _, version := range api.Versions {
			known = append(known, schema.GroupVersionResource{Group: api.Group, Version: version, Resource: api.Resource})
		}
	}
	return known
}

func (h *Hub) buildControlPlane() error {
	completed := h.upstream.config.Complete()
	plane, err := completed.New("atrium", genericapiserver.NewEmptyDelegateWithCustomHandler(http.NotFoundHandler()))
	if err != nil {
		return fmt.Errorf("failed to build the control plane: %w", err)
	}
	if err := plane.InstallAPIs(nativeapis.Providers(completed, h.stores.crds, h.rbac.Escalation, h.resourceOf)...); err != nil {
		return fmt.Errorf("failed to install the native APIs: %w", err)
	}
	h.server = plane.GenericAPIServer
	// The definitions of all of Kubernetes, a fifth of what lives in an empty hub, are
	// made by pkg/discovery when it needs them. Installing left them with both fields.
	v3 := completed.Generic.OpenAPIV3Config
	v3.Definitions, v3.GetOperationIDAndTagsFromRoute = nil, nil
	h.server.RegisterDestroyFunc(h.customResources.Close)
	natives, err := discovery.NativesOf(h.server, completed.Generic.OpenAPIConfig, v3)
	if err != nil {
		return fmt.Errorf("failed to read the native APIs: %w", err)
	}
	composed, err := discovery.New(discovery.Config{Catalog: h.catalog, Natives: natives, ViewSet: h.viewSet})
	if err != nil {
		return fmt.Errorf("failed to make discovery: %w", err)
	}
	if h.waiting, err = h.describeWaiting(); err != nil {
		return err
	}
	h.discovery.Store(composed)
	counted.Store(h)
	h.inProcess.serve(h.server.Handler)
	return nil
}

func (h *Hub) printf(format string, args ...any) {
	fmt.Fprintf(h.out, format+"\n", args...)
}

// URL is where clients reach the hub, once Run has claimed its port.
func (h *Hub) URL() string { return h.baseURL }

// KubeconfigFile is the administrators' kubeconfig.
func (h *Hub) KubeconfigFile() string {
	file := h.options.file("admin.kubeconfig")
	if absolute, err := filepath.Abs(file); err == nil {
		return absolute
	}
	return file
}
