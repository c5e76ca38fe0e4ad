package server

import (
	"context"

	registrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"github.com/atriumhub/atrium/pkg/admission/policies"
	"github.com/atriumhub/atrium/pkg/catalog"
	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/views"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

func openPolicies(o *opener, stores *stores) policies.Models {
	v1 := registrationv1.SchemeGroupVersion
	return policies.Models{
		ValidatingPolicies: native(o, stores, v1.WithResource("validatingadmissionpolicies"), whole[*registrationv1.ValidatingAdmissionPolicy]),
		ValidatingBindings: native(o, stores, v1.WithResource("validatingadmissionpolicybindings"), whole[*registrationv1.ValidatingAdmissionPolicyBinding]),
		MutatingPolicies:   native(o, stores, v1.WithResource("mutatingadmissionpolicies"), whole[*registrationv1.MutatingAdmissionPolicy]),
		MutatingBindings:   native(o, stores, v1.WithResource("mutatingadmissionpolicybindings"), whole[*registrationv1.MutatingAdmissionPolicyBinding]),
		ValidatingWebhooks: native(o, stores, v1.WithResource("validatingwebhookconfigurations"), whole[*registrationv1.ValidatingWebhookConfiguration]),
		MutatingWebhooks:   native(o, stores, v1.WithResource("mutatingwebhookconfigurations"), whole[*registrationv1.MutatingWebhookConfiguration]),
	}
}

// newPolicies returns what enforces the policies of workspaces.
func (h *Hub) newPolicies() *policies.Policies {
	return policies.New(policies.Config{
		Models: h.models.policies, JudgedBy: h.judgedBy, Namespace: h.models.namespaces.Get, Hub: h.hubClient,
		Ending: func(workspace logicalcluster.Name) bool {
			entry, known := h.directory.ByName(workspace)
			return known && entry.Ending()
		},
		ResourceOf: func(workspace logicalcluster.Name, gvk schema.GroupVersionKind) (string, bool, bool) {
			return h.discovery.Load().ResourceOf(workspace, gvk)
		},
		Schemas: func(workspace logicalcluster.Name, gv schema.GroupVersion) (string, func() (map[string]*spec.Schema, error), bool) {
			return h.discovery.Load().Schemas(workspace, gv)
		},
		Authorizer: h.authorizer, Door: h.egress,
		HubViews: []string{views.SyncerKind},
	})
}

// judgedBy returns the workspace whose policies judge a resource of another: that
// of the export it comes from, if it comes from one.
func (h *Hub) judgedBy(workspace logicalcluster.Name, resource schema.GroupResource) logicalcluster.Name {
	if api, ok := h.catalog.Lookup(workspace, resource); ok && api.Origin == catalog.Bound {
		return api.Provider.Workspace
	}
	return workspace
}

// resourceOf finds the resource of a kind in the workspace of a request.
func (h *Hub) resourceOf(ctx context.Context, gvk schema.GroupVersionKind) (string, bool) {
	scope, _ := keyspace.ScopeFrom(ctx)
	workspace, single := scope.Workspace()
	if !single {
		return "", false
	}
	resource, _, ok := h.discovery.Load().ResourceOf(workspace, gvk)
	return resource, ok
}
