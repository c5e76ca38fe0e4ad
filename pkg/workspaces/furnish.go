package workspaces

import (
	"context"
	"errors"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

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

// furnish creates what every workspace begins with: first everything that does
// not need each other, all at once, and then the LogicalCluster, which says that
// it is there (W1).
func (l *Lifecycle) furnish(ctx context.Context, key logicalcluster.Key, workspace *tenancyv1alpha1.Workspace) error {
	parent, ok := l.read.directory.ByName(key.Workspace)
	if !ok {
		return fmt.Errorf("failed to find the workspace %s that %s lives in", key.Workspace, key.Name)
	}
	kind, err := prepare.ResolvedType(workspace, parent.Path, l.read.types)
	if err != nil {
		return fmt.Errorf("failed to find the type: %w", err)
	}
	id := logicalcluster.Name(workspace.Spec.Cluster)
	if err := l.ensureContent(ctx, id, key, workspace); err != nil {
		return fmt.Errorf("failed to furnish: %w", err)
	}
	cluster := prepare.NewLogicalCluster(workspace, key.Workspace, parent.Path.Join(workspace.Name), kind)
	cluster.Status = openedStatus(cluster, l.urlOf(id), l.clock.Now())
	if err := l.ensureCluster(ctx, id, workspace, cluster); err != nil {
		return fmt.Errorf("failed to create the LogicalCluster: %w", err)
	}
	return nil
}

func (l *Lifecycle) ensureContent(ctx context.Context, id logicalcluster.Name, key logicalcluster.Key, workspace *tenancyv1alpha1.Workspace) error {
	tasks := []func() error{func() error { return l.ensureAdmin(ctx, id, key, workspace) }}
	for _, name := range prepare.Namespaces() {
		tasks = append(tasks, func() error { return l.ensureNamespace(ctx, id, name) })
	}
	return together(tasks...)
}

// ensureCluster stores cluster, or opens what an earlier attempt has stored.
func (l *Lifecycle) ensureCluster(ctx context.Context, id logicalcluster.Name, workspace *tenancyv1alpha1.Workspace, cluster *corev1alpha1.LogicalCluster) error {
	err := l.door.Create(ctx, id, logicalClustersGVR, cluster)
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	return l.open(ctx, workspace)
}

// open moves the LogicalCluster on to Ready, or to its initializers.
func (l *Lifecycle) open(ctx context.Context, workspace *tenancyv1alpha1.Workspace) error {
	id := logicalcluster.Name(workspace.Spec.Cluster)
	return l.door.AmendCluster(ctx, id, func(cluster *corev1alpha1.LogicalCluster) error {
		if cluster.Spec.Owner == nil || cluster.Spec.Owner.UID != workspace.UID {
			return fmt.Errorf("the LogicalCluster of %s belongs to another Workspace", id)
		}
		cluster.Status = openedStatus(cluster, l.urlOf(id), l.clock.Now())
		return nil
	})
}

func (l *Lifecycle) urlOf(id logicalcluster.Name) string { return l.baseURL + id.Path().RequestPath() }

func (l *Lifecycle) ensureAdmin(ctx context.Context, id logicalcluster.Name, key logicalcluster.Key, workspace *tenancyv1alpha1.Workspace) error {
	binding, ok := prepare.NewAdminBinding(workspace, key.Workspace)
	if !ok {
		return nil
	}
	return existing(l.door.Create(ctx, id, bindingsGVR, binding))
}

// ensureNamespace stores the namespace and what belongs into every namespace.
func (l *Lifecycle) ensureNamespace(ctx context.Context, id logicalcluster.Name, name string) error {
	if err := existing(l.door.Create(ctx, id, namespacesGVR, prepare.NewNamespace(name))); err != nil {
		return err
	}
	return together(
		func() error {
			return existing(l.door.Create(ctx, id, serviceAccountsGVR, prepare.NewServiceAccount(name)))
		},
		func() error {
			return existing(l.door.Create(ctx, id, configMapsGVR, prepare.NewRootCA(name, l.rootCA)))
		},
	)
}

// existing turns "exists already" into success.
func existing(err error) error {
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// together runs tasks at the same time and returns all their errors.
func together(tasks ...func() error) error {
	errs := make([]error, len(tasks))
	var running sync.WaitGroup
	for i, task := range tasks {
		running.Go(func() { errs[i] = task() })
	}
	running.Wait()
	return errors.Join(errs...)
}
