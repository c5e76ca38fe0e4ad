package v1alpha1

import (
	"crypto/sha256"
	"math/big"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// ResourceState is the value of a state label: what a SyncTarget does with an
// object.
type ResourceState string

const (
	// ResourceStatePending means assigned, but not to be copied yet.
	ResourceStatePending ResourceState = ""
	// ResourceStateSync means that the hub owns the spec and the child the status.
	ResourceStateSync ResourceState = "Sync"
	// ResourceStateUpsync means that the child owns the whole object.
	ResourceStateUpsync ResourceState = "Upsync"
)

// Keys on hub objects. The prefixes are completed by a SyncTarget key; use the
// functions below.
const (
	// StateLabelPrefix starts the label that assigns an object or a namespace to
	// a SyncTarget. Its value is a ResourceState.
	StateLabelPrefix = "state.workload.kcp.io/"
	// DeletionAnnotationPrefix starts the annotation that asks one SyncTarget to
	// remove its copy. The value is a time in RFC 3339.
	DeletionAnnotationPrefix = "deletion.internal.workload.kcp.io/"
	// SoftFinalizersAnnotationPrefix starts the annotation with a comma-separated
	// list of who must agree before the copy is deleted.
	SoftFinalizersAnnotationPrefix = "finalizers.workload.kcp.io/"
	// SyncerFinalizerPrefix starts the finalizer that a hub object carries while
	// a copy of it may exist in a child.
	SyncerFinalizerPrefix = "workload.kcp.io/syncer-"
	// SpecDiffAnnotationPrefix starts the annotation with a JSON patch (RFC 6902,
	// rooted at spec) that makes the copy in one child differ.
	SpecDiffAnnotationPrefix = "experimental.spec-diff.workload.kcp.io/"
	// StatusDiffAnnotationPrefix starts the annotation with the fields that one
	// child reported, as JSON from field path to value.
	StatusDiffAnnotationPrefix = "diff.syncer.internal.kcp.io/"
	// StatusAnnotationPrefix starts the annotation with the status that one child
	// reported, in the older of the two modes.
	StatusAnnotationPrefix = "experimental.status.workload.kcp.io/"
	// SummarizingRulesAnnotationKey holds which fields of a child are reported, as
	// JSON: [{"fieldPath":"status","promoteToUpstream":true}].
	SummarizingRulesAnnotationKey = "experimental.summarizing.workload.kcp.io"
	// UpsyncDerivedResourcesAnnotationKey lists kinds that the child derives from
	// an object and that are to be brought up with it.
	UpsyncDerivedResourcesAnnotationKey = "experimental.workload.kcp.io/upsync-derived-resources"
	// AdvancedSchedulingFeatureAnnotationKey on a SyncTarget with "true" selects
	// the older mode of status reporting.
	AdvancedSchedulingFeatureAnnotationKey = "featuregates.experimental.workload.kcp.io/advancedscheduling"
	// WorkspaceURLAnnotationKey is put on LogicalClusters in a syncer's view.
	WorkspaceURLAnnotationKey = "internal.workload.kcp.io/workspace-url"
	// SyncTargetAnnotationKey on a Placement holds the key of the chosen target.
	SyncTargetAnnotationKey = "internal.workload.kcp.io/synctarget"
	// SyncTargetKeyLabel on a SyncTarget holds its own key.
	SyncTargetKeyLabel = "internal.workload.kcp.io/key"
	// ComputeAPIExportAnnotationKey marks APIExports and APIBindings whose
	// resources can be placed on children.
	ComputeAPIExportAnnotationKey = "extra.apis.kcp.io/compute.workload.kcp.io"
)

// Keys on child objects.
const (
	// DownstreamClusterLabel holds the key of the SyncTarget that a child object
	// was copied by.
	DownstreamClusterLabel = "internal.workload.kcp.io/cluster"
	// NamespaceLocatorAnnotationKey holds, as JSON, where the content of a child
	// namespace (or a cluster-scoped child object) comes from.
	NamespaceLocatorAnnotationKey = "kcp.io/namespace-locator"
	// TenantIDLabel is equal on all namespaces of a child that come from one
	// workspace by one SyncTarget.
	TenantIDLabel = "kcp.io/tenant-id"
	// UpsyncDiffAnnotationPrefix starts the annotation with a JSON patch to be
	// applied on the way up.
	UpsyncDiffAnnotationPrefix = "internal.workload.kcp.io/upsyncdiff"
	// ResourceVersionAnnotationKey on upsynced objects holds the resource version
	// of the child object.
	ResourceVersionAnnotationKey = "workload.kcp.io/rv"
)

// AllowedWorkspacesAnnotation on a SyncTarget lists, separated by commas, the
// paths of the workspaces that may place work on it besides its own; each admits
// the workspaces below it too, and "*" admits all. Without the annotation the
// workspaces below its own may, and those that have bound a compute export of
// its workspace.
const AllowedWorkspacesAnnotation = "workload.atrium.io/allowed-workspaces"

// ToSyncTargetKey returns the key of a SyncTarget: base62 of the SHA-224 of
// "<cluster>:<name>", where cluster is the ID of the workspace it lives in.
func ToSyncTargetKey(cluster logicalcluster.Name, name string) string {
	sum := sha256.Sum224([]byte(string(cluster) + ":" + name))
	return new(big.Int).SetBytes(sum[:]).Text(62)
}

// StateLabel returns the label that assigns an object to the target with key.
func StateLabel(key string) string { return StateLabelPrefix + key }

// DeletionAnnotation returns the annotation that asks the target with key to
// remove its copy.
func DeletionAnnotation(key string) string { return DeletionAnnotationPrefix + key }

// SoftFinalizersAnnotation returns the annotation with the soft finalizers for
// the target with key.
func SoftFinalizersAnnotation(key string) string { return SoftFinalizersAnnotationPrefix + key }

// SyncerFinalizer returns the finalizer for the target with key.
func SyncerFinalizer(key string) string { return SyncerFinalizerPrefix + key }

// SpecDiffAnnotation returns the annotation with the patch for the target with
// key.
func SpecDiffAnnotation(key string) string { return SpecDiffAnnotationPrefix + key }

// StatusDiffAnnotation returns the annotation with the fields reported by the
// target with key.
func StatusDiffAnnotation(key string) string { return StatusDiffAnnotationPrefix + key }

// OwnAnnotations are the annotations that the target with key leaves behind on
// hub objects, or that were left there for it. They go with its finalizer.
func OwnAnnotations(key string) []string {
	return []string{
		DeletionAnnotation(key),
		SoftFinalizersAnnotation(key),
		SpecDiffAnnotation(key),
		StatusDiffAnnotation(key),
		StatusAnnotationPrefix + key,
	}
}
