package loop_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	dto "github.com/prometheus/client_model/go"

	"k8s.io/component-base/metrics/legacyregistry"
	"k8s.io/component-base/metrics/testutil"
	"k8s.io/klog/v2"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/atriumhub/atrium/pkg/loop"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

func init() { klog.SetLogger(logr.Discard()) }

func key(name string) logicalcluster.Key {
	return logicalcluster.Key{Workspace: "one", Namespace: "ns", Name: name}
}

// journal notes what is reconciled, and when, since the test began.
type journal struct {
	mu    sync.Mutex
	start time.Time
	lines []string
}

func newJournal() *journal { return &journal{start: time.Now()} }

func (j *journal) note(name string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf("%v %s", time.Since(j.start), name))
}

func (j *journal) read() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string{}, j.lines...)
}

// run runs l in a bubble of virtual time until the returned function is called.
func run(t *testing.T, l *loop.Loop) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); l.Run(ctx) }()
	return func() { cancel(); <-done }
}

// L3
func TestRetriesBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, failures := newJournal(), 4
		l := loop.New(loop.Config{Name: "backoff", Reconcile: func(_ context.Context, k logicalcluster.Key) (loop.Result, error) {
			j.note(k.Name)
			if failures > 0 {
				failures--
				return loop.Result{}, errors.New("not yet")
			}
			return loop.Result{}, nil
		}})
		l.Enqueue(key("a"))
		defer run(t, l)()
		time.Sleep(time.Hour)
		synctest.Wait()
		want := []string{"0s a", "5ms a", "15ms a", "35ms a", "75ms a"}
		if diff := cmp.Diff(want, j.read()); diff != "" {
			t.Error(diff)
		}
		// Success starts over.
		failures = 1
		l.Enqueue(key("a"))
		time.Sleep(time.Second)
		synctest.Wait()
		if diff := cmp.Diff([]string{"1h0m0s a", "1h0m0.005s a"}, j.read()[5:]); diff != "" {
			t.Error(diff)
		}
	})
}

// L3
func TestBackoffIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last time.Time
		var longest time.Duration
		calls := 0
		l := loop.New(loop.Config{Name: "bounded", Reconcile: func(context.Context, logicalcluster.Key) (loop.Result, error) {
			if calls++; calls > 1 {
				longest = max(longest, time.Since(last))
			}
			last = time.Now()
			return loop.Result{}, errors.New("never")
		}})
		l.Enqueue(key("a"))
		defer run(t, l)()
		time.Sleep(time.Hour)
		synctest.Wait()
		if longest != 30*time.Second || calls < 120 {
			t.Errorf("%d calls in an hour, at most %v apart", calls, longest)
		}
	})
}

// L3
func TestTerminalIsNotRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("cannot be")
		if !errors.Is(loop.Terminal(cause), cause) || loop.Terminal(nil) != nil {
			t.Error("Terminal hides its cause or makes an error of nil")
		}
		j := newJournal()
		l := loop.New(loop.Config{Name: "terminal", Reconcile: func(_ context.Context, k logicalcluster.Key) (loop.Result, error) {
			j.note(k.Name)
			return loop.Result{}, fmt.Errorf("deep inside: %w", loop.Terminal(cause))
		}})
		l.Enqueue(key("a"))
		defer run(t, l)()
		time.Sleep(time.Hour)
		synctest.Wait()
		l.Enqueue(key("a"))
		time.Sleep(time.Hour)
		synctest.Wait()
		if diff := cmp.Diff([]string{"0s a", "1h0m0s a"}, j.read()); diff != "" {
			t.Error(diff)
		}
	})
}

// L4
func TestPanicIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		l := loop.New(loop.Config{Name: "panics", Reconcile: func(_ context.Context, k logicalcluster.Key) (loop.Result, error) {
			j.note(k.Name)
			if k.Name == "bad" && len(j.read()) == 1 {
				panic("out of order")
			}
			return loop.Result{}, nil
		}})
		l.Enqueue(key("bad"))
		l.Enqueue(key("good"))
		defer run(t, l)()
		time.Sleep(time.Second)
		synctest.Wait()
		if diff := cmp.Diff([]string{"0s bad", "0s good", "5ms bad"}, j.read()); diff != "" {
			t.Error(diff)
		}
	})
}

// L1, L2
func TestKeyIsReconciledOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		var mu sync.Mutex
		active := map[logicalcluster.Key]int{}
		l := loop.New(loop.Config{Name: "single", Workers: 4, Reconcile: func(_ context.Context, k logicalcluster.Key) (loop.Result, error) {
			mu.Lock()
			active[k]++
			if active[k] > 1 {
				t.Errorf("%v is reconciled twice at a time", k)
			}
			mu.Unlock()
			j.note(k.Name)
			time.Sleep(10 * time.Millisecond)
			mu.Lock()
			active[k]--
			mu.Unlock()
			return loop.Result{}, nil
		}})
		defer run(t, l)()
		l.Enqueue(key("a"))
		for range 5 { // while it is reconciled: once more, not five times
			time.Sleep(time.Millisecond)
			l.Enqueue(key("a"))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if diff := cmp.Diff([]string{"0s a", "10ms a"}, j.read()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestWorkersWorkAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := loop.New(loop.Config{Name: "parallel", Workers: 4, Reconcile: func(context.Context, logicalcluster.Key) (loop.Result, error) {
			time.Sleep(time.Second)
			return loop.Result{}, nil
		}})
		for i := range 8 {
			l.Enqueue(key(fmt.Sprint(i)))
		}
		began := time.Now()
		stop := run(t, l)
		synctest.Wait()
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		stop() // waits for the second four
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("8 keys of a second took 4 workers %v", took)
		}
	})
}

func TestAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		l := loop.New(loop.Config{Name: "after", Reconcile: func(_ context.Context, k logicalcluster.Key) (loop.Result, error) {
			j.note(k.Name)
			if k.Name == "again" {
				return loop.Result{After: time.Minute}, nil
			}
			return loop.Result{}, nil
		}})
		defer run(t, l)()
		l.Enqueue(key("again"))
		l.EnqueueAfter(key("late"), 90*time.Second)
		l.EnqueueAfter(key("late"), 30*time.Second) // the earliest counts
		l.EnqueueAfter(key("late"), 2*time.Minute)
		l.EnqueueAfter(key("now"), 0)
		l.EnqueueAfter(key("past"), -time.Second)
		time.Sleep(150 * time.Second)
		synctest.Wait()
		want := []string{"0s again", "0s now", "0s past", "30s late", "1m0s again", "2m0s again"}
		if diff := cmp.Diff(want, j.read()); diff != "" {
			t.Error(diff)
		}
	})
}

// L5
func TestRunWaitsForTheLastReconcile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		finished := false
		l := loop.New(loop.Config{Name: "stopping", Reconcile: func(context.Context, logicalcluster.Key) (loop.Result, error) {
			time.Sleep(time.Second)
			finished = true
			return loop.Result{}, errors.New("cut off")
		}})
		l.Enqueue(key("a"))
		stop := run(t, l)
		synctest.Wait()
		stop()
		if !finished {
			t.Error("Run returned while a key was reconciled")
		}
		l.Enqueue(key("b")) // harmless
		l.EnqueueAfter(key("c"), time.Second)
	})
}

func TestOrderIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		l := loop.New(loop.Config{Name: "fair", Reconcile: func(_ context.Context, k logicalcluster.Key) (loop.Result, error) {
			j.note(k.Name)
			return loop.Result{}, nil
		}})
		for _, name := range []string{"c", "a", "b", "a", "c"} {
			l.Enqueue(key(name))
		}
		defer run(t, l)()
		synctest.Wait()
		if diff := cmp.Diff([]string{"0s c", "0s a", "0s b"}, j.read()); diff != "" {
			t.Error(diff)
		}
	})
}

// The injected clock decides when a delay is over.
func TestInjectedClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := testingclock.NewFakeClock(time.Unix(0, 0))
		j := newJournal()
		l := loop.New(loop.Config{Name: "clock", Clock: clock, Reconcile: func(_ context.Context, k logicalcluster.Key) (loop.Result, error) {
			j.note(k.Name)
			return loop.Result{}, nil
		}})
		l.EnqueueAfter(key("a"), time.Hour)
		defer run(t, l)()
		synctest.Wait()
		clock.Step(59 * time.Minute)
		synctest.Wait()
		expectLines(t, nil, j.read())
		clock.Step(time.Minute)
		synctest.Wait()
		expectLines(t, []string{"0s a"}, j.read())
	})
}

func expectLines(t *testing.T, want, got []string) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

// L2: thousands of keys, from everywhere, each reconciled at least once after
// it was last enqueued.
func TestManyKeys(t *testing.T) {
	const keys, rounds = 500, 20
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		wanted, seen := map[logicalcluster.Key]int{}, map[logicalcluster.Key]int{}
		l := loop.New(loop.Config{Name: "many", Workers: 8, Reconcile: func(_ context.Context, k logicalcluster.Key) (loop.Result, error) {
			mu.Lock()
			defer mu.Unlock()
			seen[k] = wanted[k]
			if wanted[k]%7 == 3 {
				wanted[k]++
				return loop.Result{}, errors.New("once more")
			}
			return loop.Result{}, nil
		}})
		defer run(t, l)()
		for range rounds {
			go func() {
				for i := range keys {
					k := key(fmt.Sprint(i))
					mu.Lock()
					wanted[k]++
					mu.Unlock()
					l.Enqueue(k)
				}
			}()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if diff := cmp.Diff(wanted, seen); diff != "" || len(seen) != keys {
			t.Errorf("%d keys; not reconciled after they were last enqueued: %s", len(seen), diff)
		}
	})
}

func TestMetrics(t *testing.T) {
	legacyregistry.Reset()
	synctest.Test(t, func(t *testing.T) {
		outcomes := map[string]func() (loop.Result, error){
			"fine":     func() (loop.Result, error) { return loop.Result{}, nil },
			"later":    func() (loop.Result, error) { return loop.Result{After: time.Hour}, nil },
			"wrong":    func() (loop.Result, error) { return loop.Result{}, errors.New("wrong") },
			"hopeless": func() (loop.Result, error) { return loop.Result{}, loop.Terminal(errors.New("hopeless")) },
			"broken":   func() (loop.Result, error) { panic("broken") },
		}
		l := loop.New(loop.Config{Name: "measured", Reconcile: func(_ context.Context, k logicalcluster.Key) (loop.Result, error) {
			return outcomes[k.Name]()
		}})
		for name := range outcomes {
			l.Enqueue(key(name))
			l.Enqueue(logicalcluster.Key{Workspace: "two", Name: name})
		}
		stop := run(t, l)
		synctest.Wait()
		stop()
	})
	want := `
# HELP atrium_loop_reconciles_total [ALPHA] Reconciled keys by loop and result: ok, again, error, terminal or panic.
# TYPE atrium_loop_reconciles_total counter
atrium_loop_reconciles_total{loop="measured",result="again"} 2
atrium_loop_reconciles_total{loop="measured",result="error"} 2
atrium_loop_reconciles_total{loop="measured",result="ok"} 2
atrium_loop_reconciles_total{loop="measured",result="panic"} 2
atrium_loop_reconciles_total{loop="measured",result="terminal"} 2
`
	if err := testutil.GatherAndCompare(onlyLoop("measured"), strings.NewReader(want), "atrium_loop_reconciles_total"); err != nil {
		t.Error(err)
	}
}

// onlyLoop gathers the metrics of one loop.
type onlyLoop string

func (name onlyLoop) Gather() ([]*dto.MetricFamily, error) {
	families, err := legacyregistry.DefaultGatherer.Gather()
	for _, family := range families {
		family.Metric = slices.DeleteFunc(family.Metric, func(m *dto.Metric) bool {
			return !slices.ContainsFunc(m.Label, func(l *dto.LabelPair) bool {
				return l.GetName() == "loop" && l.GetValue() == string(name)
			})
		})
	}
	return slices.DeleteFunc(families, func(f *dto.MetricFamily) bool { return len(f.Metric) == 0 }), err
}
