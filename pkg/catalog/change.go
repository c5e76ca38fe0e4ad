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
	w, known := c.workspaces.Get(ws)
	if !known {
		w = &workspace{set: c.nothing}
	}
	old := *w
	edit(w)
	w.local, w.bound = c.claim(w.local), c.claim(w.bound)
	w.set = c.intern(slices.Concat(w.local, w.bound), w.natives)
	unused = c.free(slices.Concat(old.local, old.bound))
	c.discard(old.set)
	if len(w.local) == 0 && len(w.bound) == 0 && len(w.natives) == 0 {
		c.workspaces.Delete(ws)
		c.sets.Delete(ws)
	} else {
		c.workspaces.Set(ws, w)
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
func (c *Catalog) intern(apis []*API, natives []NativeAPIName) *Set {
	if len(apis) == 0 && len(natives) == 0 {
		return c.nothing
	}
	hash := c.hash(apis, natives)
	entry, known := c.interned[hash]
	if !known {
		entry = &shared[*Set]{value: c.build(hash, apis, natives)}
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

func (c *Catalog) hash(apis []*API, natives []NativeAPIName) string {
	return setHash(c.systemHash, natives, shapesOf(apis))
}

// build makes the Set of these parts, whose hash is given.
func (c *Catalog) build(hash string, apis []*API, natives []NativeAPIName) *Set {
	offers := [][]*API{c.system}
	for _, name := range natives {
		offers = append(offers, c.natives[name])
	}
	offers = append(offers, apis)
	return newSet(hash, c.gated, offers...)
}
