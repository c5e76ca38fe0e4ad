package schemas

import (
	"context"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Converter returns objects in another version of their resource, as many as it
// was given and in the same order. It may keep and change what it is given.
type Converter func(ctx context.Context, desiredAPIVersion string, objects []*unstructured.Unstructured) ([]*unstructured.Unstructured, error)

// InProcessDomain is the domain of conversion webhooks that are functions of the
// hub: Kubernetes knows no other way to convert than a webhook. No host can be
// in it, for there is no top-level domain "internal" outside of private networks.
const InProcessDomain = "conversion.atrium.internal"

// ConvertInProcess makes crd convert between its versions by the Converter known
// as key: lower-case letters, digits, dots and dashes. The key becomes part of
// the shape, so what is converted otherwise needs another key.
func ConvertInProcess(crd *apiextensionsv1.CustomResourceDefinition, key string) {
	url := "https://" + key + "." + InProcessDomain + "/"
	crd.Spec.Conversion = &apiextensionsv1.CustomResourceConversion{
		Strategy: apiextensionsv1.WebhookConverter,
		Webhook: &apiextensionsv1.WebhookConversion{
			ClientConfig:             &apiextensionsv1.WebhookClientConfig{URL: &url},
			ConversionReviewVersions: []string{"v1"},
		},
	}
}

// InProcessKey returns the key of a host below InProcessDomain, in any spelling
// that a resolver would take for it.
func InProcessKey(host string) (key string, ok bool) {
	host = strings.TrimRight(strings.ToLower(host), ".")
	if host == InProcessDomain {
		return "", true
	}
	return strings.CutSuffix(host, "."+InProcessDomain)
}

// CallsOut reports whether serving crd may call a webhook outside of the hub.
func CallsOut(crd *apiextensionsv1.CustomResourceDefinition) bool {
	conversion := crd.Spec.Conversion
	if conversion == nil || conversion.Strategy != apiextensionsv1.WebhookConverter {
		return false
	}
	if conversion.Webhook == nil || conversion.Webhook.ClientConfig == nil || conversion.Webhook.ClientConfig.URL == nil {
		return true
	}
	host, _, _ := strings.Cut(strings.TrimPrefix(*conversion.Webhook.ClientConfig.URL, "https://"), "/")
	_, inside := InProcessKey(host)
	return !inside
}

// StoredVersion returns the version that objects of crd are stored in, or "" when
// it is not served. Reading in it needs no conversion, unless there are objects
// from before it was chosen.
func StoredVersion(crd *apiextensionsv1.CustomResourceDefinition) string {
	for i := range crd.Spec.Versions {
		if version := &crd.Spec.Versions[i]; version.Storage && version.Served {
			return version.Name
		}
	}
	return ""
}

// MayCallOut reports whether a request in a version of crd may wait for a webhook
// outside of the hub.
func MayCallOut(crd *apiextensionsv1.CustomResourceDefinition, version string) bool {
	stored := crd.Status.StoredVersions
	return CallsOut(crd) && (StoredVersion(crd) != version || len(stored) != 1 || stored[0] != version)
}
