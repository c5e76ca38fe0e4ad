package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
)

// APIExport offers resources to other workspaces. This is its older form.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=kcp
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="VirtualWorkspaceURLsReady")].status`
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
	// latestResourceSchemas are the names of the APIResourceSchemas that are
	// offered, one for each resource.
	// +optional
	// +listType=set
	LatestResourceSchemas []string `json:"latestResourceSchemas,omitempty"`

	// identity proves that two exports of the same resource belong together.
	// When left out, the hub makes one.
	// +optional
	Identity *apisv1alpha2.Identity `json:"identity,omitempty"`

	// maximalPermissionPolicy bounds what users in binding workspaces can do with
	// the offered resources, whatever they are allowed there. When left out, there
	// is no bound.
	// +optional
	MaximalPermissionPolicy *apisv1alpha2.MaximalPermissionPolicy `json:"maximalPermissionPolicy,omitempty"`

	// permissionClaims are what the provider would like to do with other
	// resources in the workspaces that bind.
	// +optional
	// +listType=map
	// +listMapKey=group
	// +listMapKey=resource
	PermissionClaims []PermissionClaim `json:"permissionClaims,omitempty"`
}

// APIExportStatus is what was seen of an export. It is the same in both
// versions.
type APIExportStatus = apisv1alpha2.APIExportStatus

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
