package catalog

import (
	"slices"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// change applies edit to what ws has of its own and publishes the outcome. It
// reports whether what ws serves has changed.
//
// The order matters: first the new Set is visible, then whoever holds an API
// that ws no longer serves is let go, then shapes without a workspace are
// reported.
func (c *Catalog) change(ws logicalcluster.Name, edit func(*workspace)) bool {
	unused, callbacks, changed := c.publish(ws, edit)
	if changed {
		c.letGo(ws, c.Served(ws))
	}
	for _, shape := range unused {
		for _, callback := range callbacks {
			callback(shape)
		}
	}
	return changed
}

// publish is change up to the point where readers see the outcome.
func (c *Catalog) publish(ws logicalcluster.Name, edit func(*workspace)) (unused []string, callbacks []func(string), changed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w, known := c.workspaces[ws]
	if !known {
		w = &workspace{set: c.nothing}
	}
	old := *w
	edit(w)
	w.local = c.claim(w.local)
	w.set = c.intern(w.local, w.bound)
	unused = c.free(old.local)
	c.discard(old.set)
	if len(w.local) == 0 && len(w.bound) == 0 {
		delete(c.workspaces, ws)
		c.sets.Delete(ws)
	} else {
		c.workspaces[ws] = w
		if w.set != old.set || !known {
			c.sets.Store(ws, w.set)
		}
	}
	return unused, slices.Clone(c.unused), w.set != old.set
}

// claim replaces each offer by the one shared API of its shape and counts one
// holder more. Offers for reserved resources are left out.
func (c *Catalog) claim(offers []*API) []*API {
	held := make([]*API, 0, len(offers))
	for _, offer := range offers {
		if c.reserved[offer.GroupResource()] {
			continue
		}
		entry, known := c.shapes[offer.Shape]
		if !known {
			entry = &shared[*API]{value: offer}
			c.shapes[offer.Shape] = entry
		}
		entry.holders++
		held = append(held, entry.value)
	}
	return held
}

// free counts one holder less for each of apis and returns the shapes that
// have none left.
func (c *Catalog) free(apis []*API) []string {
	var unused []string
	for _, api := range apis {
		entry := c.shapes[api.Shape]
		if entry.holders--; entry.holders == 0 {
			delete(c.shapes, api.Shape)
			unused = append(unused, api.Shape)
		}
	}
	return unused
}

// intern returns the one Set for these parts and counts one holder more.
func (c *Catalog) intern(local []*API, bound []NativeAPIName) *Set {
	if len(local) == 0 && len(bound) == 0 {
		return c.nothing
	}
	hash := c.hash(local, bound)
	entry, known := c.interned[hash]
	if !known {
		entry = &shared[*Set]{value: c.build(hash, local, bound)}
		c.interned[hash] = entry
	}
	entry.holders++
	return entry.value
}

// discard counts one holder less.
func (c *Catalog) discard(set *Set) {
	entry, counted := c.interned[set.Hash]
	if !counted || entry.value != set {
		return
	}
	if entry.holders--; entry.holders == 0 {
		delete(c.interned, set.Hash)
	}
}

func (c *Catalog) hash(local []*API, bound []NativeAPIName) string {
	return setHash(c.systemHash, bound, shapesOf(local))
}

// build makes the Set of these parts, whose hash is given.
func (c *Catalog) build(hash string, local []*API, bound []NativeAPIName) *Set {
	offers := [][]*API{c.system}
	for _, name := range bound {
		offers = append(offers, c.natives[name])
	}
	offers = append(offers, local)
	return newSet(hash, c.gated, offers...)
}
