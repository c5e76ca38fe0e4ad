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
