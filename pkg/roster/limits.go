package roster

import "sync"

// Limits counts who is inside, at each place and at all, and lets no more in
// than it was made for. A place may take as much as it leaves to others, so that
// a few places that are always full do not shut out one that is seldom used (the
// dynamic thresholds of Choudhury and Hahne, with a factor of one).
type Limits[Place comparable] struct {
	each, together int

	mu  sync.Mutex
	all int
	at  map[Place]int
}

// NewLimits returns Limits with nobody inside: so many may be at each place, and
// so many together.
func NewLimits[Place comparable](each, together int) *Limits[Place] {
	return &Limits[Place]{each: each, together: together, at: map[Place]int{}}
}

// Enter counts one more, unless there are too many. Who was let in leaves.
func (l *Limits[Place]) Enter(place Place) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at[place] >= min(l.each, l.together-l.all) {
		return false
	}
	l.all++
	l.at[place]++
	return true
}

// Leave counts one less.
func (l *Limits[Place]) Leave(place Place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.at[place]--; l.at[place] == 0 {
		delete(l.at, place)
	}
}
