package v1alpha2

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// GroupResource names a resource without a version.
type GroupResource struct {
	// group is empty for the core group.
	// +optional
	// +kubebuilder:validation:Pattern=`^(|[a-z0-9]([-a-z0-9]*[a-z0-9](\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)?)$`
	// +kubebuilder:default=""
	Group string `json:"group,omitempty"`

	// resource is the lower-case plural.
	// +kubebuilder:validation:Pattern=`^[a-z][-a-z0-9]*[a-z0-9]$`
	Resource string `json:"resource"`
}

// PermissionClaim is what the provider of an export would like to do with
// other resources in the workspaces that bind it.
type PermissionClaim struct {
	GroupResource `json:",inline"`

	// verbs that are claimed; "*" is all.
	// +kubebuilder:validation:MinItems=1
	// +listType=set
	Verbs []string `json:"verbs"`

	// identityHash tells which export the claimed resource comes from. It is
	// empty for resources that the hub itself brings along.
	// +optional
	// +kubebuilder:default=""
	IdentityHash string `json:"identityHash,omitempty"`

	// defaultSelector is offered to those who accept the claim without choosing
	// objects.
	// +optional
	DefaultSelector *PermissionClaimSelector `json:"defaultSelector,omitempty"`
}

// PermissionClaimSelector chooses the objects that a claim is accepted for.
type PermissionClaimSelector struct {
	metav1.LabelSelector `json:",inline"`

	// matchAll chooses all objects.
	// +optional
	MatchAll bool `json:"matchAll,omitempty"`
}

// ScopedPermissionClaim is a claim together with the objects it holds for.
type ScopedPermissionClaim struct {
	PermissionClaim `json:",inline"`

	// selector chooses the objects. It cannot be changed.
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="selector is immutable"
	Selector PermissionClaimSelector `json:"selector"`
}

// AcceptablePermissionClaim is the answer of a binding to a claim.
type AcceptablePermissionClaim struct {
	ScopedPermissionClaim `json:",inline"`

	// state is Accepted or Rejected.
	State AcceptablePermissionClaimState `json:"state"`
}

// AcceptablePermissionClaimState is the answer to a claim.
//
// +kubebuilder:validation:Enum=Accepted;Rejected
type AcceptablePermissionClaimState string

const (
	// ClaimAccepted lets the provider in.
	ClaimAccepted AcceptablePermissionClaimState = "Accepted"
	// ClaimRejected keeps the provider out.
	ClaimRejected AcceptablePermissionClaimState = "Rejected"
)
