package v1alpha2

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
)

// APIExport offers resources to other workspaces.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=kcp
// +kubebuilder:subresource:status
// +kubebuilder:storageversion
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type APIExport struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// +optional
	Spec APIExportSpec `json:"spec,omitempty"`
	// +optional
	Status APIExportStatus `json:"status,omitempty"`
}

// APIExportSpec is what an export offers and asks for.
type APIExportSpec struct {
	// resources that are offered.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +listMapKey=group
	Resources []ResourceSchema `json:"resources,omitempty"`

	// identity proves that two exports of the same resource belong together.
	// When left out, the hub makes one.
	// +optional
	Identity *Identity `json:"identity,omitempty"`

	// maximalPermissionPolicy bounds what users in binding workspaces can do with
	// the offered resources, whatever they are allowed there. When left out, there
	// is no bound.
	// +optional
	MaximalPermissionPolicy *MaximalPermissionPolicy `json:"maximalPermissionPolicy,omitempty"`

	// permissionClaims are what the provider would like to do with other
	// resources in the workspaces that bind.
	// +optional
	// +listType=map
	// +listMapKey=group
	// +listMapKey=resource
	PermissionClaims []PermissionClaim `json:"permissionClaims,omitempty"`
}

// ResourceSchema offers one resource.
type ResourceSchema struct {
	// name is the lower-case plural of the resource.
	Name string `json:"name"`

	// group of the resource; empty for the core group.
	Group string `json:"group"`

	// schema is the name of an APIResourceSchema in the same workspace.
	Schema string `json:"schema"`

	// storage says where the objects are kept.
	// +optional
	// +kubebuilder:default={"crd": {}}
	// +kubebuilder:validation:XValidation:rule="has(self.crd) != has(self.virtual)",message="exactly one of crd and virtual must be set"
	Storage ResourceSchemaStorage `json:"storage,omitempty,omitzero"`
}

// ResourceSchemaStorage says where objects are kept: exactly one field is set.
type ResourceSchemaStorage struct {
	// crd keeps the objects in the workspace that binds, like a custom resource.
	// +optional
	CRD *ResourceSchemaStorageCRD `json:"crd,omitempty"`

	// virtual leaves the objects to a server of the provider.
	// +optional
	Virtual *ResourceSchemaStorageVirtual `json:"virtual,omitempty"`
}

// ResourceSchemaStorageCRD has no settings.
type ResourceSchemaStorageCRD struct{}

// ResourceSchemaStorageVirtual says which server has the objects.
type ResourceSchemaStorageVirtual struct {
	// reference is the object, in the workspace of the export, whose status tells
	// the addresses.
	Reference corev1.TypedLocalObjectReference `json:"reference"`

	// identityHash of the virtual resource.
	IdentityHash string `json:"identityHash"`
}

// Identity holds what the identity hash of an export is made of.
type Identity struct {
	// secretRef is a secret with the field "key".
	// +optional
	SecretRef *corev1.SecretReference `json:"secretRef,omitempty"`
}

// MaximalPermissionPolicy says where the bound is defined.
type MaximalPermissionPolicy struct {
	// local takes the bound from the RBAC objects in the workspace of the export.
	// Users and groups are prefixed with "apis.kcp.io:binding:" there.
	// +optional
	Local *LocalAPIExportPolicy `json:"local,omitempty"`
}

// LocalAPIExportPolicy has no settings.
type LocalAPIExportPolicy struct{}

// APIExportStatus is what was seen of an export.
type APIExportStatus struct {
	// identityHash is the SHA-256 of the identity, in hex.
	// +optional
	IdentityHash string `json:"identityHash,omitempty"`

	// conditions are observations with reasons.
	// +optional
	Conditions conditionsv1alpha1.Conditions `json:"conditions,omitempty"`

	// virtualWorkspaces are where the provider finds the objects of all binding
	// workspaces. APIExportEndpointSlices replace it.
	// +optional
	VirtualWorkspaces []VirtualWorkspace `json:"virtualWorkspaces,omitempty"`
}

// VirtualWorkspace is the address of a view over many workspaces.
type VirtualWorkspace struct {
	// url of the view.
	// +kubebuilder:validation:MinLength=1
	URL string `json:"url"`
}

// Conditions of an APIExport.
const (
	// APIExportIdentityValid tells whether the identity could be used.
	APIExportIdentityValid conditionsv1alpha1.ConditionType = "IdentityValid"
	// APIExportVirtualWorkspaceURLsReady tells whether the addresses are known.
	APIExportVirtualWorkspaceURLsReady conditionsv1alpha1.ConditionType = "VirtualWorkspaceURLsReady"
)

// GetConditions returns the conditions of the status.
func (in *APIExport) GetConditions() conditionsv1alpha1.Conditions { return in.Status.Conditions }

// SetConditions replaces the conditions of the status.
func (in *APIExport) SetConditions(cs conditionsv1alpha1.Conditions) { in.Status.Conditions = cs }

// APIExportList is a list of APIExports.
//
// +kubebuilder:object:root=true
type APIExportList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []APIExport `json:"items"`
}
