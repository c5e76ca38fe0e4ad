package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ConditionType names what a condition is about, in CamelCase.
type ConditionType string

// ConditionSeverity grades a condition that is not true.
type ConditionSeverity string

const (
	// ReadyCondition sums up all other conditions of an object.
	ReadyCondition ConditionType = "Ready"

	// ConditionSeverityError means that somebody has to act.
	ConditionSeverityError ConditionSeverity = "Error"
	// ConditionSeverityWarning means that something is wrong but the object
	// still serves.
	ConditionSeverityWarning ConditionSeverity = "Warning"
	// ConditionSeverityInfo means that waiting is expected to help.
	ConditionSeverityInfo ConditionSeverity = "Info"
	// ConditionSeverityNone is the severity of a condition that is true.
	ConditionSeverityNone ConditionSeverity = ""
)

// Condition is one observation about an object.
type Condition struct {
	// type is what the condition is about, in CamelCase. An object has at most
	// one condition of each type.
	Type ConditionType `json:"type"`

	// status is True, False or Unknown.
	Status corev1.ConditionStatus `json:"status"`

	// severity grades a condition whose status is False: Error, Warning or Info.
	// It is empty otherwise.
	// +optional
	Severity ConditionSeverity `json:"severity,omitempty"`

	// lastTransitionTime is when status last changed.
	LastTransitionTime metav1.Time `json:"lastTransitionTime"`

	// reason is one CamelCase word that programs can branch on. It is set
	// whenever status is not True.
	// +optional
	Reason string `json:"reason,omitempty"`

	// message tells a person what was seen and what to do about it.
	// +optional
	Message string `json:"message,omitempty"`
}

// Conditions is a sorted list of conditions, one per type.
type Conditions []Condition
