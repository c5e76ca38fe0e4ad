package partition

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/kubernetes"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/apis/example"
	"k8s.io/apiserver/pkg/features"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/etcd3"
	storagetesting "k8s.io/apiserver/pkg/storage/testing"
	"k8s.io/apiserver/pkg/storage/value"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	featuregatetesting "k8s.io/component-base/featuregate/testing"
	"k8s.io/utils/clock"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// The exported conformance suite of k8s.io/apiserver, run against one workspace
// of a partitioned store, without and with the cache (P2: what a workspace sees
// is what a whole store would show). Another workspace holds objects of the
// same names wherever the test does not count objects.
//
// Not run:
//   - RunTestGetListWithErrorAggregation, RunTestGetListWithoutErrorAggregation,
//     RunTestWatchWithUnsafeDelete: they inject the error type by which the
//     upstream store marks corrupt objects; it is not exported.
//   - with the cache also RunTestGuaranteedUpdate,
//     RunTestGuaranteedUpdateChecksStoredData, RunTestTransformationFailure,
//     RunTestListResourceVersionMatch, RunTestListInconsistentContinuation,
//     RunTestWatchError, RunTestWatchContextCancel and
//     RunWatchErrorIsBlockingFurtherEvents: upstream does not run them on its
//     cache either; they change the transformer under the store, which a cache
//     does not ask again.
//   - with the cache RunTestWatchFromZero: it shortens the history inside the
//     cache, which cannot be reached from outside.
//   - RunOptionalTestProgressNotify with the cache: it hides what it tests.
//   - RunBenchmark*: see bench_test.go.
const tenant, neighbour = logicalcluster.Name("tenant"), logicalcluster.Name("neighbour")

// suite is one test's surroundings.
type suite struct {
	*hub
	store       *conformant
	transformer *swappable
	lists       *storagetesting.KubernetesRecorder
	reads       *storagetesting.KVRecorder
}

type suiteOptions struct {
	hubOptions
	alone    bool // no neighbour
	parallel bool // beside other tests
	prefix   bool // values are stored with a prefix
}

// begin builds a suite.
func begin(t *testing.T, o suiteOptions) *suite {
	t.Helper()
	s := &suite{}
	if o.transformer == nil && o.prefix {
		s.transformer = newSwappable()
		o.transformer = s.transformer
	}
	o.prepare = func(c *connection) {
		compactor := etcd3.NewCompactor(c.client.Client, 0, clock.RealClock{}, nil)
		t.Cleanup(compactor.Stop)
		c.compactor = compactor
		s.record(c.client)
	}
	s.hub = newHub(t, o.hubOptions)
	if !o.alone {
		s.settle(t)
	}
	s.warm(t)
	s.store = &conformant{Interface: s.pods, name: tenant}
	return s
}

// settle gives the neighbour objects with the names the suite uses.
func (s *suite) settle(t *testing.T) {
	t.Helper()
	for _, namespace := range []string{"", "ns", "test-ns", "default", "first", "second"} {
		for _, name := range []string{"foo", "bar", "foobar", "baz", "non-existing", "pod"} {
			mustCreate(t, in(t, neighbour), s.pods, newPod(namespace, name))
		}
	}
}

// record puts recorders of lists and reads into the client. They record keys
// as an unpartitioned store would use them: the tests expect those.
func (s *suite) record(client *kubernetes.Client) {
	segment := "/pods/" + string(tenant) + "/"
	s.lists = storagetesting.NewKubernetesRecorder(&rewriteLists{client.Kubernetes, "/pods/", segment})
	s.reads = storagetesting.NewKVRecorder(&rewriteStreams{client.KV, "/pods/", segment}, s.lists)
	client.Kubernetes = &rewriteLists{s.lists, segment, "/pods/"}
	client.KV = &rewriteStreams{s.reads, segment, "/pods/"}
}

type rewriteLists struct {
	kubernetes.Interface
	from, to string
}

func (r *rewriteLists) List(ctx context.Context, prefix string, opts kubernetes.ListOptions) (kubernetes.ListResponse, error) {
	opts.Continue = strings.Replace(opts.Continue, r.from, r.to, 1)
	return r.Interface.List(ctx, strings.Replace(prefix, r.from, r.to, 1), opts)
}

type rewriteStreams struct {
	clientv3.KV
	from, to string
}

func (r *rewriteStreams) GetStream(ctx context.Context, key string, opts ...clientv3.OpOption) (clientv3.GetStreamChan, error) {
	return r.KV.GetStream(ctx, strings.Replace(key, r.from, r.to, 1), opts...)
}

// swappable is a transformer that tests exchange under a running store.
type swappable struct {
	current atomic.Pointer[value.Transformer]
	origin  *storagetesting.PrefixTransformer
}

func newSwappable() *swappable {
	s := &swappable{origin: storagetesting.NewPrefixTransformer([]byte("test!"), false)}
	s.set(s.origin)
	return s
}

func (s *swappable) set(t value.Transformer) { s.current.Store(&t) }

func (s *swappable) TransformFromStorage(ctx context.Context, data []byte, dataCtx value.Context) ([]byte, bool, error) {
	return (*s.current.Load()).TransformFromStorage(ctx, data, dataCtx)
}

func (s *swappable) TransformToStorage(ctx context.Context, data []byte, dataCtx value.Context) ([]byte, error) {
	return (*s.current.Load()).TransformToStorage(ctx, data, dataCtx)
}

// UpdatePrefixTransformer implements storagetesting.InterfaceWithPrefixTransformer.
func (s *suite) UpdatePrefixTransformer(modify storagetesting.PrefixTransformerModifier) func() {
	copied := *s.transformer.origin
	s.transformer.set(modify(&copied))
	return func() { s.transformer.set(s.transformer.origin) }
}

// checkKey looks at what is stored under a key: it has no version, and lies in
// the tenant's part (P2, P3).
func (s *suite) checkKey(ctx context.Context, t *testing.T, key string) {
	t.Helper()
	stored := s.root + "/pods/" + string(tenant) + strings.TrimPrefix(key, "/pods")
	got, err := s.client.KV.Get(ctx, stored)
	if err != nil || len(got.Kvs) != 1 {
		t.Fatalf("reading %q: %d keys, %v", stored, len(got.Kvs), err)
	}
	data := got.Kvs[0].Value
	if s.transformer != nil {
		data, _, err = s.transformer.TransformFromStorage(ctx, data, value.DefaultContext(stored))
		if err != nil {
			t.Fatal(err)
		}
	}
	obj, err := runtime.Decode(codec, data)
	if err != nil {
		t.Fatal(err)
	}
	pod := obj.(*example.Pod)
	if pod.ResourceVersion != "" {
		t.Errorf("%q is stored with a version", stored)
	}
	if stampOf(pod) != tenant {
		t.Errorf("%q is stored with the stamp %q", stored, stampOf(pod))
	}
}

// checkCalls verifies how many objects and pages a paged list has read.
func (s *suite) checkCalls(t *testing.T, pageSize, objects uint64) {
	t.Helper()
	if s.transformer == nil {
		return // a cache passes paging on
	}
	if reads := s.transformer.origin.GetReadsAndReset(); reads != objects {
		t.Errorf("%d objects were read, want %d", reads, objects)
	}
	want := uint64(1)
	if pageSize != 0 {
		limit := pageSize
		for sum := uint64(1); sum < objects; {
			limit = min(2*limit, 10000)
			sum += limit
			want++
		}
	}
	if reads := s.reads.GetReadsAndReset() + s.reads.GetStreamReadsAndReset(); reads != want {
		t.Fatalf("%d pages were read, want %d", reads, want)
	}
}

func (s *suite) increaseRevision(ctx context.Context, t *testing.T) int64 {
	t.Helper()
	response, err := s.client.KV.Put(ctx, "unrelated", "ok")
	if err != nil {
		t.Fatal(err)
	}
	return response.Header.Revision
}

// compact makes etcd, and a running cache, forget revisions before version.
func (s *suite) compact(ctx context.Context, t *testing.T, version string) {
	t.Helper()
	revision, err := storage.APIObjectVersioner{}.ParseResourceVersion(version)
	if err != nil {
		t.Fatal(err)
	}
	var seen int64
	if seen, _, _, err = etcd3.Compact(ctx, s.client.Client, seen, int64(revision)); err != nil {
		_, _, _, err = etcd3.Compact(ctx, s.client.Client, seen, int64(revision))
	}
	if err != nil {
		t.Fatal(err)
	}
	raw := storage.Interface(s.pods.Interface)
	lazy, cached := raw.(*lazyCache)
	if cached {
		raw = lazy.Interface
	}
	err = wait.PollUntilContextTimeout(ctx, 10*time.Millisecond, 10*time.Second, true, func(context.Context) (bool, error) {
		return raw.CompactRevision() == int64(revision), nil
	})
	if err != nil {
		t.Fatalf("the store did not notice the compaction: %v", err)
	}
	if cached {
		if err := lazy.running.Load().cacher.Compact(version); err != nil {
			t.Fatal(err)
		}
	}
}

// awaited is a cached store whose Create returns once the cache shows it.
type awaited struct{ *conformant }

func (a awaited) Create(ctx context.Context, key string, obj, out runtime.Object, ttl uint64) error {
	if err := a.conformant.Create(ctx, key, obj, out, ttl); err != nil {
		return err
	}
	return wait.PollUntilContextTimeout(a.scoped(ctx), 10*time.Millisecond, wait.ForeverTestTimeout, true, func(ctx context.Context) (bool, error) {
		shown := &example.Pod{}
		err := a.Get(ctx, key, storage.GetOptions{ResourceVersion: "0"}, shown)
		if storage.IsNotFound(err) {
			return false, nil
		}
		return apiequality.Semantic.DeepEqual(shown, out), err
	})
}

// both runs a test on the raw and on the cached store.
func both(t *testing.T, o suiteOptions, run func(*testing.T, context.Context, *suite)) {
	for _, cached := range []bool{false, true} {
		t.Run(fmt.Sprintf("cached=%v", cached), func(t *testing.T) {
			if o.parallel {
				t.Parallel()
			}
			o := o
			o.cached = cached
			run(t, context.Background(), begin(t, o))
		})
	}
}

// raw runs a test on the raw store, with a transformer that can be exchanged.
func raw(t *testing.T, run func(*testing.T, context.Context, *suite)) {
	run(t, context.Background(), begin(t, suiteOptions{prefix: true, alone: true}))
}

// simple are the tests that need nothing but a store.
var simple = map[string]func(context.Context, *testing.T, storage.Interface){
	"CreateWithTTL":                             storagetesting.RunTestCreateWithTTL,
	"CreateWithKeyExist":                        storagetesting.RunTestCreateWithKeyExist,
	"Get":                                       storagetesting.RunTestGet,
	"UnconditionalDelete":                       storagetesting.RunTestUnconditionalDelete,
	"ConditionalDelete":                         storagetesting.RunTestConditionalDelete,
	"DeleteWithSuggestion":                      storagetesting.RunTestDeleteWithSuggestion,
	"DeleteWithSuggestionAndConflict":           storagetesting.RunTestDeleteWithSuggestionAndConflict,
	"DeleteWithConflict":                        storagetesting.RunTestDeleteWithConflict,
	"DeleteWithSuggestionOfDeletedObject":       storagetesting.RunTestDeleteWithSuggestionOfDeletedObject,
	"ValidateDeletionWithSuggestion":            storagetesting.RunTestValidateDeletionWithSuggestion,
	"ValidateDeletionWithOnlySuggestionValid":   storagetesting.RunTestValidateDeletionWithOnlySuggestionValid,
	"PreconditionalDeleteWithSuggestion":        storagetesting.RunTestPreconditionalDeleteWithSuggestion,
	"PreconditionalDeleteWithOnlySuggestion":    storagetesting.RunTestPreconditionalDeleteWithOnlySuggestionPass,
	"ListPaging":                                storagetesting.RunTestListPaging,
	"GetListRecursivePrefix":                    storagetesting.RunTestGetListRecursivePrefix,
	"NamespaceScopedList":                       storagetesting.RunTestNamespaceScopedList,
	"GuaranteedUpdateWithTTL":                   storagetesting.RunTestGuaranteedUpdateWithTTL,
	"GuaranteedUpdateWithConflict":              storagetesting.RunTestGuaranteedUpdateWithConflict,
	"GuaranteedUpdateWithSuggestionAndConflict": storagetesting.RunTestGuaranteedUpdateWithSuggestionAndConflict,
	"KeySchema":                                 storagetesting.RunTestKeySchema,
	"Watch":                                     storagetesting.RunTestWatch,
	"DeleteTriggerWatch":                        storagetesting.RunTestDeleteTriggerWatch,
	"WatchFromNonZero":                          storagetesting.RunTestWatchFromNonZero,
	"DelayedWatchDelivery":                      storagetesting.RunTestDelayedWatchDelivery,
	"WatcherTimeout":                            storagetesting.RunTestWatcherTimeout,
	"WatchDeleteEventObjectHaveLatestRV":        storagetesting.RunTestWatchDeleteEventObjectHaveLatestRV,
	"WatchInitializationSignal":                 storagetesting.RunTestWatchInitializationSignal,
	"NamespaceScopedWatch":                      storagetesting.RunTestNamespaceScopedWatch,
	"SendInitialEventsBackwardCompatibility":    storagetesting.RunSendInitialEventsBackwardCompatibility,
	"DeleteWithSuggestionAndMissingError": func(ctx context.Context, t *testing.T, s storage.Interface) {
		storagetesting.RunTestDeleteWithSuggestionAndMissingExpectedTransformOrDecodeError(ctx, t, s)
	},
}

func TestConformance(t *testing.T) {
	for name, run := range simple {
		t.Run(name, func(t *testing.T) {
			both(t, suiteOptions{parallel: true}, func(t *testing.T, ctx context.Context, s *suite) {
				run(ctx, t, s.store)
			})
		})
	}
}

func TestConformanceCreate(t *testing.T) {
	both(t, suiteOptions{}, func(t *testing.T, ctx context.Context, s *suite) {
		storagetesting.RunTestCreate(ctx, t, s.store, s.checkKey)
	})
}

func TestConformanceList(t *testing.T) {
	for _, gate := range []bool{true, false} {
		t.Run(fmt.Sprintf("ListFromCacheSnapshot=%v", gate), func(t *testing.T) {
			featuregatetesting.SetFeatureGateDuringTest(t, utilfeature.DefaultFeatureGate, features.ListFromCacheSnapshot, gate)
			both(t, suiteOptions{parallel: true}, func(t *testing.T, ctx context.Context, _ *suite) {
				cached := strings.HasSuffix(t.Name(), "cached=true")
				fresh := func(t *testing.T) *suite {
					return begin(t, suiteOptions{alone: true, hubOptions: hubOptions{ownEtcd: true, cached: cached}})
				}
				if gate { // otherwise no one can tell when a store has noticed a compaction
					t.Run("List", func(t *testing.T) {
						t.Parallel()
						s := fresh(t)
						storagetesting.RunTestList(ctx, t, s.store, s.compact, cached, s.lists)
					})
				}
				t.Run("ConsistentList", func(t *testing.T) {
					t.Parallel()
					s := fresh(t)
					storagetesting.RunTestConsistentList(ctx, t, s.store, s.increaseRevision, cached, true, cached && gate)
				})
				t.Run("GetListNonRecursive", func(t *testing.T) {
					t.Parallel()
					s := fresh(t)
					storagetesting.RunTestGetListNonRecursive(ctx, t, s.increaseRevision, s.store)
				})
			})
		})
	}
}

func TestConformanceCompactRevision(t *testing.T) {
	both(t, suiteOptions{hubOptions: hubOptions{ownEtcd: true}}, func(t *testing.T, ctx context.Context, s *suite) {
		if lazy, cached := s.pods.Interface.(*lazyCache); cached {
			// The cache learns of compactions every 15 s; ask the store below.
			s.store.Interface = &store{Interface: lazy.Interface, layout: s.pods.layout, resource: pods, attrs: s.pods.attrs}
		}
		storagetesting.RunTestCompactRevision(ctx, t, s.store, s.increaseRevision, s.compact)
	})
}

func TestConformanceListContinuation(t *testing.T) {
	featuregatetesting.SetFeatureGateDuringTest(t, utilfeature.DefaultFeatureGate, features.ListFromCacheSnapshot, false)
	for name, run := range map[string]func(context.Context, *testing.T, storage.Interface, storagetesting.CallsValidation){
		"ListContinuation":           storagetesting.RunTestListContinuation,
		"ListContinuationWithFilter": storagetesting.RunTestListContinuationWithFilter,
		"ListPaginationRareObject":   storagetesting.RunTestListPaginationRareObject,
	} {
		t.Run(name, func(t *testing.T) {
			t.Run("cached=false", func(t *testing.T) {
				raw(t, func(t *testing.T, ctx context.Context, s *suite) { run(ctx, t, s.store, s.checkCalls) })
			})
			t.Run("cached=true", func(t *testing.T) {
				s := begin(t, suiteOptions{hubOptions: hubOptions{cached: true}})
				run(context.Background(), t, s.store, s.checkCalls)
			})
		})
	}
}

func TestConformanceListInconsistentContinuation(t *testing.T) {
	s := begin(t, suiteOptions{hubOptions: hubOptions{ownEtcd: true}})
	storagetesting.RunTestListInconsistentContinuation(context.Background(), t, s.store, s.compact)
}

func TestConformanceTransformers(t *testing.T) {
	for name, run := range map[string]func(context.Context, *testing.T, *suite){
		"GuaranteedUpdate": func(ctx context.Context, t *testing.T, s *suite) {
			storagetesting.RunTestGuaranteedUpdate(ctx, t, exchangeable{s.store, s}, s.checkKey)
		},
		"GuaranteedUpdateChecksStoredData": func(ctx context.Context, t *testing.T, s *suite) {
			storagetesting.RunTestGuaranteedUpdateChecksStoredData(ctx, t, exchangeable{s.store, s})
		},
		"TransformationFailure": func(ctx context.Context, t *testing.T, _ *suite) {
			// The test expects the errors of a store that deletes nothing unreadable.
			featuregatetesting.SetFeatureGateDuringTest(t, utilfeature.DefaultFeatureGate, features.AllowUnsafeMalformedObjectDeletion, false)
			s := begin(t, suiteOptions{prefix: true, alone: true})
			storagetesting.RunTestTransformationFailure(ctx, t, exchangeable{s.store, s})
		},
		"ListResourceVersionMatch": func(ctx context.Context, t *testing.T, s *suite) {
			storagetesting.RunTestListResourceVersionMatch(ctx, t, exchangeable{s.store, s})
		},
		"WatchError": func(ctx context.Context, t *testing.T, s *suite) {
			storagetesting.RunTestWatchError(ctx, t, exchangeable{s.store, s})
		},
		"WatchErrorIsBlockingFurtherEvents": func(ctx context.Context, t *testing.T, s *suite) {
			storagetesting.RunWatchErrorIsBlockingFurtherEvents(ctx, t, exchangeable{s.store, s})
		},
		"WatchContextCancel": func(ctx context.Context, t *testing.T, s *suite) {
			storagetesting.RunTestWatchContextCancel(ctx, t, s.store)
		},
	} {
		t.Run(name, func(t *testing.T) {
			raw(t, func(t *testing.T, ctx context.Context, s *suite) { run(ctx, t, s) })
		})
	}
}

// exchangeable is a store whose transformer a test can exchange.
type exchangeable struct {
	*conformant
	suite *suite
}

func (x exchangeable) UpdatePrefixTransformer(modify storagetesting.PrefixTransformerModifier) func() {
	return x.suite.UpdatePrefixTransformer(modify)
}

func TestConformanceStats(t *testing.T) {
	for _, sizes := range []bool{true, false} {
		t.Run(fmt.Sprintf("SizeBasedListCostEstimate=%v", sizes), func(t *testing.T) {
			featuregatetesting.SetFeatureGateDuringTest(t, utilfeature.DefaultFeatureGate, features.SizeBasedListCostEstimate, sizes)
			both(t, suiteOptions{alone: true}, func(t *testing.T, ctx context.Context, s *suite) {
				cached := strings.HasSuffix(t.Name(), "cached=true")
				storagetesting.RunTestStats(ctx, t, s.store, stampingCodec{codec}, plainTransformer{}, sizes && cached)
			})
		})
	}
}

// stampingCodec encodes objects as they are stored, for tests of their size.
type stampingCodec struct{ runtime.Codec }

func (c stampingCodec) Encode(obj runtime.Object, w io.Writer) error {
	obj = obj.DeepCopyObject()
	if err := stamp(obj, tenant); err != nil {
		return err
	}
	return c.Codec.Encode(obj, w)
}

type plainTransformer struct{}

func (plainTransformer) TransformFromStorage(_ context.Context, data []byte, _ value.Context) ([]byte, bool, error) {
	return data, false, nil
}

func (plainTransformer) TransformToStorage(_ context.Context, data []byte, _ value.Context) ([]byte, error) {
	return data, nil
}

func TestConformanceWatch(t *testing.T) {
	t.Run("ClusterScopedWatch", func(t *testing.T) {
		t.Parallel()
		both(t, suiteOptions{hubOptions: hubOptions{unspaced: true}}, func(t *testing.T, ctx context.Context, s *suite) {
			storagetesting.RunTestClusterScopedWatch(ctx, t, s.store)
		})
	})
	t.Run("WatchFromZero", func(t *testing.T) {
		t.Parallel()
		s := begin(t, suiteOptions{hubOptions: hubOptions{ownEtcd: true}})
		storagetesting.RunTestWatchFromZero(context.Background(), t, s.store, s.compact)
	})
	t.Run("ProgressNotify", func(t *testing.T) {
		t.Parallel()
		s := begin(t, suiteOptions{hubOptions: hubOptions{ownEtcd: true}})
		storagetesting.RunOptionalTestProgressNotify(context.Background(), t, s.store, s.increaseRevision)
	})
	t.Run("WatchDispatchBookmarkEvents", func(t *testing.T) {
		t.Parallel()
		both(t, suiteOptions{parallel: true, hubOptions: hubOptions{ownEtcd: true}}, func(t *testing.T, ctx context.Context, s *suite) {
			storagetesting.RunTestWatchDispatchBookmarkEvents(ctx, t, s.store, true)
		})
	})
	t.Run("WatchBookmarksWithCorrectResourceVersion", func(t *testing.T) {
		t.Parallel()
		s := begin(t, suiteOptions{hubOptions: hubOptions{cached: true}})
		storagetesting.RunTestOptionalWatchBookmarksWithCorrectResourceVersion(context.Background(), t, s.store)
	})
	for name, run := range map[string]func(context.Context, *testing.T, storage.Interface){
		"WatchSemantics":                     storagetesting.RunWatchSemantics,
		"WatchSemanticInitialEventsExtended": storagetesting.RunWatchSemanticInitialEventsExtended,
		"WatchListMatchSingle":               storagetesting.RunWatchListMatchSingle,
	} {
		t.Run(name, func(t *testing.T) {
			both(t, suiteOptions{alone: true, hubOptions: hubOptions{ownEtcd: true}}, func(t *testing.T, ctx context.Context, s *suite) {
				if strings.HasSuffix(t.Name(), "cached=true") {
					run(ctx, t, awaited{s.store})
					return
				}
				run(ctx, t, s.store)
			})
		})
	}
}

// failing is a codec or transformer that fails when told to.
type failing struct {
	runtime.Codec
	plainTransformer
	on atomic.Bool
}

func (f *failing) Decode(data []byte, defaults *schema.GroupVersionKind, into runtime.Object) (runtime.Object, *schema.GroupVersionKind, error) {
	if f.on.Load() {
		return nil, nil, errors.New("decoding fails by request")
	}
	return f.Codec.Decode(data, defaults, into)
}

func (f *failing) TransformFromStorage(ctx context.Context, data []byte, dataCtx value.Context) ([]byte, bool, error) {
	if f.on.Load() {
		return nil, false, errors.New("transforming fails by request")
	}
	return f.plainTransformer.TransformFromStorage(ctx, data, dataCtx)
}

// An object that cannot be read can still be deleted by those who ask for it.
func TestConformanceUnreadableObjects(t *testing.T) {
	etcd3.TestOnlySetFatalOnDecodeError(t, false)
	for _, cached := range []bool{false, true} {
		t.Run(fmt.Sprintf("cached=%v", cached), func(t *testing.T) {
			t.Run("Conflict", func(t *testing.T) {
				f := &failing{Codec: codec}
				s := begin(t, suiteOptions{hubOptions: hubOptions{cached: cached, transformer: f}})
				storagetesting.RunTestDeleteWithConflictAndMissingExpectedTransformOrDecodeError(context.Background(), t, s.store, f.on.Store)
			})
			t.Run("Transform", func(t *testing.T) {
				f := &failing{Codec: codec}
				s := begin(t, suiteOptions{hubOptions: hubOptions{cached: cached, transformer: f}})
				storagetesting.RunTestDeleteExpectedTransformOrDecodeError(context.Background(), t, s.store, f.on.Store)
			})
			t.Run("Decode", func(t *testing.T) {
				f := &failing{Codec: codec}
				s := begin(t, suiteOptions{hubOptions: hubOptions{cached: cached, codec: f}})
				storagetesting.RunTestDeleteExpectedTransformOrDecodeError(context.Background(), t, s.store, f.on.Store)
			})
		})
	}
}
