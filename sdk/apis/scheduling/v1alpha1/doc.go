// Package v1alpha1 holds the API group scheduling.kcp.io: Location, which groups
// child clusters under a name that users may see, and Placement, by which users
// ask for namespaces to run in a location.
//
// +kubebuilder:object:generate=true
// +groupName=scheduling.kcp.io
package v1alpha1
