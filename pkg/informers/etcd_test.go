package informers_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/storage/storagebackend/factory"

	"github.com/atriumhub/atrium/pkg/etcd"
	"github.com/atriumhub/atrium/pkg/informers"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	"github.com/atriumhub/atrium/sdk/apis/scheme"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const clustersPrefix = "/core.kcp.io/logicalclusters/customresources"

// clusterStore is real storage of logical clusters, laid out by workspace.
type clusterStore struct {
	storage.Interface
	etcd *clientv3.Client
}

func newClusterStore(t testing.TB) *clusterStore {
	t.Helper()
	server, err := etcd.Start(t.Context(), etcd.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	info, _ := runtime.SerializerInfoForMediaType(scheme.Codecs.SupportedMediaTypes(), runtime.ContentTypeJSON)
	version := corev1alpha1.SchemeGroupVersion
	codec := scheme.Codecs.CodecForVersions(info.Serializer, scheme.Codecs.UniversalDeserializer(), version, version)
	config := storagebackend.NewDefaultConfig("/registry", codec)
	config.Transport.ServerList = server.Endpoints()
	resource := schema.GroupResource{Group: "core.kcp.io", Resource: "logicalclusters"}
	made, destroy, err := factory.Create(*config.ForResource(resource),
		func() runtime.Object { return &corev1alpha1.LogicalCluster{} }, newClusterList, clustersPrefix)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(destroy)
	client, err := clientv3.New(clientv3.Config{Endpoints: server.Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return &clusterStore{Interface: made, etcd: client}
}

func newClusterList() runtime.Object { return &corev1alpha1.LogicalClusterList{} }

func clusterKey(name logicalcluster.Name) string {
	return fmt.Sprintf("%s/%s/%s", clustersPrefix, name, corev1alpha1.LogicalClusterName)
}

// newCluster is as large as a real one.
func newCluster(name logicalcluster.Name) *corev1alpha1.LogicalCluster {
	return &corev1alpha1.LogicalCluster{ObjectMeta: metav1.ObjectMeta{
		Name:              corev1alpha1.LogicalClusterName,
		UID:               "12345678-1234-1234-1234-123456789012",
		CreationTimestamp: metav1.Now(),
		Annotations: map[string]string{
			logicalcluster.AnnotationKey:   string(name),
			"kcp.io/path":                  "root:org:" + string(name),
			"internal.tenancy.kcp.io/type": "root:universal",
		},
		Labels:     map[string]string{"tenancy.kcp.io/phase": "Ready"},
		Finalizers: []string{"core.kcp.io/logicalcluster"},
	}}
}

func (s *clusterStore) create(t testing.TB, name logicalcluster.Name) {
	t.Helper()
	if err := s.Create(context.Background(), clusterKey(name), newCluster(name), nil, 0); err != nil {
		t.Error(err)
	}
}

func (s *clusterStore) informer() *informers.Informer[*corev1alpha1.LogicalCluster] {
	return informers.New(informers.Config[*corev1alpha1.LogicalCluster]{
		Name: "logicalclusters", Storage: s, Prefix: clustersPrefix, NewList: newClusterList,
	})
}

// fill creates one object in each of n workspaces.
func (s *clusterStore) fill(t testing.TB, n int) {
	t.Helper()
	var filling sync.WaitGroup
	slots := make(chan struct{}, 64)
	for i := range n {
		slots <- struct{}{}
		filling.Go(func() {
			s.create(t, logicalcluster.Name(fmt.Sprintf("ws-%d", i)))
			<-slots
		})
	}
	filling.Wait()
}

// I1, I2 on real storage: pages, then events, in order.
func TestFollowsEtcd(t *testing.T) {
	s := newClusterStore(t)
	s.fill(t, 2500)
	informer := s.informer()
	changes := make(chan string, 10_000)
	informer.OnChange(func(old, new *corev1alpha1.LogicalCluster, k logicalcluster.Key) {
		changes <- fmt.Sprintf("%v %v %s", old != nil, new != nil, k)
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); informer.Run(ctx) }()
	defer func() { cancel(); <-done }()
	<-informer.Synced()
	if informer.Len() != 2500 || len(changes) != 2500 {
		t.Fatalf("%d objects and %d changes", informer.Len(), len(changes))
	}
	for range 2500 {
		<-changes
	}
	s.create(t, "late")
	expectChange(t, changes, "false true late|cluster")
	if err := s.Delete(ctx, clusterKey("late"), &corev1alpha1.LogicalCluster{}, nil, storage.ValidateAllObjectFunc, nil, storage.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	expectChange(t, changes, "true false late|cluster")
	if _, ok := informer.Get(logicalcluster.Key{Workspace: "late", Name: corev1alpha1.LogicalClusterName}); ok {
		t.Error("the store still shows what was deleted")
	}
}

// I3 on real storage: what etcd has compacted away is made up for by a list.
func TestCompactionLosesNothing(t *testing.T) {
	s := newClusterStore(t)
	s.fill(t, 3)
	behind := &behindStorage{clusterStore: s, hold: make(chan struct{})}
	informer := informers.New(informers.Config[*corev1alpha1.LogicalCluster]{
		Name: "logicalclusters", Storage: behind, Prefix: clustersPrefix, NewList: newClusterList,
	})
	changes := make(chan string, 100)
	informer.OnChange(func(old, new *corev1alpha1.LogicalCluster, k logicalcluster.Key) {
		changes <- fmt.Sprintf("%v %v %s", old != nil, new != nil, k)
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); informer.Run(ctx) }()
	defer func() { cancel(); <-done }()
	<-informer.Synced()
	for range 3 {
		<-changes
	}
	// The informer has listed and is about to watch.
	s.create(t, "new")
	if err := s.Delete(ctx, clusterKey("ws-1"), &corev1alpha1.LogicalCluster{}, nil, storage.ValidateAllObjectFunc, nil, storage.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	revision, err := s.GetCurrentResourceVersion(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.etcd.Compact(ctx, int64(revision)); err != nil {
		t.Fatal(err)
	}
	close(behind.hold)
	expectChange(t, changes, "true false ws-1|cluster")
	expectChange(t, changes, "false true new|cluster")
}

// behindStorage holds back watches until told otherwise.
type behindStorage struct {
	*clusterStore
	hold chan struct{}
}

func (b *behindStorage) Watch(ctx context.Context, key string, opts storage.ListOptions) (watch.Interface, error) {
	<-b.hold
	return b.clusterStore.Watch(ctx, key, opts)
}

func expectChange(t *testing.T, changes <-chan string, want string) {
	t.Helper()
	select {
	case got := <-changes:
		if got != want {
			t.Errorf("change %q, want %q", got, want)
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("no change, want %q", want)
	}
}

// BenchmarkSync is how long a hub with 10 000 workspaces waits for one kind
// after a restart.
func BenchmarkSync(b *testing.B) {
	const workspaces = 10_000
	s := newClusterStore(b)
	s.fill(b, workspaces)
	b.ResetTimer()
	for range b.N {
		informer := s.informer()
		ctx, cancel := context.WithCancel(context.Background())
		go informer.Run(ctx)
		<-informer.Synced()
		if informer.Len() != workspaces {
			b.Fatalf("%d objects", informer.Len())
		}
		cancel()
	}
}
