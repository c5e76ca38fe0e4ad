package server

import (
	"context"
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"

	hubadmission "github.com/atriumhub/atrium/pkg/admission"
	"github.com/atriumhub/atrium/pkg/schemas"
	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
)

// apisConverter is the key of what converts the kinds of apis.kcp.io.
const apisConverter = "apis"

// convert returns an object in another version.
type convert func(object *unstructured.Unstructured, apiVersion string) (*unstructured.Unstructured, error)

// converterOf converts objects of those definitions that have several versions.
// It fills in the defaults, as in answers to those who wrote the object so:
// nobody is to find a difference.
func converterOf(crds []*apiextensionsv1.CustomResourceDefinition) (convert, error) {
	defaults := map[schema.GroupVersionKind]func(*unstructured.Unstructured){}
	for _, crd := range crds {
		for _, version := range crd.Spec.Versions {
			fill, err := hubadmission.NewDefaulter(crd, version.Name)
			if err != nil {
				return nil, err
			}
			defaults[schema.GroupVersionKind{Group: crd.Spec.Group, Version: version.Name, Kind: crd.Spec.Names.Kind}] = fill
		}
	}
	return func(object *unstructured.Unstructured, apiVersion string) (*unstructured.Unstructured, error) {
		converted, err := apisv1alpha1.Convert(object, apiVersion)
		if err != nil {
			return nil, err
		}
		defaults[converted.GroupVersionKind()](converted)
		return converted, nil
	}, nil
}

// severalVersions are the definitions of crds that have more than one.
func severalVersions(crds []*apiextensionsv1.CustomResourceDefinition) (several []*apiextensionsv1.CustomResourceDefinition) {
	for _, crd := range crds {
		if len(crd.Spec.Versions) > 1 {
			several = append(several, crd)
		}
	}
	return several
}

// convertVersions has the hub's kinds that are served in several versions
// converted by functions of the hub.
func (h *Hub) convertVersions() error {
	several := severalVersions(h.systemCRDs)
	convert, err := converterOf(several)
	if err != nil {
		return fmt.Errorf("failed to compile the hub's own definitions: %w", err)
	}
	for _, crd := range several {
		schemas.ConvertInProcess(crd, apisConverter)
	}
	h.convert = convert
	h.conversions.Register(apisConverter, func(_ context.Context, to string, objects []*unstructured.Unstructured) ([]*unstructured.Unstructured, error) {
		converted := make([]*unstructured.Unstructured, len(objects))
		for i := range objects {
			var err error
			if converted[i], err = convert(objects[i], to); err != nil {
				return nil, err
			}
		}
		return converted, nil
	})
	return nil
}

// inStoredVersion has plugins judge what is sent in an older version in the one
// that it is kept in.
func (h *Hub) inStoredVersion(plugins admission.Interface) (admission.Interface, error) {
	versions := map[schema.GroupVersionResource]hubadmission.Version{}
	for _, crd := range severalVersions(h.systemCRDs) {
		validate, err := hubadmission.NewValidator(crd, apisv1alpha2.SchemeGroupVersion.Version)
		if err != nil {
			return nil, fmt.Errorf("failed to compile the hub's own definitions: %w", err)
		}
		versions[apisv1alpha1.SchemeGroupVersion.WithResource(crd.Spec.Names.Plural)] = hubadmission.Version{
			Stored: apisv1alpha2.SchemeGroupVersion.Version, Convert: h.convert, Keep: apisv1alpha1.KeepDetails, Validate: validate,
		}
	}
	return hubadmission.InStoredVersion(plugins, versions), nil
}
