package workspaces

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/atriumhub/atrium/pkg/workspaces/prepare"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var (
	namespacesGVR      = corev1.SchemeGroupVersion.WithResource("namespaces")
	serviceAccountsGVR = corev1.SchemeGroupVersion.WithResource("serviceaccounts")
	configMapsGVR      = corev1.SchemeGroupVersion.WithResource("configmaps")
	bindingsGVR        = rbacv1.SchemeGroupVersion.WithResource("clusterrolebindings")
)

// furnishOrSay furnishes, and tells the users when that goes wrong for longer
// than a moment.
func (l *Lifecycle) furnishOrSay(ctx context.Context, key logicalcluster.Key, workspace *tenancyv1alpha1.Workspace) error {
	err := l.furnish(ctx, key, workspace)
	if err == nil || l.clock.Since(workspace.CreationTimestamp.Time) < patience {
		return err
	}
	return errors.Join(err, l.say(ctx, key, workspace, workspace.Status.Phase, notFurnished(err)))
}

// furnish creates what every workspace begins with. The LogicalCluster, which
// says that it is there (W1), is in the last transaction.
func (l *Lifecycle) furnish(ctx context.Context, key logicalcluster.Key, workspace *tenancyv1alpha1.Workspace) error {
	parent, ok := l.read.directory.ByName(key.Workspace)
	if !ok {
		return fmt.Errorf("failed to find the workspace %s that %s lives in", key.Workspace, key.Name)
	}
	kind, err := prepare.ResolvedType(workspace, parent.Path, parent.Type, l.read.types)
	if err != nil && !prepare.InUse(workspace) {
		return fmt.Errorf("failed to find the type: %w", err)
	}
	id := logicalcluster.Name(workspace.Spec.Cluster)
	cluster := prepare.NewLogicalCluster(workspace, key.Workspace, parent.Path.Join(workspace.Name), kind)
	l.begin(key, workspace, cluster)
	var existing []item
	for _, items := range l.content(key, workspace, cluster) {
		if existing, err = l.door.CreateMissing(ctx, id, items...); err != nil {
			return fmt.Errorf("failed to furnish: %w", err)
		}
	}
	if slices.ContainsFunc(existing, func(it item) bool { return it.gvr == logicalClustersGVR }) {
		return l.beginStored(ctx, key, workspace) // an earlier attempt has stored it
	}
	return nil
}

// content is what a workspace begins with, a transaction each: a namespace and
// what belongs into every namespace, with the first the creator's binding, and
// with the last the LogicalCluster.
func (l *Lifecycle) content(key logicalcluster.Key, workspace *tenancyv1alpha1.Workspace, cluster *corev1alpha1.LogicalCluster) [][]item {
	var transactions [][]item
	for _, name := range prepare.Namespaces() {
		transactions = append(transactions, []item{
			{namespacesGVR, prepare.NewNamespace(name)},
			{serviceAccountsGVR, prepare.NewServiceAccount(name)},
			{configMapsGVR, prepare.NewRootCA(name, l.rootCA)},
		})
	}
	// Whoever was administrator of a workspace in use may not be so any more.
	if binding, ok := prepare.NewAdminBinding(workspace, key.Workspace); ok && !prepare.InUse(workspace) {
		transactions[0] = append(transactions[0], item{bindingsGVR, binding})
	}
	last := len(transactions) - 1
	transactions[last] = append(transactions[last], item{logicalClustersGVR, cluster})
	return transactions
}

// begin gives a LogicalCluster its first status.
func (l *Lifecycle) begin(key logicalcluster.Key, workspace *tenancyv1alpha1.Workspace, cluster *corev1alpha1.LogicalCluster) {
	published := l.published(key.Workspace, workspace.Labels)
	begin(cluster, l.urlOf(logicalcluster.Name(workspace.Spec.Cluster)), workspace, published, l.clock.Now())
}

// beginStored begins the LogicalCluster that an earlier attempt has stored.
func (l *Lifecycle) beginStored(ctx context.Context, key logicalcluster.Key, workspace *tenancyv1alpha1.Workspace) error {
	return l.amendCluster(ctx, workspace, func(stored *corev1alpha1.LogicalCluster) {
		if !furnished(stored) {
			l.begin(key, workspace, stored)
		}
	})
}

// settle writes to the LogicalCluster what follows from it.
func (l *Lifecycle) settle(ctx context.Context, workspace *tenancyv1alpha1.Workspace) error {
	err := l.amendCluster(ctx, workspace, func(cluster *corev1alpha1.LogicalCluster) {
		settle(cluster, workspace.DeletionTimestamp != nil, l.clock.Now(), l.ownerless(cluster.Status.Terminators)...)
	})
	if err != nil {
		return fmt.Errorf("failed to write the phase to the LogicalCluster: %w", err)
	}
	return nil
}

// amendCluster changes the LogicalCluster of workspace, and no other that has
// come by its ID.
func (l *Lifecycle) amendCluster(ctx context.Context, workspace *tenancyv1alpha1.Workspace, change func(*corev1alpha1.LogicalCluster)) error {
	id := logicalcluster.Name(workspace.Spec.Cluster)
	return l.door.AmendCluster(ctx, id, func(cluster *corev1alpha1.LogicalCluster) error {
		if cluster.Spec.Owner == nil || cluster.Spec.Owner.UID != workspace.UID {
			return fmt.Errorf("the LogicalCluster of %s belongs to another Workspace", id)
		}
		change(cluster)
		return nil
	})
}

// restore puts back the LogicalCluster of a workspace that was in use.
func (l *Lifecycle) restore(ctx context.Context, key logicalcluster.Key, workspace *tenancyv1alpha1.Workspace) error {
	if err := l.say(ctx, key, workspace, corev1alpha1.LogicalClusterPhaseUnavailable, lost(workspace.Spec.Cluster)); err != nil {
		return err
	}
	return l.furnish(ctx, key, workspace)
}

func (l *Lifecycle) urlOf(id logicalcluster.Name) string { return l.baseURL + id.Path().RequestPath() }
