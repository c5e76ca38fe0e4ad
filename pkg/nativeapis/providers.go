package nativeapis

import (
	"fmt"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsapiserver "k8s.io/apiextensions-apiserver/pkg/apiserver"
	"k8s.io/apiextensions-apiserver/pkg/registry/customresourcedefinition"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"
	serverstorage "k8s.io/apiserver/pkg/server/storage"
	controlplane "k8s.io/kubernetes/pkg/controlplane/apiserver"
	appsrest "k8s.io/kubernetes/pkg/registry/apps/rest"
	authenticationrest "k8s.io/kubernetes/pkg/registry/authentication/rest"
	authorizationrest "k8s.io/kubernetes/pkg/registry/authorization/rest"
	autoscalingrest "k8s.io/kubernetes/pkg/registry/autoscaling/rest"
	batchrest "k8s.io/kubernetes/pkg/registry/batch/rest"
	coordinationrest "k8s.io/kubernetes/pkg/registry/coordination/rest"
	pvcstore "k8s.io/kubernetes/pkg/registry/core/persistentvolumeclaim/storage"
	podstore "k8s.io/kubernetes/pkg/registry/core/pod/storage"
	eventsrest "k8s.io/kubernetes/pkg/registry/events/rest"
	networkingrest "k8s.io/kubernetes/pkg/registry/networking/rest"
	policyrest "k8s.io/kubernetes/pkg/registry/policy/rest"
	storagemigrationrest "k8s.io/kubernetes/pkg/registry/storagemigration/rest"
)

// ResourceConfig enables exactly the resources in Always and in the exports.
func ResourceConfig() *serverstorage.ResourceConfig {
	config := serverstorage.NewResourceConfig()
	config.EnableResources(Always()...)
	for _, export := range Exports() {
		config.EnableResources(export.Resources...)
	}
	return config
}

// Providers returns the upstream registries, in the order of discovery.
// crdOptions is the storage of CustomResourceDefinitions, which have a codec of
// their own; rules judge who may make which roles and bindings, resources finds
// the params of policies.
func Providers(config controlplane.CompletedConfig, crdOptions generic.RESTOptionsGetter, rules EscalationRules, resources ResourceOf) []controlplane.RESTStorageProvider {
	authn, authz := config.Generic.Authentication, config.Generic.Authorization
	return []controlplane.RESTStorageProvider{
		coreProvider{generic: config.NewCoreGenericConfig()},
		reviewsProvider{authenticationrest.RESTStorageProvider{Authenticator: authn.Authenticator, APIAudiences: authn.APIAudiences}},
		authorizationrest.RESTStorageProvider{Authorizer: authz.Authorizer, RuleResolver: config.Generic.RuleResolver},
		roleProvider{authorizer: authz.Authorizer, rules: rules},
		coordinationrest.RESTStorageProvider{},
		eventsrest.RESTStorageProvider{TTL: config.EventTTL},
		policyProvider{authorizer: authz.Authorizer, resources: resources},
		crdProvider{options: crdOptions},
		storagemigrationrest.RESTStorageProvider{},
		appsrest.StorageProvider{},
		batchrest.RESTStorageProvider{},
		autoscalingrest.RESTStorageProvider{},
		networkingrest.RESTStorageProvider{},
		policyrest.RESTStorageProvider{},
	}
}

// storageProvider is what coreProvider wraps.
type storageProvider interface {
	GroupName() string
	NewRESTStorage(serverstorage.APIResourceConfigSource, generic.RESTOptionsGetter) (genericapiserver.APIGroupInfo, error)
}

// coreProvider adds the workload kinds of the core group to what the generic
// control plane has.
type coreProvider struct{ generic storageProvider }

// GroupName returns "".
func (p coreProvider) GroupName() string { return p.generic.GroupName() }

// NewRESTStorage builds the stores of the core group.
func (p coreProvider) NewRESTStorage(enabled serverstorage.APIResourceConfigSource, options generic.RESTOptionsGetter) (genericapiserver.APIGroupInfo, error) {
	info, err := p.generic.NewRESTStorage(enabled, options)
	if err != nil {
		return info, err
	}
	stores := info.VersionedResourcesStorageMap["v1"]
	if err := addServices(stores, options); err != nil {
		return info, err
	}
	claims, claimStatus, err := pvcstore.NewREST(options)
	if err != nil {
		return info, fmt.Errorf("failed to build the store of persistentvolumeclaims: %w", err)
	}
	stores["persistentvolumeclaims"], stores["persistentvolumeclaims/status"] = claims, claimStatus
	// Without a connection to kubelets there are no exec, log and port-forward.
	pods, err := podstore.NewStorage(options, nil, nil, nil, nil)
	if err != nil {
		return info, fmt.Errorf("failed to build the store of pods: %w", err)
	}
	stores["pods"], stores["pods/status"] = pods.Pod, pods.Status
	return info, nil
}

// crdProvider serves customresourcedefinitions from the same server as
// everything else; upstream gives them an API server of their own.
type crdProvider struct{ options generic.RESTOptionsGetter }

// GroupName returns "apiextensions.k8s.io".
func (p crdProvider) GroupName() string { return apiextensions.GroupName }

// NewRESTStorage builds the store of customresourcedefinitions.
func (p crdProvider) NewRESTStorage(serverstorage.APIResourceConfigSource, generic.RESTOptionsGetter) (genericapiserver.APIGroupInfo, error) {
	info := genericapiserver.NewDefaultAPIGroupInfo(apiextensions.GroupName, apiextensionsapiserver.Scheme, metav1.ParameterCodec, apiextensionsapiserver.Codecs)
	definitions, err := customresourcedefinition.NewREST(apiextensionsapiserver.Scheme, p.options)
	if err != nil {
		return info, fmt.Errorf("failed to build the store of customresourcedefinitions: %w", err)
	}
	info.VersionedResourcesStorageMap[apiextensionsv1.SchemeGroupVersion.Version] = map[string]rest.Storage{
		"customresourcedefinitions":        definitions,
		"customresourcedefinitions/status": customresourcedefinition.NewStatusREST(apiextensionsapiserver.Scheme, definitions),
	}
	return info, nil
}
