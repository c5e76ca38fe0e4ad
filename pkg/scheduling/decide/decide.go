package decide

import (
	"fmt"
	"hash/fnv"
	"time"
)

// assessment is what stands between one target and one request.
type assessment struct {
	target *Target
	// location is the first matching location that selects the target.
	location string
	// admitted says whether the consumer may know and use the target.
	admitted bool
	// release forces workloads in use away, even to nowhere.
	release string
	// fault moves workloads in use if there is anything better.
	fault string
	// pause only keeps newcomers away.
	pause string
}

// fits reports whether the target can be chosen anew.
func (a assessment) fits() bool {
	return a.admitted && a.location != "" && a.refusal() == ""
}

// refusal is the most important thing that speaks against the target.
func (a assessment) refusal() string {
	for _, why := range []string{a.release, a.pause, a.fault} {
		if why != "" {
			return why
		}
	}
	return ""
}

// Decide chooses the sync target of a Placement by the rules of the package.
func Decide(r Request, s Snapshot) Decision {
	if !s.mayKnow(r.Consumer) {
		return NotAvailable(s.Path)
	}
	locations := matching(r, s.Locations)
	assessed := make([]assessment, len(s.Targets))
	current := -1
	for i := range s.Targets {
		assessed[i] = assess(r, s, &s.Targets[i], locations)
		if r.Current != "" && s.Targets[i].Key == r.Current {
			current = i
		}
	}
	if current >= 0 && stays(r, assessed[current]) {
		return kept(r, assessed[current])
	}
	if best, ok := choose(r.ID, assessed); ok {
		return chosen(r, best)
	}
	if current >= 0 && r.InUse && assessed[current].admitted && assessed[current].release == "" {
		return stranded(r, assessed[current], nothingFits(r, s, locations, assessed))
	}
	return nothingFits(r, s, locations, assessed)
}

// Keep softens a decision that would leave workloads nowhere although nothing is
// wrong with the target they are on (D5): the Placement was changed to something
// that cannot be had, or not even be understood. s is the snapshot of the
// workspace that the current target is in.
func Keep(r Request, s Snapshot, nowhere Decision) Decision {
	if nowhere.Verdict != Nowhere || !r.InUse || r.Current == "" {
		return nowhere
	}
	for i := range s.Targets {
		t := &s.Targets[i]
		if t.Key == r.Current && s.Admits(r.Consumer, t) && evicted(r.Now, t) == "" {
			nowhere.Verdict, nowhere.Target, nowhere.RecheckAt = Stranded, t, recheck(r, t)
			nowhere.Message = fmt.Sprintf("stays on sync target %s because nothing else fits: %s", t.Name, nowhere.Message)
			return nowhere
		}
	}
	return nowhere
}

// assess compares one target with one request.
func assess(r Request, s Snapshot, t *Target, matching []Location) assessment {
	a := assessment{target: t, admitted: s.Admits(r.Consumer, t)}
	for _, l := range matching {
		if l.Instances.Matches(t.Labels) {
			a.location = l.Name
			break
		}
	}
	current := r.InUse && t.Key == r.Current
	a.release = evicted(r.Now, t)
	a.pause, a.fault = unready(r, t, current)
	if t.Unschedulable && a.pause == "" {
		a.pause = "cordoned"
	}
	if a.fault == "" {
		a.fault = missing(r.Requires, t)
	}
	if a.fault == "" && a.location == "" {
		a.fault = "no location that the placement selects contains it"
	}
	return a
}

// stays reports whether a target that was chosen before is simply kept.
func stays(r Request, a assessment) bool {
	if !r.InUse {
		return a.fits()
	}
	return a.admitted && a.release == "" && a.fault == ""
}

func evicted(now time.Time, t *Target) string {
	if !t.Drained(now) {
		return ""
	}
	return "drained since " + stamp(t.EvictAfter)
}

// unready says whether being not ready only keeps newcomers away (pause) or is a
// reason to move (fault): for a target in use that is a matter of time.
func unready(r Request, t *Target, current bool) (pause, fault string) {
	if t.Ready {
		return "", ""
	}
	why := "not ready"
	if !t.NotReadySince.IsZero() {
		why += " since " + stamp(t.NotReadySince)
	}
	if t.NotReadyWhy != "" {
		why += " (" + t.NotReadyWhy + ")"
	}
	if current && r.Now.Before(t.NotReadySince.Add(r.Grace)) {
		return why, ""
	}
	return "", why
}

// choose picks the fitting target with the fewest placements (D4).
func choose(id string, assessed []assessment) (assessment, bool) {
	best, found := assessment{}, false
	for _, a := range assessed {
		if !a.fits() {
			continue
		}
		if !found || better(id, a.target, best.target) {
			best, found = a, true
		}
	}
	return best, found
}

func better(id string, a, b *Target) bool {
	if a.Assigned != b.Assigned {
		return a.Assigned < b.Assigned
	}
	scoreA, scoreB := score(id, a.Key), score(id, b.Key)
	if scoreA != scoreB {
		return scoreA > scoreB
	}
	return a.Key < b.Key
}

// score is the weight of a rendezvous hash: adding or removing a target changes
// the preference of as few placements as possible.
func score(id, key string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id))
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(key))
	return h.Sum64()
}

// recheck is when the passing of time can make the target in use unfit.
func recheck(r Request, t *Target) time.Time {
	at := time.Time{}
	if t.EvictAfter.After(r.Now) {
		at = t.EvictAfter
	}
	if t.Ready || !r.InUse {
		return at
	}
	lapse := t.NotReadySince.Add(r.Grace)
	if lapse.After(r.Now) && (at.IsZero() || lapse.Before(at)) {
		at = lapse
	}
	return at
}
