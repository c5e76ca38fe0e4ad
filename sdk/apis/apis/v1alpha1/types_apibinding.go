package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
)

// APIBinding makes the resources of an APIExport available in its workspace.
// Creating it takes the verb "bind" on the export. This is its older form.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=kcp
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
type APIBinding struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// +optional
	Spec APIBindingSpec `json:"spec,omitempty"`
	// +optional
	Status APIBindingStatus `json:"status,omitempty"`
}

// APIBindingSpec is what is wanted of a binding.
type APIBindingSpec struct {
	// reference is what is bound. It cannot be changed.
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="reference is immutable"
	Reference apisv1alpha2.BindingReference `json:"reference"`

	// permissionClaims are the answers to the claims of the export.
	// +optional
	PermissionClaims []AcceptablePermissionClaim `json:"permissionClaims,omitempty"`
}

// APIBindingStatus is what was seen of a binding.
type APIBindingStatus struct {
	// apiExportClusterName is the ID of the workspace with the export.
	// +optional
	APIExportClusterName string `json:"apiExportClusterName,omitempty"`

	// boundResources are the resources that are served because of this binding.
	// +optional
	// +listType=map
	// +listMapKey=group
	// +listMapKey=resource
	BoundResources []apisv1alpha2.BoundAPIResource `json:"boundResources,omitempty"`

	// phase says how far the binding is.
	// +optional
	Phase apisv1alpha2.APIBindingPhaseType `json:"phase,omitempty"`

	// conditions are observations with reasons.
	// +optional
	Conditions conditionsv1alpha1.Conditions `json:"conditions,omitempty"`

	// appliedPermissionClaims are the claims that the provider can use now.
	// +optional
	AppliedPermissionClaims []PermissionClaim `json:"appliedPermissionClaims,omitempty"`

	// exportPermissionClaims are the claims of the export.
	// +optional
	ExportPermissionClaims []PermissionClaim `json:"exportPermissionClaims,omitempty"`
}

// GetConditions returns the conditions of the status.
func (in *APIBinding) GetConditions() conditionsv1alpha1.Conditions { return in.Status.Conditions }

// SetConditions replaces the conditions of the status.
func (in *APIBinding) SetConditions(cs conditionsv1alpha1.Conditions) { in.Status.Conditions = cs }

// APIBindingList is a list of APIBindings.
//
// +kubebuilder:object:root=true
type APIBindingList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []APIBinding `json:"items"`
}
