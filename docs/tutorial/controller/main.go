// Command controller makes the databases of docs/apis.md "ready": in every
// workspace that has bound the API, with one watch. It writes a secret with a login
// beside each database, which the workspaces have to have allowed, and its status.
//
// It is as small as such a program can be. For one with queues and retries see the
// controller made with controller-runtime in pkg/server/providers_controller_test.go.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var databases = schema.GroupVersionResource{Group: "tutorial.example.io", Version: "v1", Resource: "databases"}

func main() {
	workspace := flag.String("workspace", "root:platform", "path of the workspace with the APIExport")
	export := flag.String("export", "databases", "name of the APIExport")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	view, err := connect(ctx, logicalcluster.Path(*workspace), *export)
	if err != nil {
		log.Fatal(err)
	}
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		if err := follow(ctx, view); err != nil && ctx.Err() == nil {
			log.Printf("starting over: %v", err)
		}
	}, time.Second)
}

// connect finds the view of the export, which shows what it offers in all
// workspaces that bound it. Its address stands in the APIExportEndpointSlice.
func connect(ctx context.Context, workspace logicalcluster.Path, export string) (*client.Hub, error) {
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(clientcmd.NewDefaultClientConfigLoadingRules(), nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("failed to read the kubeconfig: %w", err)
	}
	if base, _, ok := client.SplitURL(config.Host); ok {
		config.Host = base
	}
	hub, err := client.New(config)
	if err != nil {
		return nil, err
	}
	slice, err := client.APIExportEndpointSlices(hub, workspace).Get(ctx, export, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("failed to read the APIExportEndpointSlice: %w", err)
	}
	if len(slice.Status.APIExportEndpoints) == 0 {
		return nil, fmt.Errorf("APIExportEndpointSlice %q of %s has no address yet", export, workspace)
	}
	config = rest.CopyConfig(config)
	config.Host = slice.Status.APIExportEndpoints[0].URL
	return client.New(config)
}

// again is how long a database waits at most that could not be served: its
// workspace may allow tomorrow what it does not allow today.
const again = 30 * time.Second

// follow serves all databases there are, and then each that changes, until the
// watch ends.
func follow(ctx context.Context, view *client.Hub) error {
	everywhere := view.Dynamic(client.Everywhere).Resource(databases)
	list, err := everywhere.List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for i := range list.Items {
		serve(ctx, view, &list.Items[i])
	}
	watch, err := everywhere.Watch(ctx, metav1.ListOptions{
		ResourceVersion: list.GetResourceVersion(), TimeoutSeconds: new(int64(again / time.Second)),
	})
	if err != nil {
		return err
	}
	defer watch.Stop()
	for event := range watch.ResultChan() {
		switch object := event.Object.(type) {
		case *unstructured.Unstructured:
			serve(ctx, view, object)
		case *metav1.Status:
			return apierrors.FromObject(object)
		}
	}
	return nil
}

// serve makes one database ready. Two workspaces can have one of the same name:
// the annotation kcp.io/cluster says in which it is.
func serve(ctx context.Context, view *client.Hub, database *unstructured.Unstructured) {
	workspace, namespace, name := logicalcluster.From(database), database.GetNamespace(), database.GetName()
	phase, _, _ := unstructured.NestedString(database.Object, "status", "phase")
	if phase == "Ready" || database.GetDeletionTimestamp() != nil {
		return
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name + "-login", Namespace: namespace},
		StringData: map[string]string{"user": name, "password": "a-secret"},
	}
	_, err := view.Kubernetes(workspace.Path()).CoreV1().Secrets(namespace).Create(ctx, secret, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		log.Printf("%s|%s/%s: no login: %v", workspace, namespace, name, err)
		return
	}
	_, err = view.Dynamic(workspace.Path()).Resource(databases).Namespace(namespace).
		Patch(ctx, name, types.MergePatchType, []byte(`{"status":{"phase":"Ready"}}`), metav1.PatchOptions{}, "status")
	if err != nil && !apierrors.IsNotFound(err) {
		log.Printf("%s|%s/%s: %v", workspace, namespace, name, err)
		return
	}
	log.Printf("%s|%s/%s is ready", workspace, namespace, name)
}
