// Package nativeapis says which upstream registries the hub serves: those that
// every workspace has, and the workload APIs that a workspace sees once it has
// bound the export that stands for them.
//
// Workload APIs are Kubernetes' own registries (defaulting, validation,
// strategic merge patch, protobuf, subresources), not copies of their schemas.
// What needs a node, such as allocating cluster IPs or reaching a kubelet, is
// left to the child cluster that runs the object.
//
// APIs whose controllers or admission the hub does not have yet (quota,
// certificate signing, priority levels) are not served: an
// API that is accepted and then ignored is worse than one that is not there.
package nativeapis
