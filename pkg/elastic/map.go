// Package elastic holds maps that give back memory. A map of Go keeps what it needed
// when it held most; what knows all workspaces would keep that of the most there
// have ever been.
package elastic

import (
	"iter"
	"maps"
)

// few is up to how many entries are not worth making a map anew for.
const few = 256

// Map is a map that gets smaller again. Its zero value is empty. It is not safe for
// concurrent use.
type Map[K comparable, V any] struct {
	entries map[K]V
	// most is how many entries there have been since entries was made.
	most int
}

// Get returns what is under key.
func (m *Map[K, V]) Get(key K) (V, bool) {
	value, found := m.entries[key]
	return value, found
}

// Set puts value under key.
func (m *Map[K, V]) Set(key K, value V) {
	if m.entries == nil {
		m.entries = map[K]V{}
	}
	m.entries[key] = value
	m.most = max(m.most, len(m.entries))
}

// Delete removes what is under key.
func (m *Map[K, V]) Delete(key K) {
	delete(m.entries, key)
	if m.most > few && len(m.entries) <= m.most/4 {
		m.shrink()
	}
}

// shrink copies the entries to a map that has no more room than they need. At least
// three times as many were deleted since the last time.
func (m *Map[K, V]) shrink() {
	entries := make(map[K]V, len(m.entries))
	maps.Copy(entries, m.entries)
	m.entries, m.most = entries, len(entries)
}

// Len is how many entries there are.
func (m *Map[K, V]) Len() int { return len(m.entries) }

// All returns the entries, in no order. What is deleted meanwhile may still come.
func (m *Map[K, V]) All() iter.Seq2[K, V] { return maps.All(m.entries) }
