package v1alpha1

import (
	"errors"
	"fmt"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// CRDToAPIResourceSchema returns what a definition defines, as an
// APIResourceSchema called "<prefix>.<plural>.<group>".
func CRDToAPIResourceSchema(crd *apiextensionsv1.CustomResourceDefinition, prefix string) (*APIResourceSchema, error) {
	name := prefix + "." + crd.Name
	if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 {
		return nil, fmt.Errorf("%q is no name for an APIResourceSchema: %s", name, strings.Join(problems, "; "))
	}
	schema := &APIResourceSchema{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       APIResourceSchemaSpec{Group: crd.Spec.Group, Names: crd.Spec.Names, Scope: crd.Spec.Scope},
	}
	var err error
	if schema.Spec.Conversion, err = conversionOf(crd); err != nil {
		return nil, err
	}
	for i := range crd.Spec.Versions {
		version, err := versionOf(&crd.Spec.Versions[i])
		if err != nil {
			return nil, err
		}
		schema.Spec.Versions = append(schema.Spec.Versions, version)
	}
	return schema, nil
}

func versionOf(in *apiextensionsv1.CustomResourceDefinitionVersion) (APIResourceVersion, error) {
	in = in.DeepCopy()
	out := APIResourceVersion{
		Name: in.Name, Served: in.Served, Storage: in.Storage,
		Deprecated: in.Deprecated, DeprecationWarning: in.DeprecationWarning,
		AdditionalPrinterColumns: in.AdditionalPrinterColumns, SelectableFields: in.SelectableFields,
	}
	if in.Subresources != nil {
		out.Subresources = *in.Subresources
	}
	if in.Schema == nil || in.Schema.OpenAPIV3Schema == nil {
		return out, fmt.Errorf("version %q has no schema", in.Name)
	}
	return out, out.SetSchema(in.Schema.OpenAPIV3Schema)
}

func conversionOf(crd *apiextensionsv1.CustomResourceDefinition) (*CustomResourceConversion, error) {
	in := crd.Spec.Conversion
	if in == nil && len(crd.Spec.Versions) > 1 {
		return nil, errors.New("it has several versions and does not say how to convert between them: set spec.conversion")
	}
	if in == nil {
		return nil, nil
	}
	out := &CustomResourceConversion{Strategy: ConversionStrategyType(in.Strategy)}
	if in.Strategy != apiextensionsv1.WebhookConverter {
		return out, nil
	}
	if in.Webhook == nil || in.Webhook.ClientConfig == nil || in.Webhook.ClientConfig.URL == nil {
		return nil, errors.New("its conversion webhook has no URL: a service cannot be called from a hub, so give it a URL in spec.conversion.webhook.clientConfig.url")
	}
	out.Webhook = &WebhookConversion{
		ClientConfig:             &WebhookClientConfig{URL: *in.Webhook.ClientConfig.URL, CABundle: in.Webhook.ClientConfig.CABundle},
		ConversionReviewVersions: in.Webhook.ConversionReviewVersions,
	}
	return out, nil
}
