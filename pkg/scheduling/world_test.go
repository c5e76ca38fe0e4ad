package scheduling

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/atriumhub/atrium/pkg/inventory/inventorytest"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	schedulingv1alpha1 "github.com/atriumhub/atrium/sdk/apis/scheduling/v1alpha1"
	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var rewrite = flag.Bool("rewrite", false, "write the stories in testdata anew instead of comparing with them")

var (
	deploymentsGVR = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	configMapsGVR  = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
)

// world is a hub with the loops of this package, and the words to tell a story
// in. Workspaces: compute (root:compute) has the sync targets, web
// (root:acme:web) the workloads.
type world struct {
	t        *testing.T
	story    strings.Builder
	clock    *clocktesting.FakeClock
	hub      *inventorytest.Hub
	driver   *inventorytest.Driver
	paths    map[logicalcluster.Name]logicalcluster.Path
	shorten  []string
	deployed *inventorytest.Collection[*metav1.PartialObjectMetadata]
	config   *inventorytest.Collection[*metav1.PartialObjectMetadata]

	syncTargets *inventorytest.Collection[*workloadv1alpha1.SyncTarget]
	locations   *inventorytest.Collection[*schedulingv1alpha1.Location]
	placements  *inventorytest.Collection[*schedulingv1alpha1.Placement]
	bindings    *inventorytest.Collection[*apisv1alpha2.APIBinding]
	exports     *inventorytest.Collection[*apisv1alpha2.APIExport]
	namespaces  *inventorytest.Collection[*corev1.Namespace]
}

func newWorld(t *testing.T) *world {
	w := &world{
		t:     t,
		clock: clocktesting.NewFakeClock(time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)),
		paths: map[logicalcluster.Name]logicalcluster.Path{"compute": "root:compute", "web": "root:acme:web", "evil": "root:evil"},
	}
	w.hub, w.driver = inventorytest.NewHub(w.clock), inventorytest.NewDriver(w.clock)
	w.hub.Shorten = func(line string) string { return strings.NewReplacer(w.shorten...).Replace(line) }
	metadata := func() *metav1.PartialObjectMetadata { return &metav1.PartialObjectMetadata{} }
	w.deployed = inventorytest.Collect(w.hub, deploymentsGVR, metadata)
	w.config = inventorytest.Collect(w.hub, configMapsGVR, metadata)
	w.syncTargets = inventorytest.Collect(w.hub, syncTargetsGVR, func() *workloadv1alpha1.SyncTarget { return &workloadv1alpha1.SyncTarget{} })
	w.locations = inventorytest.Collect(w.hub, locationsGVR, func() *schedulingv1alpha1.Location { return &schedulingv1alpha1.Location{} })
	w.placements = inventorytest.Collect(w.hub, placementsGVR, func() *schedulingv1alpha1.Placement { return &schedulingv1alpha1.Placement{} })
	w.bindings = inventorytest.Collect(w.hub, apisv1alpha2.SchemeGroupVersion.WithResource("apibindings"), func() *apisv1alpha2.APIBinding { return &apisv1alpha2.APIBinding{} })
	w.exports = inventorytest.Collect(w.hub, apisv1alpha2.SchemeGroupVersion.WithResource("apiexports"), func() *apisv1alpha2.APIExport { return &apisv1alpha2.APIExport{} })
	w.namespaces = inventorytest.Collect(w.hub, namespacesGVR, func() *corev1.Namespace { return &corev1.Namespace{} })
	w.start()
	return w
}

// start builds the loops; called again, it is a restart of the hub.
func (w *world) start() {
	s := newScheduler(Config{
		Clock: w.clock, HubURL: "https://hub:6443/",
		SyncTargets: w.syncTargets, Locations: w.locations, Placements: w.placements,
		APIBindings: w.bindings, APIExports: w.exports, Namespaces: w.namespaces,
		Objects: map[schema.GroupVersionResource]Objects{deploymentsGVR: w.deployed, configMapsGVR: w.config},
		Resolve: w.resolve, PathOf: func(n logicalcluster.Name) logicalcluster.Path { return w.paths[n] },
	}.withDefaults(), w.hub)
	s.syncTargets = w.driver.Queue(s.reconcileSyncTarget)
	s.locations = w.driver.Queue(s.reconcileLocation)
	s.placements = w.driver.Queue(s.reconcilePlacement)
	s.namespaces = w.driver.Queue(s.reconcileNamespace)
	for _, gvr := range s.resources() {
		s.objects[gvr].queue = w.driver.Queue(s.objects[gvr].reconcile)
	}
	s.listen()
}

func (w *world) resolve(path logicalcluster.Path) (logicalcluster.Name, bool) {
	for name, known := range w.paths {
		if known == path || name.Path() == path {
			return name, true
		}
	}
	return "", false
}

// step runs one chapter: what somebody does, then whatever the loops write.
func (w *world) step(title string, act func()) {
	w.t.Helper()
	fmt.Fprintf(&w.story, "# %s  %s\n", w.clock.Now().Format("15:04:05"), title)
	act()
	w.settled(w.driver.Settle(context.Background()))
}

// wait lets time pass.
func (w *world) wait(d time.Duration) {
	w.t.Helper()
	fmt.Fprintf(&w.story, "# %s  %s pass\n", w.clock.Now().Format("15:04:05"), d)
	w.settled(w.driver.Advance(context.Background(), d))
}

func (w *world) settled(errs []error) {
	w.t.Helper()
	for _, err := range errs {
		w.t.Errorf("%v", err)
	}
	for _, line := range w.hub.Log() {
		fmt.Fprintf(&w.story, "  %s\n", line)
	}
}

// show adds what a user sees of the Placement p.
func (w *world) show() {
	w.t.Helper()
	p, ok := w.placements.Get(logicalcluster.Key{Workspace: "web", Name: "p"})
	if !ok {
		w.t.Fatal("no placement p")
	}
	ready := conditionsv1alpha1.Get(p.Status.Conditions, schedulingv1alpha1.PlacementReady)
	fmt.Fprintf(&w.story, "  => p is %s, Ready=%s %s %q\n", p.Status.Phase, ready.Status, ready.Reason, ready.Message)
}

// done compares the story with the file of the test's name.
func (w *world) done() {
	w.t.Helper()
	file := filepath.Join("testdata", w.t.Name()+".txt")
	if *rewrite {
		if err := os.WriteFile(file, []byte(w.story.String()), 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		w.t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(w.story.String(), "\n")); diff != "" {
		w.t.Errorf("the story differs from %s (-want +got), run with -rewrite and explain the difference:\n%s", file, diff)
	}
}

// register adds a sync target in the compute workspace whose agent has reported,
// and its Location. Its key is written as <name> in the story.
func (w *world) register(name string) {
	key := workloadv1alpha1.ToSyncTargetKey("compute", name)
	w.shorten = append(w.shorten, key, "<"+name+">")
	set := map[string]string{"region": name}
	w.locations.Put("compute", &schedulingv1alpha1.Location{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: set},
		Spec:       schedulingv1alpha1.LocationSpec{Resource: schedulingv1alpha1.SyncTargetResource, InstanceSelector: &metav1.LabelSelector{MatchLabels: set}},
	})
	w.syncTargets.Put("compute", &workloadv1alpha1.SyncTarget{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: set},
		Status: workloadv1alpha1.SyncTargetStatus{SyncedResources: []workloadv1alpha1.ResourceToSync{{
			GroupResource: workloadv1alpha1.GroupResource{Group: "apps", Resource: "deployments"}, Versions: []string{"v1"},
			State: workloadv1alpha1.ResourceSchemaAcceptedState,
		}}},
	})
	w.beat(name)
}

// beat is a heartbeat of the agent.
func (w *world) beat(name string) {
	now := metav1.NewTime(w.clock.Now())
	w.syncTargets.Edit(logicalcluster.Key{Workspace: "compute", Name: name}, func(o *workloadv1alpha1.SyncTarget) {
		o.Status.LastSyncerHeartbeatTime = &now
	})
}

// bind gives the workspace web the compute export.
func (w *world) bind(workspace logicalcluster.Name) {
	w.exports.Put("compute", &apisv1alpha2.APIExport{ObjectMeta: metav1.ObjectMeta{
		Name: "kubernetes", Annotations: map[string]string{workloadv1alpha1.ComputeAPIExportAnnotationKey: "true"},
	}})
	w.bindings.Put(workspace, &apisv1alpha2.APIBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "kubernetes"},
		Spec:       apisv1alpha2.APIBindingSpec{Reference: apisv1alpha2.BindingReference{Export: &apisv1alpha2.ExportBindingReference{Path: "root:compute", Name: "kubernetes"}}},
		Status: apisv1alpha2.APIBindingStatus{
			Phase: apisv1alpha2.APIBindingPhaseBound,
			BoundResources: []apisv1alpha2.BoundAPIResource{
				{Group: "apps", Resource: "deployments"}, {Group: "", Resource: "pods"},
			},
		},
	})
}

func (w *world) namespace(name string) {
	w.namespaces.Put("web", &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
}

func (w *world) deploy(namespace, name string) {
	w.deployed.Put("web", &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}})
}

// place makes or changes the Placement p of the workspace.
func (w *world) place(workspace logicalcluster.Name, selectors ...map[string]string) {
	p := &schedulingv1alpha1.Placement{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
	if old, ok := w.placements.Get(logicalcluster.Key{Workspace: workspace, Name: "p"}); ok {
		p = old.DeepCopy()
	}
	p.Spec = schedulingv1alpha1.PlacementSpec{LocationResource: schedulingv1alpha1.SyncTargetResource, LocationWorkspace: "root:compute"}
	for _, set := range selectors {
		p.Spec.LocationSelectors = append(p.Spec.LocationSelectors, metav1.LabelSelector{MatchLabels: set})
	}
	w.placements.Put(workspace, p)
}

// clean is the agent of a target that does what it was asked to: it confirms
// that its copies are gone.
func (w *world) clean(target string) {
	key := workloadv1alpha1.ToSyncTargetKey("compute", target)
	for _, o := range w.deployed.All() {
		_, asked := o.Annotations[workloadv1alpha1.DeletionAnnotation(key)]
		if !asked && o.DeletionTimestamp == nil {
			continue
		}
		w.deployed.Edit(logicalcluster.Key{Workspace: logicalcluster.From(o), Namespace: o.Namespace, Name: o.Name}, func(o *metav1.PartialObjectMetadata) {
			delete(o.Labels, workloadv1alpha1.StateLabel(key))
			delete(o.Annotations, workloadv1alpha1.DeletionAnnotation(key))
			var kept []string
			for _, f := range o.Finalizers {
				if f != workloadv1alpha1.SyncerFinalizer(key) {
					kept = append(kept, f)
				}
			}
			o.Finalizers = kept
		})
	}
}

// begin tells of two ready targets and a placed deployment, without the words.
func (w *world) begin(selectors ...map[string]string) {
	w.t.Helper()
	w.step("two clusters, a workspace, a placement and a deployment", func() {
		w.register("eu")
		w.register("us")
		w.bind("web")
		w.namespace("default")
		w.place("web", selectors...)
		w.deploy("default", "nginx")
	})
	w.show()
}
