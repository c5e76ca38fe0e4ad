package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
)

// APIPublication binds an APIExport of its workspace in every workspace of a
// subtree, those made later included.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=atrium
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Export",type=string,JSONPath=`.spec.export.name`
// +kubebuilder:printcolumn:name="Subtree",type=string,JSONPath=`.spec.subtree`
// +kubebuilder:printcolumn:name="Matched",type=integer,JSONPath=`.status.matched`,description="Workspaces that the publication is for"
// +kubebuilder:printcolumn:name="Bound",type=integer,JSONPath=`.status.bound`,description="Workspaces that serve the export's resources"
// +kubebuilder:printcolumn:name="Conflicting",type=integer,JSONPath=`.status.conflicting`,description="Workspaces where another API has a name of the export's"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type APIPublication struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              APIPublicationSpec `json:"spec"`
	// +optional
	Status APIPublicationStatus `json:"status,omitempty"`
}

// APIPublicationSpec says what is bound, where and how.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.acceptAllPermissionClaims) && self.acceptAllPermissionClaims && has(self.acceptedPermissionClaims) && size(self.acceptedPermissionClaims) > 0)",message="acceptAllPermissionClaims and acceptedPermissionClaims exclude each other"
type APIPublicationSpec struct {
	// export is the APIExport, in the workspace of the publication. It cannot be
	// changed.
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="export is immutable: create another APIPublication"
	Export LocalExportReference `json:"export"`

	// subtree is the path of a workspace: it and all below it are meant. "root" is
	// all workspaces.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(:[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Subtree string `json:"subtree"`

	// workspaceSelector chooses among those by the labels of the Workspace
	// objects. When left out, all.
	// +optional
	WorkspaceSelector *metav1.LabelSelector `json:"workspaceSelector,omitempty"`

	// acceptedPermissionClaims are the claims of the export that the bindings
	// accept. All others they reject.
	// +optional
	// +listType=map
	// +listMapKey=group
	// +listMapKey=resource
	// +listMapKey=identityHash
	// +kubebuilder:validation:MaxItems=64
	AcceptedPermissionClaims []AcceptedPermissionClaim `json:"acceptedPermissionClaims,omitempty"`

	// acceptAllPermissionClaims accepts whatever the export claims, now and later.
	// +optional
	AcceptAllPermissionClaims bool `json:"acceptAllPermissionClaims,omitempty"`

	// lifecycle Maintain keeps the bindings as the publication says; with
	// InitializeOnly they are made once, and left to their workspaces.
	// +optional
	// +kubebuilder:default=Maintain
	Lifecycle PublicationLifecycle `json:"lifecycle,omitempty"`

	// withdrawal says what becomes of the binding of a workspace that the
	// publication is not for any more, or when the publication is deleted: Unbind
	// deletes it, and with it the objects of its resources; Leave leaves it.
	// +optional
	// +kubebuilder:default=Unbind
	Withdrawal PublicationWithdrawal `json:"withdrawal,omitempty"`
}

// LocalExportReference names an APIExport of the same workspace.
type LocalExportReference struct {
	// name of the APIExport.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// AcceptedPermissionClaim is a claim of an export that is accepted.
type AcceptedPermissionClaim struct {
	apisv1alpha2.GroupResource `json:",inline"`

	// identityHash tells which export the claimed resource comes from. It is
	// empty for resources that the hub itself brings along.
	// +optional
	// +kubebuilder:default=""
	IdentityHash string `json:"identityHash,omitempty"`

	// verbs that are accepted. When left out, all that the export claims.
	// +optional
	// +listType=set
	Verbs []string `json:"verbs,omitempty"`

	// selector chooses the objects. When left out, all.
	// +optional
	// +kubebuilder:default={"matchAll": true}
	// +kubebuilder:validation:XValidation:rule="(has(self.matchAll) && self.matchAll) != ((has(self.matchLabels) && size(self.matchLabels) > 0) || (has(self.matchExpressions) && size(self.matchExpressions) > 0))",message="either matchAll or labels"
	Selector *apisv1alpha2.PermissionClaimSelector `json:"selector,omitempty"`
}

// PublicationLifecycle says how long a publication cares for its bindings.
//
// +kubebuilder:validation:Enum=InitializeOnly;Maintain
type PublicationLifecycle string

const (
	// PublicationInitializeOnly makes the bindings and leaves them alone.
	PublicationInitializeOnly PublicationLifecycle = "InitializeOnly"
	// PublicationMaintain keeps the bindings as the publication says.
	PublicationMaintain PublicationLifecycle = "Maintain"
)

// PublicationWithdrawal says what becomes of bindings that a publication is not
// for any more.
//
// +kubebuilder:validation:Enum=Unbind;Leave
type PublicationWithdrawal string

const (
	// PublicationUnbind deletes the bindings.
	PublicationUnbind PublicationWithdrawal = "Unbind"
	// PublicationLeave leaves the bindings to their workspaces.
	PublicationLeave PublicationWithdrawal = "Leave"
)

// MaxPublicationExamples bounds status.examples.
const MaxPublicationExamples = 10

// APIPublicationStatus is how far a publication is.
type APIPublicationStatus struct {
	// observedGeneration is the generation of the spec that the rest is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// matched is how many workspaces the publication is for.
	// +optional
	Matched int64 `json:"matched"`

	// bound is how many of them serve the resources.
	// +optional
	Bound int64 `json:"bound"`

	// pending is how many of them will soon.
	// +optional
	Pending int64 `json:"pending"`

	// conflicting is in how many of them something else has the name of one of
	// the resources.
	// +optional
	Conflicting int64 `json:"conflicting"`

	// failed is in how many of them binding failed otherwise.
	// +optional
	Failed int64 `json:"failed"`

	// examples are some of the workspaces that are not bound.
	// +optional
	// +listType=map
	// +listMapKey=workspace
	// +kubebuilder:validation:MaxItems=10
	Examples []PublicationExample `json:"examples,omitempty"`

	// conditions are observations with reasons.
	// +optional
	Conditions conditionsv1alpha1.Conditions `json:"conditions,omitempty"`
}

// PublicationExample is one workspace that is not bound.
type PublicationExample struct {
	// workspace is its path.
	Workspace string `json:"workspace"`

	// state says what kind of example it is.
	State PublicationState `json:"state"`

	// message says why, and what to do.
	// +optional
	Message string `json:"message,omitempty"`
}

// PublicationState is how far one workspace is.
//
// +kubebuilder:validation:Enum=Bound;Pending;Conflicting;Failed
type PublicationState string

const (
	// PublicationBound means that the resources are served.
	PublicationBound PublicationState = "Bound"
	// PublicationPending means that they will be soon.
	PublicationPending PublicationState = "Pending"
	// PublicationConflicting means that something else has a name.
	PublicationConflicting PublicationState = "Conflicting"
	// PublicationFailed means that binding failed otherwise.
	PublicationFailed PublicationState = "Failed"
)

// GetConditions returns the conditions of the status.
func (in *APIPublication) GetConditions() conditionsv1alpha1.Conditions { return in.Status.Conditions }

// SetConditions replaces the conditions of the status.
func (in *APIPublication) SetConditions(cs conditionsv1alpha1.Conditions) { in.Status.Conditions = cs }

// APIPublicationList is a list of APIPublications.
//
// +kubebuilder:object:root=true
type APIPublicationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []APIPublication `json:"items"`
}
