package schemas

import (
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
)

// FromSchema returns the definition that schema stands for, established and with
// all its names accepted: that they are free is for those to see who serve it. An
// error says which version cannot be read.
func FromSchema(schema *apisv1alpha1.APIResourceSchema) (*apiextensionsv1.CustomResourceDefinition, error) {
	spec := &schema.Spec
	crd := &apiextensionsv1.CustomResourceDefinition{
		// Not "core" for the core group: this is what a request is looked up by.
		ObjectMeta: metav1.ObjectMeta{Name: spec.Names.Plural + "." + spec.Group},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: spec.Group, Names: *spec.Names.DeepCopy(), Scope: spec.Scope,
			Conversion: conversionOf(spec.Conversion),
		},
	}
	if approved, ok := schema.Annotations[apiextensionsv1.KubeAPIApprovedAnnotation]; ok {
		crd.Annotations = map[string]string{apiextensionsv1.KubeAPIApprovedAnnotation: approved}
	}
	for i := range spec.Versions {
		version, err := versionFrom(&spec.Versions[i])
		if err != nil {
			return nil, fmt.Errorf("APIResourceSchema %q: version %q: %w", schema.Name, spec.Versions[i].Name, err)
		}
		crd.Spec.Versions = append(crd.Spec.Versions, version)
	}
	return Installed(crd), nil
}

func versionFrom(version *apisv1alpha1.APIResourceVersion) (apiextensionsv1.CustomResourceDefinitionVersion, error) {
	props, err := version.GetSchema()
	if err != nil {
		return apiextensionsv1.CustomResourceDefinitionVersion{}, err
	}
	return apiextensionsv1.CustomResourceDefinitionVersion{
		Name: version.Name, Served: version.Served, Storage: version.Storage,
		Deprecated: version.Deprecated, DeprecationWarning: version.DeprecationWarning,
		Schema:                   &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: props},
		Subresources:             version.Subresources.DeepCopy(),
		AdditionalPrinterColumns: version.AdditionalPrinterColumns,
		SelectableFields:         version.SelectableFields,
	}, nil
}

func conversionOf(conversion *apisv1alpha1.CustomResourceConversion) *apiextensionsv1.CustomResourceConversion {
	if conversion == nil || conversion.Webhook == nil || conversion.Strategy != apisv1alpha1.ConversionStrategyWebhook {
		return &apiextensionsv1.CustomResourceConversion{Strategy: apiextensionsv1.NoneConverter}
	}
	webhook := &apiextensionsv1.WebhookConversion{ConversionReviewVersions: conversion.Webhook.ConversionReviewVersions}
	if client := conversion.Webhook.ClientConfig; client != nil {
		webhook.ClientConfig = &apiextensionsv1.WebhookClientConfig{URL: &client.URL, CABundle: client.CABundle}
	}
	return &apiextensionsv1.CustomResourceConversion{Strategy: apiextensionsv1.WebhookConverter, Webhook: webhook}
}

// CopyName is what the copy of a schema is called in system:bound-crds: the UID of
// the original takes the place of its prefix. group is empty for the core group.
func CopyName(uid types.UID, resource, group string) string {
	if group == "" {
		group = "core"
	}
	return string(uid) + "." + resource + "." + group
}
