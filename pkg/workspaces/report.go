package workspaces

import (
	"cmp"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"

	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"

	"github.com/atriumhub/atrium/pkg/workspaces/prepare"
)

// Reasons beyond those of the API group.
const (
	reasonIDTaken          = "ClusterNotOwned"
	reasonFurnishing       = "ContentNotCreated"
	reasonContentRemains   = "ContentRemains"
	reasonChildrenRemain   = "ChildWorkspacesRemain"
	reasonDeletionTrouble  = "ContentDeletionFailed"
	reasonTerminatorExists = "TerminatorExists"
	reasonWorkspaceHeld    = "WorkspaceHeld"
	reasonLost             = "LogicalClusterMissing"
)

func refusedType(trouble error) conditionsv1alpha1.Condition {
	return conditionsv1alpha1.False(tenancyv1alpha1.WorkspaceScheduled, conditionsv1alpha1.ConditionSeverityError,
		tenancyv1alpha1.WorkspaceReasonUnknownType,
		"%v: create or mend that WorkspaceType, or delete this workspace and create it with another type; `kubectl get workspacetypes` in root lists the common ones", trouble)
}

func refusedID() conditionsv1alpha1.Condition {
	return conditionsv1alpha1.False(tenancyv1alpha1.WorkspaceScheduled, conditionsv1alpha1.ConditionSeverityError, reasonIDTaken,
		"spec.cluster belongs to another workspace: delete this one and create it without spec.cluster")
}

func notFurnished(err error) conditionsv1alpha1.Condition {
	return conditionsv1alpha1.False(tenancyv1alpha1.WorkspaceInitialized, conditionsv1alpha1.ConditionSeverityWarning, reasonFurnishing,
		"the hub could not create what every workspace begins with and tries again: %v", err)
}

// reportedStatus is the status of a Workspace whose inside is cluster: what
// cluster says, and that it was found.
func reportedStatus(old tenancyv1alpha1.WorkspaceStatus, cluster *corev1alpha1.LogicalCluster, now time.Time) tenancyv1alpha1.WorkspaceStatus {
	status := *old.DeepCopy()
	status.Phase = cluster.Status.Phase
	status.Initializers = cluster.Status.Initializers
	status.Terminators = cluster.Status.Terminators
	status.Conditions = conditionsv1alpha1.Set(status.Conditions, now, cluster.Status.Conditions...)
	status.Conditions = conditionsv1alpha1.Set(status.Conditions, now, conditionsv1alpha1.True(tenancyv1alpha1.WorkspaceScheduled))
	return status
}

// reported reports whether the status of workspace says what cluster says.
func reported(workspace *tenancyv1alpha1.Workspace, cluster *corev1alpha1.LogicalCluster) bool {
	want := reportedStatus(workspace.Status, cluster, time.Time{})
	return equality.Semantic.DeepEqual(workspace.Status, want)
}

// label makes label and owner annotation of workspace follow its phase.
func label(workspace *tenancyv1alpha1.Workspace) {
	if phase := phaseLabel(workspace); workspace.Labels[tenancyv1alpha1.PhaseLabel] != phase {
		if workspace.Labels == nil {
			workspace.Labels = map[string]string{}
		}
		workspace.Labels[tenancyv1alpha1.PhaseLabel] = phase
	}
	if short, ok := shorterOwner(workspace); ok {
		workspace.Annotations[tenancyv1alpha1.OwnerAnnotationKey] = short
	}
}

func labelled(workspace *tenancyv1alpha1.Workspace) bool {
	_, shorter := shorterOwner(workspace)
	return !shorter && workspace.Labels[tenancyv1alpha1.PhaseLabel] == phaseLabel(workspace)
}

// phaseLabel is the phase as readers of the API see it, who are told the default
// where nothing is stored.
func phaseLabel(workspace *tenancyv1alpha1.Workspace) string {
	return string(cmp.Or(workspace.Status.Phase, corev1alpha1.LogicalClusterPhaseScheduling))
}

// shorterOwner returns what the owner annotation of a ready workspace is to be
// reduced to. Before, the LogicalCluster is still to be made of it.
func shorterOwner(workspace *tenancyv1alpha1.Workspace) (string, bool) {
	if workspace.Status.Phase != corev1alpha1.LogicalClusterPhaseReady {
		return "", false
	}
	short, ok := prepare.ShortOwner(workspace)
	return short, ok && workspace.Annotations[tenancyv1alpha1.OwnerAnnotationKey] != short
}
