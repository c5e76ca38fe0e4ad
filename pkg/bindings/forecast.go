package bindings

import (
	"fmt"
	"slices"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/schemas"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Forecast says what would become of bindings if an export were written otherwise.
// It is for those who are about to write it. New fills it in; before that it knows
// of nothing.
type Forecast struct{ keeper atomic.Pointer[keeper] }

// OfExport returns, for each resource of which bindings would lag or whose schema would
// have no effect, why.
func (f *Forecast) OfExport(workspace logicalcluster.Name, export *apisv1alpha2.APIExport) []string {
	k := f.keeper.Load()
	if k == nil {
		return nil
	}
	rollouts := k.Rollouts.In(workspace)
	return append(k.forecast(workspace, export, rollouts), overruled(export, rollouts)...)
}

// overruled says of which resources rollouts give everybody another schema than the
// export names: most likely one was forgotten.
func overruled(export *apisv1alpha2.APIExport, rollouts []*publicationv1alpha1.SchemaRollout) []string {
	var out []string
	lead := leaders(ofExport(rollouts, export.Name))
	for _, resource := range export.Spec.Resources {
		r := lead[schema.GroupResource{Group: resource.Group, Resource: resource.Name}]
		if r == nil || r.Schema == resource.Schema || r.WorkspaceSelector != nil || percentOf(r.ResourceRollout) < 100 {
			continue
		}
		out = append(out, fmt.Sprintf("%s: SchemaRollout %q is about all workspaces and names %q: %q has no effect until you change or delete it",
			resourceText(resource.Group, resource.Name), r.rollout.Name, r.Schema, resource.Schema))
	}
	return out
}

// OfRollout is OfExport for the export that a rollout is about.
func (f *Forecast) OfRollout(workspace logicalcluster.Name, rollout *publicationv1alpha1.SchemaRollout) []string {
	k := f.keeper.Load()
	if k == nil {
		return nil
	}
	export, found := k.APIExports.Get(logicalcluster.Key{Workspace: workspace, Name: rollout.Spec.Export.Name})
	if !found {
		return nil // its status says so
	}
	rollouts := slices.DeleteFunc(k.Rollouts.In(workspace), func(r *publicationv1alpha1.SchemaRollout) bool { return r.Name == rollout.Name })
	return k.forecast(workspace, export, append(rollouts, rollout))
}

// RolloutsOf returns how many rollouts there are of an export.
func (f *Forecast) RolloutsOf(export logicalcluster.Key) int {
	k := f.keeper.Load()
	if k == nil {
		return 0
	}
	return len(ofExport(k.Rollouts.In(export.Workspace), export.Name))
}

// BindingsOf returns how many have bound an export.
func (f *Forecast) BindingsOf(export logicalcluster.Key) int {
	k := f.keeper.Load()
	if k == nil {
		return 0
	}
	return len(k.boundTo(export))
}

func (k *keeper) forecast(workspace logicalcluster.Name, export *apisv1alpha2.APIExport, rollouts []*publicationv1alpha1.SchemaRollout) []string {
	where, ok := k.Resolve(workspace.Path())
	if !ok || k.natives[where.Path.Join(export.Name).String()] {
		return nil
	}
	rollings, places := k.rollingsOf(where, export, rollouts), placesIn(export)
	counts := make([]count, len(rollings))
	for i := range counts {
		counts[i] = count{resource: &export.Spec.Resources[i], why: map[string]bool{}}
	}
	for _, binding := range k.boundTo(logicalcluster.Key{Workspace: workspace, Name: export.Name}) {
		for j := range binding.Status.BoundResources {
			bound := &binding.Status.BoundResources[j]
			if i, offered := places[resourceOf(bound)]; offered {
				k.count(&counts[i], where, export, bound, logicalcluster.From(binding), rollings[i])
			}
		}
	}
	var out []string
	for i := range counts {
		if counts[i].lagging > 0 {
			out = append(out, counts[i].String())
		}
	}
	return out
}

// boundTo returns the bindings of an export that are bound.
func (k *keeper) boundTo(export logicalcluster.Key) []*apisv1alpha2.APIBinding {
	var out []*apisv1alpha2.APIBinding
	for _, key := range k.index.of(export) {
		binding, found := k.APIBindings.Get(key)
		if found && binding.Status.Phase == apisv1alpha2.APIBindingPhaseBound && binding.DeletionTimestamp == nil {
			out = append(out, binding)
		}
	}
	return out
}

// count is how many bindings would lag with one resource.
type count struct {
	resource     *apisv1alpha2.ResourceSchema
	all, lagging int
	// certain says that it does not depend on what is stored.
	certain    bool
	unreadable bool
	to         string
	reasons    []string
	why        map[string]bool
}

// count adds what would become of what one workspace has bound. Nothing is read that is stored: this
// is asked while somebody waits.
func (k *keeper) count(c *count, where Workspace, export *apisv1alpha2.APIExport, bound *apisv1alpha2.BoundAPIResource, workspace logicalcluster.Name, r *rolling) {
	c.all++
	aim := aimOf(c.resource, r, workspace, k.labelsOf(workspace, r))
	to, found := k.Schemas.Get(logicalcluster.Key{Workspace: where.Name, Name: aim.schema})
	if aim.held || !found || string(to.UID) == bound.Schema.UID {
		return
	}
	compared, err := k.compare(bound, to)
	if err != nil || compared == nil {
		return
	}
	reasons := slices.Clone(compared.found)
	if publicationv1alpha1.AcceptsIncompatible(export, to.Name) {
		reasons = slices.DeleteFunc(reasons, func(i schemas.Incompatibility) bool { return !i.Unreadable })
	}
	if len(reasons) == 0 {
		return
	}
	c.lagging, c.to = c.lagging+1, to.Name
	for _, i := range reasons {
		c.certain, c.unreadable = c.certain || !isStored(i), c.unreadable || i.Unreadable
		if text := i.String(); !c.why[text] {
			c.why[text] = true
			c.reasons = append(c.reasons, text)
		}
	}
}

// String is a warning.
func (c *count) String() string {
	who := fmt.Sprintf("%d of %d bindings would stay", c.lagging, c.all)
	if !c.certain {
		who = fmt.Sprintf("of %d of %d bindings, those whose objects are in the way would stay", c.lagging, c.all)
	}
	text := fmt.Sprintf("%s: %s at the schema that they have, and not be moved to %q: %s", resourceText(c.resource.Group, c.resource.Name), who, c.to, few(c.reasons))
	if c.unreadable {
		return text
	}
	return text + fmt.Sprintf(" (to move them in any case, annotate the APIExport with %s: %s)", publicationv1alpha1.AcceptIncompatibleAnnotationKey, c.to)
}
