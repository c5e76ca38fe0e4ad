package partition

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// ledger is which places Counts and Purge cover, and why. It is pure: whoever has
// it guards it, and looks into etcd.
//
// A place that is pinned is known for good. Another one, whose name tenants chose,
// is known while somebody defines it or has a store of it open. After that it is
// unused, and still known until somebody has seen that nothing is stored there:
// nobody can write to it then, or he would have a store open.
type ledger struct {
	entries map[placeKey]*entry
	// touches counts the changes, so that an entry which was used in between can
	// be told from one which was not.
	touches uint64
}

type placeKey struct {
	resource schema.GroupResource
	prefix   string
}

type entry struct {
	place       *place
	pinned      bool
	definitions int
	stores      int
	touched     uint64
}

// unused is a place that nobody used when it was looked up.
type unused struct {
	place   *place
	touched uint64
}

func newLedger() ledger { return ledger{entries: map[placeKey]*entry{}} }

func keyOf(p *place) placeKey { return placeKey{p.resource, p.layout.Prefix()} }

// find makes a place known that nobody uses, as far as is known.
func (l *ledger) find(p *place) *entry {
	e, known := l.entries[keyOf(p)]
	if !known {
		e = &entry{}
		l.entries[keyOf(p)] = e
	}
	e.place = p
	l.touches++
	e.touched = l.touches
	return e
}

func (l *ledger) pin(p *place)    { l.find(p).pinned = true }
func (l *ledger) define(p *place) { l.find(p).definitions++ }
func (l *ledger) open(p *place)   { l.find(p).stores++ }

// undefine takes back one define. More than there were do nothing.
func (l *ledger) undefine(p *place) {
	if e, known := l.entries[keyOf(p)]; known && e.definitions > 0 {
		e.definitions--
		l.find(p)
	}
}

// closed takes back one open.
func (l *ledger) closed(p *place) {
	if e, known := l.entries[keyOf(p)]; known && e.stores > 0 {
		e.stores--
		l.find(p)
	}
}

// unused returns the places that nobody uses, in a stable order.
func (l *ledger) unused() []unused {
	var out []unused
	for _, e := range l.entries {
		if e.free() {
			out = append(out, unused{e.place, e.touched})
		}
	}
	slices.SortFunc(out, func(a, b unused) int {
		return strings.Compare(a.place.layout.Prefix(), b.place.layout.Prefix())
	})
	return out
}

// forget removes places that were seen empty after unused returned them, but
// for those that were used since.
func (l *ledger) forget(empty []unused) {
	for _, u := range empty {
		if e, known := l.entries[keyOf(u.place)]; known && e.free() && e.touched == u.touched {
			delete(l.entries, keyOf(u.place))
		}
	}
}

func (e *entry) free() bool { return !e.pinned && e.definitions == 0 && e.stores == 0 }
