package admission

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"

	"github.com/atriumhub/atrium/pkg/schemas"
)

// Convertible refuses objects that could not be had in every version of their
// resource. Whoever lists all workspaces in one version would not get his list
// because of one such object in one of them.
type Convertible struct {
	*admission.Handler
	serving func(ctx context.Context, resource schema.GroupResource) (*schemas.API, bool)
}

var _ admission.ValidationInterface = &Convertible{}

// NewConvertible returns the plugin. serving says which API a request is about.
func NewConvertible(serving func(ctx context.Context, resource schema.GroupResource) (*schemas.API, bool)) *Convertible {
	return &Convertible{admission.NewHandler(admission.Create, admission.Update), serving}
}

// Validate converts by rules of the hub's; webhooks are not asked. An object that
// is on its way out, or was no better before, may be written.
func (p *Convertible) Validate(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	object, ok := a.GetObject().(*unstructured.Unstructured)
	if !ok || object.GetDeletionTimestamp() != nil {
		return nil
	}
	api, ok := p.serving(ctx, a.GetResource().GroupResource())
	if !ok || api.Converter == nil || object.GetKind() != api.Kind {
		return nil
	}
	for _, version := range api.Versions {
		err := convertible(ctx, api, object, version)
		if err == nil || (a.GetOldObject() != nil && convertible(ctx, api, a.GetOldObject(), version) != nil) {
			continue
		}
		return admission.NewForbidden(a, fmt.Errorf("others could not read it in version %s: %w", version, err))
	}
	return nil
}

func convertible(ctx context.Context, api *schemas.API, object runtime.Object, version string) error {
	from, ok := object.(*unstructured.Unstructured)
	to := schema.GroupVersion{Group: api.Group, Version: version}.String()
	if !ok || from.GetAPIVersion() == to {
		return nil
	}
	_, err := api.Converter(ctx, to, []*unstructured.Unstructured{from.DeepCopy()})
	return err
}
