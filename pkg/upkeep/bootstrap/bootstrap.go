package bootstrap

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
	rbacclient "k8s.io/client-go/kubernetes/typed/rbac/v1"
	"k8s.io/client-go/util/retry"

	"github.com/atriumhub/atrium/pkg/workspaces/prepare"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Config is what both parts of the bootstrap need.
type Config struct {
	// Hub writes as the hub itself.
	Hub *client.Hub
	// BaseURL is how users reach the hub: "https://host:6443".
	BaseURL string
	// ComputeResources are what the APIExport "kubernetes" offers.
	ComputeResources []schema.GroupVersionResource
}

// Root furnishes the root workspace and asks for the one below it. The hub must
// serve its own clients; no loop needs to run.
func Root(ctx context.Context, config Config) error {
	root := logicalcluster.Root.Path()
	tasks := []func() error{
		func() error { return ensureRootCluster(ctx, config) },
		func() error { return ensureWorkspace(ctx, config.Hub, root, computeWorkspace()) },
		func() error { return ensureWorkspace(ctx, config.Hub, root, usersWorkspace()) },
		func() error {
			return ensureGrants(ctx, config.Hub, logicalcluster.SystemAdmin.Path(), globalGrants())
		},
		func() error { return ensureGrants(ctx, config.Hub, root, rootGrants()) },
	}
	tasks = append(tasks, func() error { return ensureShard(ctx, config.Hub, rootShard(config.BaseURL)) })
	for _, export := range systemExports() {
		tasks = append(tasks, func() error { return ensureExport(ctx, config.Hub, root, export) })
	}
	for _, kind := range prepare.BuiltinTypes() {
		tasks = append(tasks, func() error { return ensureType(ctx, config.Hub, root, kind) })
	}
	for _, name := range prepare.Namespaces() {
		tasks = append(tasks, func() error { return ensureNamespace(ctx, config.Hub, root, name) })
	}
	if err := together(tasks...); err != nil {
		return fmt.Errorf("failed to furnish the root workspace: %w", err)
	}
	return nil
}

// Compute waits until the workspace root:compute is ready and puts the export
// of the workload APIs into it.
func Compute(ctx context.Context, config Config) error {
	if err := untilReady(ctx, config.Hub, ComputeWorkspace); err != nil {
		return fmt.Errorf("failed to wait for the workspace %s: %w", ComputeWorkspace, err)
	}
	compute := logicalcluster.Root.Path().Join(ComputeWorkspace)
	err := together(
		func() error { return ensureGrants(ctx, config.Hub, compute, computeGrants()) },
		func() error { return ensureExport(ctx, config.Hub, compute, computeExport(config.ComputeResources)) },
	)
	if err != nil {
		return fmt.Errorf("failed to furnish %s: %w", compute, err)
	}
	return nil
}

func ensureRootCluster(ctx context.Context, config Config) error {
	clusters := client.LogicalClusters(config.Hub, logicalcluster.Root.Path())
	want := rootCluster(config.BaseURL + logicalcluster.Root.Path().RequestPath())
	stored, err := clusters.Get(ctx, want.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		stored, err = clusters.Create(ctx, want, metav1.CreateOptions{})
	}
	if err != nil {
		return fmt.Errorf("failed to create the LogicalCluster: %w", err)
	}
	if stored.Status.Phase == corev1alpha1.LogicalClusterPhaseReady && stored.Status.URL == want.Status.URL {
		return nil
	}
	stored.Status.Phase, stored.Status.URL = want.Status.Phase, want.Status.URL
	if _, err := clusters.UpdateStatus(ctx, stored, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("failed to open the LogicalCluster: %w", err)
	}
	return nil
}

func ensureWorkspace(ctx context.Context, hub *client.Hub, in logicalcluster.Path, workspace *tenancyv1alpha1.Workspace) error {
	workspaces := client.Workspaces(hub, in)
	return ensure("workspace "+workspace.Name,
		func() error { _, err := workspaces.Get(ctx, workspace.Name, metav1.GetOptions{}); return err },
		func() error { _, err := workspaces.Create(ctx, workspace, metav1.CreateOptions{}); return err })
}

func ensureType(ctx context.Context, hub *client.Hub, in logicalcluster.Path, kind *tenancyv1alpha1.WorkspaceType) error {
	types := client.WorkspaceTypes(hub, in)
	return ensure("workspace type "+kind.Name,
		func() error { _, err := types.Get(ctx, kind.Name, metav1.GetOptions{}); return err },
		func() error { _, err := types.Create(ctx, kind, metav1.CreateOptions{}); return err })
}

func ensureNamespace(ctx context.Context, hub *client.Hub, in logicalcluster.Path, name string) error {
	core, err := coreclient.NewForConfigAndClient(hub.Config(in), hub.HTTPClient())
	if err != nil {
		return fmt.Errorf("failed to make a client: %w", err)
	}
	return ensure("namespace "+name,
		func() error { _, err := core.Namespaces().Get(ctx, name, metav1.GetOptions{}); return err },
		func() error {
			_, err := core.Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
			return err
		})
}

// ensureShard makes the Shard say where the hub is now.
func ensureShard(ctx context.Context, hub *client.Hub, want *corev1alpha1.Shard) error {
	shards := client.Shards(hub, logicalcluster.Root.Path())
	stored, err := shards.Get(ctx, want.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = shards.Create(ctx, want, metav1.CreateOptions{})
		return named("shard "+want.Name, existing(err))
	}
	if err != nil || stored.Spec == want.Spec {
		return named("shard "+want.Name, err)
	}
	stored.Spec = want.Spec
	_, err = shards.Update(ctx, stored, metav1.UpdateOptions{})
	return named("shard "+want.Name, err)
}

// ensureExport makes the export offer what this hub has. Others write to it too.
func ensureExport(ctx context.Context, hub *client.Hub, in logicalcluster.Path, want *apisv1alpha2.APIExport) error {
	exports := client.APIExports(hub, in)
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		stored, err := exports.Get(ctx, want.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			_, err = exports.Create(ctx, want, metav1.CreateOptions{})
			return existing(err)
		}
		if err != nil || equality.Semantic.DeepEqual(stored.Spec.Resources, want.Spec.Resources) {
			return err
		}
		stored.Spec.Resources = want.Spec.Resources
		_, err = exports.Update(ctx, stored, metav1.UpdateOptions{})
		return err
	})
	return named("export "+want.Name, err)
}

func ensureGrants(ctx context.Context, hub *client.Hub, in logicalcluster.Path, grants []grant) error {
	rbac, err := rbacclient.NewForConfigAndClient(hub.Config(in), hub.HTTPClient())
	if err != nil {
		return fmt.Errorf("failed to make a client: %w", err)
	}
	var tasks []func() error
	for _, g := range grants {
		if len(g.rules) > 0 {
			tasks = append(tasks, func() error {
				return named("role "+g.role, ensureRole(ctx, rbac.ClusterRoles(), g.clusterRole()))
			})
		}
		if g.binding != "" {
			tasks = append(tasks, func() error {
				return named("binding "+g.binding, ensureBinding(ctx, rbac.ClusterRoleBindings(), g.clusterRoleBinding()))
			})
		}
	}
	return together(tasks...)
}

func ensureRole(ctx context.Context, roles rbacclient.ClusterRoleInterface, want *rbacv1.ClusterRole) error {
	stored, err := roles.Get(ctx, want.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err := roles.Create(ctx, want, metav1.CreateOptions{})
		return existing(err)
	}
	if err != nil || equality.Semantic.DeepEqual(stored.Rules, want.Rules) {
		return err
	}
	stored.Rules = want.Rules
	_, err = roles.Update(ctx, stored, metav1.UpdateOptions{})
	return err
}

// ensureBinding leaves the subjects of an existing binding alone: to close a
// hub to most of its users, an administrator empties them.
func ensureBinding(ctx context.Context, bindings rbacclient.ClusterRoleBindingInterface, want *rbacv1.ClusterRoleBinding) error {
	return ensure(want.Name,
		func() error { _, err := bindings.Get(ctx, want.Name, metav1.GetOptions{}); return err },
		func() error { _, err := bindings.Create(ctx, want, metav1.CreateOptions{}); return err })
}

// ensure creates what get does not find.
func ensure(what string, get, create func() error) error {
	err := get()
	if apierrors.IsNotFound(err) {
		err = existing(create())
	}
	return named(what, err)
}

func named(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("failed to ensure %s: %w", what, err)
}

func existing(err error) error {
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// untilReady waits for a workspace below root.
func untilReady(ctx context.Context, hub *client.Hub, name string) error {
	workspaces := client.Workspaces(hub, logicalcluster.Root.Path())
	for {
		workspace, err := workspaces.Get(ctx, name, metav1.GetOptions{})
		if err != nil || workspace.Status.Phase == corev1alpha1.LogicalClusterPhaseReady {
			return err
		}
		changes, err := workspaces.Watch(ctx, metav1.ListOptions{
			FieldSelector:   fields.OneTermEqualSelector(metav1.ObjectNameField, name).String(),
			ResourceVersion: workspace.ResourceVersion,
		})
		if err != nil {
			return err
		}
		ready, err := watchReady(ctx, changes)
		if ready || err != nil {
			return err
		}
	}
}

// watchReady returns false when the watch ended and another one is needed.
func watchReady(ctx context.Context, changes watch.Interface) (bool, error) {
	defer changes.Stop()
	for {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case event, open := <-changes.ResultChan():
			if !open || event.Type == watch.Error {
				return false, nil
			}
			workspace, ok := event.Object.(*tenancyv1alpha1.Workspace)
			if ok && workspace.Status.Phase == corev1alpha1.LogicalClusterPhaseReady {
				return true, nil
			}
		}
	}
}

// together runs all tasks at the same time and returns the first error.
func together(tasks ...func() error) error {
	var running errgroup.Group
	for _, task := range tasks {
		running.Go(task)
	}
	return running.Wait()
}
