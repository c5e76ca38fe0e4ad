package admission

import (
	"context"
	"fmt"
	"net/netip"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"

	"github.com/atriumhub/atrium/pkg/conversions"
)

// Definitions refuses CustomResourceDefinitions whose conversion webhook the hub
// could not call, or would not, so that whoever writes one learns it at once and
// not by objects that cannot be read.
type Definitions struct {
	*admission.Handler
	allowed func(netip.Addr) error
}

var _ admission.ValidationInterface = &Definitions{}

// NewDefinitions returns the plugin. allowed says whether the hub may call an
// address for a tenant.
func NewDefinitions(allowed func(netip.Addr) error) *Definitions {
	return &Definitions{admission.NewHandler(admission.Create, admission.Update), allowed}
}

// Validate judges a conversion that is new. What was stored once may be written
// again: it is judged when it is called.
func (p *Definitions) Validate(_ context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	client := clientOf(a.GetObject())
	if client == nil || equality.Semantic.DeepEqual(client, clientOf(a.GetOldObject())) {
		return nil
	}
	path := "spec.conversion.webhook.clientConfig"
	if client.Service != nil {
		return admission.NewForbidden(a, fmt.Errorf("%s.service: there are no pods behind services in a hub; give the URL of the webhook in %s.url", path, path))
	}
	if client.URL == nil {
		return nil // validation says what is missing
	}
	if err := conversions.Check(*client.URL, p.allowed); err != nil {
		return admission.NewForbidden(a, fmt.Errorf("%s.url: %w", path, err))
	}
	return nil
}

// clientOf returns how object, if it is a definition, has its objects converted.
func clientOf(object runtime.Object) *apiextensions.WebhookClientConfig {
	crd, ok := object.(*apiextensions.CustomResourceDefinition)
	if !ok || crd.Spec.Conversion == nil || crd.Spec.Conversion.Strategy != apiextensions.WebhookConverter {
		return nil
	}
	return crd.Spec.Conversion.WebhookClientConfig
}
