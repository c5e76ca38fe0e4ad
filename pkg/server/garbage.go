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
	// that. What Go's default gives to an empty hub is what this gives too.
	spareHeap  = 16 << 20
	spareShare = 0.5
	// startPercent is how much the heap may grow while the hub reads what is
	// stored. Most of what it allocates then stays, so that collecting often finds
	// little.
	startPercent = 200
	// worthwhile is by how many percent the pace has to be wrong to be changed:
	// changing it stops the process for a moment.
	worthwhile = 5
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
	if want := gcPercent(p.live[0].Value.Uint64()); want > p.percent+worthwhile || want < p.percent-worthwhile {
		p.percent = want
		debug.SetGCPercent(want)
	}
	runtime.SetFinalizer(&marker{}, func(*marker) { p.collected() })
}

// marker is larger than what Go packs together with other small objects.
type marker struct{ _ [32]byte }
