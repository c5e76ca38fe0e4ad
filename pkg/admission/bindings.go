package admission

import (
	"context"
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/atriumhub/atrium/pkg/directory"
	"github.com/atriumhub/atrium/pkg/identity"
	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Bindings asks for the verb "bind" on the export that a new APIBinding, or
// APIExportEndpointSlice, refers to, in the workspace of the export.
type Bindings struct {
	*admission.Handler
	judge judge
}

var _ admission.ValidationInterface = &Bindings{}

// NewBindings returns the plugin. rbac judges by the workspace in the target of
// its context.
func NewBindings(dir *directory.Directory, rbac authorizer.UnconditionalAuthorizer) *Bindings {
	return &Bindings{Handler: admission.NewHandler(admission.Create, admission.Update), judge: judge{dir, rbac}}
}

// Validate refuses a binding to an export that the user may not bind. An export
// that does not exist is refused with the same words to those who could not
// know; the binding of somebody who may bind waits for it.
func (p *Bindings) Validate(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	if a.GetSubresource() != "" || identity.IsHub(a.GetUserInfo()) {
		return nil
	}
	if err := p.mayAdopt(ctx, a); err != nil {
		return err
	}
	if a.GetOperation() != admission.Create {
		return nil // what is referred to does not change
	}
	reference, err := exportNamedIn(a)
	if err != nil || reference == nil {
		return err
	}
	if !p.judge.mayBind(ctx, a.GetUserInfo(), logicalcluster.Path(reference.Path), reference.Name) {
		return admission.NewForbidden(a, fmt.Errorf(
			"no permission to bind to export %q of workspace %q: it does not exist, or its owner has to grant you the verb \"bind\" on it",
			reference.Name, reference.Path))
	}
	return nil
}

// mayAdopt asks of whom makes a binding adopt definitions of the workspace that he
// may delete these: that is what the hub does then.
func (p *Bindings) mayAdopt(ctx context.Context, a admission.Attributes) error {
	if a.GetResource().GroupResource() != bindingsResource || !adopts(a.GetObject()) || adopts(a.GetOldObject()) {
		return nil
	}
	ask := resourceAsk("delete", apiextensionsv1.GroupName, "customresourcedefinitions", "")
	if p.judge.allows(ctx, a.GetUserInfo(), "", ask) {
		return nil
	}
	return admission.NewForbidden(a, fmt.Errorf("to adopt definitions by the annotation %s takes the %s, as they are deleted when their objects have moved",
		apisv1alpha2.AdoptCRDAnnotationKey, askText(ask)))
}

func adopts(object runtime.Object) bool {
	metadata := accessor(object)
	return metadata != nil && metadata.GetAnnotations()[apisv1alpha2.AdoptCRDAnnotationKey] == "true"
}

// exportNamedIn returns which export the object refers to, or nil.
func exportNamedIn(a admission.Attributes) (*apisv1alpha2.ExportBindingReference, error) {
	switch a.GetResource().GroupResource() {
	case bindingsResource:
		binding, err := typed[apisv1alpha2.APIBinding](a.GetObject())
		if err != nil {
			return nil, apierrors.NewBadRequest(fmt.Sprintf("the APIBinding cannot be read: %v", err))
		}
		return binding.Spec.Reference.Export, nil
	case apisv1alpha2.Resource("apiexportendpointslices"):
		slice, err := typed[apisv1alpha1.APIExportEndpointSlice](a.GetObject())
		if err != nil {
			return nil, apierrors.NewBadRequest(fmt.Sprintf("the APIExportEndpointSlice cannot be read: %v", err))
		}
		return &slice.Spec.APIExport, nil
	}
	return nil, nil
}
