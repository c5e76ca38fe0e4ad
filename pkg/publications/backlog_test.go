package publications

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// TestBacklog: no more than the window are under way (P2), each is released once, and
// one that does not get done does not keep the others for longer than patience.
func TestBacklog(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(time.Unix(1e9, 0))
	var released []logicalcluster.Name
	b := newBacklog(2, time.Second, clock, func(id logicalcluster.Name) { released = append(released, id) })
	expect := func(want ...logicalcluster.Name) {
		t.Helper()
		if diff := cmp.Diff(want, released); diff != "" {
			t.Fatal(diff)
		}
		released = nil
	}
	b.add("a", "b", "c", "d")
	expect("a", "b")
	b.add("c", "a") // a changes again while it is under way
	expect()
	if b.visited("a", false) != true {
		t.Error("a is not done and not to be visited again")
	}
	b.visited("x", true) // not one of them
	expect()
	b.visited("b", true)
	expect("c")
	clock.SetTime(clock.Now().Add(time.Second))
	if b.visited("a", false) {
		t.Error("a keeps its place for good")
	}
	expect("d")
	b.visited("c", true)
	expect("a")
	b.visited("d", true)
	b.visited("a", true)
	b.add("e")
	expect("e")
	if len(b.waiting)+len(b.queued) > 0 || len(b.flying) != 1 {
		t.Errorf("left over: %v, %v, %v", b.waiting, b.queued, b.flying)
	}
}

// TestBacklogDrains: however they end, all get their turn.
func TestBacklogDrains(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(time.Unix(1e9, 0))
	turns := map[logicalcluster.Name]int{}
	var now []logicalcluster.Name
	b := newBacklog(8, time.Second, clock, func(id logicalcluster.Name) { turns[id]++; now = append(now, id) })
	const many = 1000
	for i := range many {
		b.add(logicalcluster.Name(fmt.Sprintf("w%d", i)))
	}
	for n := 0; len(now) > 0; n++ {
		id := now[0]
		if now = now[1:]; b.visited(id, n%3 != 0) {
			clock.SetTime(clock.Now().Add(time.Second))
			b.visited(id, false)
		}
	}
	if len(turns) != many || len(b.flying) != 0 {
		t.Errorf("%d of %d had a turn, %d are under way", len(turns), many, len(b.flying))
	}
}
