package workspaces

import (
	"slices"

	"github.com/atriumhub/atrium/pkg/workspaces/prepare"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
)

// step is the one thing to do for a workspace now.
type step string

const (
	// stepRest: there is nothing to do until something changes.
	stepRest step = "rest"
	// stepAssign: the Workspace was stored without an ID; give it one.
	stepAssign step = "assign"
	// stepRefuseType: the type does not exist; say so (once) and wait for it.
	stepRefuseType step = "refuse type"
	// stepRefuseID: the ID belongs to another Workspace; say so (once).
	stepRefuseID step = "refuse ID"
	// stepFurnish: create what every workspace begins with.
	stepFurnish step = "furnish"
	// stepRestore: the LogicalCluster of a workspace in use is lost; say so and
	// furnish again.
	stepRestore step = "restore"
	// stepSettle: somebody has finished, fallen asleep, or asked for deletion;
	// make phase and labels of the LogicalCluster follow.
	stepSettle step = "settle"
	// stepFollow: the LogicalCluster was deleted; delete the Workspace too.
	stepFollow step = "follow"
	// stepAwaitAdmin: the hub's roles do not know the creator yet; say Ready when
	// they do.
	stepAwaitAdmin step = "await admin"
	// stepReport: write the phase of the LogicalCluster to the Workspace, and
	// make its label and owner annotation follow.
	stepReport step = "report"
	// stepRemove: deletion was asked for; clear the workspace.
	stepRemove step = "remove"
)

// facts are what is known about one workspace when a step is chosen.
type facts struct {
	workspace *tenancyv1alpha1.Workspace
	// cluster is the LogicalCluster stored under spec.cluster, nil if none is.
	cluster *corev1alpha1.LogicalCluster
	// owned is whether cluster belongs to workspace, or, without a cluster,
	// whether the ID does.
	owned bool
	// typeTrouble says why the type of workspace cannot be used. It is nil for one
	// that has a cluster: what a workspace is was settled when that was made.
	typeTrouble error
	// ownerless are the terminators waited for that nobody can answer for.
	ownerless []corev1alpha1.LogicalClusterTerminator
	// unadmitted is whether the hub's roles do not know the creator yet.
	unadmitted bool
}

// next chooses the step. It is pure: equal facts, equal step.
func next(f facts) step {
	switch {
	case f.workspace.DeletionTimestamp != nil:
		return nextDeleting(f)
	case f.workspace.Spec.Mount != nil:
		return stepRest
	case f.workspace.Spec.Cluster == "":
		return stepAssign
	case !f.owned:
		return stepRefuseID
	case f.cluster == nil && prepare.InUse(f.workspace):
		return stepRestore
	case f.cluster == nil && f.typeTrouble != nil:
		return stepRefuseType
	case !furnished(f.cluster):
		return stepFurnish
	case f.cluster.DeletionTimestamp != nil:
		return stepFollow
	case !settled(f.cluster, false):
		return stepSettle
	case f.unadmitted && f.cluster.Status.Phase == corev1alpha1.LogicalClusterPhaseReady && !prepare.InUse(f.workspace):
		return stepAwaitAdmin
	case !reported(f.workspace, f.cluster) || !labelled(f.workspace):
		return stepReport
	}
	return stepRest
}

// nextDeleting lets the terminators finish before anything is removed.
func nextDeleting(f facts) step {
	switch {
	case !slices.Contains(f.workspace.Finalizers, corev1alpha1.LogicalClusterFinalizer):
		return stepRest
	case !terminating(f):
		return stepRemove
	case !settled(f.cluster, true, f.ownerless...):
		return stepSettle
	case len(f.cluster.Status.Terminators) == 0:
		return stepRemove
	case !reported(f.workspace, f.cluster) || !labelled(f.workspace):
		return stepReport
	}
	return stepRest
}

// terminating reports whether terminators have to finish, or have just done so.
// Without any, deletion does not touch the LogicalCluster before it removes it.
func terminating(f facts) bool {
	return f.owned && f.cluster != nil &&
		(len(f.cluster.Status.Terminators) > 0 || f.cluster.Status.Phase == corev1alpha1.LogicalClusterPhaseTerminating)
}

// furnished reports whether cluster is past the point where its content was
// created, which its first phase change marks (W1).
func furnished(cluster *corev1alpha1.LogicalCluster) bool {
	return cluster != nil && cluster.Status.Phase != "" && cluster.Status.Phase != corev1alpha1.LogicalClusterPhaseScheduling
}
