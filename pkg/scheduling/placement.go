package scheduling

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/atriumhub/atrium/pkg/inventory"
	"github.com/atriumhub/atrium/pkg/loop"
	"github.com/atriumhub/atrium/pkg/scheduling/decide"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	schedulingv1alpha1 "github.com/atriumhub/atrium/sdk/apis/scheduling/v1alpha1"
	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// reasonInvalidSelector is the reason of a Placement whose selectors make no
// sense.
const reasonInvalidSelector = "InvalidSelector"

// unresolvedRetry is when a Placement whose location workspace does not exist is
// looked at again. Workspaces that come into being do not announce themselves
// here, and a Placement that waits for one is rare.
const unresolvedRetry = 10 * time.Second

// reconcilePlacement chooses a sync target and writes the choice down: first the
// annotation that everything else follows from, then the status for people.
func (s *scheduler) reconcilePlacement(ctx context.Context, key logicalcluster.Key) (loop.Result, error) {
	o, found := s.Placements.Get(key)
	if !found || o.DeletionTimestamp != nil {
		return loop.Result{}, nil
	}
	namespaces, err := s.countNamespaces(o)
	decision := s.decide(key, o, namespaces > 0, err)
	if err := s.writePlacement(ctx, key, o, namespaces, decision); err != nil {
		return loop.Result{}, err
	}
	return loop.Result{After: s.until(decision)}, nil
}

// until is how long the decision holds at most if nothing happens.
func (s *scheduler) until(d decide.Decision) time.Duration {
	if d.Reason == decide.ReasonLocationNotFound {
		return unresolvedRetry
	}
	if d.RecheckAt.IsZero() {
		return 0
	}
	return max(d.RecheckAt.Sub(s.Clock.Now()), time.Millisecond)
}

// decide asks for a decision. broken is what is wrong with the Placement's
// namespace selector: nobody knows then whether it is in use, so it counts as if.
func (s *scheduler) decide(key logicalcluster.Key, o *schedulingv1alpha1.Placement, inUse bool, broken error) decide.Decision {
	request := decide.Request{
		ID:       key.String(),
		Consumer: s.consumer(key.Workspace),
		Requires: s.requires(key.Workspace),
		Current:  inventory.ChosenKey(o),
		InUse:    inUse || broken != nil,
		Now:      s.Clock.Now(),
		Grace:    s.Grace,
	}
	if o.Status.SelectedLocation != nil {
		request.CurrentLocation = o.Status.SelectedLocation.LocationName
	}
	decision := invalid(broken)
	if broken == nil {
		decision = s.decideAnew(request, key, o)
	}
	current, found := s.inventory.Find(request.Current)
	if !found {
		return decision
	}
	return decide.Keep(request, s.inventory.Snapshot(current.Workspace), decision)
}

func (s *scheduler) decideAnew(request decide.Request, key logicalcluster.Key, o *schedulingv1alpha1.Placement) decide.Decision {
	selectors, err := selectorsOf(o)
	if err != nil {
		return invalid(err)
	}
	path := logicalcluster.Path(o.Spec.LocationWorkspace)
	workspace, found := s.locationWorkspace(key.Workspace, o)
	if !found {
		return decide.NotAvailable(path)
	}
	request.LocationSelectors = selectors
	return decide.Decide(request, s.inventory.Snapshot(workspace))
}

// locationWorkspace is the workspace whose locations a Placement selects from:
// the one it names, or its own.
func (s *scheduler) locationWorkspace(own logicalcluster.Name, o *schedulingv1alpha1.Placement) (logicalcluster.Name, bool) {
	if o.Spec.LocationWorkspace == "" {
		return own, true
	}
	return s.Resolve(logicalcluster.Path(o.Spec.LocationWorkspace))
}

func selectorsOf(o *schedulingv1alpha1.Placement) ([]labels.Selector, error) {
	var out []labels.Selector
	for i := range o.Spec.LocationSelectors {
		selector, err := metav1.LabelSelectorAsSelector(&o.Spec.LocationSelectors[i])
		if err != nil {
			return nil, fmt.Errorf("spec.locationSelectors[%d]: %w", i, err)
		}
		out = append(out, selector)
	}
	return out, nil
}

// namespaceSelector selects every namespace when there is none: that is what the
// API promises, whatever other implementations of it do.
func namespaceSelector(o *schedulingv1alpha1.Placement) (labels.Selector, error) {
	if o.Spec.NamespaceSelector == nil {
		return labels.Everything(), nil
	}
	selector, err := metav1.LabelSelectorAsSelector(o.Spec.NamespaceSelector)
	if err != nil {
		return nil, fmt.Errorf("spec.namespaceSelector: %w", err)
	}
	return selector, nil
}

func (s *scheduler) countNamespaces(o *schedulingv1alpha1.Placement) (int, error) {
	selector, err := namespaceSelector(o)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, namespace := range s.Namespaces.In(logicalcluster.From(o)) {
		if selects(selector, namespace) {
			n++
		}
	}
	return n, nil
}

func selects(selector labels.Selector, namespace *corev1.Namespace) bool {
	return decide.PlaceableNamespace(namespace.Name) && selector.Matches(labels.Set(namespace.Labels))
}

// invalid is the decision on a Placement that cannot be understood.
func invalid(err error) decide.Decision {
	d := decide.Decision{Verdict: decide.Nowhere, Reason: reasonInvalidSelector}
	if err != nil {
		d.Message = err.Error()
	}
	return d
}

func (s *scheduler) writePlacement(ctx context.Context, key logicalcluster.Key, o *schedulingv1alpha1.Placement, namespaces int, d decide.Decision) error {
	if err := s.writeChoice(ctx, key, o, d); err != nil {
		return err
	}
	status := s.placementStatus(o, namespaces, d)
	if equality.Semantic.DeepEqual(status, o.Status) {
		return nil
	}
	// In a merge patch null removes: selectedLocation must be there to go.
	patch := map[string]any{"phase": status.Phase, "conditions": status.Conditions, "selectedLocation": status.SelectedLocation}
	return s.mergePatch(ctx, placementsGVR, key, map[string]any{"status": patch}, "status")
}

func (s *scheduler) writeChoice(ctx context.Context, key logicalcluster.Key, o *schedulingv1alpha1.Placement, d decide.Decision) error {
	var value *string
	if d.Target != nil {
		value = &d.Target.Key
	}
	if value == nil && inventory.ChosenKey(o) == "" || value != nil && *value == inventory.ChosenKey(o) {
		return nil
	}
	return s.mergePatch(ctx, placementsGVR, key, metadataPatch("annotations", workloadv1alpha1.SyncTargetAnnotationKey, value))
}

func (s *scheduler) placementStatus(o *schedulingv1alpha1.Placement, namespaces int, d decide.Decision) schedulingv1alpha1.PlacementStatus {
	status := *o.Status.DeepCopy()
	status.Conditions = conditionsv1alpha1.Set(status.Conditions, s.Clock.Now(), placementConditions(d)...)
	switch {
	case d.Target == nil:
		status.Phase, status.SelectedLocation = schedulingv1alpha1.PlacementPending, nil
		return status
	case namespaces == 0:
		status.Phase = schedulingv1alpha1.PlacementUnbound
	default:
		status.Phase = schedulingv1alpha1.PlacementBound
	}
	if d.Location != "" {
		status.SelectedLocation = &schedulingv1alpha1.LocationReference{
			Path: s.PathOf(d.Target.Workspace).String(), LocationName: d.Location,
		}
	}
	return status
}

// placementConditions tells people what was decided. Ready is about the wish,
// Scheduled about whether there is a sync target at all.
func placementConditions(d decide.Decision) []conditionsv1alpha1.Condition {
	ready := conditionsv1alpha1.True(schedulingv1alpha1.PlacementReady)
	scheduled := conditionsv1alpha1.True(schedulingv1alpha1.PlacementScheduled)
	ready.Message, scheduled.Message = d.Message, d.Message
	switch d.Verdict {
	case decide.Nowhere:
		ready = conditionsv1alpha1.False(schedulingv1alpha1.PlacementReady, conditionsv1alpha1.ConditionSeverityError, d.Reason, "%s", d.Message)
		scheduled = conditionsv1alpha1.False(schedulingv1alpha1.PlacementScheduled, conditionsv1alpha1.ConditionSeverityError, scheduledReason(d), "%s", d.Message)
	case decide.Stranded:
		ready = conditionsv1alpha1.False(schedulingv1alpha1.PlacementReady, conditionsv1alpha1.ConditionSeverityWarning, d.Reason, "%s", d.Message)
	}
	return []conditionsv1alpha1.Condition{ready, scheduled}
}

func scheduledReason(d decide.Decision) string {
	if d.Reason == decide.ReasonNoValidTarget {
		return schedulingv1alpha1.ScheduleNoValidTargetReason
	}
	return schedulingv1alpha1.ScheduleLocationNotFoundReason
}
