package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
)

// APIExportEndpointSlice tells the provider of an APIExport where it finds the
// objects of all who bind it.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=kcp
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Export",type=string,JSONPath=`.spec.export.name`
// +kubebuilder:printcolumn:name="Partition",type=string,JSONPath=`.spec.partition`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type APIExportEndpointSlice struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// +optional
	Spec APIExportEndpointSliceSpec `json:"spec,omitempty"`
	// +optional
	Status APIExportEndpointSliceStatus `json:"status,omitempty"`
}

// APIExportEndpointSliceSpec says of which export.
type APIExportEndpointSliceSpec struct {
	// export is the APIExport. It cannot be changed.
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="export is immutable"
	APIExport apisv1alpha2.ExportBindingReference `json:"export"`

	// partition is the name of a Partition that bounds the shards.
	// +optional
	Partition string `json:"partition,omitempty"`
}

// APIExportEndpointSliceStatus is what was found.
type APIExportEndpointSliceStatus struct {
	// conditions are observations with reasons.
	// +optional
	Conditions conditionsv1alpha1.Conditions `json:"conditions,omitempty"`

	// endpoints are the addresses, one for each server with such objects.
	// +optional
	// +listType=map
	// +listMapKey=url
	APIExportEndpoints []corev1alpha1.Endpoint `json:"endpoints,omitempty"`

	// shardSelector is the partition's selector.
	// +optional
	ShardSelector string `json:"shardSelector,omitempty"`
}

// Conditions of an APIExportEndpointSlice, besides APIExportValid, and their
// reasons.
const (
	// PartitionValid tells whether the partition could be found and used.
	PartitionValid conditionsv1alpha1.ConditionType = "PartitionValid"
	// APIExportEndpointSliceURLsReady tells whether the addresses are known.
	APIExportEndpointSliceURLsReady conditionsv1alpha1.ConditionType = "EndpointURLsReady"

	// PartitionInvalidReferenceReason means that there is no such partition.
	PartitionInvalidReferenceReason = "PartitionInvalidReference"
)

// GetConditions returns the conditions of the status.
func (in *APIExportEndpointSlice) GetConditions() conditionsv1alpha1.Conditions {
	return in.Status.Conditions
}

// SetConditions replaces the conditions of the status.
func (in *APIExportEndpointSlice) SetConditions(cs conditionsv1alpha1.Conditions) {
	in.Status.Conditions = cs
}

// APIExportEndpointSliceList is a list of APIExportEndpointSlices.
//
// +kubebuilder:object:root=true
type APIExportEndpointSliceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []APIExportEndpointSlice `json:"items"`
}
