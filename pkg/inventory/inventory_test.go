package inventory_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/atriumhub/atrium/pkg/inventory"
	"github.com/atriumhub/atrium/pkg/inventory/inventorytest"
	"github.com/atriumhub/atrium/pkg/scheduling/decide"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	schedulingv1alpha1 "github.com/atriumhub/atrium/sdk/apis/scheduling/v1alpha1"
	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

type stock struct {
	*inventory.Inventory
	targets    *inventorytest.Collection[*workloadv1alpha1.SyncTarget]
	locations  *inventorytest.Collection[*schedulingv1alpha1.Location]
	placements *inventorytest.Collection[*schedulingv1alpha1.Placement]
}

func newStock() stock {
	hub := inventorytest.NewHub(clocktesting.NewFakePassiveClock(noon))
	s := stock{
		targets:    inventorytest.Collect(hub, schema.GroupVersionResource{Resource: "synctargets"}, func() *workloadv1alpha1.SyncTarget { return &workloadv1alpha1.SyncTarget{} }),
		locations:  inventorytest.Collect(hub, schema.GroupVersionResource{Resource: "locations"}, func() *schedulingv1alpha1.Location { return &schedulingv1alpha1.Location{} }),
		placements: inventorytest.Collect(hub, schema.GroupVersionResource{Resource: "placements"}, func() *schedulingv1alpha1.Placement { return &schedulingv1alpha1.Placement{} }),
	}
	s.Inventory = inventory.New(inventory.Config{
		SyncTargets: s.targets, Locations: s.locations, Placements: s.placements,
		Path: func(n logicalcluster.Name) logicalcluster.Path { return "root:" + n.Path() },
	})
	return s
}

func (s stock) assigned(workspace logicalcluster.Name) map[string]int {
	out := map[string]int{}
	for _, t := range s.Snapshot(workspace).Targets {
		out[t.Name] = t.Assigned
	}
	return out
}

func placement(name, target string) *schedulingv1alpha1.Placement {
	p := &schedulingv1alpha1.Placement{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if target != "" {
		p.Annotations = map[string]string{workloadv1alpha1.SyncTargetAnnotationKey: workloadv1alpha1.ToSyncTargetKey("infra", target)}
	}
	return p
}

func TestSnapshotFollowsItsSources(t *testing.T) {
	s := newStock()
	if got := s.Snapshot("infra"); len(got.Targets)+len(got.Locations) != 0 || got.Path != "root:infra" {
		t.Errorf("of nothing: %+v", got)
	}
	// Placements that are known before the targets they chose count as well.
	s.placements.Put("web", placement("p", "b"))
	for _, name := range []string{"b", "a"} {
		s.targets.Put("infra", &workloadv1alpha1.SyncTarget{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	s.targets.Put("other", &workloadv1alpha1.SyncTarget{ObjectMeta: metav1.ObjectMeta{Name: "c"}})
	if diff := cmp.Diff(map[string]int{"a": 0, "b": 1}, s.assigned("infra")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	before := s.Snapshot("infra")

	s.placements.Put("web", placement("p", "a"))
	s.placements.Put("api", placement("p", "a"))
	s.placements.Put("new", placement("p", ""))
	if diff := cmp.Diff(map[string]int{"a": 2, "b": 0}, s.assigned("infra")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s.placements.Delete(logicalcluster.Key{Workspace: "api", Name: "p"})
	if diff := cmp.Diff(map[string]int{"a": 1, "b": 0}, s.assigned("infra")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if before.Targets[1].Assigned != 1 {
		t.Error("a snapshot changed after it was handed out")
	}

	s.locations.Put("infra", &schedulingv1alpha1.Location{ObjectMeta: metav1.ObjectMeta{Name: "default"}})
	if n := len(s.Snapshot("infra").Locations); n != 1 {
		t.Errorf("%d locations after one was added", n)
	}
	a := workloadv1alpha1.ToSyncTargetKey("infra", "a")
	if key, ok := s.Find(a); !ok || key.Name != "a" || !s.Exists(a) {
		t.Errorf("found %v %v by key", key, ok)
	}
	s.targets.Delete(logicalcluster.Key{Workspace: "infra", Name: "a"})
	if s.Exists(a) || len(s.Snapshot("infra").Targets) != 1 {
		t.Error("a deleted sync target is still there")
	}
}

func TestTargetFacts(t *testing.T) {
	beat := metav1.NewTime(noon)
	full := &workloadv1alpha1.SyncTarget{
		ObjectMeta: metav1.ObjectMeta{
			Name: "eu", Labels: map[string]string{"region": "eu"},
			Annotations: map[string]string{logicalcluster.AnnotationKey: "infra", workloadv1alpha1.AllowedWorkspacesAnnotation: " root:acme,, root:x "},
		},
		Spec: workloadv1alpha1.SyncTargetSpec{Unschedulable: true, EvictAfter: &beat},
		Status: workloadv1alpha1.SyncTargetStatus{
			LastSyncerHeartbeatTime: &beat,
			Conditions: conditionsv1alpha1.Conditions{{
				Type: "Ready", Status: "False", LastTransitionTime: beat, Message: "silence",
			}},
			SyncedResources: []workloadv1alpha1.ResourceToSync{
				{GroupResource: workloadv1alpha1.GroupResource{Group: "apps", Resource: "deployments"}, State: "Accepted"},
				{GroupResource: workloadv1alpha1.GroupResource{Group: "batch", Resource: "jobs"}, State: "Incompatible"},
			},
		},
	}
	want := decide.Target{
		Workspace: "infra", Name: "eu", Key: workloadv1alpha1.ToSyncTargetKey("infra", "eu"), Labels: labels.Set{"region": "eu"},
		NotReadySince: noon, NotReadyWhy: "silence", Unschedulable: true, EvictAfter: noon,
		Accepted:   map[schema.GroupResource]bool{{Group: "apps", Resource: "deployments"}: true},
		AllowedSet: true, Allowed: []logicalcluster.Path{"root:acme", "root:x"},
	}
	if diff := cmp.Diff(want, inventory.TargetFacts(full), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	later := full.DeepCopy()
	next := metav1.NewTime(noon.Add(20 * time.Second))
	later.Status.LastSyncerHeartbeatTime = &next
	if !inventory.SameFacts(full, later) {
		t.Error("a heartbeat is a reason to decide anew")
	}
	later.Spec.Unschedulable = false
	if inventory.SameFacts(full, later) || inventory.SameFacts(nil, full) || inventory.SameFacts(full, nil) {
		t.Error("a change is no reason to decide anew")
	}
}

func TestLocationFacts(t *testing.T) {
	tests := map[string]struct {
		selector *metav1.LabelSelector
		matches  bool
		wantErr  bool
	}{
		"no selector":    {matches: true},
		"empty selector": {selector: &metav1.LabelSelector{}, matches: true},
		"a match":        {selector: &metav1.LabelSelector{MatchLabels: map[string]string{"region": "eu"}}, matches: true},
		"no match":       {selector: &metav1.LabelSelector{MatchLabels: map[string]string{"region": "us"}}},
		"no sense":       {selector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "region", Operator: "Near"}}}, wantErr: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l, err := inventory.LocationFacts(&schedulingv1alpha1.Location{Spec: schedulingv1alpha1.LocationSpec{InstanceSelector: test.selector}})
			if (err != nil) != test.wantErr || l.Instances.Matches(labels.Set{"region": "eu"}) != test.matches {
				t.Errorf("got %v, %v", l.Instances, err)
			}
		})
	}
}
