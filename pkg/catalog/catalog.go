package catalog

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/elastic"
	"github.com/atriumhub/atrium/pkg/roster"
	"github.com/atriumhub/atrium/pkg/schemas"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Catalog says which API answers for a resource in a workspace. All methods
// are safe for concurrent use; Lookup and Served take no lock.
type Catalog struct {
	system     []*API
	systemHash string
	natives    map[NativeAPIName][]*API
	gated      map[schema.GroupResource]bool
	nothing    *Set // of a workspace without anything of its own
	everywhere *Set // of requests that reach all workspaces

	sets  sync.Map // logicalcluster.Name → *Set; absent stands for nothing
	holds roster.Roster[logicalcluster.Name, *hold]

	mu         sync.Mutex // guards what follows, and writes to sets
	reserved   map[schema.GroupResource]bool
	workspaces elastic.Map[logicalcluster.Name, *workspace]
	interned   map[string]*shared[*Set]
	shapes     map[string]*shared[*API]
	unused     []func(shape string)
	rebound    []func(logicalcluster.Name)
}

// workspace is what a workspace has of its own.
type workspace struct {
	local   []*API // sorted by CRD name; shared, see Catalog.shapes
	bound   []*API // sorted by shape; shared likewise
	natives []NativeAPIName
	set     *Set
}

// shared is a value that several workspaces hold.
type shared[T any] struct {
	value   T
	holders int
}

// New returns a Catalog in which every workspace serves the system
// definitions, and no workspace has bound any of the gated APIs yet.
func New(system []*apiextensionsv1.CustomResourceDefinition, gated []NativeAPI) *Catalog {
	c := &Catalog{
		natives:  map[NativeAPIName][]*API{},
		gated:    map[schema.GroupResource]bool{},
		reserved: map[schema.GroupResource]bool{},
		interned: map[string]*shared[*Set]{},
		shapes:   map[string]*shared[*API]{},
	}
	for _, crd := range system {
		c.system = append(c.system, schemas.FromCRD(schemas.Installed(crd), schemas.System))
	}
	c.systemHash = setHash("", nil, shapesOf(c.system))
	for _, native := range gated {
		c.natives[native.Name] = apisOf(native)
		for _, api := range c.natives[native.Name] {
			c.gated[api.GroupResource()] = true
		}
	}
	c.nothing = c.build(c.hash(nil, nil), nil, nil)
	everything := slices.Sorted(maps.Keys(c.natives))
	c.everywhere = c.build(c.hash(nil, everything), nil, everything)
	return c
}

// apisOf returns one API per resource of a native API, with all its versions.
func apisOf(native NativeAPI) []*API {
	var apis []*API
	byName := map[schema.GroupResource]*API{}
	for _, gvr := range native.Resources {
		api, known := byName[gvr.GroupResource()]
		if !known {
			api = &API{Group: gvr.Group, Resource: gvr.Resource, Origin: schemas.Native, Export: string(native.Name)}
			byName[gvr.GroupResource()] = api
			apis = append(apis, api)
		}
		api.Versions = append(api.Versions, gvr.Version)
		schemas.SortVersions(api.Versions)
	}
	return apis
}

// Lookup returns the API that answers for gr in ws. No answer means that a
// compiled-in registry every workspace has answers, or nobody: see Gated. The
// Wildcard stands for requests that reach all workspaces; they see the system
// and all native APIs.
func (c *Catalog) Lookup(ws logicalcluster.Name, gr schema.GroupResource) (*API, bool) {
	return c.Served(ws).Lookup(gr)
}

// Served returns what ws serves. It is never nil.
func (c *Catalog) Served(ws logicalcluster.Name) *Set {
	if ws == logicalcluster.Wildcard {
		return c.everywhere
	}
	if set, ok := c.sets.Load(ws); ok {
		return set.(*Set)
	}
	return c.nothing
}

// Gated reports whether gr has a compiled-in registry that only answers where
// it was bound.
func (c *Catalog) Gated(gr schema.GroupResource) bool { return c.gated[gr] }

// System returns the APIs that every workspace serves.
func (c *Catalog) System() []*API { return c.system }

// Reserve tells the catalog which resources have a compiled-in registry in
// every workspace. Definitions for them are ignored. Call it before feeding.
func (c *Catalog) Reserve(resources ...schema.GroupResource) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, gr := range resources {
		if !c.gated[gr] {
			c.reserved[gr] = true
		}
	}
}

// Reserved reports whether gr has a compiled-in registry in every workspace.
func (c *Catalog) Reserved(gr schema.GroupResource) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reserved[gr]
}

// Upsert stores one definition of ws, or removes it while it is not servable.
// crd must not change afterwards.
func (c *Catalog) Upsert(ws logicalcluster.Name, crd *apiextensionsv1.CustomResourceDefinition) {
	if !schemas.Servable(crd) {
		c.Delete(ws, crd.Name)
		return
	}
	offer := schemas.FromCRD(crd, schemas.Local)
	c.change(ws, func(w *workspace) {
		local := without(w.local, crd.Name)
		at, _ := slices.BinarySearchFunc(local, offer, byDefinition)
		w.local = slices.Insert(local, at, offer)
	})
}

// Delete removes the definition with the given name (plural.group) from ws.
func (c *Catalog) Delete(ws logicalcluster.Name, name string) {
	c.change(ws, func(w *workspace) { w.local = without(w.local, name) })
}

// SetBound replaces what ws has by its bindings: the APIs of exports, and the
// native APIs. Names of native APIs that the catalog does not know are ignored.
func (c *Catalog) SetBound(ws logicalcluster.Name, apis []*API, names ...NativeAPIName) {
	var known []NativeAPIName
	for _, name := range names {
		if _, ok := c.natives[name]; ok {
			known = append(known, name)
		}
	}
	slices.Sort(known)
	known = slices.Compact(known)
	apis = slices.Clone(apis)
	slices.SortFunc(apis, byShape)
	apis = slices.CompactFunc(apis, func(a, b *API) bool { return a.Shape == b.Shape })
	if !c.change(ws, func(w *workspace) { w.bound, w.natives = apis, known }) {
		return
	}
	c.mu.Lock()
	callbacks := slices.Clone(c.rebound)
	c.mu.Unlock()
	for _, callback := range callbacks {
		callback(ws)
	}
}

// Drop forgets ws.
func (c *Catalog) Drop(ws logicalcluster.Name) {
	c.change(ws, func(w *workspace) { *w = workspace{set: w.set} })
}

// OnUnused registers a function that is called when the last workspace stopped
// serving a shape. It is called without locks, possibly from several
// goroutines at once.
func (c *Catalog) OnUnused(callback func(shape string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unused = append(c.unused, callback)
}

// OnRebound registers a function that is called when what a workspace has by its
// bindings changed, which may free names or take them away.
func (c *Catalog) OnRebound(callback func(logicalcluster.Name)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rebound = append(c.rebound, callback)
}

// Claims returns the names in group that ws cannot give to definitions of its
// own, because an API that comes first has them.
func (c *Catalog) Claims(ws logicalcluster.Name, group string) []schemas.Claim {
	var claims []schemas.Claim
	for _, api := range c.Served(ws).All() {
		if api.Group == group && api.Origin != schemas.Local {
			claims = append(claims, claimOf(api))
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for gr := range c.reserved {
		if gr.Group == group {
			claims = append(claims, builtinClaim(gr))
		}
	}
	slices.SortFunc(claims, func(a, b schemas.Claim) int {
		return strings.Compare(a.Names.Plural, b.Names.Plural)
	})
	return claims
}

// Builtin returns the names in group that every workspace has without having
// defined or bound anything.
func (c *Catalog) Builtin(group string) []schemas.Claim {
	var claims []schemas.Claim
	for _, api := range c.system {
		if api.Group == group {
			claims = append(claims, claimOf(api))
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for gr := range c.reserved {
		if gr.Group == group {
			claims = append(claims, builtinClaim(gr))
		}
	}
	slices.SortFunc(claims, func(a, b schemas.Claim) int { return strings.Compare(a.Names.Plural, b.Names.Plural) })
	return claims
}

func claimOf(api *API) schemas.Claim {
	claim := schemas.Claim{Group: api.Group, Precedes: true}
	claim.Names.Plural = api.Resource
	if api.CRD != nil {
		claim.Names = api.CRD.Status.AcceptedNames
	}
	if api.Origin == schemas.System {
		claim.Owner = fmt.Sprintf("the hub's own API %q", api.GroupResource())
		return claim
	}
	claim.Owner = fmt.Sprintf("the API %q bound from %q", api.GroupResource(), api.Export)
	claim.Remedy = fmt.Sprintf("or remove the APIBinding of %q from the workspace", api.Export)
	return claim
}

func builtinClaim(gr schema.GroupResource) schemas.Claim {
	return schemas.Claim{
		Owner: fmt.Sprintf("the built-in API %q", gr), Group: gr.Group, Precedes: true,
		Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: gr.Resource},
	}
}

// Stats counts what the catalog holds.
type Stats struct {
	// Workspaces have something of their own.
	Workspaces int
	// Sets are distinct, not counting that of empty workspaces.
	Sets int
	// Shapes are distinct definitions of workspaces.
	Shapes int
}

// Stats returns the counts at this moment.
func (c *Catalog) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{Workspaces: c.workspaces.Len(), Sets: len(c.interned), Shapes: len(c.shapes)}
}

func byShape(a, b *API) int { return strings.Compare(a.Shape, b.Shape) }

func byDefinition(a, b *API) int { return strings.Compare(a.CRD.Name, b.CRD.Name) }

func without(apis []*API, name string) []*API {
	kept := make([]*API, 0, len(apis)+1)
	for _, api := range apis {
		if api.CRD.Name != name {
			kept = append(kept, api)
		}
	}
	return kept
}
