package server

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// spareHeap and spareShare are how much garbage may pile up between two
	// collections: a constant, and a share of what lives. Go's default is as much
	// as lives, and a hub that has room for thousands of workspaces would hold
	// twice what it needs; how much garbage requests make does not depend on
	// that. An empty hub gets nearly what Go's default would give it.
	spareHeap  = 8 << 20
	spareShare = 0.65
	// startPercent is how much the heap may grow while the hub reads what is
	// stored. Most of what it allocates then stays, so that collecting often finds
	// little.
	startPercent = 200
	// worthwhile is by how many percent the pace has to be wrong to be changed:
	// changing it stops the process for a moment.
	worthwhile = 5
	// ebb is how much less has to live than there did, as a share, for memory to be
	// given back at once. Less is left to Go, which gives it back slowly and keeps
	// what it may need again.
	ebb = 1.0 / 8
	// falling is by what share less lives after a collection when deletion goes on.
	falling = 0.02
	// calm is how many collections in a row have to find that it does not.
	calm = 3
)

// gcPercent returns how much the heap may grow before the next collection, in
// percent of what lives.
func gcPercent(live uint64) int {
	if live == 0 {
		return 100
	}
	return int(100*spareShare) + int(min(100*spareHeap/live, 300))
}

// garbagePace keeps the collector's pace at gcPercent. It looks after each
// collection and at no other time.
type garbagePace struct {
	percent int
	live    []metrics.Sample
	tide    tide
}

// paceGarbage sets the pace for starting, and returns what sets it for what comes
// after that, when what reading took is given back. If the operator has set a
// pace, both do nothing.
func paceGarbage() (started func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	debug.SetGCPercent(startPercent)
	return func() {
		p := &garbagePace{percent: startPercent, live: []metrics.Sample{{Name: "/gc/heap/live:bytes"}}}
		p.collected()
		debug.FreeOSMemory()
	}
}

// collected is called after a collection, and arranges to be called after the
// next one: that is when the marker, to which nothing points, is found.
func (p *garbagePace) collected() {
	metrics.Read(p.live)
	live := p.live[0].Value.Uint64()
	if p.tide.out(live) {
		go debug.FreeOSMemory() // waits for a collection, and others for this one
	}
	if want := gcPercent(live); want > p.percent+worthwhile || want < p.percent-worthwhile {
		p.percent = want
		debug.SetGCPercent(want)
	}
	runtime.SetFinalizer(&marker{}, func(*marker) { p.collected() })
}

// tide tells when much that lived has gone and no more is going: after many
// workspaces were deleted. Giving memory back costs a collection, so once then and
// not all the time before.
type tide struct {
	high, last uint64
	calm       int
}

// out is told what lives after each collection.
func (t *tide) out(live uint64) bool {
	t.high = max(t.high, live)
	low := float64(live) <= (1-ebb)*float64(t.high)
	still := float64(live) >= (1-falling)*float64(t.last)
	t.last = live
	if !low || !still {
		t.calm = 0
		return false
	}
	if t.calm++; t.calm < calm {
		return false
	}
	*t = tide{high: live, last: live}
	return true
}

// sampleAllocations keeps samples of who allocated what only if somebody can ask
// for them: each new stack costs memory that is never given back.
func sampleAllocations(profiling bool) {
	if !profiling {
		runtime.MemProfileRate = 0
	}
}

// marker is larger than what Go packs together with other small objects.
type marker struct{ _ [32]byte }
