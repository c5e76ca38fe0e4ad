package admission

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apiextensions-apiserver/pkg/registry/customresource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// NewValidator returns a function that judges cluster-scoped objects by what crd
// says of a version, as upstream's handlers do. Defaults have to be filled in.
func NewValidator(crd *apiextensionsv1.CustomResourceDefinition, version string) (func(context.Context, *unstructured.Unstructured, *unstructured.Unstructured) field.ErrorList, error) {
	props, structural, err := schemaOf(crd, version)
	if err != nil {
		return nil, err
	}
	validator, _, err := validation.NewSchemaValidator(props)
	if err != nil {
		return nil, fmt.Errorf("compiling the schema of %s: %w", crd.Name, err)
	}
	kind := schema.GroupVersionKind{Group: crd.Spec.Group, Version: version, Kind: crd.Spec.Names.Kind}
	strategy := customresource.NewStrategy(nil, false, kind, validator, nil, structural, nil, nil, nil)
	return func(ctx context.Context, object, old *unstructured.Unstructured) field.ErrorList {
		if old == nil {
			return strategy.Validate(ctx, object)
		}
		return strategy.ValidateUpdate(ctx, object, old)
	}, nil
}

// NewDefaulter returns a function that fills in what crd says of a version.
func NewDefaulter(crd *apiextensionsv1.CustomResourceDefinition, version string) (func(*unstructured.Unstructured), error) {
	_, structural, err := schemaOf(crd, version)
	if err != nil {
		return nil, err
	}
	return func(object *unstructured.Unstructured) { defaulting.Default(object.Object, structural) }, nil
}

func schemaOf(crd *apiextensionsv1.CustomResourceDefinition, version string) (*apiextensions.JSONSchemaProps, *structuralschema.Structural, error) {
	at := slices.IndexFunc(crd.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool { return v.Name == version })
	if at < 0 {
		return nil, nil, fmt.Errorf("%s has no version %s", crd.Name, version)
	}
	props := &apiextensions.JSONSchemaProps{}
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(crd.Spec.Versions[at].Schema.OpenAPIV3Schema, props, nil); err != nil {
		return nil, nil, fmt.Errorf("reading the schema of %s: %w", crd.Name, err)
	}
	structural, err := structuralschema.NewStructural(props)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the schema of %s: %w", crd.Name, err)
	}
	return props, structural, nil
}
