package v1alpha1

import (
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
)

// Conditions of an APIPublication and their reasons. Ready sums up the first two.
const (
	// PublicationExportValid tells whether the export can be bound.
	PublicationExportValid conditionsv1alpha1.ConditionType = "APIExportValid"
	// PublicationSubtreeValid tells whether spec.subtree is the workspace that the
	// author meant.
	PublicationSubtreeValid conditionsv1alpha1.ConditionType = "SubtreeValid"
	// PublicationComplete tells whether all workspaces that the publication is for
	// are bound. While one of the others is false it is too, for the same reason.
	PublicationComplete conditionsv1alpha1.ConditionType = "Published"

	// PublicationExportNotFoundReason means that there is no such export.
	PublicationExportNotFoundReason = "APIExportNotFound"
	// PublicationExportNotReadyReason means that the export has no identity yet.
	PublicationExportNotReadyReason = "APIExportNotReady"
	// PublicationSubtreeNotFoundReason means that the workspace is gone.
	PublicationSubtreeNotFoundReason = "SubtreeNotFound"
	// PublicationSubtreeReplacedReason means that another workspace is at the path.
	PublicationSubtreeReplacedReason = "SubtreeReplaced"
	// PublicationSelectorInvalidReason means that the selector makes no sense.
	PublicationSelectorInvalidReason = "WorkspaceSelectorInvalid"
	// PublicationPendingReason means that workspaces will be bound soon.
	PublicationPendingReason = "Pending"
	// PublicationConflictsReason means that in some workspaces something else has
	// the name of a resource.
	PublicationConflictsReason = "NamingConflicts"
	// PublicationFailuresReason means that binding failed in some workspaces.
	PublicationFailuresReason = "BindingFailed"
	// PublicationWithdrawingReason means that the publication is being deleted.
	PublicationWithdrawingReason = "Withdrawing"
)
