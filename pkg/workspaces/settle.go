package workspaces

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/atriumhub/atrium/pkg/workspaces/prepare"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
)

// Everything in this file is pure: what a LogicalCluster says of the workspace
// it lies in, from what others have left in it.

// phaseOf returns the phase of a workspace whose content is there. deleting is
// whether its deletion was asked for, which nothing takes back.
func phaseOf(cluster *corev1alpha1.LogicalCluster, deleting bool) corev1alpha1.LogicalClusterPhaseType {
	switch {
	case deleting && len(cluster.Status.Terminators) > 0:
		return corev1alpha1.LogicalClusterPhaseTerminating
	case deleting:
		return corev1alpha1.LogicalClusterPhaseDeleting
	case !opened(cluster) && len(cluster.Status.Initializers) > 0:
		return corev1alpha1.LogicalClusterPhaseInitializing
	case cluster.Annotations[corev1alpha1.InactiveAnnotationKey] == "true":
		return corev1alpha1.LogicalClusterPhaseInactive
	}
	return corev1alpha1.LogicalClusterPhaseReady
}

// opened reports whether cluster has left its initializers behind. A name that
// somebody puts back into the list later closes no workspace that is in use.
func opened(cluster *corev1alpha1.LogicalCluster) bool {
	return furnished(cluster) && cluster.Status.Phase != corev1alpha1.LogicalClusterPhaseInitializing
}

// settle makes phase, labels and conditions of cluster follow from the rest of
// it, and from which of its terminators nobody can answer for. All of them change
// in one write: who selects by label sees a workspace come and go together with the
// phase.
func settle(cluster *corev1alpha1.LogicalCluster, deleting bool, now time.Time, ownerless ...corev1alpha1.LogicalClusterTerminator) {
	cluster.Status.Phase = phaseOf(cluster, deleting)
	cluster.Labels = labelsOf(cluster)
	switch {
	case !deleting:
		cluster.Status.Conditions = conditionsv1alpha1.Set(cluster.Status.Conditions, now, initialized(cluster))
	case cluster.Status.Phase == corev1alpha1.LogicalClusterPhaseTerminating:
		cluster.Status.Conditions = conditionsv1alpha1.Set(cluster.Status.Conditions, now, terminatorsRemain(cluster.Status.URL, cluster.Status.Terminators, ownerless))
	}
}

// settled reports whether settle would change nothing.
func settled(cluster *corev1alpha1.LogicalCluster, deleting bool, ownerless ...corev1alpha1.LogicalClusterTerminator) bool {
	after := cluster.DeepCopy()
	settle(after, deleting, time.Time{}, ownerless...)
	return equality.Semantic.DeepEqual(cluster.Labels, after.Labels) && equality.Semantic.DeepEqual(cluster.Status, after.Status)
}

// labelsOf returns the labels of cluster with those of the hub as its phase
// wants them: the phase itself, and whom the workspace waits for.
func labelsOf(cluster *corev1alpha1.LogicalCluster) map[string]string {
	labels := map[string]string{tenancyv1alpha1.PhaseLabel: string(cluster.Status.Phase)}
	switch cluster.Status.Phase {
	case corev1alpha1.LogicalClusterPhaseInitializing:
		for _, initializer := range cluster.Status.Initializers {
			key, value := initializer.Label()
			labels[key] = value
		}
	case corev1alpha1.LogicalClusterPhaseTerminating:
		for _, terminator := range cluster.Status.Terminators {
			key, value := terminator.Label()
			labels[key] = value
		}
	}
	for key, value := range cluster.Labels {
		if !ownLabel(key) {
			labels[key] = value
		}
	}
	return labels
}

// ownLabel reports whether a label of LogicalClusters is written by settle only.
func ownLabel(key string) bool {
	return key == tenancyv1alpha1.PhaseLabel ||
		strings.HasPrefix(key, corev1alpha1.InitializerLabelPrefix) || strings.HasPrefix(key, corev1alpha1.TerminatorLabelPrefix)
}

// initialized says whether the initializers of cluster are done, or which are
// not.
func initialized(cluster *corev1alpha1.LogicalCluster) conditionsv1alpha1.Condition {
	if len(cluster.Status.Initializers) == 0 || opened(cluster) {
		return conditionsv1alpha1.True(tenancyv1alpha1.WorkspaceInitialized)
	}
	return conditionsv1alpha1.False(tenancyv1alpha1.WorkspaceInitialized, conditionsv1alpha1.ConditionSeverityInfo,
		tenancyv1alpha1.WorkspaceReasonInitializerExists,
		"waiting for the initializers %s: each takes itself off status.initializers when it is done", listed(cluster.Status.Initializers))
}

// terminatorsRemain says who is waited for, and what to do about those of them
// who will never come: ownerless are the ones whose types are gone.
func terminatorsRemain(url string, terminators, ownerless []corev1alpha1.LogicalClusterTerminator) conditionsv1alpha1.Condition {
	severity, message := conditionsv1alpha1.ConditionSeverityInfo, fmt.Sprintf(
		"waiting for the terminators %s: each takes itself off status.terminators when it is done, and only then content is removed", listed(terminators))
	if len(ownerless) > 0 {
		severity = conditionsv1alpha1.ConditionSeverityWarning
		message += fmt.Sprintf("; nobody can answer for %s any more, the WorkspaceType is gone: restore it, or have an administrator of the hub (of"+
			" system:masters) take that off the list: `kubectl --context=shard-base --server=%s patch logicalcluster cluster --subresource=status --type=merge -p '%s'`",
			listed(ownerless), url, withdrawal(terminators, ownerless))
	}
	return conditionsv1alpha1.False(tenancyv1alpha1.WorkspaceContentDeleted, severity, reasonTerminatorExists, "%s", message)
}

// withdrawal is the patch that leaves of terminators only who is not ownerless.
func withdrawal(terminators, ownerless []corev1alpha1.LogicalClusterTerminator) string {
	rest := slices.DeleteFunc(slices.Clone(terminators), func(t corev1alpha1.LogicalClusterTerminator) bool {
		return slices.Contains(ownerless, t)
	})
	if len(rest) == 0 {
		rest = nil // which empties the list
	}
	patch, err := json.Marshal(map[string]any{"status": map[string]any{"terminators": rest}})
	if err != nil {
		panic(fmt.Sprintf("encoding names: %v", err))
	}
	return string(patch)
}

// listed joins names in order.
func listed[T ~string](names []T) string {
	text := make([]string, len(names))
	for i, name := range names {
		text[i] = string(name)
	}
	slices.Sort(text)
	return strings.Join(text, ", ")
}

// begin gives a LogicalCluster of workspace that is about to be stored its first
// status. A workspace that was in use before is not initialized a second time, and
// waits at its end for whom it waited before. published is whether something is
// published to it, which it waits for.
func begin(cluster *corev1alpha1.LogicalCluster, url string, workspace *tenancyv1alpha1.Workspace, published bool, now time.Time) {
	cluster.Status.URL = url
	if prepare.InUse(workspace) {
		cluster.Status.Terminators = workspace.Status.Terminators
	} else {
		cluster.Status.Initializers = prepare.PendingInitializers(cluster.Spec.Initializers)
		if published {
			cluster.Status.Initializers = append(cluster.Status.Initializers, corev1alpha1.PublicationsInitializer)
		}
		cluster.Status.Terminators = cluster.Spec.Terminators
	}
	settle(cluster, false, now)
}

func lost(id string) conditionsv1alpha1.Condition {
	return conditionsv1alpha1.False(tenancyv1alpha1.WorkspaceInitialized, conditionsv1alpha1.ConditionSeverityError, reasonLost,
		"the LogicalCluster of %s is missing in storage; the hub puts back what every workspace begins with", id)
}
