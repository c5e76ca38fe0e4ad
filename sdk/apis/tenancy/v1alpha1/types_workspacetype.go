package v1alpha1

import (
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
)

// WorkspaceType says how workspaces of this type begin, what they bind, and
// where in the tree they may stand. Using it takes the verb "use".
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=kcp
// +kubebuilder:subresource:status
type WorkspaceType struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// +optional
	Spec WorkspaceTypeSpec `json:"spec,omitempty"`
	// +optional
	Status WorkspaceTypeStatus `json:"status,omitempty"`
}

// WorkspaceTypeSpec is what is wanted of workspaces of a type.
type WorkspaceTypeSpec struct {
	// initializer makes workspaces of this type wait until the initializer named
	// "<path of this workspace>:<name of this type>" has finished.
	// +optional
	Initializer bool `json:"initializer,omitempty"`

	// initializerPermissions are what that initializer may do in a workspace it
	// prepares. When empty, it acts with the permissions of the creator.
	// +optional
	InitializerPermissions []rbacv1.PolicyRule `json:"initializerPermissions,omitempty"`

	// terminator makes deleted workspaces of this type wait until the terminator
	// named "<path of this workspace>:<name of this type>" has finished.
	// +optional
	Terminator bool `json:"terminator,omitempty"`

	// terminatorPermissions are what that terminator may do in a workspace it
	// clears up.
	// +optional
	TerminatorPermissions []rbacv1.PolicyRule `json:"terminatorPermissions,omitempty"`

	// extend adds what other types bring along.
	// +optional
	Extend WorkspaceTypeExtension `json:"extend,omitempty"`

	// additionalWorkspaceLabels are put on the Workspace at creation.
	// +optional
	AdditionalWorkspaceLabels map[string]string `json:"additionalWorkspaceLabels,omitempty"`

	// defaultChildWorkspaceType is the type of children that name none.
	// +optional
	// +kubebuilder:default={"name": "universal", "path": "root"}
	DefaultChildWorkspaceType *WorkspaceTypeReference `json:"defaultChildWorkspaceType,omitempty"`

	// limitAllowedChildren restricts the types of workspaces below. Left out: any
	// type.
	// +optional
	LimitAllowedChildren *WorkspaceTypeSelector `json:"limitAllowedChildren,omitempty"`

	// limitAllowedParents restricts the types of workspaces above. Left out: any
	// type.
	// +optional
	LimitAllowedParents *WorkspaceTypeSelector `json:"limitAllowedParents,omitempty"`

	// defaultAPIBindings are exports that new workspaces bind.
	// +optional
	DefaultAPIBindings []APIExportReference `json:"defaultAPIBindings,omitempty"`

	// defaultAPIBindingLifecycle says whether the default bindings are only made
	// at the beginning (InitializeOnly) or kept as the type says (Maintain).
	// +optional
	DefaultAPIBindingLifecycle *APIBindingLifecycleMode `json:"defaultAPIBindingLifecycle,omitempty"`

	// authenticationConfigurations are additional ways to log in to workspaces of
	// this type, by objects in this workspace.
	// +optional
	AuthenticationConfigurations []AuthenticationConfigurationReference `json:"authenticationConfigurations,omitempty"`
}

// APIBindingLifecycleMode says how long the hub looks after default bindings.
//
// +kubebuilder:validation:Enum=InitializeOnly;Maintain
type APIBindingLifecycleMode string

const (
	// APIBindingLifecycleModeInitializeOnly makes default bindings once.
	APIBindingLifecycleModeInitializeOnly APIBindingLifecycleMode = "InitializeOnly"
	// APIBindingLifecycleModeMaintain keeps default bindings as the type says.
	APIBindingLifecycleModeMaintain APIBindingLifecycleMode = "Maintain"
)

// APIExportReference names an APIExport.
type APIExportReference struct {
	// path of the workspace that holds the export. When left out, it is the
	// workspace of the object this stands in.
	// +optional
	// +kubebuilder:validation:Pattern:=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(:[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Path string `json:"path,omitempty"`

	// export is the name of the APIExport.
	Export string `json:"export"`
}

// WorkspaceTypeSelector is a set of types.
type WorkspaceTypeSelector struct {
	// none means that no type is allowed.
	// +optional
	None bool `json:"none,omitempty"`

	// types are the allowed types. A type that extends an allowed one is allowed
	// too.
	// +optional
	// +kubebuilder:validation:MinItems=1
	Types []WorkspaceTypeReference `json:"types,omitempty"`
}

// WorkspaceTypeExtension lists types that a type builds on.
type WorkspaceTypeExtension struct {
	// with are the types whose initializers, bindings, labels and limits are
	// added.
	// +optional
	With []WorkspaceTypeReference `json:"with,omitempty"`
}

// AuthenticationConfigurationReference names a
// WorkspaceAuthenticationConfiguration in the workspace of the type.
type AuthenticationConfigurationReference struct {
	// name of the configuration.
	Name string `json:"name"`
}

// WorkspaceTypeStatus is what was seen of a type.
type WorkspaceTypeStatus struct {
	// conditions are observations with reasons.
	// +optional
	Conditions conditionsv1alpha1.Conditions `json:"conditions,omitempty"`

	// virtualWorkspaces are where initializers and terminators of this type find
	// their work.
	// +optional
	VirtualWorkspaces []VirtualWorkspace `json:"virtualWorkspaces,omitempty"`
}

// VirtualWorkspaceType says whom a virtual workspace is for.
//
// +kubebuilder:validation:Enum=initializing;terminating
type VirtualWorkspaceType string

const (
	// VirtualWorkspaceTypeInitializing is for the type's initializer.
	VirtualWorkspaceTypeInitializing VirtualWorkspaceType = "initializing"
	// VirtualWorkspaceTypeTerminating is for the type's terminator.
	VirtualWorkspaceTypeTerminating VirtualWorkspaceType = "terminating"
)

// VirtualWorkspace is the address of a view over many workspaces.
type VirtualWorkspace struct {
	// url of the view.
	// +kubebuilder:validation:MinLength=1
	URL string `json:"url"`

	// type says whom the view is for.
	// +optional
	Type VirtualWorkspaceType `json:"type,omitempty"`
}

// GetConditions returns the conditions of the status.
func (in *WorkspaceType) GetConditions() conditionsv1alpha1.Conditions { return in.Status.Conditions }

// SetConditions replaces the conditions of the status.
func (in *WorkspaceType) SetConditions(cs conditionsv1alpha1.Conditions) { in.Status.Conditions = cs }

// WorkspaceTypeList is a list of WorkspaceTypes.
//
// +kubebuilder:object:root=true
type WorkspaceTypeList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []WorkspaceType `json:"items"`
}
