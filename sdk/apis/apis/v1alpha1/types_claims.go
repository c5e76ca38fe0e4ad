package v1alpha1

import (
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
)

// PermissionClaim is what the provider of an export would like to have access
// to in the workspaces that bind it. In this version it is all verbs.
//
// +kubebuilder:validation:XValidation:rule="(has(self.all) && self.all) != (has(self.resourceSelector) && size(self.resourceSelector) > 0)",message="either \"all\" or \"resourceSelector\" must be set"
type PermissionClaim struct {
	apisv1alpha2.GroupResource `json:",inline"`

	// all claims all objects.
	// +optional
	All bool `json:"all,omitempty"`

	// resourceSelector claims the objects that one of its items names.
	// +optional
	ResourceSelector []ResourceSelector `json:"resourceSelector,omitempty"`

	// identityHash tells which export the claimed resource comes from. It is
	// empty for resources that the hub itself brings along.
	// +optional
	IdentityHash string `json:"identityHash,omitempty"`
}

// ResourceSelector names one object, or all of a namespace.
//
// +kubebuilder:validation:XValidation:rule="has(self.__namespace__) || has(self.name)",message="at least one field must be set"
type ResourceSelector struct {
	// name of the object.
	// +optional
	// +kubebuilder:validation:Pattern="^([a-z0-9][-a-z0-9_.]*)?[a-z0-9]$"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// namespace of the object. When the name is left out, all in it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	Namespace string `json:"namespace,omitempty"`
}

// AcceptablePermissionClaim is the answer of a binding to a claim.
type AcceptablePermissionClaim struct {
	PermissionClaim `json:",inline"`

	// state is Accepted or Rejected.
	State apisv1alpha2.AcceptablePermissionClaimState `json:"state"`
}
