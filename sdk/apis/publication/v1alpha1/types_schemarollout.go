package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
)

// SchemaRollout says which of the workspaces that bind an APIExport get a
// changed schema, and when. Resources that no SchemaRollout is about follow
// their export at once.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=atrium
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Export",type=string,JSONPath=`.spec.export.name`
// +kubebuilder:printcolumn:name="Paused",type=boolean,JSONPath=`.spec.paused`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type SchemaRollout struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              SchemaRolloutSpec `json:"spec"`
	// +optional
	Status SchemaRolloutStatus `json:"status,omitempty"`
}

// SchemaRolloutSpec says what is rolled out to whom.
type SchemaRolloutSpec struct {
	// export is the APIExport, in the workspace of the rollout. It cannot be
	// changed.
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="export is immutable: create another SchemaRollout"
	Export LocalExportReference `json:"export"`

	// resources that are rolled out.
	// +optional
	// +listType=map
	// +listMapKey=group
	// +listMapKey=resource
	Resources []ResourceRollout `json:"resources,omitempty"`

	// paused leaves all workspaces with what they have.
	// +optional
	Paused bool `json:"paused,omitempty"`
}

// ResourceRollout is how one resource is rolled out.
type ResourceRollout struct {
	// group of the resource; empty for the core group.
	Group string `json:"group"`

	// resource is the lower-case plural.
	// +kubebuilder:validation:MinLength=1
	Resource string `json:"resource"`

	// schema is the name of the APIResourceSchema that is rolled out.
	// +kubebuilder:validation:MinLength=1
	Schema string `json:"schema"`

	// percent of the chosen workspaces that get it.
	// +optional
	// +kubebuilder:default=100
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Percent *int32 `json:"percent,omitempty"`

	// workspaceSelector chooses workspaces by the labels of the Workspace objects.
	// When left out, all.
	// +optional
	WorkspaceSelector *metav1.LabelSelector `json:"workspaceSelector,omitempty"`
}

// MaxRolloutExamples bounds the examples of a resource.
const MaxRolloutExamples = 10

// SchemaRolloutStatus is how far a rollout is.
type SchemaRolloutStatus struct {
	// observedGeneration is the generation of the spec that the rest is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// resources are how far each resource is.
	// +optional
	// +listType=map
	// +listMapKey=group
	// +listMapKey=resource
	Resources []ResourceRolloutStatus `json:"resources,omitempty"`

	// conditions are observations with reasons.
	// +optional
	Conditions conditionsv1alpha1.Conditions `json:"conditions,omitempty"`
}

// ResourceRolloutStatus is how far the rollout of one resource is.
type ResourceRolloutStatus struct {
	// group of the resource; empty for the core group.
	Group string `json:"group"`

	// resource is the lower-case plural.
	Resource string `json:"resource"`

	// from counts the bindings by the schema that they have.
	// +optional
	// +listType=map
	// +listMapKey=schema
	From []SchemaCount `json:"from,omitempty"`

	// updated is how many bindings have what is rolled out.
	// +optional
	Updated int64 `json:"updated"`

	// lagging is how many bindings are meant to have it and do not yet.
	// +optional
	Lagging int64 `json:"lagging"`

	// incompatible is how many of those cannot have it.
	// +optional
	Incompatible int64 `json:"incompatible"`

	// examples are some of the workspaces that lag.
	// +optional
	// +listType=map
	// +listMapKey=workspace
	// +kubebuilder:validation:MaxItems=10
	Examples []RolloutExample `json:"examples,omitempty"`
}

// SchemaCount is how many bindings have a schema.
type SchemaCount struct {
	// schema is the name of the APIResourceSchema.
	Schema string `json:"schema"`

	// bindings that have it.
	Bindings int64 `json:"bindings"`
}

// RolloutExample is one workspace that lags.
type RolloutExample struct {
	// workspace is its path.
	Workspace string `json:"workspace"`

	// reason is why, in one word.
	// +optional
	Reason string `json:"reason,omitempty"`

	// message says why, and what to do.
	// +optional
	Message string `json:"message,omitempty"`
}

// GetConditions returns the conditions of the status.
func (in *SchemaRollout) GetConditions() conditionsv1alpha1.Conditions { return in.Status.Conditions }

// SetConditions replaces the conditions of the status.
func (in *SchemaRollout) SetConditions(cs conditionsv1alpha1.Conditions) { in.Status.Conditions = cs }

// SchemaRolloutList is a list of SchemaRollouts.
//
// +kubebuilder:object:root=true
type SchemaRolloutList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []SchemaRollout `json:"items"`
}
