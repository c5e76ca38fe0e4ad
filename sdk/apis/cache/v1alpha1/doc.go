// Package v1alpha1 holds the API group cache.kcp.io: ClusterCachedResource, by
// which objects of one workspace can be read in others, and
// ClusterCachedResourceEndpointSlice, which tells where.
//
// +kubebuilder:object:generate=true
// +groupName=cache.kcp.io
package v1alpha1
