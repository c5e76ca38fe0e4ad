// Package v1alpha1 holds the API group core.kcp.io: the LogicalCluster, which is
// the inside of a workspace, and the metadata keys that the hub puts on objects
// of every kind.
//
// +kubebuilder:object:generate=true
// +groupName=core.kcp.io
package v1alpha1
