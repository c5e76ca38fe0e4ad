// Package v1alpha2 holds the API group apis.kcp.io: APIExport, by which one
// workspace offers APIs, and APIBinding, by which another one uses them.
//
// +kubebuilder:object:generate=true
// +groupName=apis.kcp.io
package v1alpha2
