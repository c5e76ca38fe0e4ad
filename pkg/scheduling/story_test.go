package scheduling

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	schedulingv1alpha1 "github.com/atriumhub/atrium/sdk/apis/scheduling/v1alpha1"
	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var (
	eu = map[string]string{"region": "eu"}
	us = map[string]string{"region": "us"}

	euKey        = logicalcluster.Key{Workspace: "compute", Name: "eu"}
	usTargetKey  = logicalcluster.Key{Workspace: "compute", Name: "us"}
	placementKey = logicalcluster.Key{Workspace: "web", Name: "p"}
	nginxKey     = logicalcluster.Key{Workspace: "web", Namespace: "default", Name: "nginx"}
)

func TestPlaceMoveDelete(t *testing.T) {
	w := newWorld(t)
	w.begin(eu)
	w.step("the placement asks for us instead", func() { w.place("web", us) })
	w.show()
	w.step("the agent of eu has removed its copy", func() { w.clean("eu") })
	w.wait(2 * time.Second)
	w.step("the deployment is deleted", func() { w.deployed.Delete(nginxKey) })
	w.step("the agent of us has removed its copy", func() { w.clean("us") })
	w.step("the placement is deleted", func() { w.placements.Delete(placementKey) })
	w.done()
}

func TestNothingFits(t *testing.T) {
	w := newWorld(t)
	w.step("a placement that waits for a location", func() {
		w.bind("web")
		w.namespace("default")
		w.place("web", eu)
	})
	w.show()
	w.step("a cluster is registered, its agent has not started", func() {
		w.register("eu")
		w.syncTargets.Edit(euKey, func(o *workloadv1alpha1.SyncTarget) { o.Status.LastSyncerHeartbeatTime = nil })
	})
	w.show()
	w.step("the agent reports", func() { w.beat("eu") })
	w.show()
	w.step("the placement selects nothing", func() { w.place("web") })
	w.show()
	w.step("the placement has a selector that makes no sense", func() {
		w.placements.Edit(placementKey, func(p *schedulingv1alpha1.Placement) {
			p.Spec.LocationSelectors = []metav1.LabelSelector{{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "region", Operator: "Near"}}}}
		})
	})
	w.show()
	w.step("and now its namespace selector makes none either", func() {
		w.placements.Edit(placementKey, func(p *schedulingv1alpha1.Placement) {
			p.Spec.NamespaceSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: "Like"}}}
		})
	})
	w.show()
	nowhere := func(p *schedulingv1alpha1.Placement) { p.Spec.LocationWorkspace = "root:nowhere" }
	w.step("the placement names a workspace that does not exist", func() {
		w.place("web", eu)
		w.placements.Edit(placementKey, nowhere)
	})
	w.show()
	w.step("another one, that has never been anywhere, does too", func() {
		w.placements.Delete(placementKey)
		w.place("web", eu)
		w.placements.Edit(placementKey, nowhere)
	})
	w.show()
	w.step("the workspace is created later, below is a cluster that admits root:acme", func() {
		w.paths["late"] = "root:nowhere"
		w.locations.Put("late", &schedulingv1alpha1.Location{ObjectMeta: metav1.ObjectMeta{Name: "eu", Labels: eu}})
		now := metav1.NewTime(w.clock.Now())
		w.syncTargets.Put("late", &workloadv1alpha1.SyncTarget{
			ObjectMeta: metav1.ObjectMeta{Name: "eu", Annotations: map[string]string{workloadv1alpha1.AllowedWorkspacesAnnotation: "root:other, root:acme"}},
			Status:     workloadv1alpha1.SyncTargetStatus{LastSyncerHeartbeatTime: &now},
		})
	})
	w.wait(unresolvedRetry)
	w.show()
	w.done()
}

func TestHeartbeat(t *testing.T) {
	w := newWorld(t)
	w.begin(eu)
	w.step("the placement accepts us as well", func() { w.place("web", eu, us) })
	w.wait(40 * time.Second)
	w.step("eu and us are heard of", func() { w.beat("eu"); w.beat("us") })
	w.wait(50 * time.Second)
	w.step("only us is heard of", func() { w.beat("us") })
	w.wait(50 * time.Second)
	w.step("nothing has moved", func() { w.beat("us") })
	w.show()
	for range 8 {
		w.wait(40 * time.Second)
		w.step("us is heard of", func() { w.beat("us") })
	}
	w.show()
	w.step("eu comes back, cleans up, and nothing moves back", func() { w.beat("eu"); w.clean("eu") })
	w.wait(2 * time.Second)
	w.show()
	w.done()
}

func TestCordonAndDrain(t *testing.T) {
	w := newWorld(t)
	w.begin(eu)
	w.step("the placement accepts us as well", func() { w.place("web", eu, us) })
	w.step("eu is cordoned", func() {
		w.syncTargets.Edit(euKey, func(o *workloadv1alpha1.SyncTarget) { o.Spec.Unschedulable = true })
	})
	w.step("us too", func() {
		w.syncTargets.Edit(usTargetKey, func(o *workloadv1alpha1.SyncTarget) { o.Spec.Unschedulable = true })
	})
	w.show()
	w.step("us is uncordoned, eu will be drained in ten seconds", func() {
		at := metav1.NewTime(w.clock.Now().Add(10 * time.Second))
		w.syncTargets.Edit(usTargetKey, func(o *workloadv1alpha1.SyncTarget) { o.Spec.Unschedulable = false })
		w.syncTargets.Edit(euKey, func(o *workloadv1alpha1.SyncTarget) { o.Spec.EvictAfter = &at })
	})
	w.wait(11 * time.Second)
	w.show()
	w.step("us is drained at once, with nowhere to go", func() {
		now := metav1.NewTime(w.clock.Now())
		w.syncTargets.Edit(usTargetKey, func(o *workloadv1alpha1.SyncTarget) { o.Spec.EvictAfter = &now })
	})
	w.show()
	w.done()
}

func TestTargetVanishes(t *testing.T) {
	w := newWorld(t)
	w.begin(eu)
	w.step("the deployment is deleted, but the agent does not answer", func() { w.deployed.Delete(nginxKey) })
	w.step("the sync target is removed", func() { w.syncTargets.Delete(euKey) })
	w.show()
	w.done()
}

func TestForgedAssignments(t *testing.T) {
	w := newWorld(t)
	w.begin(eu)
	usKey := workloadv1alpha1.ToSyncTargetKey("compute", "us")
	w.step("somebody got past admission and put a deployment and a namespace on us", func() {
		w.deployed.Put("web", &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
			Namespace: "default", Name: "forged", Labels: map[string]string{workloadv1alpha1.StateLabel(usKey): "Sync"},
		}})
		w.namespaces.Edit(logicalcluster.Key{Workspace: "web", Name: "default"}, func(n *corev1.Namespace) { n.Labels[workloadv1alpha1.StateLabel(usKey)] = "Sync" })
	})
	w.step("and pointed the placement at us", func() {
		w.placements.Edit(placementKey, func(p *schedulingv1alpha1.Placement) {
			p.Annotations[workloadv1alpha1.SyncTargetAnnotationKey] = usKey
		})
	})
	w.show()
	w.done()
}

func TestStrangersAndSystemNamespaces(t *testing.T) {
	w := newWorld(t)
	w.begin(eu)
	w.step("another workspace names the same location workspace without having bound anything of it", func() {
		w.namespaces.Put("evil", &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}})
		w.place("evil", eu)
	})
	w.step("what every workspace has stays on the hub", func() {
		w.namespace("kube-system")
		w.deploy("kube-system", "agent")
		w.config.Put("web", &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "kube-root-ca.crt"}})
		w.config.Put("web", &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "settings"}})
	})
	w.done()
}

func TestRestartWritesNothing(t *testing.T) {
	w := newWorld(t)
	w.begin(eu, us)
	second := newWorld(t)
	second.shorten = w.shorten
	second.clock.SetTime(w.clock.Now())
	second.step("the hub starts again with what it had stored, in the least helpful order", func() {
		for _, o := range w.deployed.All() {
			second.deployed.Put("web", o)
		}
		for _, o := range w.namespaces.All() {
			second.namespaces.Put("web", o)
		}
		for _, o := range w.placements.All() {
			second.placements.Put("web", o)
		}
		for _, o := range w.bindings.All() {
			second.bindings.Put("web", o)
		}
		for _, o := range w.exports.All() {
			second.exports.Put("compute", o)
		}
		for _, o := range w.locations.All() {
			second.locations.Put("compute", o)
		}
		for _, o := range w.syncTargets.All() {
			second.syncTargets.Put("compute", o)
		}
	})
	if got, want := second.story.String(), "# 12:00:00  the hub starts again with what it had stored, in the least helpful order\n"; got != want {
		t.Errorf("wrote:\n%s", got)
	}
}
