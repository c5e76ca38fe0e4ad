package bindings

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/schemas"
	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	cachev1alpha1 "github.com/atriumhub/atrium/sdk/apis/cache/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// offer is one resource of an export, for one who binds it.
type offer struct {
	resource apisv1alpha2.ResourceSchema
	// uid is that of the schema, or stands in for it.
	uid string
	// schema is nil for what is compiled in, and where there is trouble.
	schema *apisv1alpha1.APIResourceSchema
	// copied is the copy of schema to store before it is served; nil when that is
	// there.
	copied *apisv1alpha1.APIResourceSchema
	names  apiextensionsv1.CustomResourceDefinitionNames
	// storage is the version in which new objects are stored.
	storage string
	// held are the names that the binding has for the resource already.
	held apiextensionsv1.CustomResourceDefinitionNames
	// adopting is a definition of the workspace whose objects the binding takes
	// over, unfit why it does not.
	adopting *apiextensionsv1.CustomResourceDefinition
	unfit    string
	// inherited are the versions of objects that are there before the binding has the
	// resource.
	inherited []string
	// trouble is why the resource cannot be served, or "".
	trouble string
	// kept is set when the binding stays with what it has; lag says why, if that is
	// not what it is meant to have.
	kept *apisv1alpha2.BoundAPIResource
	lag  string
	// misfits says which objects are in the way, or is "".
	misfits string
}

// nativeOffer is a resource that is compiled in.
func nativeOffer(workspace logicalcluster.Name, resource apisv1alpha2.ResourceSchema) offer {
	return offer{
		resource: resource, uid: schemaUID(workspace, resource.Schema), storage: versionOf(resource.Schema),
		names: apiextensionsv1.CustomResourceDefinitionNames{Plural: resource.Name},
	}
}

// offerOf is a resource that schema describes; a nil one does not exist.
func offerOf(where Workspace, resource apisv1alpha2.ResourceSchema, schema *apisv1alpha1.APIResourceSchema, definition *definition) offer {
	o := offer{resource: resource}
	switch {
	case unknownVirtual(resource.Storage.Virtual):
		o.trouble = fmt.Sprintf("%s has a spec.resources[].storage.virtual.reference to a %s: only a ClusterCachedResourceEndpointSlice of %s can have objects",
			resourceText(resource.Group, resource.Name), resource.Storage.Virtual.Reference.Kind, cachev1alpha1.GroupName)
	case schema == nil:
		o.trouble = fmt.Sprintf("APIResourceSchema %q does not exist in workspace %q: create it, or name another one", resource.Schema, where.Path)
	case schema.Spec.Group != resource.Group || schema.Spec.Names.Plural != resource.Name:
		o.trouble = fmt.Sprintf("APIResourceSchema %q describes %s, but spec.resources says it is that of %s", resource.Schema,
			resourceText(schema.Spec.Group, schema.Spec.Names.Plural), resourceText(resource.Group, resource.Name))
	case resource.Storage.Virtual != nil && schema.Spec.Scope != apiextensionsv1.ClusterScoped:
		o.trouble = fmt.Sprintf("APIResourceSchema %q has scope %s, but spec.resources[].storage.virtual takes Cluster", resource.Schema, schema.Spec.Scope)
	case definition.trouble != "":
		o.trouble = definition.trouble
	default:
		o.schema, o.uid, o.names, o.storage = schema, string(schema.UID), definition.names, definition.storage
	}
	return o
}

// unknownVirtual reports whether objects are said to be where nobody looks.
func unknownVirtual(virtual *apisv1alpha2.ResourceSchemaStorageVirtual) bool {
	return virtual != nil && (virtual.Reference.Kind != "ClusterCachedResourceEndpointSlice" ||
		virtual.Reference.APIGroup == nil || *virtual.Reference.APIGroup != cachev1alpha1.GroupName)
}

// virtual is where the objects are, when they are not in the workspace.
func (o *offer) virtual() *apisv1alpha2.BoundVirtualResource {
	if o.resource.Storage.Virtual == nil {
		return nil
	}
	return &apisv1alpha2.BoundVirtualResource{Slice: o.resource.Storage.Virtual.Reference.Name, IdentityHash: o.resource.Storage.Virtual.IdentityHash}
}

func (o *offer) groupResource() schema.GroupResource {
	return schema.GroupResource{Group: o.resource.Group, Resource: o.resource.Name}
}

// is reports whether bound is the same resource.
func (o *offer) is(bound *apisv1alpha2.BoundAPIResource) bool {
	return bound.Group == o.resource.Group && bound.Resource == o.resource.Name
}

// wanted are the names that have to be free: those that the binding does not have.
func (o *offer) wanted() *apiextensionsv1.CustomResourceDefinitionNames {
	return schemas.NewNames(&o.names, &o.held)
}

// bound is what the status of a binding says of the offer. Objects may be stored
// in each version they were ever stored in.
func (o *offer) bound(identity string, before []apisv1alpha2.BoundAPIResource) apisv1alpha2.BoundAPIResource {
	if o.kept != nil {
		return *o.kept
	}
	versions := append([]string{o.storage}, o.inherited...)
	if o.adopting != nil {
		versions = append(versions, o.adopting.Status.StoredVersions...)
	}
	if at := slices.IndexFunc(before, func(b apisv1alpha2.BoundAPIResource) bool { return o.is(&b) }); at >= 0 && o.schema != nil {
		versions = append(versions, before[at].StorageVersions...)
	}
	slices.Sort(versions)
	versions = slices.Compact(versions)
	return apisv1alpha2.BoundAPIResource{
		Group: o.resource.Group, Resource: o.resource.Name,
		Schema:          apisv1alpha2.BoundAPIResourceSchema{Name: o.resource.Schema, UID: o.uid, IdentityHash: identity},
		StorageVersions: versions, Virtual: o.virtual(),
	}
}

// troubles are those of all offers.
func troubles(offers []offer) []string {
	var out []string
	for _, o := range offers {
		if o.trouble != "" {
			out = append(out, o.trouble)
		}
	}
	return out
}

// lags are why the binding does not have what it is meant to have.
func lags(offers []offer) []string {
	var out []string
	for _, o := range offers {
		if o.lag != "" {
			out = append(out, o.lag)
		}
	}
	return out
}

// definition is the little that is needed of a schema again and again.
type definition struct {
	names   apiextensionsv1.CustomResourceDefinitionNames
	storage string
	// served are the served versions, the preferred one first.
	served  []string
	trouble string
}

func define(schema *apisv1alpha1.APIResourceSchema) *definition {
	crd, err := schemas.FromSchema(schema)
	if err != nil {
		return &definition{trouble: err.Error()}
	}
	d := &definition{names: crd.Status.AcceptedNames, served: schemas.ServedVersions(crd)}
	if len(crd.Status.StoredVersions) == 0 {
		d.trouble = fmt.Sprintf("APIResourceSchema %q has no version with storage: true", schema.Name)
		return d
	}
	d.storage = crd.Status.StoredVersions[0]
	return d
}

// schemaUID stands in for the UID of a schema that is compiled in and therefore
// is no object. It is the same in every process.
func schemaUID(workspace logicalcluster.Name, schema string) string {
	sum := sha256.Sum256([]byte(workspace.String() + "|" + schema))
	return hex.EncodeToString(sum[:16])
}
