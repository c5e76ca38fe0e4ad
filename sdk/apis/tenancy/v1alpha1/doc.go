// Package v1alpha1 holds the API group tenancy.kcp.io: Workspace, which is how
// a workspace appears in its parent, and WorkspaceType, which says what kind of
// workspace that is.
//
// +kubebuilder:object:generate=true
// +groupName=tenancy.kcp.io
package v1alpha1
