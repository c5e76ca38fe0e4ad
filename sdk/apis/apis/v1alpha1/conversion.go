package v1alpha1

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
)

// What one version has no place for is kept, as JSON, in annotations of the
// object in that version, and taken from there on the way back. In each version
// only the annotations of the other's details exist: whatever else is found
// under these keys is dropped.
const (
	// ResourceSchemasAnnotation, on an APIExport of v1alpha1, holds the resources
	// that the names of their schemas do not tell all about.
	ResourceSchemasAnnotation = "apis.v1alpha2.kcp.io/resource-schemas"
	// PermissionClaimsAnnotation, on an APIExport of v1alpha1, holds the claims
	// that have verbs or a default selector.
	PermissionClaimsAnnotation = "apis.v1alpha2.kcp.io/permission-claims"
	// AcceptablePermissionClaimsAnnotation, on an APIBinding of v1alpha1, holds
	// the claims that have verbs or a selector.
	AcceptablePermissionClaimsAnnotation = "apis.v1alpha2.kcp.io/acceptable-permission-claims"
	// StatusPermissionClaimsAnnotation is the same for
	// status.exportPermissionClaims.
	StatusPermissionClaimsAnnotation = "apis.v1alpha2.kcp.io/status-export-permission-claims"
	// StatusAppliedClaimsAnnotation is the same for
	// status.appliedPermissionClaims.
	StatusAppliedClaimsAnnotation = "apis.v1alpha2.kcp.io/status-applied-permission-claims"

	// PermissionClaimsV1Alpha1Annotation, on objects of v1alpha2, holds the claims
	// that have a resourceSelector.
	PermissionClaimsV1Alpha1Annotation = "apis.v1alpha2.kcp.io/v1alpha1-permission-claims"
)

// detailAnnotations are those of v1alpha1 objects, by whether they are about the
// status.
var detailAnnotations = map[string]bool{
	ResourceSchemasAnnotation: false, PermissionClaimsAnnotation: false, AcceptablePermissionClaimsAnnotation: false,
	StatusPermissionClaimsAnnotation: true, StatusAppliedClaimsAnnotation: true,
}

// KeepDetails gives an object of v1alpha1 that is about to replace another the
// annotations which keep what v1alpha1 cannot say: who does not know them means
// no change. Those about the status are the hub's, whatever was sent; old is nil
// for a new object.
func KeepDetails(annotations, old map[string]string) map[string]string {
	kept := maps.Clone(annotations)
	for key, ofStatus := range detailAnnotations {
		if _, sent := kept[key]; sent && !ofStatus {
			continue
		}
		delete(kept, key)
		if value, had := old[key]; had {
			if kept == nil {
				kept = map[string]string{}
			}
			kept[key] = value
		}
	}
	if len(kept) == 0 {
		return nil
	}
	return kept
}

// FromV1alpha2 makes the v1alpha1 form of an export. It cannot fail.
func (out *APIExport) FromV1alpha2(in *apisv1alpha2.APIExport) {
	in = in.DeepCopy()
	*out = APIExport{ObjectMeta: in.ObjectMeta, Status: in.Status}
	out.Spec.Identity, out.Spec.MaximalPermissionPolicy = in.Spec.Identity, in.Spec.MaximalPermissionPolicy
	var untold []apisv1alpha2.ResourceSchema
	for _, resource := range in.Spec.Resources {
		told, err := offered(resource.Schema)
		if err != nil || told != (key{group: resource.Group, resource: resource.Name}) || resource.Storage.Virtual != nil {
			untold = append(untold, resource)
		}
		if resource.Storage.Virtual == nil {
			out.Spec.LatestResourceSchemas = append(out.Spec.LatestResourceSchemas, resource.Schema)
		}
	}
	narrow := take[PermissionClaim](&out.ObjectMeta, PermissionClaimsV1Alpha1Annotation)
	var detailed []apisv1alpha2.PermissionClaim
	for _, claim := range in.Spec.PermissionClaims {
		out.Spec.PermissionClaims = append(out.Spec.PermissionClaims, older(claim, narrow))
		if isDetailed(claim) {
			detailed = append(detailed, claim)
		}
	}
	keep(&out.ObjectMeta, ResourceSchemasAnnotation, untold)
	keep(&out.ObjectMeta, PermissionClaimsAnnotation, detailed)
}

// ToV1alpha2 makes the v1alpha2 form of an export. It fails, with a field.Error,
// for schemas whose names do not tell the resource, and for annotations that are
// damaged.
func (in *APIExport) ToV1alpha2() (*apisv1alpha2.APIExport, error) {
	in = in.DeepCopy()
	out := &apisv1alpha2.APIExport{ObjectMeta: in.ObjectMeta, Status: in.Status}
	out.Spec.Identity, out.Spec.MaximalPermissionPolicy = in.Spec.Identity, in.Spec.MaximalPermissionPolicy
	untold, err := detailsOf[apisv1alpha2.ResourceSchema](&out.ObjectMeta, ResourceSchemasAnnotation)
	if err != nil {
		return nil, err
	}
	if out.Spec.Resources, err = resources(in.Spec.LatestResourceSchemas, untold); err != nil {
		return nil, err
	}
	detailed, err := detailsOf[apisv1alpha2.PermissionClaim](&out.ObjectMeta, PermissionClaimsAnnotation)
	if err != nil {
		return nil, err
	}
	var narrow []PermissionClaim
	for _, claim := range in.Spec.PermissionClaims {
		out.Spec.PermissionClaims = append(out.Spec.PermissionClaims, newer(claim, detailed))
		if len(claim.ResourceSelector) > 0 {
			narrow = append(narrow, claim)
		}
	}
	keep(&out.ObjectMeta, PermissionClaimsV1Alpha1Annotation, narrow)
	return out, nil
}

// FromV1alpha2 makes the v1alpha1 form of a binding. It cannot fail. A claim
// that is accepted for objects with labels reads as one for all: v1alpha1 has
// nothing in between.
func (out *APIBinding) FromV1alpha2(in *apisv1alpha2.APIBinding) {
	in = in.DeepCopy()
	*out = APIBinding{ObjectMeta: in.ObjectMeta, Spec: APIBindingSpec{Reference: in.Spec.Reference}}
	narrow := take[AcceptablePermissionClaim](&out.ObjectMeta, PermissionClaimsV1Alpha1Annotation)
	var detailed []apisv1alpha2.AcceptablePermissionClaim
	for _, claim := range in.Spec.PermissionClaims {
		var selected []PermissionClaim
		if claim.State == apisv1alpha2.ClaimRejected {
			selected = claimsOf(narrow)
		}
		out.Spec.PermissionClaims = append(out.Spec.PermissionClaims, AcceptablePermissionClaim{
			PermissionClaim: older(claim.PermissionClaim, selected), State: claim.State,
		})
		if isDetailedScoped(claim.ScopedPermissionClaim) {
			detailed = append(detailed, claim)
		}
	}
	keep(&out.ObjectMeta, AcceptablePermissionClaimsAnnotation, detailed)
	out.statusFrom(&in.Status)
}

func (out *APIBinding) statusFrom(in *apisv1alpha2.APIBindingStatus) {
	out.Status = APIBindingStatus{
		APIExportClusterName: in.APIExportClusterName, BoundResources: in.BoundResources,
		Phase: in.Phase, Conditions: in.Conditions,
	}
	var exported []apisv1alpha2.PermissionClaim
	for _, claim := range in.ExportPermissionClaims {
		out.Status.ExportPermissionClaims = append(out.Status.ExportPermissionClaims, older(claim, nil))
		if isDetailed(claim) {
			exported = append(exported, claim)
		}
	}
	var applied []apisv1alpha2.ScopedPermissionClaim
	for _, claim := range in.AppliedPermissionClaims {
		out.Status.AppliedPermissionClaims = append(out.Status.AppliedPermissionClaims, older(claim.PermissionClaim, nil))
		if isDetailedScoped(claim) {
			applied = append(applied, claim)
		}
	}
	keep(&out.ObjectMeta, StatusPermissionClaimsAnnotation, exported)
	keep(&out.ObjectMeta, StatusAppliedClaimsAnnotation, applied)
}

// ToV1alpha2 makes the v1alpha2 form of a binding. It fails, with a field.Error,
// for annotations that are damaged, and for claims that are accepted for some
// objects by name: there is no such thing any more, and to accept them for all is
// not what was meant.
func (in *APIBinding) ToV1alpha2() (*apisv1alpha2.APIBinding, error) {
	in = in.DeepCopy()
	out := &apisv1alpha2.APIBinding{ObjectMeta: in.ObjectMeta, Spec: apisv1alpha2.APIBindingSpec{Reference: in.Spec.Reference}}
	detailed, err := detailsOf[apisv1alpha2.AcceptablePermissionClaim](&out.ObjectMeta, AcceptablePermissionClaimsAnnotation)
	if err != nil {
		return nil, err
	}
	scoped := make([]apisv1alpha2.ScopedPermissionClaim, len(detailed))
	for i := range detailed {
		scoped[i] = detailed[i].ScopedPermissionClaim
	}
	var narrow []AcceptablePermissionClaim
	for i, claim := range in.Spec.PermissionClaims {
		if len(claim.ResourceSelector) > 0 {
			if claim.State == apisv1alpha2.ClaimAccepted {
				return nil, field.Forbidden(field.NewPath("spec", "permissionClaims").Index(i).Child("resourceSelector"), fmt.Sprintf(
					"a claim on %q cannot be accepted for objects by name: set \"all\", or choose them by labels with apis.kcp.io/v1alpha2", claim.Resource))
			}
			narrow = append(narrow, claim)
		}
		out.Spec.PermissionClaims = append(out.Spec.PermissionClaims, apisv1alpha2.AcceptablePermissionClaim{
			ScopedPermissionClaim: newerScoped(claim.PermissionClaim, scoped), State: claim.State,
		})
	}
	keep(&out.ObjectMeta, PermissionClaimsV1Alpha1Annotation, narrow)
	return out, in.statusTo(out)
}

func (in *APIBinding) statusTo(out *apisv1alpha2.APIBinding) error {
	exported, err := detailsOf[apisv1alpha2.PermissionClaim](&out.ObjectMeta, StatusPermissionClaimsAnnotation)
	if err != nil {
		return err
	}
	applied, err := detailsOf[apisv1alpha2.ScopedPermissionClaim](&out.ObjectMeta, StatusAppliedClaimsAnnotation)
	if err != nil {
		return err
	}
	out.Status = apisv1alpha2.APIBindingStatus{
		APIExportClusterName: in.Status.APIExportClusterName, BoundResources: in.Status.BoundResources,
		Phase: in.Status.Phase, Conditions: in.Status.Conditions,
	}
	for _, claim := range in.Status.ExportPermissionClaims {
		out.Status.ExportPermissionClaims = append(out.Status.ExportPermissionClaims, newer(claim, exported))
	}
	for _, claim := range in.Status.AppliedPermissionClaims {
		out.Status.AppliedPermissionClaims = append(out.Status.AppliedPermissionClaims, newerScoped(claim, applied))
	}
	return nil
}

// key is what a claim is about, or a resource.
type key struct{ group, resource, identity string }

func keyOf(claim PermissionClaim) key {
	return key{claim.Group, claim.Resource, claim.IdentityHash}
}

func newerKeyOf(claim apisv1alpha2.PermissionClaim) key {
	return key{claim.Group, claim.Resource, claim.IdentityHash}
}

// offered is the resource that the name of a schema tells.
func offered(schema string) (key, error) {
	_, name, _ := strings.Cut(schema, ".")
	resource, group, ok := strings.Cut(name, ".")
	if !ok || resource == "" || group == "" {
		return key{}, field.Invalid(field.NewPath("spec", "latestResourceSchemas"), schema,
			"it does not tell a resource: schemas are called <prefix>.<plural>.<group>")
	}
	if group == "core" {
		group = ""
	}
	return key{group: group, resource: resource}, nil
}

// resources makes the list of v1alpha2: those with the named schemas, and those
// that v1alpha1 knows nothing of.
func resources(schemas []string, untold []apisv1alpha2.ResourceSchema) ([]apisv1alpha2.ResourceSchema, error) {
	var all []apisv1alpha2.ResourceSchema
	for _, schema := range schemas {
		at := slices.IndexFunc(untold, func(r apisv1alpha2.ResourceSchema) bool {
			return r.Schema == schema && r.Storage.Virtual == nil
		})
		if at >= 0 {
			all = append(all, untold[at])
			continue
		}
		told, err := offered(schema)
		if err != nil {
			return nil, err
		}
		all = append(all, apisv1alpha2.ResourceSchema{
			Name: told.resource, Group: told.group, Schema: schema,
			Storage: apisv1alpha2.ResourceSchemaStorage{CRD: &apisv1alpha2.ResourceSchemaStorageCRD{}},
		})
	}
	for _, resource := range untold {
		if resource.Storage.Virtual != nil {
			all = append(all, resource)
		}
	}
	return all, nil
}

// older makes the v1alpha1 form of a claim. narrow are claims of v1alpha1 whose
// selectors it may have.
func older(claim apisv1alpha2.PermissionClaim, narrow []PermissionClaim) PermissionClaim {
	out := PermissionClaim{GroupResource: claim.GroupResource, All: true, IdentityHash: claim.IdentityHash}
	at := slices.IndexFunc(narrow, func(n PermissionClaim) bool { return keyOf(n) == newerKeyOf(claim) })
	if at >= 0 && len(narrow[at].ResourceSelector) > 0 {
		out.All, out.ResourceSelector = false, narrow[at].ResourceSelector
	}
	return out
}

// newer makes the v1alpha2 form of a claim, which is for all verbs unless
// detailed tells others.
func newer(claim PermissionClaim, detailed []apisv1alpha2.PermissionClaim) apisv1alpha2.PermissionClaim {
	at := slices.IndexFunc(detailed, func(d apisv1alpha2.PermissionClaim) bool { return newerKeyOf(d) == keyOf(claim) })
	if at >= 0 {
		return detailed[at]
	}
	return apisv1alpha2.PermissionClaim{
		GroupResource: claim.GroupResource, Verbs: []string{"*"}, IdentityHash: claim.IdentityHash,
	}
}

// newerScoped is newer for claims together with the objects they are for.
func newerScoped(claim PermissionClaim, detailed []apisv1alpha2.ScopedPermissionClaim) apisv1alpha2.ScopedPermissionClaim {
	at := slices.IndexFunc(detailed, func(d apisv1alpha2.ScopedPermissionClaim) bool {
		return newerKeyOf(d.PermissionClaim) == keyOf(claim)
	})
	if at >= 0 {
		return detailed[at]
	}
	return apisv1alpha2.ScopedPermissionClaim{
		PermissionClaim: newer(claim, nil), Selector: apisv1alpha2.PermissionClaimSelector{MatchAll: true},
	}
}

func isDetailed(claim apisv1alpha2.PermissionClaim) bool {
	return claim.DefaultSelector != nil || !slices.Equal(claim.Verbs, []string{"*"})
}

func isDetailedScoped(claim apisv1alpha2.ScopedPermissionClaim) bool {
	selector := claim.Selector
	return isDetailed(claim.PermissionClaim) || !selector.MatchAll || len(selector.MatchLabels)+len(selector.MatchExpressions) > 0
}

func claimsOf(acceptable []AcceptablePermissionClaim) []PermissionClaim {
	claims := make([]PermissionClaim, len(acceptable))
	for i := range acceptable {
		claims[i] = acceptable[i].PermissionClaim
	}
	return claims
}

// keep writes items into an annotation, or removes it if there are none.
func keep[T any](meta *metav1.ObjectMeta, annotation string, items []T) {
	delete(meta.Annotations, annotation)
	if len(items) > 0 {
		raw, err := json.Marshal(items)
		if err != nil {
			panic(fmt.Sprintf("API types that are no JSON: %v", err))
		}
		metav1.SetMetaDataAnnotation(meta, annotation, string(raw))
	}
	if len(meta.Annotations) == 0 {
		meta.Annotations = nil
	}
}

// detailsOf removes an annotation and returns what it held.
func detailsOf[T any](meta *metav1.ObjectMeta, annotation string) ([]T, error) {
	raw, ok := meta.Annotations[annotation]
	keep[T](meta, annotation, nil)
	if !ok {
		return nil, nil
	}
	var items []T
	if err := json.Unmarshal([]byte(raw), &items); err != nil {
		return nil, field.Invalid(field.NewPath("metadata", "annotations").Key(annotation), field.OmitValueType{},
			fmt.Sprintf("it has to be as it was read, or left out: %v", err))
	}
	return items, nil
}

// take is detailsOf for what is better forgotten than a reason to fail.
func take[T any](meta *metav1.ObjectMeta, annotation string) []T {
	items, err := detailsOf[T](meta, annotation)
	if err != nil {
		return nil
	}
	return items
}
