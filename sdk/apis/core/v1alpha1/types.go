package v1alpha1

import (
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
)

// LogicalClusterName is the name of the only LogicalCluster of a workspace.
const LogicalClusterName = "cluster"

// LogicalClusterPhaseType says how far a workspace is in its life.
//
// +kubebuilder:validation:Enum=Scheduling;Initializing;Ready;Unavailable;Inactive;Terminating;Deleting
type LogicalClusterPhaseType string

const (
	// LogicalClusterPhaseScheduling means that no place was chosen yet.
	LogicalClusterPhaseScheduling LogicalClusterPhaseType = "Scheduling"
	// LogicalClusterPhaseInitializing means that initializers are at work; only
	// they may enter.
	LogicalClusterPhaseInitializing LogicalClusterPhaseType = "Initializing"
	// LogicalClusterPhaseReady means that the workspace is in use.
	LogicalClusterPhaseReady LogicalClusterPhaseType = "Ready"
	// LogicalClusterPhaseUnavailable means that a ready workspace cannot be
	// reached at the moment.
	LogicalClusterPhaseUnavailable LogicalClusterPhaseType = "Unavailable"
	// LogicalClusterPhaseInactive means that the workspace was put to rest:
	// requests to it are refused until it is woken up.
	LogicalClusterPhaseInactive LogicalClusterPhaseType = "Inactive"
	// LogicalClusterPhaseTerminating means that deletion was asked for and
	// terminators are at work.
	LogicalClusterPhaseTerminating LogicalClusterPhaseType = "Terminating"
	// LogicalClusterPhaseDeleting means that the content is being removed.
	LogicalClusterPhaseDeleting LogicalClusterPhaseType = "Deleting"
)

// LogicalClusterInitializer names somebody who prepares a new workspace before
// its users may enter: "<path of the type's workspace>:<type name>", or
// "system:<name>" for the hub's own.
//
// +kubebuilder:validation:Pattern:=`^([a-z0-9]([-a-z0-9]*[a-z0-9])?(:[a-z0-9]([-a-z0-9]*[a-z0-9])?)*(:[a-z0-9][a-z0-9]([-a-z0-9]*[a-z0-9])?))|(system:.+)$`
type LogicalClusterInitializer string

// LogicalClusterTerminator names somebody who clears up outside the hub before
// the content of a workspace is removed. It has the form of an initializer.
//
// +kubebuilder:validation:Pattern:=`^([a-z0-9]([-a-z0-9]*[a-z0-9])?(:[a-z0-9]([-a-z0-9]*[a-z0-9])?)*(:[a-z0-9][a-z0-9]([-a-z0-9]*[a-z0-9])?))|(system:.+)$`
type LogicalClusterTerminator string

const (
	// InitializerLabelPrefix starts the labels by which initializers find the
	// workspaces that wait for them. The hub maintains them.
	InitializerLabelPrefix = "initializer.internal.kcp.io/"
	// TerminatorLabelPrefix is the same for terminators.
	TerminatorLabelPrefix = "terminator.internal.kcp.io/"
	// APIBindingsInitializer stands for the hub itself, which creates the default
	// APIBindings of a workspace's type.
	APIBindingsInitializer LogicalClusterInitializer = "system:apibindings"
	// PublicationsInitializer stands for the hub itself, which binds what
	// APIPublications are for the workspace.
	PublicationsInitializer LogicalClusterInitializer = "system:publications"
)

// LogicalCluster is the inside of one workspace: it lives in the workspace it
// describes, always under the name "cluster".
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=kcp
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`,description="How far the workspace is in its life"
// +kubebuilder:printcolumn:name="URL",type=string,JSONPath=`.status.URL`,description="Address of the workspace"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type LogicalCluster struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// +optional
	// +kubebuilder:default={}
	Spec LogicalClusterSpec `json:"spec,omitempty"`
	// +optional
	// +kubebuilder:default={}
	Status LogicalClusterStatus `json:"status,omitempty"`
}

// LogicalClusterSpec is what the hub keeps about a workspace.
type LogicalClusterSpec struct {
	// directlyDeletable allows to delete the LogicalCluster itself. Without it,
	// a workspace is deleted through its owner.
	// +optional
	// +kubebuilder:default=false
	DirectlyDeletable bool `json:"directlyDeletable,omitempty"`

	// owner is the object that stands for this workspace in another one, usually
	// a Workspace in the parent. It is empty for the root workspace.
	// +optional
	Owner *LogicalClusterOwner `json:"owner,omitempty"`

	// initializers are all who have to prepare the workspace. Set at creation.
	// +optional
	Initializers []LogicalClusterInitializer `json:"initializers,omitempty"`

	// terminators are all who have to clear up before the workspace goes.
	// +optional
	Terminators []LogicalClusterTerminator `json:"terminators,omitempty"`

	// createdBy is the user who created the workspace.
	// +optional
	CreatedBy *authenticationv1.UserInfo `json:"createdBy,omitempty"`
}

// LogicalClusterOwner points at one object in another workspace.
type LogicalClusterOwner struct {
	// apiVersion is group/version, or only the version for the core group.
	// +kubebuilder:validation:Pattern:=`^([^/]+/)?[^/]+$`
	APIVersion string `json:"apiVersion"`

	// resource is the lower-case plural, such as "workspaces".
	// +kubebuilder:validation:MinLength=1
	Resource string `json:"resource"`

	// namespace is empty for cluster-scoped owners.
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// name of the owner.
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`

	// cluster is the ID of the workspace the owner lives in.
	// +kubebuilder:validation:MinLength=1
	Cluster string `json:"cluster"`

	// uid of the owner.
	UID types.UID `json:"uid"`
}

// LogicalClusterStatus is what was seen of a workspace.
type LogicalClusterStatus struct {
	// URL is the address of the workspace, to be used as server in a kubeconfig.
	// +optional
	URL string `json:"URL,omitempty"`

	// phase says how far the workspace is in its life.
	// +optional
	// +kubebuilder:default=Scheduling
	Phase LogicalClusterPhaseType `json:"phase,omitempty"`

	// conditions are observations with reasons.
	// +optional
	Conditions conditionsv1alpha1.Conditions `json:"conditions,omitempty"`

	// initializers are those who have not finished. Each removes itself.
	// +optional
	Initializers []LogicalClusterInitializer `json:"initializers,omitempty"`

	// terminators are those who have not finished. Each removes itself.
	// +optional
	Terminators []LogicalClusterTerminator `json:"terminators,omitempty"`
}

// GetConditions returns the conditions of the status.
func (in *LogicalCluster) GetConditions() conditionsv1alpha1.Conditions { return in.Status.Conditions }

// SetConditions replaces the conditions of the status.
func (in *LogicalCluster) SetConditions(cs conditionsv1alpha1.Conditions) { in.Status.Conditions = cs }

// LogicalClusterList is a list of LogicalClusters.
//
// +kubebuilder:object:root=true
type LogicalClusterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []LogicalCluster `json:"items"`
}
