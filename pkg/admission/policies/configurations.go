package policies

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/kubernetes/pkg/apis/admissionregistration"
)

// Configurations refuses webhooks that the hub could never call.
type Configurations struct{ *admission.Handler }

var _ admission.ValidationInterface = &Configurations{}

// NewConfigurations returns the plugin.
func NewConfigurations() *Configurations {
	return &Configurations{admission.NewHandler(admission.Create, admission.Update)}
}

// Validate refuses webhooks that are Services.
func (*Configurations) Validate(_ context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	var errs field.ErrorList
	switch configuration := a.GetObject().(type) {
	case *admissionregistration.ValidatingWebhookConfiguration:
		for i := range configuration.Webhooks {
			errs = append(errs, callable(i, configuration.Webhooks[i].ClientConfig)...)
		}
	case *admissionregistration.MutatingWebhookConfiguration:
		for i := range configuration.Webhooks {
			errs = append(errs, callable(i, configuration.Webhooks[i].ClientConfig)...)
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return apierrors.NewInvalid(a.GetKind().GroupKind(), a.GetName(), errs)
}

func callable(i int, config admissionregistration.WebhookClientConfig) field.ErrorList {
	if config.Service == nil {
		return nil
	}
	path := field.NewPath("webhooks").Index(i).Child("clientConfig", "service")
	return field.ErrorList{field.Forbidden(path, noService(config.Service.Namespace, config.Service.Name))}
}
