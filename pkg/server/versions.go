package server

import (
	"context"
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"

	hubadmission "github.com/atriumhub/atrium/pkg/admission"
	"github.com/atriumhub/atrium/pkg/conversions"
	"github.com/atriumhub/atrium/pkg/schemas"
	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
)

// apisConverter is the key of what converts the kinds of apis.kcp.io.
const apisConverter = "apis"

// convertVersions has the hub's kinds that are served in several versions
// converted by functions of the hub.
func convertVersions(crds []*apiextensionsv1.CustomResourceDefinition, by *conversions.Conversions) {
	for _, crd := range crds {
		if len(crd.Spec.Versions) > 1 {
			schemas.ConvertInProcess(crd, apisConverter)
		}
	}
	by.Register(apisConverter, func(_ context.Context, to string, objects []*unstructured.Unstructured) ([]*unstructured.Unstructured, error) {
		converted := make([]*unstructured.Unstructured, len(objects))
		for i := range objects {
			var err error
			if converted[i], err = apisv1alpha1.Convert(objects[i], to); err != nil {
				return nil, err
			}
		}
		return converted, nil
	})
}

// inStoredVersion has plugins judge what is sent in an older version in the one
// that it is kept in.
func (h *Hub) inStoredVersion(plugins admission.Interface) (admission.Interface, error) {
	versions := map[schema.GroupVersionResource]hubadmission.Version{}
	for _, crd := range h.systemCRDs {
		if len(crd.Spec.Versions) == 1 {
			continue
		}
		validate, err := hubadmission.NewValidator(crd, apisv1alpha2.SchemeGroupVersion.Version)
		if err != nil {
			return nil, fmt.Errorf("failed to compile the hub's own definitions: %w", err)
		}
		versions[apisv1alpha1.SchemeGroupVersion.WithResource(crd.Spec.Names.Plural)] = hubadmission.Version{
			Stored: apisv1alpha2.SchemeGroupVersion.Version, Convert: apisv1alpha1.Convert, Keep: apisv1alpha1.KeepDetails, Validate: validate,
		}
	}
	return hubadmission.InStoredVersion(plugins, versions), nil
}
