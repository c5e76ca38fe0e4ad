package views

import (
	"context"
	"maps"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/atriumhub/atrium/pkg/catalog"
	"github.com/atriumhub/atrium/pkg/schemas"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Evolution is what the view asks while those who have bound an export have
// different schemas of it. Everything is answered from memory.
type Evolution struct {
	// RolledOut returns the schema that is being rolled out of a resource, if one is.
	RolledOut func(export *apisv1alpha2.APIExport, resource *apisv1alpha2.ResourceSchema) string
	// Stored are the versions in which objects of a resource may be stored in any
	// workspace that has bound it from an export, in order.
	Stored func(export logicalcluster.Key, resource schema.GroupResource) []string
	// Served returns how a workspace serves a resource.
	Served func(logicalcluster.Name, schema.GroupResource) (*catalog.API, bool)
	// Hold returns a context that ends when the workspace serves something else.
	Hold func(context.Context, logicalcluster.Name, *catalog.API) (context.Context, func())
}

// unchanging is for exports that nobody changes.
func unchanging() Evolution {
	return Evolution{
		RolledOut: func(*apisv1alpha2.APIExport, *apisv1alpha2.ResourceSchema) string { return "" },
		Stored:    func(logicalcluster.Key, schema.GroupResource) []string { return nil },
		Served:    func(logicalcluster.Name, schema.GroupResource) (*catalog.API, bool) { return nil, false },
	}
}

// choice is what decided how a resource is shown to all workspaces at once.
type choice struct {
	export   *apisv1alpha2.APIExport
	resource *apisv1alpha2.ResourceSchema
	rolled   string
	stored   []string
}

func (m *maker) choice(export *apisv1alpha2.APIExport, workspace logicalcluster.Name, resource *apisv1alpha2.ResourceSchema) choice {
	c := choice{export: export, resource: resource, rolled: m.ask.Evolution.RolledOut(export, resource)}
	c.stored = m.ask.Evolution.Stored(
		logicalcluster.Key{Workspace: workspace, Name: export.Name}, schema.GroupResource{Group: resource.Group, Resource: resource.Name})
	m.choices = append(m.choices, c)
	return c
}

// stands reports whether a choice would be the same now.
func (o *offers) stands(c choice) bool {
	key := logicalcluster.Key{Workspace: logicalcluster.From(c.export), Name: c.export.Name}
	return o.ask.Evolution.RolledOut(c.export, c.resource) == c.rolled &&
		slices.Equal(o.ask.Evolution.Stored(key, schema.GroupResource{Group: c.resource.Group, Resource: c.resource.Name}), c.stored)
}

// widest returns the name of the schema in which all workspaces are shown at once:
// that which is being rolled out, if it shows all that the other one does. Then the
// objects of those who have it are whole, and to clients the others look as they
// would.
func (m *maker) widest(workspace logicalcluster.Name, resource *apisv1alpha2.ResourceSchema, c choice) string {
	if c.rolled == "" || c.rolled == resource.Schema {
		return resource.Schema
	}
	oldKey, newKey := logicalcluster.Key{Workspace: workspace, Name: resource.Schema}, logicalcluster.Key{Workspace: workspace, Name: c.rolled}
	before, known := m.ask.Schemas.Get(oldKey)
	rolled, exists := m.ask.Schemas.Get(newKey)
	m.schemas[oldKey], m.schemas[newKey] = before, rolled
	if !exists || rolled.Spec.Group != resource.Group || rolled.Spec.Names.Plural != resource.Name || !known {
		return resource.Schema
	}
	from, err := schemas.FromSchema(before)
	if err != nil {
		return resource.Schema
	}
	to, err := schemas.FromSchema(rolled)
	if err != nil || len(schemas.Incompatibilities(from, to, nil)) > 0 {
		return resource.Schema
	}
	return c.rolled
}

// variants are offers as they are to single workspaces that have bound another
// schema than all are shown in.
type variants struct {
	mu   sync.Mutex
	sets map[*catalog.API]*catalog.Set
}

// with returns the set of an offer in which api takes the place of what is shown.
func (o *offer) with(api *catalog.API, s *exhibit) *catalog.Set {
	o.variants.mu.Lock()
	defer o.variants.mu.Unlock()
	if set, ok := o.variants.sets[api]; ok {
		return set
	}
	shown := maps.Clone(o.shown)
	shown[api.GroupResource()] = &exhibit{api: api, claim: s.claim, owners: s.owners, verbs: s.verbs}
	if o.variants.sets == nil {
		o.variants.sets = map[*catalog.API]*catalog.Set{}
	}
	o.variants.sets[api] = setOf(shown)
	return o.variants.sets[api]
}

// asBound makes a request to one workspace meet the resource as that workspace has
// bound it: what is written is judged, and stored, as what its users write. What is
// read in a version that it does not serve is read as it is shown to all.
func (e *Exports) asBound(ctx context.Context, made *offer, s *exhibit, consumer logicalcluster.Name, a authorizer.Attributes) (context.Context, func()) {
	if s.api == nil || s.api.Provider.Identity == "" {
		return ctx, func() {}
	}
	api, found := e.ask.Evolution.Served(consumer, s.api.GroupResource())
	if !found || api.Closed || api.Shape == s.api.Shape || api.Provider.Identity != s.api.Provider.Identity {
		return ctx, func() {}
	}
	if slices.Contains(readVerbs, a.GetVerb()) && !slices.Contains(api.Versions, a.GetAPIVersion()) {
		return ctx, func() {}
	}
	ctx = context.WithValue(ctx, setKey{}, made.with(api, s))
	if a.GetVerb() != "watch" {
		return ctx, func() {}
	}
	return e.ask.Evolution.Hold(ctx, consumer, api)
}

// FollowRollouts is called when something is rolled out otherwise in a workspace.
func (e *Exports) FollowRollouts(workspace logicalcluster.Name) { e.Changed(workspace) }
