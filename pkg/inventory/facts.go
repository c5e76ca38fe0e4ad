package inventory

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/scheduling/decide"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	schedulingv1alpha1 "github.com/atriumhub/atrium/sdk/apis/scheduling/v1alpha1"
	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// TargetFacts is what decisions may know of a SyncTarget, except how many
// Placements have chosen it. Two versions of an object that differ in nothing
// but the time of the last heartbeat have equal facts.
func TargetFacts(o *workloadv1alpha1.SyncTarget) decide.Target {
	workspace := logicalcluster.From(o)
	t := decide.Target{
		Workspace:     workspace,
		Name:          o.Name,
		Key:           workloadv1alpha1.ToSyncTargetKey(workspace, o.Name),
		Labels:        o.Labels,
		Unschedulable: o.Spec.Unschedulable,
		Accepted:      accepted(o.Status.SyncedResources),
	}
	if o.Spec.EvictAfter != nil {
		t.EvictAfter = o.Spec.EvictAfter.Time
	}
	t.Ready = conditionsv1alpha1.IsTrue(o.Status.Conditions, conditionsv1alpha1.ReadyCondition)
	if !t.Ready {
		t.NotReadySince, t.NotReadyWhy = o.CreationTimestamp.Time, "no agent has reported yet"
		if c := conditionsv1alpha1.Get(o.Status.Conditions, conditionsv1alpha1.ReadyCondition); c != nil {
			t.NotReadySince, t.NotReadyWhy = c.LastTransitionTime.Time, c.Message
		}
	}
	t.Allowed, t.AllowedSet = allowed(o)
	return t
}

func accepted(resources []workloadv1alpha1.ResourceToSync) map[schema.GroupResource]bool {
	out := make(map[schema.GroupResource]bool, len(resources))
	for _, r := range resources {
		if r.State == workloadv1alpha1.ResourceSchemaAcceptedState {
			out[schema.GroupResource{Group: r.Group, Resource: r.Resource}] = true
		}
	}
	return out
}

func allowed(o metav1.Object) ([]logicalcluster.Path, bool) {
	text, set := o.GetAnnotations()[workloadv1alpha1.AllowedWorkspacesAnnotation]
	var paths []logicalcluster.Path
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word != "" {
			paths = append(paths, logicalcluster.Path(word))
		}
	}
	return paths, set
}

// LocationFacts is what decisions may know of a Location. One without an
// instance selector, like one with an empty selector, selects all sync targets.
// One whose selector makes no sense selects none, and the error says why.
func LocationFacts(o *schedulingv1alpha1.Location) (decide.Location, error) {
	l := decide.Location{Name: o.Name, Labels: o.Labels, Instances: labels.Everything()}
	if o.Spec.InstanceSelector == nil {
		return l, nil
	}
	selector, err := metav1.LabelSelectorAsSelector(o.Spec.InstanceSelector)
	if err != nil {
		l.Instances = labels.Nothing()
		return l, err
	}
	l.Instances = selector
	return l, nil
}
