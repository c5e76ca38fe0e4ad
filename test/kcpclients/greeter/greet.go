package main

import (
	"context"
	"fmt"

	"github.com/kcp-dev/multicluster-provider/apiexport"
	pathaware "github.com/kcp-dev/multicluster-provider/path-aware"
	apisv1alpha2 "github.com/kcp-dev/sdk/apis/apis/v1alpha2"
	"github.com/kcp-dev/sdk/apis/core"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	mcbuilder "sigs.k8s.io/multicluster-runtime/pkg/builder"
	mcmanager "sigs.k8s.io/multicluster-runtime/pkg/manager"
	mcreconcile "sigs.k8s.io/multicluster-runtime/pkg/reconcile"
)

var greetings = schema.GroupVersionKind{Group: "kcpclients.test", Version: "v1", Kind: "Greeting"}

// greet answers every Greeting in every workspace that binds an export. There it
// reads all others, keeps a ConfigMap with the text, records an event, and writes the
// status:
//
//	spec.name            whom to greet
//	status.text          "hello <spec.name>"
//	status.neighbours    how many Greetings the namespace has, this one included
//	status.path          where the workspace lies, by what its binding says
func greet(ctx context.Context, config *rest.Config, slice string) error {
	provider, err := pathaware.New(config, slice, apiexport.Options{})
	if err != nil {
		return fmt.Errorf("failed to make the provider: %w", err)
	}
	mgr, err := newManager(config, provider)
	if err != nil {
		return err
	}
	err = mcbuilder.ControllerManagedBy(mgr).Named("greeter").For(greeting()).Owns(&corev1.ConfigMap{}).Complete(&greeter{mgr})
	if err != nil {
		return fmt.Errorf("failed to make the controller: %w", err)
	}
	return mgr.Start(ctx)
}

type greeter struct{ mgr mcmanager.Manager }

func greeting() *unstructured.Unstructured {
	g := &unstructured.Unstructured{}
	g.SetGroupVersionKind(greetings)
	return g
}

func (g *greeter) Reconcile(ctx context.Context, request mcreconcile.Request) (ctrl.Result, error) {
	workspace, err := g.mgr.GetCluster(ctx, request.ClusterName)
	if err != nil {
		return ctrl.Result{}, err
	}
	asked, all := greeting(), &unstructured.UnstructuredList{}
	all.SetGroupVersionKind(greetings)
	if err := workspace.GetClient().Get(ctx, request.NamespacedName, asked); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if err := workspace.GetClient().List(ctx, all, client.InNamespace(request.Namespace)); err != nil {
		return ctrl.Result{}, err
	}
	path, err := pathOf(ctx, workspace)
	if err != nil {
		return ctrl.Result{}, err
	}
	if workspace, err = g.mgr.GetCluster(ctx, path); err != nil {
		// The provider gets to know the path a moment after it has engaged the workspace.
		// With %w it would be one that has gone, of which nobody tries again.
		return ctrl.Result{}, fmt.Errorf("failed to find the workspace by its path: %v", err)
	}
	name, _, _ := unstructured.NestedString(asked.Object, "spec", "name")
	return ctrl.Result{}, answer(ctx, workspace, asked, map[string]any{"text": "hello " + name, "neighbours": int64(len(all.Items)), "path": path})
}

// pathOf returns where a workspace lies.
func pathOf(ctx context.Context, workspace cluster.Cluster) (string, error) {
	var bindings apisv1alpha2.APIBindingList
	if err := workspace.GetClient().List(ctx, &bindings); err != nil {
		return "", err
	}
	if len(bindings.Items) != 1 {
		return "", fmt.Errorf("there are %d bindings, want 1", len(bindings.Items))
	}
	return bindings.Items[0].Annotations[core.LogicalClusterPathAnnotationKey], nil
}

// answer writes what is missing: the ConfigMap, the event and the status.
func answer(ctx context.Context, workspace cluster.Cluster, asked *unstructured.Unstructured, status map[string]any) error {
	text := status["text"].(string)
	note := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: asked.GetName(), Namespace: asked.GetNamespace()}}
	done, err := controllerutil.CreateOrUpdate(ctx, workspace.GetClient(), note, func() error {
		note.Data = map[string]string{"text": text}
		return controllerutil.SetControllerReference(asked, note, workspace.GetScheme())
	})
	if err != nil {
		return fmt.Errorf("failed to write the ConfigMap: %w", err)
	}
	if done != controllerutil.OperationResultNone {
		workspace.GetEventRecorder("greeter").Eventf(asked, note, corev1.EventTypeNormal, "Greeted", "Greet", "%s", text)
	}
	before := asked.DeepCopy()
	asked.Object["status"] = status
	return workspace.GetClient().Status().Patch(ctx, asked, client.MergeFrom(before))
}
