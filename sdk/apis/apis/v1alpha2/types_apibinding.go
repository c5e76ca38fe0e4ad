package v1alpha2

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
)

// APIBinding makes the resources of an APIExport available in its workspace.
// Creating it takes the verb "bind" on the export.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=kcp
// +kubebuilder:subresource:status
// +kubebuilder:storageversion
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
	Reference BindingReference `json:"reference"`

	// permissionClaims are the answers to the claims of the export.
	// +optional
	// +listType=map
	// +listMapKey=group
	// +listMapKey=resource
	// +listMapKey=identityHash
	PermissionClaims []AcceptablePermissionClaim `json:"permissionClaims,omitempty"`
}

// BindingReference is what is bound: exactly one field is set.
type BindingReference struct {
	// export is an APIExport.
	// +optional
	Export *ExportBindingReference `json:"export,omitempty"`
}

// ExportBindingReference names an APIExport.
type ExportBindingReference struct {
	// path of the workspace with the export. When left out, it is the workspace
	// of the binding.
	// +optional
	// +kubebuilder:validation:Pattern:=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(:[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Path string `json:"path,omitempty"`

	// name of the export.
	Name string `json:"name"`
}

// APIBindingPhaseType says how far a binding is.
//
// +kubebuilder:validation:Enum="";Binding;Bound
type APIBindingPhaseType string

const (
	// APIBindingPhaseBinding means that the resources are not served yet.
	APIBindingPhaseBinding APIBindingPhaseType = "Binding"
	// APIBindingPhaseBound means that the resources are served. It stays so even
	// when a later change of the export cannot be taken over.
	APIBindingPhaseBound APIBindingPhaseType = "Bound"
)

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
	BoundResources []BoundAPIResource `json:"boundResources,omitempty"`

	// phase says how far the binding is.
	// +optional
	Phase APIBindingPhaseType `json:"phase,omitempty"`

	// conditions are observations with reasons.
	// +optional
	Conditions conditionsv1alpha1.Conditions `json:"conditions,omitempty"`

	// appliedPermissionClaims are the claims that the provider can use now.
	// +optional
	// +listType=map
	// +listMapKey=group
	// +listMapKey=resource
	// +listMapKey=identityHash
	AppliedPermissionClaims []ScopedPermissionClaim `json:"appliedPermissionClaims,omitempty"`

	// exportPermissionClaims are the claims of the export.
	// +optional
	ExportPermissionClaims []PermissionClaim `json:"exportPermissionClaims,omitempty"`
}

// BoundAPIResource is one resource that is served because of a binding.
type BoundAPIResource struct {
	// group of the resource; empty for the core group.
	Group string `json:"group"`

	// resource is the lower-case plural.
	Resource string `json:"resource"`

	// schema that is served.
	Schema BoundAPIResourceSchema `json:"schema"`

	// storageVersions are the versions in which objects may be stored.
	// +optional
	// +listType=set
	StorageVersions []string `json:"storageVersions,omitempty"`

	// virtual is set when the objects are not stored in this workspace, but read
	// from that of the export. This field is not in kcp.
	// +optional
	Virtual *BoundVirtualResource `json:"virtual,omitempty"`
}

// BoundVirtualResource is where the objects are read.
type BoundVirtualResource struct {
	// slice is the name of the endpoint slice in the workspace of the export.
	Slice string `json:"slice"`

	// identityHash of what the slice shows.
	IdentityHash string `json:"identityHash"`
}

// BoundAPIResourceSchema names the schema that is served.
type BoundAPIResourceSchema struct {
	// name of the APIResourceSchema.
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`

	// UID of the APIResourceSchema.
	// +kubebuilder:validation:MinLength=1
	UID string `json:"UID"`

	// identityHash of the export.
	// +kubebuilder:validation:MinLength=1
	IdentityHash string `json:"identityHash"`
}

// Conditions of an APIBinding and their reasons. Ready sums up the others.
const (
	// APIExportValid tells whether the export could be found and used.
	APIExportValid conditionsv1alpha1.ConditionType = "APIExportValid"
	// InitialBindingCompleted tells whether all resources have been served once.
	InitialBindingCompleted conditionsv1alpha1.ConditionType = "InitialBindingCompleted"
	// BindingUpToDate tells whether the export as it is now is what is served.
	BindingUpToDate conditionsv1alpha1.ConditionType = "BindingUpToDate"
	// PermissionClaimsValid tells whether the accepted claims make sense.
	PermissionClaimsValid conditionsv1alpha1.ConditionType = "PermissionClaimsValid"
	// PermissionClaimsApplied tells whether the accepted claims are in force.
	PermissionClaimsApplied conditionsv1alpha1.ConditionType = "PermissionClaimsApplied"
	// BindingResourceDeleteSuccess tells, during deletion, whether the objects of
	// the bound resources are gone.
	BindingResourceDeleteSuccess conditionsv1alpha1.ConditionType = "BindingResourceDeleteSuccess"

	// APIExportInvalidReferenceReason means that the reference makes no sense.
	APIExportInvalidReferenceReason = "APIExportInvalidReference"
	// APIExportNotFoundReason means that there is no such export.
	APIExportNotFoundReason = "APIExportNotFound"
	// APIResourceSchemaInvalidReason means that a schema of the export is missing
	// or cannot be served.
	APIResourceSchemaInvalidReason = "APIResourceSchemaInvalid"
	// NamingConflictsReason means that another binding or CRD has the name.
	NamingConflictsReason = "NamingConflicts"
	// WaitingForEstablishedReason means that serving has not begun yet.
	WaitingForEstablishedReason = "WaitingForEstablished"
	// InternalErrorReason means that the hub failed; it tries again.
	InternalErrorReason = "InternalError"
	// ResourceDeletionFailedReason means that some objects could not be deleted.
	ResourceDeletionFailedReason = "ResourceDeletionFailed"
)

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
