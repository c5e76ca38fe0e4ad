package admission

import (
	"context"
	"errors"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"

	"github.com/atriumhub/atrium/pkg/identity"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	cachev1alpha1 "github.com/atriumhub/atrium/sdk/apis/cache/v1alpha1"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	schedulingv1alpha1 "github.com/atriumhub/atrium/sdk/apis/scheduling/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
)

// reported are the kinds whose status the hub alone writes, and then believes.
var reported = []schema.GroupResource{
	apisv1alpha2.Resource("apiexports"),
	apisv1alpha2.Resource("apibindings"),
	cachev1alpha1.Resource("clustercachedresources"),
	cachev1alpha1.Resource("clustercachedresourceendpointslices"),
	apisv1alpha2.Resource("apiexportendpointslices"),
	publicationv1alpha1.Resource("apipublications"),
	publicationv1alpha1.Resource("schemarollouts"),
	tenancyv1alpha1.Resource("workspacetypes"),
	schedulingv1alpha1.Resource("locations"),
	schedulingv1alpha1.Resource("placements"),
}

var errReported = errors.New("the hub alone writes this status")

// Status keeps tenants from writing what the hub reports to them.
type Status struct{ *admission.Handler }

var _ admission.ValidationInterface = &Status{}

// NewStatus returns the plugin.
func NewStatus() *Status { return &Status{admission.NewHandler(admission.Update)} }

// Validate refuses writes of tenants to the status subresource.
func (p *Status) Validate(_ context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	if a.GetSubresource() != "status" || identity.IsHub(a.GetUserInfo()) || !slices.Contains(reported, a.GetResource().GroupResource()) {
		return nil
	}
	return admission.NewForbidden(a, errReported)
}
