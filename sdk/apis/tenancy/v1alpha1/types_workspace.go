package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
)

// Workspace stands, in its parent workspace, for a child workspace that looks
// like a cluster of its own.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=kcp,shortName=ws
// +kubebuilder:subresource:status
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')",message="a workspace name is a segment of workspace paths: 1 to 63 characters of a-z, 0-9 and '-', the first and last of them a letter or digit"
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type.name`,description="Type of the workspace"
// +kubebuilder:printcolumn:name="Region",type=string,JSONPath=`.metadata.labels['region']`,description="Region the workspace is in"
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`,description="How far the workspace is in its life"
// +kubebuilder:printcolumn:name="URL",type=string,JSONPath=`.spec.URL`,description="Address of the workspace"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Workspace struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// +optional
	// +kubebuilder:default={}
	Spec WorkspaceSpec `json:"spec,omitempty"`
	// +optional
	// +kubebuilder:default={}
	Status WorkspaceStatus `json:"status,omitempty"`
}

// WorkspaceSpec is what is wanted of a workspace.
//
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.URL) || has(self.URL)",message="URL cannot be unset"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.cluster) || has(self.cluster)",message="cluster cannot be unset"
type WorkspaceSpec struct {
	// type is the WorkspaceType of this workspace. When left out, the parent's
	// type names the default. It cannot be changed.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.name == oldSelf.name",message="name is immutable"
	// +kubebuilder:validation:XValidation:rule="has(oldSelf.path) == has(self.path)",message="path is immutable"
	// +kubebuilder:validation:XValidation:rule="!has(oldSelf.path) || !has(self.path) || self.path == oldSelf.path",message="path is immutable"
	Type *WorkspaceTypeReference `json:"type,omitempty"`

	// location picks where the workspace is kept.
	// +optional
	Location *WorkspaceLocation `json:"location,omitempty"`

	// cluster is the ID under which the workspace is stored. The hub sets it
	// once.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="cluster is immutable"
	Cluster string `json:"cluster,omitempty"`

	// URL is the address of the workspace, to be used as server in a kubeconfig.
	// The hub sets it.
	// +optional
	URL string `json:"URL,omitempty"`

	// mount makes this workspace a door to something that is served elsewhere.
	// It cannot be changed.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="mount is immutable"
	Mount *Mount `json:"mount,omitempty"`
}

// WorkspaceTypeReference names a WorkspaceType.
type WorkspaceTypeReference struct {
	// name of the WorkspaceType.
	Name WorkspaceTypeName `json:"name"`

	// path of the workspace that holds the type. When left out, the type is
	// looked for in the workspaces from the parent up to the root.
	// +optional
	// +kubebuilder:validation:Pattern:=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(:[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Path string `json:"path,omitempty"`
}

// String returns "<path>:<name>", or only the name when there is no path.
func (r WorkspaceTypeReference) String() string {
	if r.Path == "" {
		return string(r.Name)
	}
	return r.Path + ":" + string(r.Name)
}

// WorkspaceTypeName is the name of a WorkspaceType.
//
// +kubebuilder:validation:Pattern=`^[a-z]([a-z0-9-]{0,61}[a-z0-9])?`
type WorkspaceTypeName string

// WorkspaceLocation picks where a workspace is kept.
type WorkspaceLocation struct {
	// selector chooses among shards by their labels. Empty means any.
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`
}

// Mount makes a workspace a door to something that is served elsewhere.
type Mount struct {
	// ref is the object, in the same workspace, whose status tells the address.
	Reference ObjectReference `json:"ref"`
}

// ObjectReference names one object in the same workspace.
//
// +kubebuilder:validation:XValidation:rule="has(oldSelf.apiVersion) == has(self.apiVersion)",message="apiVersion is immutable"
// +kubebuilder:validation:XValidation:rule="has(oldSelf.kind) == has(self.kind)",message="kind is immutable"
// +kubebuilder:validation:XValidation:rule="has(oldSelf.name) == has(self.name)",message="name is immutable"
type ObjectReference struct {
	// apiVersion is group/version, or only the version for the core group.
	APIVersion string `json:"apiVersion"`
	// kind in CamelCase.
	Kind string `json:"kind"`
	// name of the object.
	Name string `json:"name"`
	// namespace is empty for cluster-scoped objects.
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// WorkspaceStatus is what was seen of a workspace.
type WorkspaceStatus struct {
	// phase says how far the workspace is in its life.
	// +optional
	// +kubebuilder:default=Scheduling
	Phase corev1alpha1.LogicalClusterPhaseType `json:"phase,omitempty"`

	// conditions are observations with reasons.
	// +optional
	Conditions conditionsv1alpha1.Conditions `json:"conditions,omitempty"`

	// initializers are those who have not finished preparing the workspace.
	// +optional
	Initializers []corev1alpha1.LogicalClusterInitializer `json:"initializers,omitempty"`

	// terminators are those who have not finished clearing up.
	// +optional
	Terminators []corev1alpha1.LogicalClusterTerminator `json:"terminators,omitempty"`
}

// GetConditions returns the conditions of the status.
func (in *Workspace) GetConditions() conditionsv1alpha1.Conditions { return in.Status.Conditions }

// SetConditions replaces the conditions of the status.
func (in *Workspace) SetConditions(cs conditionsv1alpha1.Conditions) { in.Status.Conditions = cs }

// WorkspaceList is a list of Workspaces.
//
// +kubebuilder:object:root=true
type WorkspaceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []Workspace `json:"items"`
}
