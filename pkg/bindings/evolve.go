package bindings

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/atriumhub/atrium/pkg/schemas"
	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const (
	// lagRetry is when a binding is looked at again whose objects are in the way of
	// a schema; lagPace is what each other such binding adds, so that many do not
	// cost more per second than few.
	lagRetry = 5 * time.Second
	lagPace  = 50 * time.Millisecond
	// keptVerdicts is how many comparisons of two schemas are remembered.
	keptVerdicts = 1024
)

// offerTo is what the workspace of f is offered of a resource.
func (k *keeper) offerTo(f *facts, resource apisv1alpha2.ResourceSchema, r *rolling) offer {
	workspace := logicalcluster.From(f.binding)
	bound := boundAt(f.binding, resource.Group, resource.Name)
	aim := aimOf(&resource, r, workspace, k.labelsOf(workspace, r))
	if bound != nil && aim.held {
		return k.kept(resource, bound, "")
	}
	resource.Schema = aim.schema
	o := k.offerFrom(f.where, resource)
	if bound != nil {
		o.held = k.namesOf(bound)
	}
	k.withAdoption(&o, f)
	return o
}

// labelsOf returns the labels of the Workspace object, if r asks for them.
func (k *keeper) labelsOf(workspace logicalcluster.Name, r *rolling) map[string]string {
	if r == nil || r.WorkspaceSelector == nil {
		return nil
	}
	return k.Labels(workspace)
}

// offerFrom is a resource as the export in where describes it.
func (k *keeper) offerFrom(where Workspace, resource apisv1alpha2.ResourceSchema) offer {
	schema, found := k.Schemas.Get(logicalcluster.Key{Workspace: where.Name, Name: resource.Schema})
	if !found {
		schema = nil
	}
	o := offerOf(where, resource, schema, k.definitionOf(schema))
	k.withCopy(&o, where.Name)
	return o
}

// kept offers a resource as it is bound. lag says why it is not as the export has
// it, if it should be.
func (k *keeper) kept(resource apisv1alpha2.ResourceSchema, bound *apisv1alpha2.BoundAPIResource, lag string) offer {
	names := k.namesOf(bound)
	return offer{resource: resource, kept: bound, lag: lag, names: names, held: names}
}

// evolve keeps the binding of f at the schemas that it has where those it is
// offered would hurt its objects or their clients.
func (k *keeper) evolve(ctx context.Context, key logicalcluster.Key, f *facts) error {
	waits := false
	for i := range f.offers {
		o := &f.offers[i]
		bound := boundAt(f.binding, o.resource.Group, o.resource.Name)
		if bound == nil || o.schema == nil || string(o.schema.UID) == bound.Schema.UID {
			continue
		}
		found, misfits, err := k.obstacles(ctx, key.Workspace, f.export, bound, o.schema)
		if err != nil {
			return err
		}
		if len(found) > 0 {
			waits = waits || slices.ContainsFunc(found, isStored)
			kept := k.kept(o.resource, bound, lagText(bound, o.schema.Name, found))
			kept.adopting, kept.misfits = o.adopting, misfits
			f.offers[i] = kept
		}
	}
	if n := k.laggards.note(key, waits); waits {
		k.followers.EnqueueAfter(key, lagRetry+time.Duration(n)*lagPace)
	}
	return nil
}

// inherit finds out in which versions the objects lie that the binding of f gets with
// a resource: those of another binding with the same identity, and what the status of
// that said has gone with it.
func (k *keeper) inherit(ctx context.Context, key logicalcluster.Key, f *facts) error {
	if f.export == nil || f.binding.Status.Phase == apisv1alpha2.APIBindingPhaseBound || exportValid(*f).Reason != "" || conflicts(*f) != "" {
		return nil
	}
	for i := range f.offers {
		o := &f.offers[i]
		if o.schema == nil || o.virtual() != nil || o.adopting != nil {
			continue
		}
		var err error
		if o.inherited, err = k.versionsOf(ctx, key.Workspace, o.groupResource(), f.export.Status.IdentityHash); err != nil {
			return err
		}
	}
	return nil
}

func isStored(i schemas.Incompatibility) bool { return i.Concern == schemas.ConcernStored }

// obstacles returns what is in the way of a bound resource to another schema, in
// its workspace, and the objects that are, as far as they are known.
func (k *keeper) obstacles(ctx context.Context, workspace logicalcluster.Name, export *apisv1alpha2.APIExport, bound *apisv1alpha2.BoundAPIResource, to *apisv1alpha1.APIResourceSchema) (found []schemas.Incompatibility, misfits string, err error) {
	c, err := k.compare(bound, to)
	if err != nil || c == nil || len(c.found) == 0 {
		return nil, "", err
	}
	found = slices.Clone(c.found)
	if publicationv1alpha1.AcceptsIncompatible(export, to.Name) {
		found = slices.DeleteFunc(found, func(i schemas.Incompatibility) bool { return !i.Unreadable })
	}
	if bound.Virtual != nil { // the objects are not in the workspace
		return slices.DeleteFunc(found, isStored), "", nil
	}
	if slices.ContainsFunc(found, isStored) {
		return k.stillInTheWay(ctx, workspace, bound.Schema.IdentityHash, c, found)
	}
	return found, "", nil
}

// comparison is of what is bound and what is offered.
type comparison struct {
	from, to *apiextensionsv1.CustomResourceDefinition
	found    []schemas.Incompatibility
}

// compare compares the definition that is bound with another one. It is nil when
// what is bound is not known: then nobody is served it.
func (k *keeper) compare(bound *apisv1alpha2.BoundAPIResource, to *apisv1alpha1.APIResourceSchema) (*comparison, error) {
	served, found := k.copyOfBound(bound)
	if !found {
		return nil, nil
	}
	id := strings.Join([]string{string(served.UID), string(to.UID), strings.Join(bound.StorageVersions, ",")}, "/")
	if known, ok := k.verdicts.Get(id); ok {
		return known.(*comparison), nil
	}
	c, err := compareSchemas(served, to, bound.StorageVersions)
	if err != nil {
		return nil, err
	}
	k.verdicts.Add(id, c)
	return c, nil
}

func compareSchemas(from, to *apisv1alpha1.APIResourceSchema, stored []string) (*comparison, error) {
	c := &comparison{}
	var err error
	if c.from, err = schemas.FromSchema(from); err != nil {
		return nil, err
	}
	if c.to, err = schemas.FromSchema(to); err != nil {
		return nil, err
	}
	// What is not in the one cannot go missing in the other.
	known := slices.DeleteFunc(slices.Clone(stored), func(version string) bool { return !schemas.HasVersion(c.from, version) })
	c.found = schemas.Incompatibilities(c.from, c.to, known)
	return c, nil
}

// lagText tells the user of the workspace why a resource stays as it is, and what
// can be done.
func lagText(bound *apisv1alpha2.BoundAPIResource, to string, found []schemas.Incompatibility) string {
	text := make([]string, 0, len(found))
	for _, i := range found {
		text = append(text, i.String())
	}
	remedy := "the owner of the APIExport can offer a compatible schema"
	unreadable := func(i schemas.Incompatibility) bool { return i.Unreadable }
	switch {
	case slices.ContainsFunc(found, func(i schemas.Incompatibility) bool { return i.Unreadable && i.Version != "" }):
		remedy += ", or have the objects rewritten first by migrateStorage of a SchemaRollout"
	case !slices.ContainsFunc(found, unreadable):
		remedy += fmt.Sprintf(", or accept this by its annotation %s: %s", publicationv1alpha1.AcceptIncompatibleAnnotationKey, to)
	}
	if !slices.ContainsFunc(found, func(i schemas.Incompatibility) bool { return !isStored(i) }) {
		remedy += "; or change or delete the objects of this workspace that are in the way"
	}
	return fmt.Sprintf("%s stays at schema %q, and is not moved to %q: %s. %s", resourceText(bound.Group, bound.Resource),
		bound.Schema.Name, to, few(text), strings.ToUpper(remedy[:1])+remedy[1:])
}

// laggards are the bindings that are looked at again and again, because objects
// are in the way.
type laggards struct {
	mu  sync.Mutex
	all map[logicalcluster.Key]bool
}

// note says whether a binding is one, and returns how many there are.
func (l *laggards) note(key logicalcluster.Key, lags bool) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !lags {
		delete(l.all, key)
		return len(l.all)
	}
	if l.all == nil {
		l.all = map[logicalcluster.Key]bool{}
	}
	l.all[key] = true
	return len(l.all)
}
