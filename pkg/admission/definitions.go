package admission

import (
	"context"
	"fmt"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apiserver/pkg/admission"
)

// Definitions refuses CustomResourceDefinitions that would make the hub call
// somebody: a tenant could point it at addresses only the hub can reach.
type Definitions struct{ *admission.Handler }

var _ admission.ValidationInterface = &Definitions{}

// NewDefinitions returns the plugin.
func NewDefinitions() *Definitions {
	return &Definitions{admission.NewHandler(admission.Create, admission.Update)}
}

// Validate refuses conversion by webhook.
func (p *Definitions) Validate(_ context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	crd, ok := a.GetObject().(*apiextensions.CustomResourceDefinition)
	if !ok || crd.Spec.Conversion == nil || crd.Spec.Conversion.Strategy != apiextensions.WebhookConverter {
		return nil
	}
	return admission.NewForbidden(a, fmt.Errorf("spec.conversion.strategy: this hub does not call webhooks of workspaces; use None"))
}
