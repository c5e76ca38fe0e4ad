// Package v1alpha1 holds the API group workload.kcp.io: the SyncTarget, which
// stands for a child cluster, and the metadata keys of the protocol between the
// hub and the agent in a child.
//
// All keys that end in a SyncTarget key (see ToSyncTargetKey) exist once per
// child that an object is assigned to.
//
// +kubebuilder:object:generate=true
// +groupName=workload.kcp.io
package v1alpha1
