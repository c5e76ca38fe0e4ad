package bindings

import (
	"fmt"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/atriumhub/atrium/pkg/schemas"
	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// gather collects what the status of a binding follows from.
func (k *keeper) gather(key logicalcluster.Key, binding *apisv1alpha2.APIBinding) facts {
	f := facts{binding: binding}
	reference := binding.Spec.Reference.Export
	if reference == nil {
		return f
	}
	if f.where, f.found = k.Resolve(referencePath(binding)); !f.found {
		return f
	}
	f.native = k.natives[f.where.Path.Join(reference.Name).String()]
	if f.moved = !f.native && movedAway(binding, f.where); f.moved {
		return f
	}
	f.export, _ = k.APIExports.Get(logicalcluster.Key{Workspace: f.where.Name, Name: reference.Name})
	if f.export == nil {
		return f
	}
	f.offers = k.offers(f)
	f.taken = k.taken(key, f)
	return f
}

// movedAway reports whether where is another workspace than the one that binding
// was bound to (B4).
func movedAway(binding *apisv1alpha2.APIBinding, where Workspace) bool {
	was := logicalcluster.Name(binding.Status.APIExportClusterName)
	return binding.Status.Phase == apisv1alpha2.APIBindingPhaseBound && was != "" && was != where.Name
}

func (k *keeper) offers(f facts) []offer {
	offers := make([]offer, 0, len(f.export.Spec.Resources))
	if f.native {
		for _, resource := range f.export.Spec.Resources {
			offers = append(offers, nativeOffer(f.where.Name, resource))
		}
		return offers
	}
	rollings := k.rollings(f.where, f.export)
	for i, resource := range f.export.Spec.Resources {
		offers = append(offers, k.offerTo(&f, resource, rollings[i]))
	}
	return offers
}

// boundAt returns what binding has of a resource, or nil.
func boundAt(binding *apisv1alpha2.APIBinding, group, resource string) *apisv1alpha2.BoundAPIResource {
	for i := range binding.Status.BoundResources {
		if bound := &binding.Status.BoundResources[i]; bound.Group == group && bound.Resource == resource {
			return bound
		}
	}
	return nil
}

// definitionOf reads a schema, once: it never changes.
func (k *keeper) definitionOf(schema *apisv1alpha1.APIResourceSchema) *definition {
	if schema == nil {
		return nil
	}
	id := logicalcluster.From(schema).String() + "/" + string(schema.UID)
	if known, ok := k.definitions.Get(id); ok {
		return known.(*definition)
	}
	made := define(schema)
	k.definitions.Add(id, made)
	return made
}

// copyOfBound returns the copy of the schema that is served for bound.
func (k *keeper) copyOfBound(bound *apisv1alpha2.BoundAPIResource) (*apisv1alpha1.APIResourceSchema, bool) {
	return k.Schemas.Get(logicalcluster.Key{Workspace: logicalcluster.SystemBoundCRDs, Name: copyOf(bound)})
}

// namesOf returns the names that a bound resource has; of what is compiled in, the
// plural.
func (k *keeper) namesOf(bound *apisv1alpha2.BoundAPIResource) apiextensionsv1.CustomResourceDefinitionNames {
	if served, ok := k.copyOfBound(bound); ok {
		return k.definitionOf(served).names
	}
	return apiextensionsv1.CustomResourceDefinitionNames{Plural: bound.Resource}
}

// taken returns the names that are not free for what the export of f offers. What
// is compiled in comes before definitions of the workspace, which say so.
func (k *keeper) taken(key logicalcluster.Key, f facts) []schemas.Claim {
	groups := map[string]bool{}
	for _, o := range f.offers {
		groups[o.resource.Group] = true
	}
	var claims []schemas.Claim
	for _, other := range k.APIBindings.In(key.Workspace) {
		if other.Name != key.Name {
			claims = append(claims, k.claimsOf(k.ahead.latest(other), groups)...)
		}
	}
	if f.native {
		return claims
	}
	for group := range groups {
		claims = append(claims, k.Builtin(group)...)
	}
	for _, crd := range k.CustomResourceDefinitions.In(key.Workspace) {
		if groups[crd.Spec.Group] && !isAdopted(f.offers, crd) {
			claims = append(claims, claimOfDefinition(crd, f.offers))
		}
	}
	return claims
}

// claimsOf returns what other has in groups.
func (k *keeper) claimsOf(other *apisv1alpha2.APIBinding, groups map[string]bool) []schemas.Claim {
	var claims []schemas.Claim
	for i := range other.Status.BoundResources {
		bound := &other.Status.BoundResources[i]
		if !groups[bound.Group] {
			continue
		}
		claims = append(claims, schemas.Claim{
			Owner:  fmt.Sprintf("%s of APIBinding %q", resourceText(bound.Group, bound.Resource), other.Name),
			Remedy: "delete one of the bindings", Group: bound.Group, Names: k.namesOf(bound),
		})
	}
	return claims
}

func isAdopted(offers []offer, crd *apiextensionsv1.CustomResourceDefinition) bool {
	return slices.ContainsFunc(offers, func(o offer) bool { return o.adopting != nil && o.adopting.Name == crd.Name })
}

func claimOfDefinition(crd *apiextensionsv1.CustomResourceDefinition, offers []offer) schemas.Claim {
	claim := schemas.ClaimOf(crd)
	claim.Remedy = "delete the definition, and with it its objects, or this binding"
	for _, o := range offers {
		if crd.Name != o.groupResource().String() || o.schema == nil {
			continue
		}
		claim.Remedy += fmt.Sprintf("; to keep the objects under the binding, annotate that with %s=true", apisv1alpha2.AdoptCRDAnnotationKey)
		if o.unfit != "" {
			claim.Remedy = "its objects cannot be adopted: " + o.unfit
		}
	}
	return claim
}
