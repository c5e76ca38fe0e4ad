package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
)

// ClusterCachedResourceFinalizer keeps a ClusterCachedResource until nothing of
// it is published any more.
const ClusterCachedResourceFinalizer = "cache.kcp.io/clustercachedresource"

// ClusterCachedResource publishes the objects of a cluster-scoped resource, so
// that an APIExport can offer them to other workspaces for reading.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=kcp
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Resource",type=string,JSONPath=`.spec.resource`,description="Resource that is published"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ClusterCachedResource struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              ClusterCachedResourceSpec `json:"spec"`
	// +optional
	Status ClusterCachedResourceStatus `json:"status,omitempty"`
}

// ClusterCachedResourceSpec says which objects are published.
type ClusterCachedResourceSpec struct {
	GroupVersionResource `json:",inline"`

	// identity proves that two such objects publish the same. When left out, the
	// hub makes one.
	// +optional
	Identity *apisv1alpha2.Identity `json:"identity,omitempty"`

	// labelSelector chooses the objects. When left out, all.
	// +optional
	LabelSelector *metav1.LabelSelector `json:"labelSelector,omitempty"`
}

// GroupVersionResource names a resource in a version.
type GroupVersionResource struct {
	// group is empty for the core group.
	// +optional
	// +kubebuilder:validation:Pattern=`^(|[a-z0-9]([-a-z0-9]*[a-z0-9](\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)?)$`
	Group string `json:"group,omitempty"`

	// version of the resource.
	// +optional
	Version string `json:"version,omitempty"`

	// resource is the lower-case plural.
	// +kubebuilder:validation:Pattern=`^[a-z][-a-z0-9]*[a-z0-9]$`
	Resource string `json:"resource"`
}

// ClusterCachedResourcePhaseType says how far publishing is.
//
// +kubebuilder:validation:Enum=Scheduling;Initializing;Ready;Deleting;Deleted
type ClusterCachedResourcePhaseType string

const (
	// ClusterCachedResourcePhaseScheduling means that nobody has seen it yet.
	ClusterCachedResourcePhaseScheduling ClusterCachedResourcePhaseType = "Scheduling"
	// ClusterCachedResourcePhaseInitializing means that it is not published yet.
	ClusterCachedResourcePhaseInitializing ClusterCachedResourcePhaseType = "Initializing"
	// ClusterCachedResourcePhaseReady means that it can be read elsewhere.
	ClusterCachedResourcePhaseReady ClusterCachedResourcePhaseType = "Ready"
	// ClusterCachedResourcePhaseDeleting means that it is being withdrawn.
	ClusterCachedResourcePhaseDeleting ClusterCachedResourcePhaseType = "Deleting"
	// ClusterCachedResourcePhaseDeleted means that it is withdrawn.
	ClusterCachedResourcePhaseDeleted ClusterCachedResourcePhaseType = "Deleted"
)

// ClusterCachedResourceStatus is what was seen.
type ClusterCachedResourceStatus struct {
	// identityHash is the SHA-256 of the identity, in hex.
	// +optional
	IdentityHash string `json:"identityHash,omitempty"`

	// resourceCounts says how many objects there are.
	// +optional
	ResourceCounts *ResourceCount `json:"resourceCounts,omitempty"`

	// phase says how far publishing is.
	// +optional
	// +kubebuilder:default=Initializing
	Phase ClusterCachedResourcePhaseType `json:"phase,omitempty"`

	// conditions are observations with reasons.
	// +optional
	Conditions conditionsv1alpha1.Conditions `json:"conditions,omitempty"`
}

// ResourceCount counts objects.
type ResourceCount struct {
	// cache is how many are published.
	Cache int `json:"cache"`
	// local is how many there are in the workspace.
	Local int `json:"local"`
}

// Conditions of a ClusterCachedResource and their reasons.
const (
	// ClusterCachedResourceValid tells whether the resource could be found and
	// used.
	ClusterCachedResourceValid conditionsv1alpha1.ConditionType = "ResourceValid"
	// ReplicationStarted tells whether the objects can be read elsewhere.
	ReplicationStarted conditionsv1alpha1.ConditionType = "ReplicationStarted"
	// ClusterCachedResourceIdentityValid tells whether the identity could be used.
	ClusterCachedResourceIdentityValid conditionsv1alpha1.ConditionType = "IdentityValid"

	// IdentityGenerationFailedReason means that the hub could not make one.
	IdentityGenerationFailedReason = "IdentityGenerationFailed"
	// IdentityVerificationFailedReason means that the one given is of no use.
	IdentityVerificationFailedReason = "IdentityVerificationFailed"
	// ResourceNotClusterScopedReason means that the objects live in namespaces.
	ResourceNotClusterScopedReason = "ResourceNotClusterScoped"
	// NoResourcesReason means that there is no such resource.
	NoResourcesReason = "NoResources"
	// DeletingReason means that it is being withdrawn.
	DeletingReason = "Deleting"
	// StartedReason means that the objects can be read.
	StartedReason = "Started"
	// InternalErrorReason means that the hub failed; it tries again.
	InternalErrorReason = "InternalError"
)

// GetConditions returns the conditions of the status.
func (in *ClusterCachedResource) GetConditions() conditionsv1alpha1.Conditions {
	return in.Status.Conditions
}

// SetConditions replaces the conditions of the status.
func (in *ClusterCachedResource) SetConditions(cs conditionsv1alpha1.Conditions) {
	in.Status.Conditions = cs
}

// ClusterCachedResourceList is a list of ClusterCachedResources.
//
// +kubebuilder:object:root=true
type ClusterCachedResourceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []ClusterCachedResource `json:"items"`
}
