// Package v1alpha1 holds the kinds of apis.kcp.io that there is one version of:
// APIResourceSchema, which describes a resource; APIConversion, which says how
// its versions turn into each other; and APIExportEndpointSlice, which tells a
// provider where the objects of all its consumers are. It also holds the older
// form of APIExport and APIBinding, for clients that were built with it. The hub
// keeps those as v1alpha2.
//
// +kubebuilder:object:generate=true
// +groupName=apis.kcp.io
package v1alpha1
