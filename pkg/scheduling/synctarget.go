package scheduling

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/atriumhub/atrium/pkg/loop"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	schedulingv1alpha1 "github.com/atriumhub/atrium/sdk/apis/scheduling/v1alpha1"
	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// reconcileSyncTarget gives a SyncTarget its key, the addresses of its views,
// its conditions and a Location. The heartbeat and the list of synced resources
// are its agent's and are only read.
func (s *scheduler) reconcileSyncTarget(ctx context.Context, key logicalcluster.Key) (loop.Result, error) {
	o, found := s.SyncTargets.Get(key)
	if !found || o.DeletionTimestamp != nil {
		return loop.Result{}, nil
	}
	if err := s.labelSyncTarget(ctx, key, o); err != nil {
		return loop.Result{}, err
	}
	health := judgeHeartbeat(o.Status.LastSyncerHeartbeatTime, s.Clock.Now(), s.HeartbeatThreshold)
	if err := s.writeSyncTargetStatus(ctx, key, o, health.condition); err != nil {
		return loop.Result{}, err
	}
	if err := s.ensureDefaultLocation(ctx, key.Workspace); err != nil {
		return loop.Result{}, err
	}
	return loop.Result{After: health.recheck}, nil
}

func (s *scheduler) labelSyncTarget(ctx context.Context, key logicalcluster.Key, o *workloadv1alpha1.SyncTarget) error {
	value := workloadv1alpha1.ToSyncTargetKey(key.Workspace, key.Name)
	if o.Labels[workloadv1alpha1.SyncTargetKeyLabel] == value {
		return nil
	}
	return s.mergePatch(ctx, syncTargetsGVR, key, metadataPatch("labels", workloadv1alpha1.SyncTargetKeyLabel, &value))
}

// health is a judgement on the last heartbeat, and how long it holds.
type health struct {
	condition conditionsv1alpha1.Condition
	recheck   time.Duration
}

// judgeHeartbeat says whether the agent was heard of in time. While it was, the
// judgement has to be made again at the very moment the threshold is passed.
func judgeHeartbeat(last *metav1.Time, now time.Time, threshold time.Duration) health {
	if last == nil {
		return health{condition: conditionsv1alpha1.False(workloadv1alpha1.HeartbeatHealthy, conditionsv1alpha1.ConditionSeverityInfo,
			workloadv1alpha1.ErrorHeartbeatMissedReason, "no agent has reported yet: run atrium-syncer with the credentials of this sync target")}
	}
	if left := last.Add(threshold).Sub(now); left > 0 {
		return health{condition: conditionsv1alpha1.True(workloadv1alpha1.HeartbeatHealthy), recheck: left}
	}
	return health{condition: conditionsv1alpha1.False(workloadv1alpha1.HeartbeatHealthy, conditionsv1alpha1.ConditionSeverityError,
		workloadv1alpha1.ErrorHeartbeatMissedReason, "no heartbeat of its agent since %s", last.UTC().Format(time.RFC3339))}
}

func (s *scheduler) writeSyncTargetStatus(ctx context.Context, key logicalcluster.Key, o *workloadv1alpha1.SyncTarget, heartbeat conditionsv1alpha1.Condition) error {
	now := s.Clock.Now()
	conditions := conditionsv1alpha1.Set(o.Status.Conditions, now, heartbeat)
	conditions = conditionsv1alpha1.Set(conditions, now, summary(conditions))
	views := []workloadv1alpha1.VirtualWorkspace{viewsOf(s.HubURL, key, o)}
	if equality.Semantic.DeepEqual(conditions, o.Status.Conditions) && equality.Semantic.DeepEqual(views, o.Status.VirtualWorkspaces) {
		return nil
	}
	return s.mergePatch(ctx, syncTargetsGVR, key, map[string]any{"status": map[string]any{
		"conditions": conditions, "virtualWorkspaces": views,
	}}, "status")
}

// summary is Ready: the heartbeat, and whatever else has been said.
func summary(conditions conditionsv1alpha1.Conditions) conditionsv1alpha1.Condition {
	parts := []conditionsv1alpha1.ConditionType{workloadv1alpha1.HeartbeatHealthy}
	for _, optional := range []conditionsv1alpha1.ConditionType{
		workloadv1alpha1.SyncerReady, workloadv1alpha1.APIImporterReady, workloadv1alpha1.SyncerAuthorized,
	} {
		if conditionsv1alpha1.Get(conditions, optional) != nil {
			parts = append(parts, optional)
		}
	}
	return conditionsv1alpha1.Summary(conditions, conditionsv1alpha1.ReadyCondition, parts...)
}

func viewsOf(hubURL string, key logicalcluster.Key, o *workloadv1alpha1.SyncTarget) workloadv1alpha1.VirtualWorkspace {
	address := func(view string) string {
		return fmt.Sprintf("%s/services/%s/%s/%s/%s", strings.TrimRight(hubURL, "/"), view, key.Workspace, key.Name, o.UID)
	}
	return workloadv1alpha1.VirtualWorkspace{SyncerURL: address("syncer"), UpsyncerURL: address("upsyncer")}
}

// ensureDefaultLocation makes the Location that selects every SyncTarget of its
// workspace, so that a first Placement has something to select.
func (s *scheduler) ensureDefaultLocation(ctx context.Context, workspace logicalcluster.Name) error {
	if _, found := s.Locations.Get(logicalcluster.Key{Workspace: workspace, Name: schedulingv1alpha1.DefaultLocationName}); found {
		return nil
	}
	err := s.hub.Create(ctx, locationsGVR, workspace, defaultLocation())
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("failed to create the default location of workspace %s: %w", workspace, err)
	}
	return nil
}

func defaultLocation() *schedulingv1alpha1.Location {
	return &schedulingv1alpha1.Location{
		TypeMeta:   metav1.TypeMeta{APIVersion: schedulingv1alpha1.SchemeGroupVersion.String(), Kind: "Location"},
		ObjectMeta: metav1.ObjectMeta{Name: schedulingv1alpha1.DefaultLocationName},
		Spec: schedulingv1alpha1.LocationSpec{
			Resource:         schedulingv1alpha1.SyncTargetResource,
			Description:      "All sync targets of this workspace.",
			InstanceSelector: &metav1.LabelSelector{},
		},
	}
}
