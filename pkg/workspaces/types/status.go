package types

import (
	"errors"
	"time"

	"github.com/atriumhub/atrium/pkg/workspaces/prepare"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Reasons why the extensions of a type are not resolved.
const (
	reasonMissing = "UnknownWorkspaceType"
	reasonCircle  = "ExtensionCircle"
	reasonTooMany = "TooManyExtensions"
)

// statusOf returns the status that kind ought to have. trouble is what Resolve
// said of it.
func statusOf(kind *tenancyv1alpha1.WorkspaceType, trouble error, baseURL string, now time.Time) tenancyv1alpha1.WorkspaceTypeStatus {
	status := *kind.Status.DeepCopy()
	status.VirtualWorkspaces = virtualWorkspaces(kind, baseURL)
	resolved, ready := resolvedCondition(trouble), conditionsv1alpha1.True(tenancyv1alpha1.WorkspaceTypeVirtualWorkspaceURLsReady)
	status.Conditions = conditionsv1alpha1.Set(status.Conditions, now, resolved, ready)
	status.Conditions = conditionsv1alpha1.Set(status.Conditions, now,
		conditionsv1alpha1.Summary(status.Conditions, conditionsv1alpha1.ReadyCondition, resolved.Type, ready.Type))
	return status
}

func resolvedCondition(trouble error) conditionsv1alpha1.Condition {
	t := tenancyv1alpha1.WorkspaceTypeExtensionsResolved
	if trouble == nil {
		return conditionsv1alpha1.True(t)
	}
	reason := reasonMissing
	var unresolved *prepare.Unresolved
	if errors.As(trouble, &unresolved) && len(unresolved.Circles) > 0 {
		reason = reasonCircle
	} else if unresolved != nil && (unresolved.TooMany || unresolved.TooManyBindings) {
		reason = reasonTooMany
	}
	return conditionsv1alpha1.False(t, conditionsv1alpha1.ConditionSeverityError, reason,
		"no workspace can be made of this type: %v: correct spec.extend", trouble)
}

// virtualWorkspaces are where the initializer and the terminator of kind, if it
// has them, find their work.
func virtualWorkspaces(kind *tenancyv1alpha1.WorkspaceType, baseURL string) []tenancyv1alpha1.VirtualWorkspace {
	home := logicalcluster.From(kind)
	var views []tenancyv1alpha1.VirtualWorkspace
	if kind.Spec.Initializer {
		views = append(views, tenancyv1alpha1.VirtualWorkspace{
			URL:  baseURL + "/services/initializingworkspaces/" + string(corev1alpha1.InitializerOf(home, kind.Name)),
			Type: tenancyv1alpha1.VirtualWorkspaceTypeInitializing,
		})
	}
	if kind.Spec.Terminator {
		views = append(views, tenancyv1alpha1.VirtualWorkspace{
			URL:  baseURL + "/services/terminatingworkspaces/" + string(corev1alpha1.TerminatorOf(home, kind.Name)),
			Type: tenancyv1alpha1.VirtualWorkspaceTypeTerminating,
		})
	}
	return views
}
