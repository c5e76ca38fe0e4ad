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
// +kubebuilder:printcolumn:name="Percent",type=integer,JSONPath=`.status.percent`,description="Of the chosen workspaces, how many get what is rolled out"
// +kubebuilder:printcolumn:name="Updated",type=integer,JSONPath=`.status.updated`,description="Bindings that have what is rolled out"
// +kubebuilder:printcolumn:name="Lagging",type=integer,JSONPath=`.status.lagging`,description="Bindings that do not have what they are meant to have"
// +kubebuilder:printcolumn:name="Total",type=integer,JSONPath=`.status.total`,description="Bindings"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`,description="Whether the rollout says what can be done"
// +kubebuilder:printcolumn:name="Paused",type=boolean,JSONPath=`.spec.paused`,priority=1
// +kubebuilder:printcolumn:name="Migrated",type=string,JSONPath=`.status.conditions[?(@.type=="StorageMigrated")].status`,priority=1,description="Whether all objects are stored in the version of what is rolled out"
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
//
// +kubebuilder:validation:XValidation:rule="!has(self.migrateStorage) || !self.migrateStorage || (!has(self.percent) || self.percent == 100) && !has(self.workspaceSelector)",message="migrateStorage is for a schema that all workspaces get: percent must be 100, and there can be no workspaceSelector"
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

	// migrateStorage has all objects, of whoever has the schema, rewritten in the
	// version that the schema stores objects in, a few at a time. A binding whose
	// objects all are forgets the versions they were stored in before, and can move
	// to a schema without these. What was rewritten is not written back when
	// somebody gets another schema again: what the version has no place for is lost.
	// It takes a rollout to all workspaces.
	// +optional
	MigrateStorage bool `json:"migrateStorage,omitempty"`
}

// MaxRolloutExamples bounds the examples of a resource.
const MaxRolloutExamples = 10

// SchemaRolloutStatus is how far a rollout is.
type SchemaRolloutStatus struct {
	// observedGeneration is the generation of the spec that the rest is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// percent is the lowest of those of the resources.
	// +optional
	Percent int32 `json:"percent"`

	// total is how many bindings there are of the resources.
	// +optional
	Total int64 `json:"total"`

	// updated is how many of those have what is rolled out.
	// +optional
	Updated int64 `json:"updated"`

	// lagging is how many of those do not have what they are meant to have.
	// +optional
	Lagging int64 `json:"lagging"`

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

	// lagging is how many bindings are meant to have it and do not yet, or have it
	// and are meant to go back.
	// +optional
	Lagging int64 `json:"lagging"`

	// incompatible is how many of those cannot, for that would hurt objects or
	// clients.
	// +optional
	Incompatible int64 `json:"incompatible"`

	// examples are some of the workspaces that lag.
	// +optional
	// +listType=map
	// +listMapKey=workspace
	// +kubebuilder:validation:MaxItems=10
	Examples []RolloutExample `json:"examples,omitempty"`

	// migration is how far objects are that are rewritten.
	// +optional
	Migration *StorageMigrationStatus `json:"migration,omitempty"`
}

// StorageMigrationStatus is how far the objects of a resource are that are rewritten
// in another version.
type StorageMigrationStatus struct {
	// version in which they are to be stored.
	// +optional
	Version string `json:"version,omitempty"`

	// migrated is how many bindings have all their objects stored in it.
	// +optional
	Migrated int64 `json:"migrated"`

	// remaining is how many bindings may have others.
	// +optional
	Remaining int64 `json:"remaining"`

	// objects is how many were rewritten. It may count one twice if the hub was
	// stopped.
	// +optional
	Objects int64 `json:"objects"`

	// failed is how many objects cannot be rewritten. They stay as they are, and are
	// tried again.
	// +optional
	Failed int64 `json:"failed"`

	// examples are some of those.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	Examples []MigrationExample `json:"examples,omitempty"`
}

// MigrationExample is one object that cannot be rewritten.
type MigrationExample struct {
	// workspace is the path of its workspace.
	Workspace string `json:"workspace"`

	// object is its name, after its namespace if it has one.
	Object string `json:"object"`

	// message says why.
	// +optional
	Message string `json:"message,omitempty"`
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
