package schemas

import (
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// HasVersion reports whether crd has a version of the given name, served or not.
func HasVersion(crd *apiextensionsv1.CustomResourceDefinition, name string) bool {
	return slices.ContainsFunc(crd.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool { return v.Name == name })
}

// MakeReadable adds to crd those of versions that it does not have. They are not
// served and keep every field, so that objects that are stored in them can be read
// in the others.
func MakeReadable(crd *apiextensionsv1.CustomResourceDefinition, versions []string) {
	keep := true
	for _, name := range versions {
		if name == "" || HasVersion(crd, name) {
			continue
		}
		crd.Spec.Versions = append(crd.Spec.Versions, apiextensionsv1.CustomResourceDefinitionVersion{
			Name: name,
			Schema: &apiextensionsv1.CustomResourceValidation{
				OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: &keep},
			},
		})
	}
}
