// Package v1alpha1 holds the condition type that every kind of the hub reports
// its state with, and small pure helpers over lists of conditions.
//
// A list of conditions is kept sorted (Ready first, then by type), holds each
// type once, and a condition's lastTransitionTime moves only when its status
// does: writing the same facts twice gives the same bytes, so controllers can
// compare before they write.
//
// +kubebuilder:object:generate=true
package v1alpha1
