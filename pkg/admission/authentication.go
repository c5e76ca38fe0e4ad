package admission

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/admission"

	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
)

// Authentication refuses WorkspaceAuthenticationConfigurations that could not be
// used: nobody would learn of it before the first login.
type Authentication struct {
	*admission.Handler
	validate func(tenancyv1alpha1.WorkspaceAuthenticationConfigurationSpec) field.ErrorList
}

var _ admission.ValidationInterface = &Authentication{}

// NewAuthentication returns the plugin.
func NewAuthentication(validate func(tenancyv1alpha1.WorkspaceAuthenticationConfigurationSpec) field.ErrorList) *Authentication {
	return &Authentication{admission.NewHandler(admission.Create, admission.Update), validate}
}

// Validate compiles the configuration.
func (p *Authentication) Validate(_ context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	if a.GetResource().GroupResource() != tenancyv1alpha1.Resource("workspaceauthenticationconfigurations") || a.GetSubresource() != "" {
		return nil
	}
	configuration, err := typed[tenancyv1alpha1.WorkspaceAuthenticationConfiguration](a.GetObject())
	if err != nil {
		return apierrors.NewBadRequest(fmt.Sprintf("the WorkspaceAuthenticationConfiguration cannot be read: %v", err))
	}
	if errs := p.validate(configuration.Spec); len(errs) > 0 {
		return apierrors.NewInvalid(tenancyv1alpha1.SchemeGroupVersion.WithKind("WorkspaceAuthenticationConfiguration").GroupKind(), configuration.Name, errs)
	}
	return nil
}
