package scheduling

import (
	"context"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/atriumhub/atrium/pkg/inventory"
	"github.com/atriumhub/atrium/pkg/loop"
	schedulingv1alpha1 "github.com/atriumhub/atrium/sdk/apis/scheduling/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// reconcileLocation counts the sync targets of a Location, and puts its labels
// where tables show them.
func (s *scheduler) reconcileLocation(ctx context.Context, key logicalcluster.Key) (loop.Result, error) {
	o, found := s.Locations.Get(key)
	if !found || o.DeletionTimestamp != nil {
		return loop.Result{}, nil
	}
	if err := s.showLabels(ctx, key, o); err != nil {
		return loop.Result{}, err
	}
	instances, available := s.count(key.Workspace, o)
	if same(o.Status.Instances, instances) && same(o.Status.AvailableInstances, available) {
		return loop.Result{}, nil
	}
	return loop.Result{}, s.mergePatch(ctx, locationsGVR, key, map[string]any{"status": map[string]any{
		"instances": instances, "availableInstances": available,
	}}, "status")
}

func (s *scheduler) showLabels(ctx context.Context, key logicalcluster.Key, o *schedulingv1alpha1.Location) error {
	annotation, text := schedulingv1alpha1.LocationLabelsStringAnnotationKey, labels.Set(o.Labels).String()
	if o.Annotations[annotation] == text {
		return nil
	}
	return s.mergePatch(ctx, locationsGVR, key, metadataPatch("annotations", annotation, &text))
}

func (s *scheduler) count(workspace logicalcluster.Name, o *schedulingv1alpha1.Location) (instances, available int32) {
	facts, _ := inventory.LocationFacts(o)
	now := s.Clock.Now()
	for _, t := range s.inventory.Snapshot(workspace).Targets {
		if !facts.Instances.Matches(t.Labels) {
			continue
		}
		instances++
		if t.Ready && !t.Unschedulable && !t.Drained(now) {
			available++
		}
	}
	return instances, available
}

func same(have *int32, want int32) bool { return have != nil && *have == want }
