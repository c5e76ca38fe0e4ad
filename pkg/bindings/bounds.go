package bindings

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime/schema"

	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Bounded reports whether an export has a maximal permission policy.
func Bounded(export *apisv1alpha2.APIExport) bool {
	return export.Spec.MaximalPermissionPolicy != nil && export.Spec.MaximalPermissionPolicy.Local != nil
}

// WasUnbounded reports whether an export that is gone had no maximal permission policy
// when it was last seen, by what is noted for the bindings to it in one workspace. What
// is not known to be so is not (B10).
func WasUnbounded(export logicalcluster.Key, resource schema.GroupResource, bindings []*apisv1alpha2.APIBinding, schemas Source[*apisv1alpha1.APIResourceSchema]) bool {
	for _, binding := range bindings {
		reference, bound := binding.Spec.Reference.Export, boundAt(binding, resource.Group, resource.Resource)
		if bound == nil || reference == nil || reference.Name != export.Name || binding.Status.APIExportClusterName != export.Workspace.String() {
			continue
		}
		copied, found := schemas.Get(logicalcluster.Key{Workspace: logicalcluster.SystemBoundCRDs, Name: copyOf(bound)})
		if !found {
			return false
		}
		_, unbounded := copied.Annotations[unboundedKey(export)]
		return unbounded
	}
	return false
}

// noteBounds notes on the copies of schemas that status names whether the export
// bounds what may be done with the objects: who outlives it has to know. The copies
// are few, and those who bound the export share them.
func (k *keeper) noteBounds(ctx context.Context, f facts, status *apisv1alpha2.APIBindingStatus) error {
	if f.export == nil || f.native {
		return nil
	}
	mark := unboundedKey(client.KeyOf(f.export))
	var value *string // nil removes it
	if !Bounded(f.export) {
		value = new(string)
	}
	for i := range status.BoundResources {
		copied, found := k.copyOfBound(&status.BoundResources[i])
		if found {
			if _, noted := copied.Annotations[mark]; noted == (value != nil) {
				continue
			}
		}
		key := logicalcluster.Key{Workspace: logicalcluster.SystemBoundCRDs, Name: copyOf(&status.BoundResources[i])}
		if err := k.patch(ctx, schemasGVR, key, map[string]any{"metadata": map[string]any{"annotations": map[string]*string{mark: value}}}); err != nil {
			return err
		}
	}
	return nil
}

// unboundedKey is the annotation that says of one export that it has no policy.
func unboundedKey(export logicalcluster.Key) string {
	return apisv1alpha2.UnboundedAnnotationPrefix + apisv1alpha2.BindingExportLabelValue(export.Workspace, export.Name)
}
