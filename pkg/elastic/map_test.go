package elastic

import (
	"maps"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLikeAMap does the same to a Map and to a map.
func TestLikeAMap(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var m Map[int, int]
	want := map[int]int{}
	for i := range 50_000 {
		// Seldom, then often deleted: there are many keys, then few, several times.
		key, deleting := random.IntN(4*few), random.IntN(10) < 2+6*(i/5000%2)
		if deleting {
			m.Delete(key)
			delete(want, key)
		} else {
			m.Set(key, i)
			want[key] = i
		}
		value, found := m.Get(key)
		if value != want[key] || found == deleting || m.Len() != len(want) {
			t.Fatalf("step %d, key %d: %d, %t, %d entries; want %d, %t, %d", i, key, value, found, m.Len(), want[key], !deleting, len(want))
		}
	}
	if diff := cmp.Diff(want, maps.Collect(m.All())); diff != "" {
		t.Error("-want +got:\n" + diff)
	}
}

func TestWhenItShrinks(t *testing.T) {
	for name, tc := range map[string]struct{ most, left, want int }{
		"little":                {few, 0, few},
		"more than a quarter":   {8 * few, 2*few + 1, 8 * few},
		"a quarter":             {8 * few, 2 * few, 2 * few},
		"twice":                 {8 * few, few / 2, few / 2},
		"then it has no reason": {8 * few, 0, few / 2},
	} {
		var m Map[int, int]
		for i := range tc.most {
			m.Set(i, i)
		}
		for i := range tc.most - tc.left {
			m.Delete(i)
		}
		if m.most != tc.want || m.Len() != tc.left {
			t.Errorf("%s: made for %d and holds %d, want %d and %d", name, m.most, m.Len(), tc.want, tc.left)
		}
	}
}

func TestMemoryIsGivenBack(t *testing.T) {
	const many = 100_000
	before := heap()
	var m Map[int, [4]int]
	for i := range many {
		m.Set(i, [4]int{})
	}
	full := heap()
	for i := range many {
		m.Delete(i)
	}
	if after := heap(); after-before > (full-before)/10 {
		t.Errorf("%d bytes with %d entries, %d without any", full-before, many, after-before)
	}
	runtime.KeepAlive(&m)
}

// heap is how much is in use after a collection.
func heap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

func TestNothingInIt(t *testing.T) {
	var m Map[string, int]
	m.Delete("a")
	if value, found := m.Get("a"); found || value != 0 || m.Len() != 0 {
		t.Errorf("%d, %t, %d entries", value, found, m.Len())
	}
	for key := range m.All() {
		t.Errorf("found %s", key)
	}
}
