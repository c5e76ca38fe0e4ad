package views

import (
	"context"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/atriumhub/atrium/pkg/roster"
	"github.com/atriumhub/atrium/pkg/target"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const (
	// InitializingKind is the segment after /services/ of those who prepare
	// workspaces.
	InitializingKind = "initializingworkspaces"
	// TerminatingKind is the segment after /services/ of those who clear up.
	TerminatingKind = target.TerminatorKind
)

// stage is all in which initializers and terminators differ.
type stage struct {
	kind string
	// role is how messages call the caller.
	role string
	// verb on the WorkspaceType is what the caller needs.
	verb string
	// group, with the ID, is the group of a caller who acts by rules of the type.
	group string
	// field of the LogicalCluster's status names those who have not finished.
	field string
	// label is on LogicalClusters that wait for id. The hub maintains it.
	label func(id string) (key, value string)
	// awaits reports whether a workspace waits for id.
	awaits func(cluster *corev1alpha1.LogicalCluster, id string) bool
	// rules are what the type allows the caller.
	rules func(*tenancyv1alpha1.WorkspaceType) []rbacv1.PolicyRule
}

var initializing = stage{
	kind:  InitializingKind,
	role:  "initializer",
	verb:  "initialize",
	group: "system:kcp:initializer:",
	field: "initializers",
	label: func(id string) (string, string) { return corev1alpha1.LogicalClusterInitializer(id).Label() },
	awaits: func(cluster *corev1alpha1.LogicalCluster, id string) bool {
		return cluster.DeletionTimestamp == nil && cluster.Status.Phase == corev1alpha1.LogicalClusterPhaseInitializing &&
			slices.Contains(cluster.Status.Initializers, corev1alpha1.LogicalClusterInitializer(id))
	},
	rules: func(t *tenancyv1alpha1.WorkspaceType) []rbacv1.PolicyRule { return t.Spec.InitializerPermissions },
}

var terminating = stage{
	kind:  TerminatingKind,
	role:  "terminator",
	verb:  "terminate",
	group: "system:kcp:terminator:",
	field: "terminators",
	label: func(id string) (string, string) { return corev1alpha1.LogicalClusterTerminator(id).Label() },
	awaits: func(cluster *corev1alpha1.LogicalCluster, id string) bool {
		return (cluster.DeletionTimestamp != nil || cluster.Status.Phase == corev1alpha1.LogicalClusterPhaseTerminating) &&
			slices.Contains(cluster.Status.Terminators, corev1alpha1.LogicalClusterTerminator(id))
	},
	rules: func(t *tenancyv1alpha1.WorkspaceType) []rbacv1.PolicyRule { return t.Spec.TerminatorPermissions },
}

// LifecycleConfig is what the views of initializers and terminators ask.
type LifecycleConfig struct {
	// RBAC judges by the roles of the workspace that target.From(ctx).Identity
	// names.
	RBAC authorizer.UnconditionalAuthorizer
	// Inside judges a request to one workspace, as if it had come there directly.
	Inside authorizer.UnconditionalAuthorizer
	// Resolve finds workspaces. It answers from memory.
	Resolve func(logicalcluster.Path) (logicalcluster.Name, bool)
	// Type finds the WorkspaceTypes of a workspace. It answers from memory.
	Type func(workspace logicalcluster.Name, name string) (*tenancyv1alpha1.WorkspaceType, bool)
	// Cluster returns the LogicalCluster of a workspace. It answers from memory.
	Cluster func(workspace logicalcluster.Name) (*corev1alpha1.LogicalCluster, bool)
	// Stored reads it from storage, for when memory is behind what a caller has
	// been told by a watch.
	Stored func(ctx context.Context, workspace logicalcluster.Name) (*corev1alpha1.LogicalCluster, error)
}

// Lifecycle is the view of initializers, or of terminators.
type Lifecycle struct {
	stage
	ask LifecycleConfig
	// holds are the requests that last, by the workspace they are in.
	holds roster.Roster[logicalcluster.Name, *hold]
}

var _ View = &Lifecycle{}

// NewInitializing returns the view of those who prepare workspaces.
func NewInitializing(config LifecycleConfig) *Lifecycle {
	return &Lifecycle{stage: initializing, ask: config}
}

// NewTerminating returns the view of those who clear up.
func NewTerminating(config LifecycleConfig) *Lifecycle {
	return &Lifecycle{stage: terminating, ask: config}
}

// Kind implements View.
func (l *Lifecycle) Kind() string { return l.kind }

// awaited reports whether the workspace waits for id now.
func (l *Lifecycle) awaited(ctx context.Context, workspace logicalcluster.Name, id string) (*corev1alpha1.LogicalCluster, bool) {
	if cluster, ok := l.ask.Cluster(workspace); ok && l.awaits(cluster, id) {
		return cluster, true
	}
	cluster, err := l.ask.Stored(ctx, workspace)
	if err != nil || cluster == nil || !l.awaits(cluster, id) {
		return nil, false
	}
	return cluster, true
}
