package partition

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"go.etcd.io/etcd/client/v3/kubernetes"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/apis/example"
	examplev1 "k8s.io/apiserver/pkg/apis/example/v1"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/storage"
	etcdfeature "k8s.io/apiserver/pkg/storage/feature"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/storage/value"
	"k8s.io/klog/v2"

	"github.com/atriumhub/atrium/pkg/etcd"
	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var (
	scheme = runtime.NewScheme()
	codecs = serializer.NewCodecFactory(scheme)
	codec  = codecs.LegacyCodec(examplev1.SchemeGroupVersion)
	pods   = schema.GroupResource{Resource: "pods"}
)

func init() {
	metav1.AddToGroupVersion(scheme, metav1.SchemeGroupVersion)
	utilruntime.Must(example.AddToScheme(scheme))
	utilruntime.Must(examplev1.AddToScheme(scheme))
	klog.SetLogger(logr.Discard())
}

// sharedEtcd serves the tests that neither compact nor count revisions.
var sharedEtcd *etcd.Server

func TestMain(m *testing.M) {
	os.Exit(runWithEtcd(m))
}

func runWithEtcd(m *testing.M) int {
	dir, err := os.MkdirTemp("", "partition-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	sharedEtcd, err = etcd.Start(context.Background(), etcd.Config{Dir: dir})
	if err != nil {
		panic(err)
	}
	defer sharedEtcd.Stop()
	release, err := awaitFeatures(sharedEtcd)
	if err != nil {
		panic(err)
	}
	defer release()
	return m.Run()
}

// awaitFeatures waits until the process knows what etcd can do. Upstream asks
// in the background, once per endpoint, with the first client it sees; that
// client must live longer than a single test.
func awaitFeatures(server *etcd.Server) (release func(), err error) {
	conn, release, err := newShared().connect(storagebackend.TransportConfig{ServerList: server.Endpoints()})
	if err != nil {
		return nil, err
	}
	checker, feature := etcdfeature.DefaultFeatureSupportChecker, storage.RequestWatchProgress
	checker.CheckClient(conn.client.Ctx(), conn.client, feature)
	return release, wait.PollUntilContextTimeout(context.Background(), time.Millisecond, 10*time.Second, true,
		func(context.Context) (bool, error) { return checker.Supports(feature), nil })
}

// ownEtcd starts a server for one test.
func ownEtcd(t testing.TB) *etcd.Server {
	t.Helper()
	server, err := etcd.Start(t.Context(), etcd.Config{Dir: t.TempDir(), ProgressInterval: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return server
}

// hub is a Getter with one store of pods.
type hub struct {
	*Getter
	pods   *store
	client *kubernetes.Client
	root   string // etcd prefix, "/registry..."

	barriers int
}

// hubOptions vary the store; the zero value caches nothing on the shared etcd.
type hubOptions struct {
	server      *etcd.Server
	ownEtcd     bool // a server of its own if there is none
	cached      bool
	unspaced    bool   // pods are cluster-scoped
	resource    string // "/pods/" when empty
	codec       runtime.Codec
	transformer value.Transformer
	getter      Config
	prepare     func(*connection)
}

// newHub returns a hub for the length of the test.
func newHub(t testing.TB, o hubOptions) *hub {
	t.Helper()
	if o.server == nil && o.ownEtcd {
		o.server = ownEtcd(t)
	}
	if o.server == nil {
		o.server = sharedEtcd
	}
	if o.resource == "" {
		o.resource = "/pods/"
	}
	if o.codec == nil {
		o.codec = codec
	}
	h := &hub{root: "/registry"}
	if o.server == sharedEtcd {
		h.root = fmt.Sprintf("/%s-%d", t.Name(), time.Now().UnixNano())
	}
	o.getter.Cached = func(schema.GroupResource) bool { return o.cached }
	backend := storagebackend.NewDefaultConfig(h.root, o.codec)
	backend.Transport.ServerList = o.server.Endpoints()
	backend.Transformer = o.transformer
	backend.LeaseManagerConfig.ReuseDurationSeconds = 1
	h.Getter = New(generic.RESTOptions{StorageConfig: backend.ForResource(pods), ResourcePrefix: o.resource}, o.getter)

	conn, release, err := h.shared.connect(backend.Transport)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	h.client = conn.client
	if o.prepare != nil {
		o.prepare(conn)
	}
	h.pods = h.makePods(t, o.unspaced)
	return h
}

// makePods builds the store of pods as a registry would.
func (h *hub) makePods(t testing.TB, unspaced bool) *store {
	t.Helper()
	options, err := h.GetRESTOptions(pods, &example.Pod{})
	if err != nil {
		t.Fatal(err)
	}
	made, destroy, err := options.Decorator(options.StorageConfig, options.ResourcePrefix,
		func(obj runtime.Object) (string, error) {
			if unspaced {
				return "/pods/" + obj.(*example.Pod).Name, nil
			}
			return podKey(obj.(*example.Pod)), nil
		},
		func() runtime.Object { return &example.Pod{} },
		func() runtime.Object { return &example.PodList{} },
		podAttrs, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(destroy)
	return made.(*store)
}

// warm starts the cache and waits until it is ready.
func (h *hub) warm(t testing.TB) {
	t.Helper()
	lazy, ok := h.pods.Interface.(*lazyCache)
	if !ok {
		return
	}
	if _, err := lazy.ready(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func podKey(pod *example.Pod) string {
	return fmt.Sprintf("/pods/%s/%s", pod.Namespace, pod.Name)
}

func podAttrs(obj runtime.Object) (labels.Set, fields.Set, error) {
	pod, ok := obj.(*example.Pod)
	if !ok {
		return nil, nil, fmt.Errorf("not a pod: %T", obj)
	}
	return pod.Labels, fields.Set{
		"metadata.name":      pod.Name,
		"metadata.namespace": pod.Namespace,
		"spec.nodeName":      pod.Spec.NodeName,
		"spec.restartPolicy": string(pod.Spec.RestartPolicy),
		"status.phase":       string(pod.Status.Phase),
	}, nil
}

// in returns a context for one workspace.
func in(t testing.TB, name logicalcluster.Name) context.Context {
	return keyspace.WithScope(t.Context(), keyspace.In(name))
}

// recursive lists and watches everything.
func recursive() storage.ListOptions {
	return storage.ListOptions{Predicate: storage.Everything, Recursive: true}
}

func newPod(namespace, name string, label ...string) *example.Pod {
	pod := &example.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	for i := 0; i+1 < len(label); i += 2 {
		metav1.SetMetaDataLabel(&pod.ObjectMeta, label[i], label[i+1])
	}
	return pod
}

// mustCreate stores pod in the Scope of ctx and returns what was stored.
func mustCreate(t testing.TB, ctx context.Context, s storage.Interface, pod *example.Pod) *example.Pod {
	t.Helper()
	out := &example.Pod{}
	if err := s.Create(ctx, podKey(pod), pod, out, 0); err != nil {
		t.Fatalf("creating %s: %v", podKey(pod), err)
	}
	return out
}
