// Program greeter is a controller as one is written for kcp: multicluster-runtime and
// the provider of kcp for it, both as they are released. It answers every Greeting in
// every workspace that binds the export of which it is given the endpoint slice, and
// knows nothing of Atrium.
//
// In the workspace of a Greeting it reads all others there, keeps a ConfigMap with the
// text, records an event, and writes the status:
//
//	spec.name            whom to greet
//	status.text          "hello <spec.name>"
//	status.neighbours    how many Greetings its namespace has, itself included
//
// On standard output it says which workspaces it serves: "engaged <cluster>" and
// "disengaged <cluster>", one a line.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/kcp-dev/multicluster-provider/apiexport"
	apisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	mcbuilder "sigs.k8s.io/multicluster-runtime/pkg/builder"
	mcmanager "sigs.k8s.io/multicluster-runtime/pkg/manager"
	mcreconcile "sigs.k8s.io/multicluster-runtime/pkg/reconcile"
)

var greetings = schema.GroupVersionKind{Group: "kcpclients.test", Version: "v1", Kind: "Greeting"}

func main() {
	slice := flag.String("endpointslice", "greetings", "the APIExportEndpointSlice of the export, in the workspace of the kubeconfig")
	flag.Parse()
	ctrl.SetLogger(klog.Background())
	if err := run(ctrl.SetupSignalHandler(), *slice); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, slice string) error {
	if err := apisv1alpha1.AddToScheme(scheme.Scheme); err != nil {
		return err
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	provider, err := apiexport.New(config, slice, apiexport.Options{})
	if err != nil {
		return fmt.Errorf("failed to make the provider: %w", err)
	}
	mgr, err := mcmanager.New(config, provider, manager.Options{Metrics: server.Options{BindAddress: "0"}})
	if err != nil {
		return fmt.Errorf("failed to make the manager: %w", err)
	}
	if err := mgr.Add(witness{}); err != nil {
		return err
	}
	err = mcbuilder.ControllerManagedBy(mgr).Named("greeter").For(greeting()).Owns(&corev1.ConfigMap{}).Complete(&greeter{mgr})
	if err != nil {
		return fmt.Errorf("failed to make the controller: %w", err)
	}
	return mgr.Start(ctx)
}

// witness tells which workspaces come and go.
type witness struct{}

func (witness) Start(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (witness) Engage(ctx context.Context, name string, _ cluster.Cluster) error {
	fmt.Println("engaged", name)
	context.AfterFunc(ctx, func() { fmt.Println("disengaged", name) })
	return nil
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
	name, _, _ := unstructured.NestedString(asked.Object, "spec", "name")
	return ctrl.Result{}, answer(ctx, workspace, asked, "hello "+name, int64(len(all.Items)))
}

// answer writes what is missing of text: the ConfigMap, the event and the status.
func answer(ctx context.Context, workspace cluster.Cluster, asked *unstructured.Unstructured, text string, neighbours int64) error {
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
	asked.Object["status"] = map[string]any{"text": text, "neighbours": neighbours}
	return workspace.GetClient().Status().Patch(ctx, asked, client.MergeFrom(before))
}
