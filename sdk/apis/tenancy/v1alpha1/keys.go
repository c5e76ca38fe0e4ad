package v1alpha1

import (
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
)

const (
	// TypeAnnotationKey on a LogicalCluster holds the workspace type as
	// "<path>:<name>".
	TypeAnnotationKey = "internal.tenancy.kcp.io/type"
	// TypeIDAnnotationKey on a LogicalCluster holds the workspace type as "<ID of
	// its workspace>:<name>": unlike a path, an ID never means another workspace.
	TypeIDAnnotationKey = "tenancy.atrium.io/type-id"
	// MeantAnnotationKey on a WorkspaceType holds, as a JSON object, the IDs of
	// the workspaces that the paths in it meant when it was written, and the
	// types without a path (as ":<name>"). The hub sets it.
	MeantAnnotationKey = "tenancy.atrium.io/meant-workspaces"
	// ClusterAnnotationKey on a Workspace holds the ID chosen for it, so that a
	// repeated attempt to create it finds the same one.
	ClusterAnnotationKey = "internal.tenancy.kcp.io/cluster"
	// ShardAnnotationKey on a Workspace holds a hash of the shard chosen for it.
	ShardAnnotationKey = "internal.tenancy.kcp.io/shard"
	// OwnerAnnotationKey on a Workspace holds its creator as the JSON form of
	// an authentication.k8s.io/v1 UserInfo. The hub sets it at creation, and keeps
	// no more of it than the name once the Workspace is ready.
	OwnerAnnotationKey = "experimental.tenancy.kcp.io/owner"
	// MountAnnotationKey on an object says, with "true", that Workspaces may
	// mount it.
	MountAnnotationKey = "experimental.tenancy.kcp.io/is-mount"
	// PhaseLabel on Workspaces and LogicalClusters repeats the phase, for
	// selectors.
	PhaseLabel = "tenancy.kcp.io/phase"
)

// Names of the workspace types that the hub brings along. They live in the root
// workspace.
const (
	// RootWorkspaceTypeName is the type of the root workspace.
	RootWorkspaceTypeName WorkspaceTypeName = "root"
	// UniversalWorkspaceTypeName is the type of a workspace for anything.
	UniversalWorkspaceTypeName WorkspaceTypeName = "universal"
	// OrganizationWorkspaceTypeName is the type of children of root that belong
	// to one organization.
	OrganizationWorkspaceTypeName WorkspaceTypeName = "organization"
	// TeamWorkspaceTypeName is the type of teams below organizations.
	TeamWorkspaceTypeName WorkspaceTypeName = "team"
	// HomeWorkspaceTypeName is the type of a user's own workspace.
	HomeWorkspaceTypeName WorkspaceTypeName = "home"
	// HomeBucketWorkspaceTypeName is the type of the workspaces that users' own
	// workspaces are kept in. It is good for nothing else.
	HomeBucketWorkspaceTypeName WorkspaceTypeName = "homebucket"
)

// Conditions of a Workspace.
const (
	// WorkspaceScheduled tells whether an ID and an address were found.
	WorkspaceScheduled conditionsv1alpha1.ConditionType = "WorkspaceScheduled"
	// WorkspaceInitialized tells whether all initializers have finished.
	WorkspaceInitialized conditionsv1alpha1.ConditionType = "WorkspaceInitialized"
	// WorkspaceAPIBindingsInitialized tells whether the default APIBindings of
	// the type are bound.
	WorkspaceAPIBindingsInitialized conditionsv1alpha1.ConditionType = "APIBindingsInitialized"
	// WorkspaceAPIBindingsReconciled tells, once the workspace is in use, whether
	// the default APIBindings that its type keeps up are bound.
	WorkspaceAPIBindingsReconciled conditionsv1alpha1.ConditionType = "APIBindingsReconciled"
	// WorkspaceContentDeleted tells, during deletion, whether all content is
	// gone.
	WorkspaceContentDeleted conditionsv1alpha1.ConditionType = "WorkspaceContentDeleted"
	// WorkspaceDeletionContentSuccess tells whether the last attempt to remove
	// the content went without errors.
	WorkspaceDeletionContentSuccess conditionsv1alpha1.ConditionType = "DeletionContentSuccess"

	// WorkspaceReasonUnknownType is the reason when the type cannot be found.
	WorkspaceReasonUnknownType = "UnknownWorkspaceType"
	// WorkspaceReasonInitializerExists is the reason while initializers work.
	WorkspaceReasonInitializerExists = "InitializerExists"
)

// The phase of an object that a Workspace mounts, in its status.phase.
const (
	// MountPhaseInitializing means that the target is being prepared.
	MountPhaseInitializing = "Initializing"
	// MountPhaseConnecting means that the target has not connected yet.
	MountPhaseConnecting = "Connecting"
	// MountPhaseReady means that status.URL can be asked.
	MountPhaseReady = "Ready"
	// MountPhaseUnknown means that nobody knows.
	MountPhaseUnknown = "Unknown"
)

const (
	// MountConditionReady tells whether a Workspace that is a mount leads
	// somewhere.
	MountConditionReady conditionsv1alpha1.ConditionType = "WorkspaceMountReady"

	// MountObjectNotFoundReason is the reason when the object is not there.
	MountObjectNotFoundReason = "MountObjectNotFound"
	// MountAnnotationInvalidReason is the reason when it may not be mounted.
	MountAnnotationInvalidReason = "MountAnnotationInvalid"
	// MountObjectNotReadyReason is the reason when it says it is not ready.
	MountObjectNotReadyReason = "MountObjectNotReady"
	// MountObjectInvalidURLReason is the reason when its address is of no use.
	MountObjectInvalidURLReason = "MountObjectInvalidURL"
	// MountTooManyKindsReason is the reason when so many kinds of objects are
	// mounted in the workspace that this one is not watched.
	MountTooManyKindsReason = "MountTooManyKinds"
)

// Conditions of a WorkspaceType.
const (
	// WorkspaceTypeExtensionsResolved tells whether all types that this one
	// extends were found.
	WorkspaceTypeExtensionsResolved conditionsv1alpha1.ConditionType = "WorkspaceTypeExtensionsResolved"
	// WorkspaceTypeVirtualWorkspaceURLsReady tells whether the addresses for
	// initializers and terminators are known.
	WorkspaceTypeVirtualWorkspaceURLsReady conditionsv1alpha1.ConditionType = "VirtualWorkspaceURLsReady"
)
