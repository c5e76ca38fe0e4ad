// Package roster keeps account of who is where: the watches in a workspace, those
// who wait for an object. It holds nothing for a place where nobody is.
package roster

import "sync"

// Roster is who is at which place. The zero value has nobody in it.
type Roster[Place, Who comparable] struct {
	mu sync.RWMutex
	at map[Place]map[Who]struct{}
}

// Enter puts somebody at a place, until leave is called.
func (r *Roster[Place, Who]) Enter(place Place, who Who) (leave func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at == nil {
		r.at = map[Place]map[Who]struct{}{}
	}
	if r.at[place] == nil {
		r.at[place] = map[Who]struct{}{}
	}
	r.at[place][who] = struct{}{}
	return func() { r.leave(place, who) }
}

func (r *Roster[Place, Who]) leave(place Place, who Who) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.at[place], who)
	if len(r.at[place]) == 0 {
		delete(r.at, place)
	}
}

// Each calls do for everybody at a place. Nobody enters or leaves meanwhile, so
// that do must not wait for anything.
func (r *Roster[Place, Who]) Each(place Place, do func(Who)) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for who := range r.at[place] {
		do(who)
	}
}

// Any reports whether somebody is at a place.
func (r *Roster[Place, Who]) Any(place Place) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.at[place]) > 0
}

// Len is how many there are at all places.
func (r *Roster[Place, Who]) Len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := 0
	for _, all := range r.at {
		n += len(all)
	}
	return n
}
