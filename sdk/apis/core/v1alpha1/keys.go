package v1alpha1

const (
	// PathAnnotationKey holds the path of the workspace an object lives in, on
	// objects that others refer to by path.
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
