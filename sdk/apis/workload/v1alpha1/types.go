package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
)

// SyncTarget stands for one child cluster. Labels on it are what Locations
// select by.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=kcp
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Location",type=string,JSONPath=`.metadata.name`,description="Name of the child cluster"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`,description="Whether work can be placed there"
// +kubebuilder:printcolumn:name="Synced API resources",type=string,JSONPath=`.status.syncedResources`,priority=3,description="Resources the agent copies"
// +kubebuilder:printcolumn:name="Key",type=string,JSONPath=`.metadata.labels['internal\.workload\.kcp\.io/key']`,priority=3,description="Key of this target in labels, annotations and finalizers"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type SyncTarget struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// +optional
	Spec SyncTargetSpec `json:"spec,omitempty"`
	// +optional
	Status SyncTargetStatus `json:"status,omitempty"`
}

// SyncTargetSpec is what is wanted of a child cluster.
type SyncTargetSpec struct {
	// unschedulable keeps new work away.
	// +optional
	// +kubebuilder:default=false
	Unschedulable bool `json:"unschedulable,omitempty"`

	// evictAfter is the moment after which work that is there has to leave.
	// +optional
	EvictAfter *metav1.Time `json:"evictAfter,omitempty"`

	// supportedAPIExports are the exports whose resources this child can run.
	// Empty means the "kubernetes" export of root:compute.
	// +optional
	SupportedAPIExports []tenancyv1alpha1.APIExportReference `json:"supportedAPIExports,omitempty"`

	// cells divide children into groups that fail together, by key and value.
	// +optional
	Cells map[string]string `json:"cells,omitempty"`
}

// SyncTargetStatus is what was seen of a child cluster.
type SyncTargetStatus struct {
	// allocatable is what work may use of the child.
	// +optional
	Allocatable *corev1.ResourceList `json:"allocatable,omitempty"`

	// capacity is all that the child has.
	// +optional
	Capacity *corev1.ResourceList `json:"capacity,omitempty"`

	// conditions are observations with reasons. The hub writes them.
	// +optional
	Conditions conditionsv1alpha1.Conditions `json:"conditions,omitempty"`

	// syncedResources are the resources the agent copies or would like to. The
	// agent writes them.
	// +optional
	SyncedResources []ResourceToSync `json:"syncedResources,omitempty"`

	// lastSyncerHeartbeatTime is when the agent was last heard of. The agent
	// writes it.
	// +optional
	LastSyncerHeartbeatTime *metav1.Time `json:"lastSyncerHeartbeatTime,omitempty"`

	// virtualWorkspaces are where the agent finds the objects for this child.
	// +optional
	VirtualWorkspaces []VirtualWorkspace `json:"virtualWorkspaces,omitempty"`

	// tunnelWorkspaces are where the agent can be reached through the connection
	// it holds open.
	// +optional
	TunnelWorkspaces []TunnelWorkspace `json:"tunnelWorkspaces,omitempty"`
}

// GroupResource names a resource without a version.
type GroupResource struct {
	// group is empty for the core group.
	// +optional
	// +kubebuilder:validation:Pattern=`^(|[a-z0-9]([-a-z0-9]*[a-z0-9](\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)?)$`
	Group string `json:"group,omitempty"`

	// resource is the lower-case plural.
	// +kubebuilder:validation:Pattern=`^[a-z][-a-z0-9]*[a-z0-9]$`
	Resource string `json:"resource"`
}

// ResourceToSync is one resource that an agent copies or would like to.
type ResourceToSync struct {
	GroupResource `json:",inline"`

	// versions the child serves, the preferred one first.
	// +kubebuilder:validation:MinItems=1
	Versions []string `json:"versions"`

	// identityHash tells apart exports of the same resource. It is empty for
	// resources that come with Kubernetes.
	// +optional
	IdentityHash string `json:"identityHash,omitempty"`

	// state tells whether the schema of the hub and that of the child agree.
	// +optional
	// +kubebuilder:default=Pending
	State ResourceCompatibleState `json:"state,omitempty"`
}

// ResourceCompatibleState tells whether a resource can be copied to a child.
//
// +kubebuilder:validation:Enum=Pending;Accepted;Incompatible
type ResourceCompatibleState string

const (
	// ResourceSchemaPendingState means not compared yet.
	ResourceSchemaPendingState ResourceCompatibleState = "Pending"
	// ResourceSchemaAcceptedState means that objects of the hub are valid in the
	// child.
	ResourceSchemaAcceptedState ResourceCompatibleState = "Accepted"
	// ResourceSchemaIncompatibleState means that they might not be.
	ResourceSchemaIncompatibleState ResourceCompatibleState = "Incompatible"
)

// VirtualWorkspace holds the addresses of an agent's two views.
type VirtualWorkspace struct {
	// syncerURL is where the agent reads objects to bring down and writes status.
	// +kubebuilder:validation:MinLength=1
	SyncerURL string `json:"syncerURL"`

	// upsyncerURL is where the agent writes objects that it brings up.
	// +kubebuilder:validation:MinLength=1
	UpsyncerURL string `json:"upsyncerURL"`
}

// TunnelWorkspace is an address where the agent can be reached.
type TunnelWorkspace struct {
	// url of the tunnel.
	// +kubebuilder:validation:MinLength=1
	URL string `json:"url"`
}

// Conditions of a SyncTarget. Ready sums up the others.
const (
	// SyncerReady tells whether the agent has started copying.
	SyncerReady conditionsv1alpha1.ConditionType = "SyncerReady"
	// APIImporterReady tells whether the child's resources have been reported.
	APIImporterReady conditionsv1alpha1.ConditionType = "APIImporterReady"
	// HeartbeatHealthy tells whether the agent was heard of in time.
	HeartbeatHealthy conditionsv1alpha1.ConditionType = "HeartbeatHealthy"
	// SyncerAuthorized tells whether the agent may write in the child what it has
	// to.
	SyncerAuthorized conditionsv1alpha1.ConditionType = "SyncerAuthorized"

	// ErrorHeartbeatMissedReason is the reason when the agent was not heard of in
	// time.
	ErrorHeartbeatMissedReason = "ErrorHeartbeat"
)

// GetConditions returns the conditions of the status.
func (in *SyncTarget) GetConditions() conditionsv1alpha1.Conditions { return in.Status.Conditions }

// SetConditions replaces the conditions of the status.
func (in *SyncTarget) SetConditions(cs conditionsv1alpha1.Conditions) { in.Status.Conditions = cs }

// SyncTargetList is a list of SyncTargets.
//
// +kubebuilder:object:root=true
type SyncTargetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []SyncTarget `json:"items"`
}
