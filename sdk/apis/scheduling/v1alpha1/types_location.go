package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// LocationLabelsStringAnnotationKey on a Location holds its labels as one
	// line, for the table that kubectl prints. The hub maintains it.
	LocationLabelsStringAnnotationKey = "scheduling.kcp.io/labels"
	// PlacementAnnotationKey on a namespace says, by being there, that the
	// namespace is placed. The value is empty.
	PlacementAnnotationKey = "scheduling.kcp.io/placement"
	// DefaultLocationName is the Location that appears by itself in a workspace
	// with a SyncTarget. It selects all of them.
	DefaultLocationName = "default"
)

// Location groups child clusters of its workspace. Labels on it are what
// Placements select by.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=kcp
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Resource",type=string,JSONPath=`.spec.resource.resource`,description="Kind of the instances"
// +kubebuilder:printcolumn:name="Available",type=string,JSONPath=`.status.availableInstances`,description="How many instances take work"
// +kubebuilder:printcolumn:name="Instances",type=string,JSONPath=`.status.instances`,description="How many instances there are"
// +kubebuilder:printcolumn:name="Labels",type=string,JSONPath=`.metadata.annotations['scheduling\.kcp\.io/labels']`,description="Labels of the location"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Location struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// +optional
	Spec LocationSpec `json:"spec,omitempty"`
	// +optional
	Status LocationStatus `json:"status,omitempty"`
}

// LocationSpec is what is wanted of a location.
type LocationSpec struct {
	// resource is what the instances are: synctargets.
	Resource GroupVersionResource `json:"resource"`

	// description is for people who choose.
	// +optional
	Description string `json:"description,omitempty"`

	// availableSelectorLabels are the labels that users can expect to select by.
	// +optional
	// +listType=map
	// +listMapKey=key
	AvailableSelectorLabels []AvailableSelectorLabel `json:"availableSelectorLabels,omitempty"`

	// instanceSelector chooses the instances by their labels. An empty selector
	// chooses all.
	// +optional
	InstanceSelector *metav1.LabelSelector `json:"instanceSelector,omitempty"`
}

// LocationStatus is what was seen of a location.
type LocationStatus struct {
	// instances is how many there are.
	// +optional
	Instances *int32 `json:"instances,omitempty"`

	// availableInstances is how many of them take work.
	// +optional
	AvailableInstances *int32 `json:"availableInstances,omitempty"`
}

// GroupVersionResource names what the instances of a location are.
type GroupVersionResource struct {
	// group of the instances.
	// +optional
	// +kubebuilder:validation:Pattern=`^(|[a-z0-9]([-a-z0-9]*[a-z0-9](\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)?)$`
	// +kubebuilder:validation:Enum="workload.kcp.io"
	Group string `json:"group,omitempty"`

	// version of the instances.
	// +kubebuilder:validation:Pattern=`^[a-z][-a-z0-9]*[a-z0-9]$`
	// +kubebuilder:validation:Enum=v1alpha1
	Version string `json:"version"`

	// resource is the lower-case plural of the instances.
	// +kubebuilder:validation:Pattern=`^[a-z][-a-z0-9]*[a-z0-9]$`
	// +kubebuilder:validation:Enum=synctargets
	Resource string `json:"resource"`
}

// SyncTargetResource is the only kind of instances there is.
var SyncTargetResource = GroupVersionResource{Group: "workload.kcp.io", Version: "v1alpha1", Resource: "synctargets"}

// AvailableSelectorLabel is one label that users can expect to select by.
type AvailableSelectorLabel struct {
	// key of the label.
	Key LabelKey `json:"key"`

	// values that occur.
	// +kubebuilder:validation:MinItems=1
	// +listType=set
	Values []LabelValue `json:"values"`

	// description is for people who choose.
	// +optional
	Description string `json:"description,omitempty"`
}

// LabelKey is the key of a label.
//
// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9]*[a-z0-9](\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)?/)?([a-zA-Z0-9][-a-zA-Z0-9_.]{0,61})?[a-zA-Z0-9]$`
// +kubebuilder:validation:MaxLength=255
type LabelKey string

// LabelValue is the value of a label.
//
// +kubebuilder:validation:Pattern=`^(|([a-z0-9]([-a-z0-9]*[a-z0-9](\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)?/)?([a-zA-Z0-9][-a-zA-Z0-9_.]{0,61})?[a-zA-Z0-9])$`
// +kubebuilder:validation:MaxLength=63
type LabelValue string

// LocationList is a list of Locations.
//
// +kubebuilder:object:root=true
type LocationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []Location `json:"items"`
}
