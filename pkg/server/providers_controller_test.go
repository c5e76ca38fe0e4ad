package server

import (
	"context"
	"fmt"
	"testing"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	ctrlclient "sigs.k8s.io/controller-runtime/pkg/client"
	ctrl "sigs.k8s.io/controller-runtime/pkg/controller"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// clusterRequest is what multicluster-runtime calls a request: an object, and where it is.
type clusterRequest struct {
	reconcile.Request
	ClusterName string
}

// fleet is what a controller for many workspaces is made of: one cache of the
// wildcard URL of the view, whose keys know the workspace, and a client for each
// workspace, by its URL. multicluster-runtime with the provider for kcp does the
// same; the module itself is not used here.
type fleet struct {
	kind     schema.GroupVersionKind
	everyone ctrlclient.WithWatch
	store    cache.Store
	config   func(cluster string) *rest.Config
}

func keyOfRequest(object any) (string, error) {
	if deleted, ok := object.(cache.DeletedFinalStateUnknown); ok {
		return deleted.Key, nil
	}
	u := object.(ctrlclient.Object)
	return fmt.Sprintf("%s|%s/%s", logicalcluster.From(u), u.GetNamespace(), u.GetName()), nil
}

// start feeds the cache, and the queue of the controller from it.
func (f *fleet) start(ctx context.Context, queue workqueue.TypedRateLimitingInterface[clusterRequest]) error {
	list := func() *unstructured.UnstructuredList {
		l := &unstructured.UnstructuredList{}
		l.SetGroupVersionKind(f.kind.GroupVersion().WithKind(f.kind.Kind + "List"))
		return l
	}
	f.store = cache.NewStore(keyOfRequest)
	reflector := cache.NewReflector(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			into := list()
			return into, f.everyone.List(ctx, into, &ctrlclient.ListOptions{Raw: &options})
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return f.everyone.Watch(ctx, list(), &ctrlclient.ListOptions{Raw: &options})
		},
	}, &unstructured.Unstructured{}, &noted{f.store, queue}, 0)
	go reflector.RunWithContext(ctx)
	return nil
}

// noted is a store that enqueues what changes in it.
type noted struct {
	cache.Store
	queue workqueue.TypedRateLimitingInterface[clusterRequest]
}

func (n *noted) note(object any) {
	u := object.(*unstructured.Unstructured)
	n.queue.Add(clusterRequest{
		Request:     reconcile.Request{NamespacedName: types.NamespacedName{Namespace: u.GetNamespace(), Name: u.GetName()}},
		ClusterName: logicalcluster.From(u).String(),
	})
}

func (n *noted) Add(object any) error    { defer n.note(object); return n.Store.Add(object) }
func (n *noted) Update(object any) error { defer n.note(object); return n.Store.Update(object) }
func (n *noted) Delete(object any) error { defer n.note(object); return n.Store.Delete(object) }
func (n *noted) Replace(objects []any, version string) error {
	defer func() {
		for _, object := range objects {
			n.note(object)
		}
	}()
	return n.Store.Replace(objects, version)
}

// Reconcile writes the status of a gizmo in its workspace.
func (f *fleet) Reconcile(ctx context.Context, req clusterRequest) (reconcile.Result, error) {
	key := fmt.Sprintf("%s|%s", req.ClusterName, req.NamespacedName)
	cached, exists, err := f.store.GetByKey(key)
	if err != nil || !exists {
		return reconcile.Result{}, err
	}
	object := cached.(*unstructured.Unstructured).DeepCopy()
	want := "seen in " + req.ClusterName
	if state, _, _ := unstructured.NestedString(object.Object, "status", "state"); state == want {
		return reconcile.Result{}, nil
	}
	workspaceClient, err := ctrlclient.New(f.config(req.ClusterName), ctrlclient.Options{})
	if err != nil {
		return reconcile.Result{}, err
	}
	before := ctrlclient.MergeFrom(object.DeepCopy())
	if err := unstructured.SetNestedField(object.Object, want, "status", "state"); err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{}, workspaceClient.Status().Patch(ctx, object, before)
}

// A controller made with controller-runtime serves all workspaces: equal names, in
// workspaces that come and go while it runs.
func TestControllerRuntimeThroughTheViewOfAnExport(t *testing.T) {
	ctx := exportsContext(t)
	m := newMarket(ctx, t, "controller.providers.test", 2)
	admin := as(t, "base")
	createGizmo(ctx, t, admin, m.consumers[0], m.group, "same")
	createGizmo(ctx, t, admin, m.consumers[1], m.group, "same")

	ctrllog.SetLogger(logr.Discard())
	mgr, err := manager.New(m.config(t, "*"), manager.Options{Metrics: server.Options{BindAddress: "0"}, Logger: logr.Discard()})
	if err != nil {
		t.Fatal(err)
	}
	everyone, err := ctrlclient.NewWithWatch(mgr.GetConfig(), ctrlclient.Options{HTTPClient: mgr.GetHTTPClient(), Mapper: mgr.GetRESTMapper()})
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{
		kind: schema.GroupVersionKind{Group: m.group, Version: "v1", Kind: "Gizmo"}, everyone: everyone,
		config: func(cluster string) *rest.Config { return m.config(t, cluster) },
	}
	skip := true // the test may run more than once in a process
	c, err := ctrl.NewTyped("gizmos", mgr, ctrl.TypedOptions[clusterRequest]{Reconciler: f, SkipNameValidation: &skip})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Watch(source.TypedFunc[clusterRequest](f.start)); err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(running) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the manager: %v", err)
		}
	}()
	seen := func(path logicalcluster.Path, id, name string) {
		t.Helper()
		await(ctx, t, "the controller has seen "+name, func() error {
			got, err := gizmosAt(admin, path, m.group).Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			if state, _, _ := unstructured.NestedString(got.Object, "status", "state"); state != "seen in "+id {
				return fmt.Errorf("its state is %q", state)
			}
			return nil
		})
	}
	seen(m.consumers[0], m.ids[0], "same")
	seen(m.consumers[1], m.ids[1], "same")
	late, workspace := newWorkspace(t)
	bind(ctx, t, admin, late, "gizmos", m.provider, "gizmos")
	awaitBound(ctx, t, admin, late, "gizmos")
	createGizmo(ctx, t, admin, late, m.group, "same")
	seen(late, workspace.Spec.Cluster, "same")
	createGizmo(ctx, t, admin, m.consumers[0], m.group, "another")
	seen(m.consumers[0], m.ids[0], "another")
}
