package workspaces

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/storage"

	"github.com/atriumhub/atrium/pkg/directory"
	"github.com/atriumhub/atrium/pkg/informers"
	"github.com/atriumhub/atrium/pkg/ledger"
	"github.com/atriumhub/atrium/pkg/partition"
	"github.com/atriumhub/atrium/pkg/workspaces/prepare"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// town is all of a hub that the lifecycle works with, but for the API: etcd,
// informers, directory, loops.
type town struct {
	clerk      *storageClerk
	content    *partition.Getter
	workspaces *informers.Informer[*tenancyv1alpha1.Workspace]

	mu      sync.Mutex
	changed *sync.Cond
}

// unfolded makes the objects of an informer of what the clerk reads.
func unfolded[T any](object runtime.Object) (*T, error) {
	return ledger.Typed[T](object.(*unstructured.Unstructured))
}

func newList() runtime.Object { return &unstructured.UnstructuredList{} }

func startTown(t *testing.T) *town {
	t.Helper()
	w := &town{}
	w.changed = sync.NewCond(&w.mu)
	w.clerk, w.content = openClerk(t)
	w.workspaces = informers.New(informers.Config[*tenancyv1alpha1.Workspace]{
		Name: "workspaces", Storage: w.clerk.workspaces, NewList: newList, Convert: unfolded[tenancyv1alpha1.Workspace],
	})
	clusters := informers.New(informers.Config[*corev1alpha1.LogicalCluster]{
		Name: "logicalclusters", Storage: w.clerk.clusters, NewList: newList, Convert: unfolded[corev1alpha1.LogicalCluster],
	})
	dir := directory.New()
	dir.Follow(w.workspaces, clusters)
	config := Config{Content: w.content, BaseURL: "https://hub", RootCA: []byte("CA"), Resources: func(context.Context, logicalcluster.Name) ([]*metav1.APIResourceList, error) { return nil, nil }}
	life := newLifecycle(config, struct {
		*storageClerk
		plainRemover
	}{w.clerk, plainRemover{w.clerk}}, reader{
		workspace: w.workspaces.Get, children: w.workspaces.In, directory: dir,
		cluster: func(name logicalcluster.Name) (*corev1alpha1.LogicalCluster, bool) {
			return clusters.Get(clusterKey(name))
		},
		admits: func(logicalcluster.Name) bool { return true },
	})
	w.workspaces.OnChange(life.workspaceChanged)
	clusters.OnChange(life.clusterChanged)
	w.workspaces.OnChange(func(_, _ *tenancyv1alpha1.Workspace, _ logicalcluster.Key) { w.changed.Broadcast() })

	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() { stop(); running.Wait() })
	running.Go(func() { w.workspaces.Run(ctx) })
	running.Go(func() { clusters.Run(ctx) })
	<-w.workspaces.Synced()
	<-clusters.Synced()
	for _, controller := range life.Loops() {
		running.Go(func() { controller.Run(ctx) })
	}
	return w
}

// plainRemover deletes Workspaces as an API without admission would.
type plainRemover struct{ clerk *storageClerk }

func (r plainRemover) Delete(ctx context.Context, in logicalcluster.Name, gvr schema.GroupVersionResource, _, name string, uid types.UID) error {
	return ledger.Amend(ctx, r.clerk.workspaces, gvr.GroupResource(), logicalcluster.Key{Workspace: in, Name: name}, &storage.Preconditions{UID: &uid}, func(raw *unstructured.Unstructured) error {
		if raw.GetDeletionTimestamp() == nil {
			now := metav1.Now()
			raw.SetDeletionTimestamp(&now)
		}
		return nil
	})
}

func (plainRemover) List(context.Context, logicalcluster.Name, schema.GroupVersionResource, metav1.ListOptions) (*metav1.PartialObjectMetadataList, error) {
	return &metav1.PartialObjectMetadataList{}, nil
}

// create stores a Workspace of root as admission lets it through, and returns its
// ID and UID.
func (w *town) create(ctx context.Context, name string, random *randomIDs) (logicalcluster.Name, types.UID, error) {
	workspace := &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: name, UID: uuid.NewUUID(), CreationTimestamp: metav1.Now()}}
	around := prepare.Surroundings{BaseURL: "https://hub", ParentPath: "root", ParentType: "root:root", Random: random}
	if err := prepare.Create(workspace, &user.DefaultInfo{Name: "ann"}, around); err != nil {
		return "", "", err
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(workspace)
	if err != nil {
		return "", "", err
	}
	raw := &unstructured.Unstructured{Object: content}
	raw.SetGroupVersionKind(tenancyv1alpha1.SchemeGroupVersion.WithKind("Workspace"))
	return logicalcluster.Name(workspace.Spec.Cluster), workspace.UID, w.clerk.workspaces.Create(ledger.Within(ctx, "root"), partition.ObjectKey(w.clerk.workspaces, "", name), raw, nil, 0)
}

// randomIDs counts, so that a run can be repeated.
type randomIDs struct {
	mu sync.Mutex
	n  uint64
}

func (r *randomIDs) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n++
	copy(p, fmt.Sprintf("%032d", r.n))
	return len(p), nil
}

// await waits until the Workspace is as it should be; it may be nil.
func (w *town) await(name string, right func(*tenancyv1alpha1.Workspace) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		workspace, _ := w.workspaces.Get(logicalcluster.Key{Workspace: "root", Name: name})
		if right(workspace) {
			return
		}
		w.changed.Wait()
	}
}

// TestStorm creates and deletes workspaces from many sides at once, each name
// twice and every third before it is ready, and looks for what is left.
func TestStorm(t *testing.T) {
	const workspaces, people = 100, 32
	w := startTown(t)
	// An event that came between a look and the wait for the next one.
	ticking := time.NewTicker(50 * time.Millisecond)
	defer ticking.Stop()
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case <-ticking.C:
				w.changed.Broadcast()
			case <-done:
				return
			}
		}
	}()
	var ids sync.Map
	random := &randomIDs{}
	live := func(i int) error {
		name := fmt.Sprintf("w%d", i)
		id, uid, err := w.create(t.Context(), name, random)
		if err != nil {
			return err
		}
		ids.Store(id, nil)
		if i%3 > 0 {
			w.await(name, func(found *tenancyv1alpha1.Workspace) bool {
				return found != nil && found.Status.Phase == corev1alpha1.LogicalClusterPhaseReady
			})
		}
		if err := (plainRemover{w.clerk}).Delete(t.Context(), "root", workspacesGVR, "", name, uid); err != nil {
			return err
		}
		// The informer may not have seen it yet: nothing seen is not gone.
		w.await(name, func(found *tenancyv1alpha1.Workspace) bool {
			if found != nil {
				return false
			}
			_, err := w.clerk.GetWorkspace(t.Context(), "root", name)
			return apierrors.IsNotFound(err)
		})
		return nil
	}
	work := make(chan int)
	var working sync.WaitGroup
	for range people {
		working.Go(func() {
			for i := range work {
				for range 2 {
					if err := live(i); err != nil {
						t.Errorf("workspace %d: %v", i, err)
					}
				}
			}
		})
	}
	for i := range workspaces {
		work <- i
	}
	close(work)
	working.Wait()
	n := 0
	ids.Range(func(id, _ any) bool {
		n++
		counts, err := w.content.Counts(t.Context(), id.(logicalcluster.Name))
		if err != nil || len(counts) > 0 {
			t.Errorf("%s: left %v, %v", id, counts, err)
		}
		return true
	})
	if n != 2*workspaces {
		t.Errorf("%d workspaces got %d IDs", 2*workspaces, n)
	}
}
