package nativeapis

import (
	"context"
	"fmt"
	"strings"

	registrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"
	serverstorage "k8s.io/apiserver/pkg/server/storage"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/admissionregistration"
	mutatingpolicy "k8s.io/kubernetes/pkg/registry/admissionregistration/mutatingadmissionpolicy/storage"
	mutatingbinding "k8s.io/kubernetes/pkg/registry/admissionregistration/mutatingadmissionpolicybinding/storage"
	mutatingwebhook "k8s.io/kubernetes/pkg/registry/admissionregistration/mutatingwebhookconfiguration/storage"
	"k8s.io/kubernetes/pkg/registry/admissionregistration/resolver"
	validatingpolicy "k8s.io/kubernetes/pkg/registry/admissionregistration/validatingadmissionpolicy/storage"
	validatingbinding "k8s.io/kubernetes/pkg/registry/admissionregistration/validatingadmissionpolicybinding/storage"
	validatingwebhook "k8s.io/kubernetes/pkg/registry/admissionregistration/validatingwebhookconfiguration/storage"
)

// ResourceOf finds the resource of a kind in the workspace of a request, and false
// when none is served there.
type ResourceOf func(context.Context, schema.GroupVersionKind) (resource string, ok bool)

// policyProvider serves admission policies and webhooks as upstream does. Whoever
// makes a policy has to be able to read its params; upstream looks for their
// resource in the one cluster it knows, here it is looked for in the workspace.
type policyProvider struct {
	authorizer authorizer.UnconditionalAuthorizer
	resources  ResourceOf
}

// GroupName returns "admissionregistration.k8s.io".
func (p policyProvider) GroupName() string { return admissionregistration.GroupName }

// NewRESTStorage builds the stores.
func (p policyProvider) NewRESTStorage(_ serverstorage.APIResourceConfigSource, options generic.RESTOptionsGetter) (genericapiserver.APIGroupInfo, error) {
	info := genericapiserver.NewDefaultAPIGroupInfo(admissionregistration.GroupName, legacyscheme.Scheme, legacyscheme.ParameterCodec, legacyscheme.Codecs)
	stores := map[string]rest.Storage{}
	for _, add := range []func(map[string]rest.Storage, generic.RESTOptionsGetter) error{p.addValidating, p.addMutating, p.addWebhooks} {
		if err := add(stores, options); err != nil {
			return info, fmt.Errorf("failed to build the stores of admission policies: %w", err)
		}
	}
	info.VersionedResourcesStorageMap[registrationv1.SchemeGroupVersion.Version] = stores
	return info, nil
}

func (p policyProvider) addValidating(stores map[string]rest.Storage, options generic.RESTOptionsGetter) error {
	policies, status, err := validatingpolicy.NewREST(options, paramReaders{p}, kindNames)
	if err != nil {
		return err
	}
	bindings, err := validatingbinding.NewREST(options, paramReaders{p}, &validatingbinding.DefaultPolicyGetter{Getter: policies}, kindNames)
	if err != nil {
		return err
	}
	stores["validatingadmissionpolicies"], stores["validatingadmissionpolicies/status"] = policies, status
	stores["validatingadmissionpolicybindings"] = bindings
	return nil
}

func (p policyProvider) addMutating(stores map[string]rest.Storage, options generic.RESTOptionsGetter) error {
	policies, err := mutatingpolicy.NewREST(options, paramReaders{p}, kindNames)
	if err != nil {
		return err
	}
	bindings, err := mutatingbinding.NewREST(options, paramReaders{p}, &mutatingbinding.DefaultPolicyGetter{Getter: policies}, kindNames)
	if err != nil {
		return err
	}
	stores["mutatingadmissionpolicies"], stores["mutatingadmissionpolicybindings"] = policies, bindings
	return nil
}

func (p policyProvider) addWebhooks(stores map[string]rest.Storage, options generic.RESTOptionsGetter) error {
	validating, err := validatingwebhook.NewREST(options)
	if err != nil {
		return err
	}
	mutating, err := mutatingwebhook.NewREST(options)
	if err != nil {
		return err
	}
	stores["validatingwebhookconfigurations"], stores["mutatingwebhookconfigurations"] = validating, mutating
	return nil
}

// kindPrefix begins a name that stands for the resource of a kind. No resource is
// called so.
const kindPrefix = "kind:"

// kindNames is the resolver that upstream asks without a context: it leaves the
// question to paramReaders, who have one.
var kindNames = resolver.ResourceResolverFunc(func(gvk schema.GroupVersionKind) (schema.GroupVersionResource, error) {
	return gvk.GroupVersion().WithResource(kindPrefix + gvk.Kind), nil
})

// paramReaders judges who may read params.
type paramReaders struct{ policyProvider }

// Authorize puts the resource in for its kind. Of a kind that is not served one
// has to be able to read all of the version.
func (r paramReaders) Authorize(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	if kind, ok := strings.CutPrefix(a.GetResource(), kindPrefix); ok {
		resource, served := r.resources(ctx, schema.GroupVersionKind{Group: a.GetAPIGroup(), Version: a.GetAPIVersion(), Kind: kind})
		if !served {
			resource = "*"
		}
		a = asksFor{a, resource}
	}
	return r.authorizer.Authorize(ctx, a)
}

// asksFor is the same question about another resource.
type asksFor struct {
	authorizer.Attributes
	resource string
}

// GetResource implements authorizer.Attributes.
func (a asksFor) GetResource() string { return a.resource }
