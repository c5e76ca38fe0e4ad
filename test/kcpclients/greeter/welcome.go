package main

import (
	"context"
	"fmt"

	"github.com/kcp-dev/multicluster-provider/initializingworkspaces"
	"github.com/kcp-dev/sdk/apis/core"
	corev1alpha1 "github.com/kcp-dev/sdk/apis/core/v1alpha1"
	"github.com/kcp-dev/sdk/apis/tenancy/initialization"
	tenancyv1alpha1 "github.com/kcp-dev/sdk/apis/tenancy/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcbuilder "sigs.k8s.io/multicluster-runtime/pkg/builder"
	mcreconcile "sigs.k8s.io/multicluster-runtime/pkg/reconcile"
)

// welcome prepares every workspace of a type, of which it is the initializer: it puts
// the ConfigMap default/welcome there, with where the workspace lies, and lets it go.
func welcome(ctx context.Context, config *rest.Config, workspaceType string) error {
	reader, err := client.New(config, client.Options{})
	if err != nil {
		return err
	}
	var found tenancyv1alpha1.WorkspaceType
	if err := reader.Get(ctx, client.ObjectKey{Name: workspaceType}, &found); err != nil {
		return fmt.Errorf("failed to read the type: %w", err)
	}
	initializer := initialization.InitializerForType(&found)
	provider, err := initializingworkspaces.New(config, workspaceType, initializingworkspaces.Options{})
	if err != nil {
		return fmt.Errorf("failed to make the provider: %w", err)
	}
	mgr, err := newManager(config, provider)
	if err != nil {
		return err
	}
	prepare := func(ctx context.Context, request mcreconcile.Request) (ctrl.Result, error) {
		workspace, err := mgr.GetCluster(ctx, request.ClusterName)
		if err != nil {
			return ctrl.Result{}, err
		}
		var own corev1alpha1.LogicalCluster
		if err := workspace.GetClient().Get(ctx, request.NamespacedName, &own); err != nil {
			return ctrl.Result{}, client.IgnoreNotFound(err)
		}
		if !initialization.InitializerPresent(initializer, own.Status.Initializers) {
			return ctrl.Result{}, nil
		}
		note := &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Name: "welcome", Namespace: metav1.NamespaceDefault},
			Data:       map[string]string{"path": own.Annotations[core.LogicalClusterPathAnnotationKey]},
		}
		if err := workspace.GetClient().Create(ctx, note); client.IgnoreAlreadyExists(err) != nil {
			return ctrl.Result{}, fmt.Errorf("failed to write the ConfigMap: %w", err)
		}
		before := own.DeepCopy()
		own.Status.Initializers = initialization.EnsureInitializerAbsent(initializer, own.Status.Initializers)
		return ctrl.Result{}, workspace.GetClient().Status().Patch(ctx, &own, client.MergeFrom(before))
	}
	if err := mcbuilder.ControllerManagedBy(mgr).Named("welcome").For(&corev1alpha1.LogicalCluster{}).Complete(mcreconcile.Func(prepare)); err != nil {
		return fmt.Errorf("failed to make the controller: %w", err)
	}
	return mgr.Start(ctx)
}
