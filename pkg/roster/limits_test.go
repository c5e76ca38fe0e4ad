package roster

import "testing"

func TestLimits(t *testing.T) {
	l := NewLimits[string](2, 3)
	for i, step := range []struct {
		leave bool
		place string
		ok    bool
	}{
		{false, "a", true}, {false, "a", true}, {false, "a", false}, // each
		{false, "b", true}, {false, "b", false}, {false, "c", false}, // together
		{true, "a", true}, {false, "c", true}, {false, "a", false},
		{true, "a", true}, {true, "b", true}, {true, "c", true},
	} {
		if step.leave {
			l.Leave(step.place)
		} else if got := l.Enter(step.place); got != step.ok {
			t.Errorf("step %d: let in %v, expected %v", i, got, step.ok)
		}
	}
	if len(l.at) > 0 || l.all != 0 {
		t.Errorf("everybody has left, and it remembers %v, %d", l.at, l.all)
	}
}

// TestAFewShutNobodyOut: places that take all they get leave something to others,
// as much as each of them has.
func TestAFewShutNobodyOut(t *testing.T) {
	for greedy, want := range map[int]int{1: 25, 4: 20, 9: 10, 49: 2} {
		l := NewLimits[int](25, 100)
		for range 100 {
			for place := range greedy {
				l.Enter(place)
			}
		}
		got := 0
		for range 100 {
			if l.Enter(-1) {
				got++
			}
		}
		// The last place halves what is left over.
		if got < (want+1)/2 || l.all > 100 {
			t.Errorf("beside %d places that are full, one gets %d, of %d inside", greedy, got, l.all)
		}
	}
}
