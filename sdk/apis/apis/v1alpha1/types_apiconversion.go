package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// VersionPreservationAnnotationKeyPrefix starts the annotation that keeps, on a
// converted object, the fields its version has no place for. It is completed by
// the version they come from, and holds JSON: {"spec.someField": "value"}.
const VersionPreservationAnnotationKeyPrefix = "preserve.conversion.apis.kcp.io/"

// APIConversion says field by field how the versions of a resource turn into
// each other. It belongs to the APIResourceSchema of the same name.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=kcp
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type APIConversion struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              APIConversionSpec `json:"spec"`
}

// APIConversionSpec is the rules for each pair of versions.
type APIConversionSpec struct {
	// conversions between two versions.
	// +listType=map
	// +listMapKey=from
	// +listMapKey=to
	Conversions []APIVersionConversion `json:"conversions"`
}

// APIVersionConversion makes an object of one version one of another.
type APIVersionConversion struct {
	// from is the version that the object has.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:Pattern=`^v[1-9][0-9]*([a-z]+[1-9][0-9]*)?$`
	From string `json:"from"`

	// to is the version that it gets.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:Pattern=`^v[1-9][0-9]*([a-z]+[1-9][0-9]*)?$`
	To string `json:"to"`

	// rules for the fields.
	// +listType=map
	// +listMapKey=destination
	Rules []APIConversionRule `json:"rules"`

	// preserve lists fields that the other version has no place for, such as
	// .spec.name.first. An annotation keeps them for the way back.
	// +optional
	Preserve []string `json:"preserve,omitempty"`
}

// APIConversionRule fills one field.
type APIConversionRule struct {
	// field is where the value comes from, such as .spec.name.first.
	// +kubebuilder:validation:MinLength=1
	Field string `json:"field"`

	// destination is where it goes.
	// +kubebuilder:validation:MinLength=1
	Destination string `json:"destination"`

	// transformation is a CEL expression that makes the new value from the old
	// one, which is called self.
	// +optional
	Transformation string `json:"transformation,omitempty"`
}

// APIConversionList is a list of APIConversions.
//
// +kubebuilder:object:root=true
type APIConversionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []APIConversion `json:"items"`
}
