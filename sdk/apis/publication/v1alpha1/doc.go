// Package v1alpha1 holds the API group apis.atrium.io: APIPublication, by which
// the provider of an APIExport binds it in all workspaces below one, and
// SchemaRollout, by which a changed schema reaches those workspaces step by
// step.
//
// +kubebuilder:object:generate=true
// +groupName=apis.atrium.io
package v1alpha1
