package scheduling

import (
	"cmp"
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/clock"

	"github.com/atriumhub/atrium/pkg/inventory"
	"github.com/atriumhub/atrium/pkg/loop"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	schedulingv1alpha1 "github.com/atriumhub/atrium/sdk/apis/scheduling/v1alpha1"
	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const (
	// DefaultHeartbeatThreshold is how long an agent may be silent before its
	// sync target is not ready.
	DefaultHeartbeatThreshold = time.Minute
	// DefaultGrace is how long a sync target in use may be not ready before its
	// workloads move elsewhere.
	DefaultGrace = 5 * time.Minute
)

// Objects is a source of the metadata of one resource in all workspaces.
type Objects = inventory.Source[*metav1.PartialObjectMetadata]

// Config is what New needs.
type Config struct {
	// HubClient writes, as somebody who may.
	HubClient *client.Hub
	// Clock tells the time; nil is the real one.
	Clock clock.WithTicker
	// HubURL is where agents reach the hub, without a path.
	HubURL string

	SyncTargets inventory.Source[*workloadv1alpha1.SyncTarget]
	Locations   inventory.Source[*schedulingv1alpha1.Location]
	Placements  inventory.Source[*schedulingv1alpha1.Placement]
	APIBindings inventory.Source[*apisv1alpha2.APIBinding]
	APIExports  inventory.Source[*apisv1alpha2.APIExport]
	Namespaces  inventory.Source[*corev1.Namespace]
	// Objects are the resources that sync targets get copies of.
	Objects map[schema.GroupVersionResource]Objects

	// Resolve finds a workspace by its path, PathOf its path by its name. Both
	// answer from memory.
	Resolve func(logicalcluster.Path) (logicalcluster.Name, bool)
	PathOf  func(logicalcluster.Name) logicalcluster.Path

	// HeartbeatThreshold and Grace default to the constants above.
	HeartbeatThreshold time.Duration
	Grace              time.Duration
}

func (c Config) withDefaults() Config {
	if c.Clock == nil {
		c.Clock = clock.RealClock{}
	}
	c.HeartbeatThreshold = cmp.Or(c.HeartbeatThreshold, DefaultHeartbeatThreshold)
	c.Grace = cmp.Or(c.Grace, DefaultGrace)
	return c
}

// New returns the loops. It registers with the sources, which must not run yet,
// and starts nothing.
func New(config Config) []loop.Controller {
	config = config.withDefaults()
	s := newScheduler(config, hubWriter{config.HubClient})
	var loops []loop.Controller
	add := func(name string, workers int, set func(queue), reconcile reconcileFunc) {
		l := loop.New(loop.Config{Name: name, Workers: workers, Clock: config.Clock, Reconcile: reconcile})
		set(l)
		loops = append(loops, gated{l, s.synced})
	}
	add("synctargets", 1, func(q queue) { s.syncTargets = q }, s.reconcileSyncTarget)
	add("locations", 1, func(q queue) { s.locations = q }, s.reconcileLocation)
	add("placements", 2, func(q queue) { s.placements = q }, s.reconcilePlacement)
	add("namespace-placement", 2, func(q queue) { s.namespaces = q }, s.reconcileNamespace)
	for _, gvr := range s.resources() {
		objects := s.objects[gvr]
		add(loopName(gvr), 2, func(q queue) { objects.queue = q }, objects.reconcile)
	}
	s.listen()
	return loops
}

func loopName(gvr schema.GroupVersionResource) string { return "place-" + gvr.GroupResource().String() }

// queue is the part of a loop that asks for work.
type queue interface {
	Enqueue(logicalcluster.Key)
	EnqueueAfter(logicalcluster.Key, time.Duration)
}

type reconcileFunc = func(context.Context, logicalcluster.Key) (loop.Result, error)

// gated is a loop that starts when all sources have synced (S3).
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

// scheduler is what the loops share.
type scheduler struct {
	Config
	hub       writer
	inventory *inventory.Inventory
	synced    []<-chan struct{}

	syncTargets queue
	locations   queue
	placements  queue
	namespaces  queue
	objects     map[schema.GroupVersionResource]*objectLoop
}

func newScheduler(config Config, hub writer) *scheduler {
	s := &scheduler{
		Config: config,
		hub:    hub,
		inventory: inventory.New(inventory.Config{
			SyncTargets: config.SyncTargets,
			Locations:   config.Locations,
			Placements:  config.Placements,
			Path:        config.PathOf,
		}),
		synced: []<-chan struct{}{
			config.SyncTargets.Synced(), config.Locations.Synced(), config.Placements.Synced(),
			config.APIBindings.Synced(), config.APIExports.Synced(), config.Namespaces.Synced(),
		},
		objects: map[schema.GroupVersionResource]*objectLoop{},
	}
	for gvr, source := range config.Objects {
		s.objects[gvr] = &objectLoop{scheduler: s, resource: gvr, source: source}
		s.synced = append(s.synced, source.Synced())
	}
	return s
}

// resources returns the resources of the objects in a stable order.
func (s *scheduler) resources() []schema.GroupVersionResource {
	out := make([]schema.GroupVersionResource, 0, len(s.objects))
	for gvr := range s.objects {
		out = append(out, gvr)
	}
	slices.SortFunc(out, func(a, b schema.GroupVersionResource) int { return cmp.Compare(a.String(), b.String()) })
	return out
}
