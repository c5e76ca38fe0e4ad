package bindings

import (
	"context"
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/atriumhub/atrium/pkg/schemas/celconversion"
	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// withCopy adds to an offer the copy of its schema, unless there is one. An
// APIConversion of the same name belongs to it; what becomes of that later does not
// concern those who have bound the schema.
func (k *keeper) withCopy(o *offer, workspace logicalcluster.Name) {
	if o.schema == nil || k.hasCopy(copyNameOf(o.schema)) {
		return
	}
	o.copied = copyOfSchema(o.schema)
	conversion, found := k.Conversions.Get(logicalcluster.Key{Workspace: workspace, Name: o.schema.Name})
	if !found {
		return
	}
	_, err := celconversion.Compile(conversion, o.schema)
	if err == nil {
		err = celconversion.Keep(conversion, o.copied)
	}
	if err != nil {
		o.trouble = fmt.Sprintf("APIConversion %q cannot be used: %v", conversion.Name, err)
	}
}

// copySchemas makes sure that there are copies of the schemas of offers. It comes
// before a status that names them: what a binding says is served can be (B5).
func (k *keeper) copySchemas(ctx context.Context, offers []offer) error {
	for _, o := range offers {
		if o.copied == nil {
			continue
		}
		err := k.hub.Create(ctx, schemasGVR, logicalcluster.SystemBoundCRDs, o.copied)
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("failed to copy APIResourceSchema %s: %w", o.schema.Name, err)
		}
	}
	return nil
}

// copyOfSchema returns what is kept of a schema that somebody has bound.
func copyOfSchema(schema *apisv1alpha1.APIResourceSchema) *apisv1alpha1.APIResourceSchema {
	copied := &apisv1alpha1.APIResourceSchema{
		TypeMeta: metav1.TypeMeta{APIVersion: apisv1alpha1.SchemeGroupVersion.String(), Kind: "APIResourceSchema"},
		ObjectMeta: metav1.ObjectMeta{
			Name: copyNameOf(schema),
			Annotations: map[string]string{
				apisv1alpha2.BoundCRDAnnotationKey:      "",
				apisv1alpha2.SchemaClusterAnnotationKey: logicalcluster.From(schema).String(),
				apisv1alpha2.SchemaNameAnnotationKey:    schema.Name,
			},
		},
		Spec: *schema.Spec.DeepCopy(),
	}
	if approved, ok := schema.Annotations[apiextensionsv1.KubeAPIApprovedAnnotation]; ok {
		copied.Annotations[apiextensionsv1.KubeAPIApprovedAnnotation] = approved
	}
	return copied
}
