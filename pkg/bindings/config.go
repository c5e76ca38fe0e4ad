package bindings

import (
	"context"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/clock"
	"k8s.io/utils/lru"

	"github.com/atriumhub/atrium/pkg/loop"
	"github.com/atriumhub/atrium/pkg/partition"
	"github.com/atriumhub/atrium/pkg/replication"
	"github.com/atriumhub/atrium/pkg/schemas"
	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	cachev1alpha1 "github.com/atriumhub/atrium/sdk/apis/cache/v1alpha1"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Config is what New needs.
type Config struct {
	// HubClient writes, as somebody who may.
	HubClient *client.Hub
	// CustomResources is where bindings lie, for their status is written there.
	CustomResources *partition.Getter
	// Clock tells the time; nil is the real one.
	Clock clock.WithTicker

	APIBindings Source[*apisv1alpha2.APIBinding]
	APIExports  Source[*apisv1alpha2.APIExport]
	// Schemas are the APIResourceSchemas of tenants, and the copies of those that
	// are bound.
	Schemas Source[*apisv1alpha1.APIResourceSchema]
	// Conversions belong to the schemas of tenants with the same names.
	Conversions Source[*apisv1alpha1.APIConversion]
	// EndpointSlices are those of tenants, and those that the hub makes for them.
	EndpointSlices Source[*apisv1alpha1.APIExportEndpointSlice]
	// HubURL is where clients reach the hub.
	HubURL string
	// CustomResourceDefinitions are those of workspaces.
	CustomResourceDefinitions Source[*apiextensionsv1.CustomResourceDefinition]
	// Builtin returns the names in a group that every workspace has without having
	// bound anything.
	Builtin func(group string) []schemas.Claim

	// Secrets are those of all workspaces, of which some are identities.
	Secrets Source[*metav1.PartialObjectMetadata]

	// Cached and CachedSlices are what providers let others read.
	Cached       Source[*cachev1alpha1.ClusterCachedResource]
	CachedSlices Source[*cachev1alpha1.ClusterCachedResourceEndpointSlice]
	// Publisher says what that shows, and Count how many objects that are, of how
	// many there are.
	Publisher *replication.Publisher
	Count     func(context.Context, replication.Window) (shown, all int, err error)

	// Rollouts say who gets a changed schema, and Workspaces have the labels that
	// they choose by.
	Rollouts   Source[*publicationv1alpha1.SchemaRollout]
	Workspaces Source[*tenancyv1alpha1.Workspace]
	// Labels returns the labels of the Workspace object of a workspace.
	Labels func(workspace logicalcluster.Name) labels.Set
	// CountStored returns how many objects a workspace has of a resource by exports
	// of an identity.
	CountStored func(ctx context.Context, workspace logicalcluster.Name, resource schema.GroupResource, identity string) (int64, error)
	// Migration has objects stored in another version.
	Migration Migration
	// Forecast is filled in for those who are about to write exports.
	Forecast *Forecast
	// Look reads objects to see whether they fit a schema. Nil reads them through
	// HubClient.
	Look Look

	// Resolve finds the workspaces of exports.
	Resolve Resolve
	// Natives are the exports that stand for compiled-in registries, as
	// "root:compute:kubernetes".
	Natives []string
	// Everywhere are the exports whose resources every workspace serves in any
	// case, as "root:tenancy.kcp.io". To bind one changes nothing, and neither
	// does to delete the binding.
	Everywhere []string
	// Content removes the objects of a binding that is being deleted. Nil removes
	// them through HubClient, one by one, so that finalizers are honoured.
	Content Content
	// Reach returns a version under which requests reach the objects that a
	// workspace has of a resource by exports of an identity, or "" when none do.
	Reach func(workspace logicalcluster.Name, resource schema.GroupResource, identity string) string
	// PurgeStored removes such objects from the store without asking anybody.
	PurgeStored func(ctx context.Context, workspace logicalcluster.Name, resource schema.GroupResource, identity string) error
	// Move moves up to limit objects, or some more, from where they are by a
	// definition of the workspace to where they are by an identity, or back. It
	// returns how many.
	Move func(ctx context.Context, workspace logicalcluster.Name, resource schema.GroupResource, identity string, back bool, limit int) (int, error)
	// Permissions are for permission claims.
	Permissions Permissions
	// OnServed registers a function to be told of workspaces when what they serve
	// changes. Nil is never.
	OnServed func(func(logicalcluster.Name))
}

// keeper is what the loops share.
type keeper struct {
	Config
	permissionQueues
	relabels relabels
	hub      hub
	natives  map[string]bool
	// everywhere is the part of natives that is served without a binding.
	everywhere map[string]bool
	bindings   queue
	followers  queue
	exports    queue
	cached     queue
	slices     queue
	endpoints  queue
	rollouts   queue
	// migrating is for rollouts whose objects the hub converts by itself, callingOut
	// for those whose webhooks take as long as they please.
	migrating, callingOut queue

	judging     stripes
	ahead       ahead
	index       index // of bindings
	slicesOf    index
	copies      copies
	adoptions   adoptions
	definitions *lru.Cache // workspace/UID of a schema → *definition
	verdicts    *lru.Cache // UIDs of two schemas/stored versions → *comparison
	laggards    laggards
	migrations  migrations
}

// keptDefinitions is how many schemas are remembered for those who bind them next.
const keptDefinitions = 1024

// New returns the loops. It registers with the sources, which must not run yet,
// and starts nothing.
func New(config Config) ([]loop.Controller, error) {
	if config.Clock == nil {
		config.Clock = clock.RealClock{}
	}
	if config.Content == nil {
		config.Content = HubContent(config.HubClient)
	}
	if config.Look == nil {
		config.Look = hubLook(config.HubClient)
	}
	hub, err := newHubWriter(config.HubClient, config.CustomResources)
	if err != nil {
		return nil, err
	}
	k := newKeeper(config, hub)
	bindings := loop.New(loop.Config{Name: "apibindings", Workers: 4, Clock: config.Clock, Reconcile: k.reconcileBinding})
	// When an export changes, all who bound it follow. There may be thousands, for
	// whom somebody who binds something just now should not wait.
	followers := loop.New(loop.Config{Name: "apibindings-following", Workers: 2, Clock: config.Clock, Reconcile: k.reconcileBinding})
	exports := loop.New(loop.Config{Name: "apiexports", Workers: 1, Clock: config.Clock, Reconcile: k.reconcileExport})
	cached := loop.New(loop.Config{Name: "clustercachedresources", Workers: 1, Clock: config.Clock, Reconcile: k.reconcileCached})
	cachedSlices := loop.New(loop.Config{Name: "clustercachedresourceendpointslices", Workers: 1, Clock: config.Clock, Reconcile: k.reconcileCachedSlice})
	endpoints := loop.New(loop.Config{Name: "apiexportendpointslices", Workers: 1, Clock: config.Clock, Reconcile: k.reconcileSlice})
	rollouts := loop.New(loop.Config{Name: "schemarollouts", Workers: 1, Clock: config.Clock, Reconcile: k.reconcileRollout})
	// One of each, for what is rewritten has no hurry.
	migrating := loop.New(loop.Config{Name: "schemarollouts-migrating", Workers: 1, Clock: config.Clock, Reconcile: k.migrator(false)})
	callingOut := loop.New(loop.Config{Name: "schemarollouts-migrating-by-webhook", Workers: 1, Clock: config.Clock, Reconcile: k.migrator(true)})
	k.bindings, k.followers, k.exports, k.rollouts, k.migrating, k.callingOut = bindings, followers, exports, rollouts, migrating, callingOut
	k.cached, k.slices, k.endpoints = cached, cachedSlices, endpoints
	if config.Forecast != nil {
		config.Forecast.keeper.Store(k)
	}
	k.listenForEvolution() // before the index forgets bindings that are gone
	k.listen()
	k.listenForSlices()
	k.listenToSecrets()
	permissions := k.permissionLoops()
	synced := []<-chan struct{}{
		config.APIBindings.Synced(), config.APIExports.Synced(), config.Schemas.Synced(), config.Conversions.Synced(), config.CustomResourceDefinitions.Synced(),
		config.Cached.Synced(), config.CachedSlices.Synced(), config.EndpointSlices.Synced(), config.Secrets.Synced(),
		config.Rollouts.Synced(), config.Workspaces.Synced(),
	}
	loops := []loop.Controller{
		gated{exports, synced}, gated{bindings, synced}, gated{followers, synced}, gated{cached, synced}, gated{cachedSlices, synced},
		gated{endpoints, synced}, gated{rollouts, synced}, gated{migrating, synced}, gated{callingOut, synced}, leftovers{k},
	}
	for _, labels := range permissions {
		loops = append(loops, gated{labels, synced})
	}
	return loops, nil
}

func newKeeper(config Config, hub hub) *keeper {
	k := &keeper{
		Config: config, hub: hub, natives: map[string]bool{}, everywhere: map[string]bool{},
		definitions: lru.New(keptDefinitions), verdicts: lru.New(keptVerdicts), migrations: newMigrations(),
	}
	for _, export := range config.Everywhere {
		k.natives[export], k.everywhere[export] = true, true
	}
	for _, native := range config.Natives {
		k.natives[native] = true
	}
	return k
}

// gated is a loop that starts when all sources have synced.
type gated struct {
	*loop.Loop
	synced []<-chan struct{}
}

// Run waits and then reconciles until ctx ends.
func (g gated) Run(ctx context.Context) {
	for _, synced := range g.synced {
		select {
		case <-ctx.Done():
			return
		case <-synced:
		}
	}
	g.Loop.Run(ctx)
}
