package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
)

// ClusterCachedResourceEndpointSlice tells where the objects of a
// ClusterCachedResource can be read. An APIExport names it in the storage of a
// resource.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=kcp
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="ClusterCachedResource",type=string,JSONPath=`.spec.clusterCachedResource.name`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ClusterCachedResourceEndpointSlice struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// +optional
	Spec ClusterCachedResourceEndpointSliceSpec `json:"spec,omitempty"`
	// +optional
	Status ClusterCachedResourceEndpointSliceStatus `json:"status,omitempty"`
}

// ClusterCachedResourceEndpointSliceSpec says of what, and for which export.
type ClusterCachedResourceEndpointSliceSpec struct {
	// clusterCachedResource is what is read. It cannot be changed.
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="clusterCachedResource is immutable"
	ClusterCachedResource ClusterCachedResourceReference `json:"clusterCachedResource"`

	// export is the APIExport that offers it. It cannot be changed.
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="export is immutable"
	APIExport apisv1alpha2.ExportBindingReference `json:"export"`

	// partition is the name of a Partition that bounds the shards.
	// +optional
	Partition string `json:"partition,omitempty"`
}

// ClusterCachedResourceReference names a ClusterCachedResource.
type ClusterCachedResourceReference struct {
	// path of its workspace. When left out, it is the workspace of the reference.
	// +optional
	// +kubebuilder:validation:Pattern:=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(:[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Path string `json:"path,omitempty"`

	// name of the ClusterCachedResource.
	Name string `json:"name"`
}

// ClusterCachedResourceEndpointSliceStatus is what was found.
type ClusterCachedResourceEndpointSliceStatus struct {
	// conditions are observations with reasons.
	// +optional
	Conditions conditionsv1alpha1.Conditions `json:"conditions,omitempty"`

	// endpoints are the addresses, one for each server with such objects.
	// +optional
	// +listType=map
	// +listMapKey=url
	ClusterCachedResourceEndpoints []corev1alpha1.Endpoint `json:"endpoints,omitempty"`

	// shardSelector is the partition's selector.
	// +optional
	ShardSelector string `json:"shardSelector,omitempty"`
}

// Conditions of a ClusterCachedResourceEndpointSlice and their reasons.
const (
	// PartitionValid tells whether the partition could be found and used.
	PartitionValid conditionsv1alpha1.ConditionType = "PartitionValid"
	// APIExportValid tells whether the export could be found and used.
	APIExportValid conditionsv1alpha1.ConditionType = "APIExportValid"
	// EndpointURLsReady tells whether the addresses are known.
	EndpointURLsReady conditionsv1alpha1.ConditionType = "EndpointURLsReady"

	// PartitionInvalidReferenceReason means that there is no such partition.
	PartitionInvalidReferenceReason = "PartitionInvalidReference"
	// APIExportInvalidReferenceReason means that there is no such export, or that
	// it does not name this slice.
	APIExportInvalidReferenceReason = "APIExportInvalidReference"
	// ClusterCachedResourceInvalidReferenceReason means that the reference makes
	// no sense.
	ClusterCachedResourceInvalidReferenceReason = "ClusterCachedResourceInvalidReference"
	// ClusterCachedResourceNotFoundReason means that there is no such
	// ClusterCachedResource.
	ClusterCachedResourceNotFoundReason = "ClusterCachedResourceNotFound"
)

// GetConditions returns the conditions of the status.
func (in *ClusterCachedResourceEndpointSlice) GetConditions() conditionsv1alpha1.Conditions {
	return in.Status.Conditions
}

// SetConditions replaces the conditions of the status.
func (in *ClusterCachedResourceEndpointSlice) SetConditions(cs conditionsv1alpha1.Conditions) {
	in.Status.Conditions = cs
}

// ClusterCachedResourceEndpointSliceList is a list of
// ClusterCachedResourceEndpointSlices.
//
// +kubebuilder:object:root=true
type ClusterCachedResourceEndpointSliceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []ClusterCachedResourceEndpointSlice `json:"items"`
}
