package v1alpha1

import (
	"slices"
	"strings"
)

// ReservedDomains are those of the labels, annotations and API groups that the
// hub and Kubernetes give meanings to.
var ReservedDomains = []string{"kcp.io", "atrium.io", "k8s.io", "kubernetes.io"}

// IsReservedDomain reports whether a domain is one of ReservedDomains, or below
// one: "workload.kcp.io" is.
func IsReservedDomain(domain string) bool {
	return slices.ContainsFunc(ReservedDomains, func(reserved string) bool {
		return domain == reserved || strings.HasSuffix(domain, "."+reserved)
	})
}

const (
	// PathAnnotationKey holds the path of the workspace an object lives in, on
	// objects that others refer to by path, and on APIBindings.
	PathAnnotationKey = "kcp.io/path"
	// ShardAnnotationKey holds the name of the shard an object was copied from.
	ShardAnnotationKey = "core.kcp.io/shard"
	// InactiveAnnotationKey on a LogicalCluster makes the hub refuse requests to
	// it while the value is "true".
	InactiveAnnotationKey = "core.kcp.io/inactive"
	// RequiredGroupsAnnotationKey on a LogicalCluster lets only members of groups
	// into the workspace: alternatives are separated by ";", and the groups of one,
	// which are all needed, by ",". New workspaces inherit it from their parent.
	RequiredGroupsAnnotationKey = "authorization.kcp.io/required-groups"
	// MaxTotalObjectsAnnotationKey on a LogicalCluster bounds how many objects it
	// may hold. The value is a decimal number.
	MaxTotalObjectsAnnotationKey = "core.kcp.io/max-total-objects"
	// LogicalClusterFinalizer is put on the owner of a LogicalCluster (its
	// Workspace) until the LogicalCluster and its content are gone.
	LogicalClusterFinalizer = "core.kcp.io/logicalcluster"

	// ReplicateAnnotationKey marks objects that other shards need a copy of.
	ReplicateAnnotationKey = "internal.core.kcp.io/replicate"
)
