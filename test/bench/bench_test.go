package main

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPercentiles(t *testing.T) {
	hundred := make(durations, 100)
	for i := range hundred {
		hundred[i] = time.Duration(100-i) * time.Millisecond
	}
	tests := map[string]struct {
		samples  durations
		p50, p99 time.Duration
		text     string
	}{
		"none":         {nil, 0, 0, "0.0 ms / 0.0 ms"},
		"one":          {durations{7 * time.Millisecond}, 7 * time.Millisecond, 7 * time.Millisecond, "7.0 ms / 7.0 ms"},
		"two":          {durations{30 * time.Millisecond, 5 * time.Millisecond}, 5 * time.Millisecond, 30 * time.Millisecond, "5.0 ms / 30 ms"},
		"not in order": {hundred, 50 * time.Millisecond, 99 * time.Millisecond, "50 ms / 99 ms"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := []any{test.samples.p50(), test.samples.p99(), test.samples.String()}
			if diff := cmp.Diff([]any{test.p50, test.p99, test.text}, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestSpread(t *testing.T) {
	alone, among := make(durations, 50), make(durations, 50)
	for i := range alone { // twice as long in the last fifth, and one that is far out
		alone[i], among[i] = 10*time.Millisecond, 11*time.Millisecond
		if i >= 40 {
			among[i] = 20 * time.Millisecond
		}
	}
	among[5] = time.Second
	if least, most := spread(among, alone); least != 1.1 || most != 2 {
		t.Errorf("fifths are %.2f to %.2f, want 1.10 to 2.00", least, most)
	}
	if least, most := spread(nil, nil); !math.IsInf(least, 1) || most != 0 {
		t.Errorf("fifths of nothing are %.2f to %.2f", least, most)
	}
}

func TestFinalRate(t *testing.T) {
	start := time.Unix(0, 0)
	var done []time.Time
	for i := range 100 { // the first 90 come one a second, the last 10 four a second
		at := time.Duration(min(i, 89))*time.Second + time.Duration(max(i-89, 0))*250*time.Millisecond
		done = append(done, start.Add(at))
	}
	slices.Reverse(done)
	if got := finalRate(done); got != 4 {
		t.Errorf("final rate %v, want 4", got)
	}
	if got := finalRate(done[:5]); got != 0 {
		t.Errorf("final rate %v of too few, want 0", got)
	}
}

func TestVerdicts(t *testing.T) {
	tests := map[string]struct{ got, want string }{
		"small enough":      {atMost(10, 10, "why"), "met"},
		"a little over":     {atMost(10.05, 10, ""), "NOT MET, 1 % over"},
		"far over":          {atMost(35, 10, "why"), "NOT MET, 3.5 times the budget: why"},
		"large enough":      {atLeast(10, 10, "why"), "met"},
		"too small":         {atLeast(9, 10, "why"), "NOT MET, 10 % under: why"},
		"one of two":        {verdict("why", named("p50", above(1, 2)), named("p99", above(3, 2))), "NOT MET, p99 50 % over: why"},
		"two of two":        {verdict("", named("p50", above(4, 2)), named("p99", above(3, 2))), "NOT MET, p50 2.0 times the budget, p99 50 % over"},
		"all of ready":      {shareOf(readyBudget(most), budgetReadyMost), "4 s"},
		"part of ready":     {shareOf(readyBudget(2000), budgetReadyMost), "2 s (4 s at 10000)"},
		"part of deletion":  {shareOf(deleteBudget(2000), budgetDeleteMost), "24 s (120 s at 10000)"},
		"added to the own":  {added("", durations{30e6}, 5e6).verdict, "met"},
		"slower than alone": {slowdown("", durations{12e6}, durations{10e6}).verdict, "NOT MET, 10 % over"},
	}
	for name, test := range tests {
		if test.got != test.want {
			t.Errorf("%s: %q, want %q", name, test.got, test.want)
		}
	}
}

func TestTable(t *testing.T) {
	var tab table
	tab.add(row{"first", "1.5×", "≤ 1.1×", "NOT MET"})
	tab.excuse(usage{others: 0.5})
	tab.add(row{"second", "2", "", "met"})
	tab.excuse(usage{others: 0.5})
	tab.add(row{"third", "3", "", "NOT MET"})
	tab.excuse(usage{others: 0.1})
	want := `| what   | measured | budget | met, or cause                          |
|--------|----------|--------|----------------------------------------|
| first  | 1.5×     | ≤ 1.1× | NOT MET; others used 50 % of the cores |
| second | 2        |        | met                                    |
| third  | 3        |        | NOT MET                                |
`
	if diff := cmp.Diff(want, tab.text()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestParseMetrics(t *testing.T) {
	text := `# HELP go_gc_heap_live_bytes Heap memory.
# TYPE go_gc_heap_live_bytes gauge
go_gc_heap_live_bytes 3.25e+07
seconds_bucket{le="1"} 3
seconds_bucket{le="+Inf"} 4
seconds_sum 2.5
seconds_count 4
etcd_requests_total{group="",operation="create",resource="configmaps"} 5
etcd_requests_total{group="",operation="get",resource="configmaps"} 70
etcd_requests_total{group="apps",operation="update",resource="deployments"} 2
`
	want := metrics{
		series:     8,
		families:   map[string]int{liveHeap: 1, "seconds": 4, "etcd_requests_total": 3},
		values:     map[string]float64{liveHeap: 3.25e7, "seconds_sum": 2.5, "seconds_count": 4},
		etcdWrites: 7,
	}
	if diff := cmp.Diff(want, parseMetrics(text), cmp.AllowUnexported(metrics{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestGrowth(t *testing.T) {
	before := metrics{families: map[string]int{"a": 1, "b": 5, "c": 2}}
	after := metrics{families: map[string]int{"a": 3, "b": 5, "c": 1, "d": 2, "e": 9, "f": 1}}
	if got, want := growth(before, after), "e +9, a +2, d +2"; got != want {
		t.Errorf("growth is %q, want %q", got, want)
	}
	if got := growth(after, after); got != "" {
		t.Errorf("growth is %q, want none", got)
	}
}

func TestMemory(t *testing.T) {
	m := parseStatus("Name:\tatrium\nVmRSS:\t  300 kB\nRssAnon:\t     200 kB\nRssFile:\t     100 kB\nThreads:\t9\n")
	m.heap = 100 * 1024
	want := memory{resident: 300 * 1024, anonymous: 200 * 1024, mapped: 100 * 1024, heap: 100 * 1024}
	if diff := cmp.Diff(want, m, cmp.AllowUnexported(memory{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	each := m.less(memory{resident: 100 * 1024}).each(2)
	if got, want := each.resident, int64(100*1024); got != want {
		t.Errorf("%d bytes each, want %d", got, want)
	}
	if got, want := m.parts(kilobytes), "heap 102.4 KB, rest of anonymous 102.4 KB, files 102.4 KB"; got != want {
		t.Errorf("parts are %q, want %q", got, want)
	}
}

func TestFilesystemOf(t *testing.T) {
	mounts := "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/b /tmp/deep xfs rw 0 0\n/dev/c /tmp/deep btrfs rw 0 0\n"
	for dir, want := range map[string]string{
		"/home/me": "ext4", "/tmp": "tmpfs", "/tmp/x": "tmpfs", "/tmpfoo": "ext4", "/tmp/deep/x": "btrfs",
	} {
		if got := filesystemOf(mounts, dir); got != want {
			t.Errorf("%s is on %s, want %s", dir, got, want)
		}
	}
	if got := filesystemOf("", "/"); got != "an unknown file system" {
		t.Errorf("without mounts: %q", got)
	}
}

func TestUsage(t *testing.T) {
	start := clock{now: time.Unix(100, 0), busy: 50 * time.Second, ours: time.Second}
	end := clock{now: time.Unix(110, 0), busy: 54 * time.Second, ours: 2 * time.Second}
	u := end.since(start)
	if u.took != 10*time.Second || u.others/u.ours < 2.99 || u.others/u.ours > 3.01 {
		t.Errorf("usage is %+v, want 10 s and three times as much by others", u)
	}
}

func TestOptions(t *testing.T) {
	tests := map[string]struct {
		args   []string
		chosen []string
		failed bool
	}{
		"one":                      {args: []string{"-run", "start"}, chosen: []string{"start"}},
		"two, in the usual order":  {args: []string{"-run", "memory|idle"}, chosen: []string{"idle", "memory"}},
		"none of that name":        {args: []string{"-run", "nothing"}, failed: true},
		"not an expression":        {args: []string{"-run", "("}, failed: true},
		"too few workspaces":       {args: []string{"-n", "19"}, failed: true},
		"too many workspaces":      {args: []string{"-n", "10001"}, failed: true},
		"too many objects":         {args: []string{"-objects", "10001"}, failed: true},
		"too many alike":           {args: []string{"-alike", "10001"}, failed: true},
		"no clients":               {args: []string{"-clients", "0"}, failed: true},
		"a word too much":          {args: []string{"start"}, failed: true},
		"not a flag":               {args: []string{"-nothing"}, failed: true},
		"watchers in all there is": {args: []string{"-n", "50", "-run", "watchers"}, chosen: []string{"watchers"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o, err := parseOptions(test.args, io.Discard)
			if (err != nil) != test.failed {
				t.Fatalf("error is %v", err)
			}
			if err != nil {
				return
			}
			var names []string
			for _, e := range chosen(o.run) {
				names = append(names, e.name)
			}
			if diff := cmp.Diff(test.chosen, names); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if o.watchers > o.n {
				t.Errorf("%d watchers in %d workspaces", o.watchers, o.n)
			}
		})
	}
}

func TestShare(t *testing.T) {
	var mu sync.Mutex
	seen := map[int]int{}
	err := share(t.Context(), 3, 5, 25, func(_ context.Context, i int) error {
		mu.Lock()
		defer mu.Unlock()
		seen[i]++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[int]int{}
	for i := 5; i < 25; i++ {
		want[i] = 1
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	broken := errors.New("broken")
	if err := share(t.Context(), 3, 0, 10, func(context.Context, int) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("error is %v", err)
	}
}

func TestTree(t *testing.T) {
	for n, fanOut := range map[int]int{20: 1, 31: 2, 2000: 6, 10000: 9} {
		tree := treeFor(n)
		if tree.fanOut != fanOut || tree.size() > n {
			t.Errorf("of %d: fan-out %d and %d workspaces, want %d", n, tree.fanOut, tree.size(), fanOut)
		}
	}
	names := map[string]bool{}
	tree := treeFor(400)
	for level := range levels {
		for i := range tree.width(level) {
			parent, name := tree.at(level, i)
			if depth := len(strings.Split(parent.String(), ":")); depth != level+1 {
				t.Fatalf("%s is in %s", name, parent)
			}
			names[name] = true
		}
	}
	if len(names) != tree.size() {
		t.Errorf("%d names for %d workspaces", len(names), tree.size())
	}
	parent, name := tree.at(2, 5)
	if got, want := parent.Join(name).String(), "root:tree-0-00000:tree-1-00001:tree-2-00005"; got != want {
		t.Errorf("path %s, want %s", got, want)
	}
}

func TestAlternately(t *testing.T) {
	var order string
	turn := func(name string) func() error {
		return func() error {
			order += name
			return nil
		}
	}
	if err := alternately(3, turn("a"), turn("b")); err != nil {
		t.Fatal(err)
	}
	if want := "abbaab"; order != want {
		t.Errorf("order is %s, want %s", order, want)
	}
}

func TestArrivals(t *testing.T) {
	a := &arrivals{gone: make(chan struct{}), awaited: map[string]*ticket{}}
	first, second := a.expect("first"), a.expect("second")
	a.arrived("nobody waits for this", first.began)
	a.arrived("first", first.began.Add(time.Second))
	a.arrived("first", first.began.Add(time.Minute)) // it counts once
	if latency, err := a.wait(t.Context(), first); err != nil || latency != time.Second {
		t.Errorf("latency is %s, %v", latency, err)
	}
	close(a.gone)
	if _, err := a.wait(t.Context(), second); err == nil {
		t.Error("no error although the watch ended")
	}
}
