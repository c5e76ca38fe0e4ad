package informers_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/klog/v2"

	"github.com/atriumhub/atrium/pkg/informers"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

func init() { klog.SetLogger(logr.Discard()) }

func key(workspace logicalcluster.Name, name string) logicalcluster.Key {
	return logicalcluster.Key{Workspace: workspace, Namespace: "ns", Name: name}
}

// follow runs an informer over w in a bubble of virtual time.
func follow(t *testing.T, w *world, config informers.Config[*object]) (informer *informers.Informer[*object], changes *changeLog) {
	t.Helper()
	config.Name, config.Storage = "things", w
	informer = informers.New(config)
	changes = &changeLog{informer: informer}
	informer.OnChange(changes.note)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); informer.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return informer, changes
}

// changeLog notes changes and checks each against the store (I2).
type changeLog struct {
	informer *informers.Informer[*object]
	mu       sync.Mutex
	lines    []string
	known    map[logicalcluster.Key]*object
	errs     []string
}

func (c *changeLog) note(old, new *object, k logicalcluster.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil {
		c.known = map[logicalcluster.Key]*object{}
	}
	if c.known[k] != old {
		c.errs = append(c.errs, fmt.Sprintf("%v: old is not what new was last time", k))
	}
	switch {
	case old == nil:
		c.lines = append(c.lines, "+ "+k.String())
	case new == nil:
		c.lines = append(c.lines, "- "+k.String())
	default:
		c.lines = append(c.lines, "~ "+k.String())
	}
	if new == nil {
		delete(c.known, k)
	} else {
		c.known[k] = new
	}
}

// take returns the changes since the last take.
func (c *changeLog) take(t *testing.T) []string {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, err := range c.errs {
		t.Error(err)
	}
	lines := c.lines
	c.lines = nil
	return lines
}

func expect(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s: %s", what, diff)
	}
}

// I1, I2
func TestFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.put(key("two", "a"), "x")
		w.put(key("one", "b"), "x")
		w.put(key("one", "a"), "x")
		informer, changes := follow(t, w, informers.Config[*object]{})
		<-informer.Synced()
		expect(t, "initial", []string{"+ one|ns/a", "+ one|ns/b", "+ two|ns/a"}, changes.take(t))
		expect(t, "store", w.snapshot(), render(informer.All()))

		w.put(key("one", "a"), "y")
		w.remove(key("one", "b"))
		w.put(key("three", "a"), "x")
		w.put(logicalcluster.Key{Workspace: "three", Name: "a"}, "no namespace")
		synctest.Wait()
		expect(t, "changes", []string{"~ one|ns/a", "- one|ns/b", "+ three|ns/a", "+ three|a"}, changes.take(t))
		expect(t, "store", w.snapshot(), render(informer.All()))
		expect(t, "one", map[string]string{"one|ns/a": "y@5"}, render(informer.In("one")))
		expect(t, "nobody", 0, len(informer.In("nobody")))
		expect(t, "length", 4, informer.Len())
		if obj, ok := informer.Get(key("one", "a")); !ok || obj.Labels["value"] != "y" {
			t.Errorf("get: %v, %v", obj, ok)
		}
		if obj, ok := informer.Get(key("one", "b")); ok || obj != nil {
			t.Errorf("get of what was removed: %v, %v", obj, ok)
		}
	})
}

func TestSyncedWaitsForHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.put(key("one", "a"), "x")
		informer := informers.New(informers.Config[*object]{Name: "things", Storage: w})
		told := false
		informer.OnChange(func(_, _ *object, k logicalcluster.Key) {
			if informer.HasSynced() {
				t.Error("synced before the handlers were told")
			}
			if _, ok := informer.Get(k); !ok {
				t.Error("a handler is told of what the store does not show")
			}
			time.Sleep(time.Second)
			told = true
		})
		go informer.Run(t.Context())
		<-informer.Synced()
		if !told || !informer.HasSynced() {
			t.Error("synced without the handlers")
		}
	})
}

func TestPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		for i := range 2500 {
			w.put(key(logicalcluster.Name(fmt.Sprintf("ws-%d", i%50)), fmt.Sprint(i)), "x")
		}
		informer, _ := follow(t, w, informers.Config[*object]{})
		<-informer.Synced()
		expect(t, "lists", 3, w.lists)
		expect(t, "store", w.snapshot(), render(informer.All()))
		expect(t, "one of the workspaces", 50, len(informer.In("ws-7")))
	})
}

// I3
func TestResumesAfterTheWatchEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.put(key("one", "a"), "x")
		informer, changes := follow(t, w, informers.Config[*object]{})
		<-informer.Synced()
		changes.take(t)
		for range 3 {
			synctest.Wait()
			w.disconnect()
			w.put(key("one", "a"), "y")
			w.put(key("one", "b"), "y")
			w.remove(key("one", "b"))
			time.Sleep(time.Minute)
			synctest.Wait()
			expect(t, "changes", []string{"~ one|ns/a", "+ one|ns/b", "- one|ns/b"}, changes.take(t))
		}
		expect(t, "lists", 1, w.lists)
		expect(t, "store", w.snapshot(), render(informer.All()))
	})
}

// I3
func TestListsAgainWhenHistoryIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.put(key("one", "kept"), "x")
		w.put(key("one", "changed"), "x")
		w.put(key("one", "deleted"), "x")
		informer, changes := follow(t, w, informers.Config[*object]{})
		<-informer.Synced()
		changes.take(t)
		synctest.Wait()

		w.disconnect()
		w.put(key("one", "changed"), "y")
		w.remove(key("one", "deleted"))
		w.put(key("one", "added"), "y")
		w.put(key("one", "brief"), "y")
		w.remove(key("one", "brief"))
		w.forget()
		time.Sleep(time.Minute)
		synctest.Wait()
		expect(t, "changes", []string{"- one|ns/deleted", "+ one|ns/added", "~ one|ns/changed"}, changes.take(t))
		expect(t, "store", w.snapshot(), render(informer.All()))
		expect(t, "lists", 2, w.lists)
	})
}

// I3: a bookmark moves the point to resume at.
func TestBookmarksSaveAList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.put(key("one", "a"), "x")
		informer, _ := follow(t, w, informers.Config[*object]{})
		<-informer.Synced()
		synctest.Wait()
		w.forget()
		w.bookmark()
		synctest.Wait()
		w.disconnect()
		w.put(key("one", "b"), "x")
		time.Sleep(time.Minute)
		synctest.Wait()
		expect(t, "lists", 1, w.lists)
		expect(t, "store", w.snapshot(), render(informer.All()))
	})
}

func TestSurvivesErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.put(key("one", "a"), "x")
		w.refuse(5)
		began := time.Now()
		informer, changes := follow(t, w, informers.Config[*object]{})
		<-informer.Synced()
		if took := time.Since(began); took < time.Second || took > 10*time.Second {
			t.Errorf("after 5 refusals the informer took %v", took)
		}
		synctest.Wait()
		for _, err := range []*apierrors.StatusError{
			apierrors.NewInternalError(errors.New("etcd lost")),
			apierrors.NewTooManyRequests("later", 1),
			apierrors.NewResourceExpired("gone"),
		} {
			w.refuse(2)
			w.fail(err)
			w.put(key("one", "a"), "y")
			time.Sleep(time.Minute)
			synctest.Wait()
			expect(t, "store", w.snapshot(), render(informer.All()))
		}
		expect(t, "changes", 4, len(changes.take(t)))
	})
}

// I3: pages that take longer than storage remembers are read at once instead.
func TestExpiredPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		for i := range 1500 {
			w.put(key("one", fmt.Sprint(i)), "x")
		}
		forgetful := &forgetfulWorld{world: w}
		informer := informers.New(informers.Config[*object]{Name: "things", Storage: forgetful})
		go informer.Run(t.Context())
		<-informer.Synced()
		expect(t, "store", w.snapshot(), render(informer.All()))
	})
}

// forgetfulWorld forgets history after the first page of every list.
type forgetfulWorld struct{ *world }

func (f *forgetfulWorld) GetList(ctx context.Context, prefix string, opts storage.ListOptions, into runtime.Object) error {
	err := f.world.GetList(ctx, prefix, opts, into)
	if into.(*metav1.PartialObjectMetadataList).Continue != "" {
		f.forget()
	}
	return err
}

// One object that cannot be converted is left out, and does not hold up the
// others; its deletion is still noticed.
func TestUnconvertibleObjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.put(key("one", "a"), "bad")
		w.put(key("one", "b"), "good")
		informer, changes := follow(t, w, informers.Config[*object]{Convert: func(obj runtime.Object) (*object, error) {
			if typed := obj.(*object); typed.Labels["value"] != "bad" {
				return typed, nil
			}
			return nil, errors.New("bad value")
		}})
		<-informer.Synced()
		w.put(key("one", "b"), "bad")
		w.remove(key("one", "b"))
		w.remove(key("one", "a"))
		w.put(key("one", "c"), "good")
		synctest.Wait()
		expect(t, "changes", []string{"+ one|ns/b", "- one|ns/b", "+ one|ns/c"}, changes.take(t))
	})
}

func TestNewPanicsWithoutAList(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("New accepted storage that says nothing")
		}
	}()
	informers.New(informers.Config[*object]{Name: "things", Prefix: "/things"})
}

// I1, I2, I3: random changes under random trouble. Replay with
// INFORMERS_SEED=<seed>.
func TestRandom(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if given := os.Getenv("INFORMERS_SEED"); given != "" {
		parsed, err := strconv.ParseUint(given, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = parsed
	}
	t.Logf("INFORMERS_SEED=%d", seed)
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(seed, 0))
		w := newWorld()
		informer, changes := follow(t, w, informers.Config[*object]{})
		for round := range 300 {
			for range random.IntN(20) {
				step(random, w)
			}
			if random.IntN(4) > 0 {
				continue
			}
			w.refuse(0)
			time.Sleep(time.Minute)
			synctest.Wait()
			expect(t, fmt.Sprintf("round %d", round), w.snapshot(), render(informer.All()))
			changes.take(t)
			expect(t, "handlers know", len(changes.known), informer.Len())
		}
	})
}

// step does one thing that can happen to storage.
func step(random *rand.Rand, w *world) {
	k := key(logicalcluster.Name(fmt.Sprintf("ws-%d", random.IntN(5))), fmt.Sprint(random.IntN(15)))
	switch random.IntN(20) {
	case 0:
		w.disconnect()
	case 1:
		w.forget()
	case 2:
		w.refuse(random.IntN(4))
	case 3:
		w.fail(apierrors.NewInternalError(errors.New("by chance")))
	case 4:
		w.bookmark()
	case 5:
		time.Sleep(time.Duration(random.IntN(1000)) * time.Millisecond)
	case 6, 7, 8, 9:
		w.remove(k)
	default:
		w.put(k, fmt.Sprint(random.IntN(3)))
	}
}
