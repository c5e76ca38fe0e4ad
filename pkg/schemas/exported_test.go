package schemas

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
)

func exported(change ...func(*apisv1alpha1.APIResourceSchema)) *apisv1alpha1.APIResourceSchema {
	schema := &apisv1alpha1.APIResourceSchema{
		ObjectMeta: metav1.ObjectMeta{Name: "v1.gadgets.example.io"},
		Spec: apisv1alpha1.APIResourceSchemaSpec{
			Group: "example.io", Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "gadgets", Kind: "Gadget"},
			Versions: []apisv1alpha1.APIResourceVersion{{
				Name: "v1", Served: true, Storage: true,
				Schema:       runtime.RawExtension{Raw: []byte(`{"type":"object","properties":{"spec":{"type":"object"}}}`)},
				Subresources: apiextensionsv1.CustomResourceSubresources{Status: &apiextensionsv1.CustomResourceSubresourceStatus{}},
			}},
		},
	}
	for _, c := range change {
		c(schema)
	}
	return schema
}

// A schema is served as the definition would be that it was made of.
func TestFromSchema(t *testing.T) {
	got, err := FromSchema(exported())
	if err != nil {
		t.Fatal(err)
	}
	want := Installed(&apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "gadgets.example.io"},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: "example.io", Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "gadgets", Singular: "gadget", Kind: "Gadget", ListKind: "GadgetList"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
					Type: "object", Properties: map[string]apiextensionsv1.JSONSchemaProps{"spec": {Type: "object"}},
				}},
				Subresources: &apiextensionsv1.CustomResourceSubresources{Status: &apiextensionsv1.CustomResourceSubresourceStatus{}},
			}},
		},
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("definition (-want +got):\n%s", diff)
	}
	if !Servable(got) {
		t.Error("the definition cannot be served")
	}
}

func TestFromSchemaOfTheCoreGroup(t *testing.T) {
	got, err := FromSchema(exported(func(s *apisv1alpha1.APIResourceSchema) { s.Spec.Group = "" }))
	if err != nil || got.Name != "gadgets." {
		t.Errorf("definition %q, error %v: want it to be found by plural and empty group", got.Name, err)
	}
}

func TestFromSchemaWithWebhook(t *testing.T) {
	got, err := FromSchema(exported(func(s *apisv1alpha1.APIResourceSchema) {
		s.Spec.Conversion = &apisv1alpha1.CustomResourceConversion{
			Strategy: apisv1alpha1.ConversionStrategyWebhook,
			Webhook: &apisv1alpha1.WebhookConversion{
				ClientConfig:             &apisv1alpha1.WebhookClientConfig{URL: "https://convert.example.io/", CABundle: []byte("pem")},
				ConversionReviewVersions: []string{"v1"},
			},
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	url := "https://convert.example.io/"
	want := &apiextensionsv1.CustomResourceConversion{Strategy: apiextensionsv1.WebhookConverter, Webhook: &apiextensionsv1.WebhookConversion{
		ClientConfig: &apiextensionsv1.WebhookClientConfig{URL: &url, CABundle: []byte("pem")}, ConversionReviewVersions: []string{"v1"},
	}}
	if diff := cmp.Diff(want, got.Spec.Conversion); diff != "" {
		t.Errorf("conversion (-want +got):\n%s", diff)
	}
}

func TestFromUnreadableSchema(t *testing.T) {
	_, err := FromSchema(exported(func(s *apisv1alpha1.APIResourceSchema) { s.Spec.Versions[0].Schema.Raw = []byte(`{"type":1}`) }))
	if err == nil || !strings.Contains(err.Error(), `"v1.gadgets.example.io": version "v1"`) {
		t.Errorf("error %v, want one that says where", err)
	}
}
