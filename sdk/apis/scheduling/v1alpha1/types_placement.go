package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
)

// Placement asks for the selected namespaces of its workspace to run in one of
// the selected locations.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=kcp
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Placement struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// +optional
	Spec PlacementSpec `json:"spec,omitempty"`
	// +optional
	Status PlacementStatus `json:"status,omitempty"`
}

// PlacementSpec is what is wanted of a placement.
type PlacementSpec struct {
	// locationSelectors choose locations by their labels. A location fits when
	// any of the selectors matches it.
	// +optional
	LocationSelectors []metav1.LabelSelector `json:"locationSelectors,omitempty"`

	// locationResource is what the instances of the location must be:
	// synctargets.
	LocationResource GroupVersionResource `json:"locationResource"`

	// namespaceSelector chooses namespaces of this workspace by their labels.
	// +optional
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`

	// locationWorkspace is the path of the workspace with the locations. When
	// left out, it is the workspace of the placement.
	// +optional
	// +kubebuilder:validation:Pattern:=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(:[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	LocationWorkspace string `json:"locationWorkspace,omitempty"`
}

// PlacementPhase says how far a placement is.
//
// +kubebuilder:validation:Enum=Pending;Bound;Unbound
type PlacementPhase string

const (
	// PlacementPending means that no location was chosen yet.
	PlacementPending PlacementPhase = "Pending"
	// PlacementUnbound means that a location was chosen but no namespace uses it.
	PlacementUnbound PlacementPhase = "Unbound"
	// PlacementBound means that at least one namespace uses the location.
	PlacementBound PlacementPhase = "Bound"
)

// PlacementStatus is what was seen of a placement.
type PlacementStatus struct {
	// phase says how far the placement is.
	// +optional
	// +kubebuilder:default=Pending
	Phase PlacementPhase `json:"phase,omitempty"`

	// selectedLocation is the location that was chosen.
	// +optional
	SelectedLocation *LocationReference `json:"selectedLocation,omitempty"`

	// conditions are observations with reasons.
	// +optional
	Conditions conditionsv1alpha1.Conditions `json:"conditions,omitempty"`
}

// LocationReference names a Location.
type LocationReference struct {
	// path of the workspace with the location.
	// +kubebuilder:validation:Pattern:=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(:[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Path string `json:"path"`

	// locationName is the name of the Location.
	LocationName string `json:"locationName"`
}

// Conditions of a Placement and their reasons.
const (
	// PlacementReady tells whether a location was chosen and still fits.
	PlacementReady = conditionsv1alpha1.ReadyCondition
	// PlacementScheduled tells whether a child cluster was chosen.
	PlacementScheduled conditionsv1alpha1.ConditionType = "Scheduled"

	// LocationNotFoundReason means that no location matches the selectors.
	LocationNotFoundReason = "LocationNotFound"
	// LocationInvalidReason means that the chosen location no longer fits.
	LocationInvalidReason = "LocationInvalid"
	// LocationNotMatchReason means that the chosen location no longer matches the
	// selectors.
	LocationNotMatchReason = "LocationNoMatch"
	// ScheduleLocationNotFoundReason means that the chosen location is gone.
	ScheduleLocationNotFoundReason = "ScheduleLocationNotFound"
	// ScheduleNoValidTargetReason means that no child of the location can take
	// the work.
	ScheduleNoValidTargetReason = "NoValidTarget"
)

// GetConditions returns the conditions of the status.
func (in *Placement) GetConditions() conditionsv1alpha1.Conditions { return in.Status.Conditions }

// SetConditions replaces the conditions of the status.
func (in *Placement) SetConditions(cs conditionsv1alpha1.Conditions) { in.Status.Conditions = cs }

// PlacementList is a list of Placements.
//
// +kubebuilder:object:root=true
type PlacementList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []Placement `json:"items"`
}
