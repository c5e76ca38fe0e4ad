package nativeapis

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/generic"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	api "k8s.io/kubernetes/pkg/apis/core"
	"k8s.io/kubernetes/pkg/printers"
	printersinternal "k8s.io/kubernetes/pkg/printers/internalversion"
	printerstorage "k8s.io/kubernetes/pkg/printers/storage"
	"k8s.io/kubernetes/pkg/registry/core/service"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// serviceREST is Kubernetes' store of Services without the allocators of
// cluster IPs and node ports: those belong to the child that runs the Service.
type serviceREST struct{ *genericregistry.Store }

var (
	_ rest.ShortNamesProvider = &serviceREST{}
	_ rest.CategoriesProvider = &serviceREST{}
)

// ShortNames returns what kubectl users type.
func (r *serviceREST) ShortNames() []string { return []string{"svc"} }

// Categories makes Services part of "kubectl get all".
func (r *serviceREST) Categories() []string { return []string{"all"} }

// serviceStatusREST writes only the status of a Service.
type serviceStatusREST struct{ store *genericregistry.Store }

var (
	_ rest.Patcher             = &serviceStatusREST{}
	_ rest.ResetFieldsStrategy = &serviceStatusREST{}
	_ rest.TableConvertor      = &serviceStatusREST{}
)

// New returns an empty Service.
func (r *serviceStatusREST) New() runtime.Object { return &api.Service{} }

// Destroy does nothing: the store belongs to serviceREST.
func (r *serviceStatusREST) Destroy() {}

// Get returns the Service called name.
func (r *serviceStatusREST) Get(ctx context.Context, name string, options *metav1.GetOptions) (runtime.Object, error) {
	return r.store.Get(ctx, name, options)
}

// Update changes the status and never creates.
func (r *serviceStatusREST) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, onCreate rest.ValidateObjectFunc, onUpdate rest.ValidateObjectUpdateFunc, _ bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	return r.store.Update(ctx, name, info, onCreate, onUpdate, false, options)
}

// GetResetFields returns the fields that writing the status leaves alone.
func (r *serviceStatusREST) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return r.store.GetResetFields()
}

// ConvertToTable prints Services.
func (r *serviceStatusREST) ConvertToTable(ctx context.Context, object, options runtime.Object) (*metav1.Table, error) {
	return r.store.ConvertToTable(ctx, object, options)
}

func addServices(stores map[string]rest.Storage, options generic.RESTOptionsGetter) error {
	store := &genericregistry.Store{
		NewFunc:                   func() runtime.Object { return &api.Service{} },
		NewListFunc:               func() runtime.Object { return &api.ServiceList{} },
		PredicateFunc:             service.Matcher,
		DefaultQualifiedResource:  api.Resource("services"),
		SingularQualifiedResource: api.Resource("service"),
		ReturnDeletedObject:       true,
		CreateStrategy:            service.Strategy,
		UpdateStrategy:            service.Strategy,
		DeleteStrategy:            service.Strategy,
		ResetFieldsStrategy:       service.Strategy,
		TableConvertor:            printerstorage.TableConvertor{TableGenerator: printers.NewTableGenerator().With(printersinternal.AddHandlers)},
	}
	store.BeginCreate = func(_ context.Context, object runtime.Object, _ *metav1.CreateOptions) (genericregistry.FinishFunc, error) {
		matchClusterIPs(object.(*api.Service), nil)
		return noFinish, nil
	}
	store.BeginUpdate = func(_ context.Context, object, old runtime.Object, _ *metav1.UpdateOptions) (genericregistry.FinishFunc, error) {
		matchClusterIPs(object.(*api.Service), old.(*api.Service))
		return noFinish, nil
	}
	if err := store.CompleteWithOptions(&generic.StoreOptions{RESTOptions: options, AttrFunc: service.GetAttrs}); err != nil {
		return fmt.Errorf("failed to build the store of services: %w", err)
	}
	status := *store
	status.UpdateStrategy = service.StatusStrategy
	status.ResetFieldsStrategy = service.StatusStrategy
	stores["services"], stores["services/status"] = &serviceREST{store}, &serviceStatusREST{&status}
	return nil
}

func noFinish(context.Context, bool) {}

// matchClusterIPs lets clients write only the older of the two fields for
// cluster IPs, or leave out both when they replace a Service. Kubernetes does
// this where it allocates the addresses.
func matchClusterIPs(service, old *api.Service) {
	spec := &service.Spec
	if old != nil && service.Spec.Type != api.ServiceTypeExternalName && old.Spec.Type != api.ServiceTypeExternalName {
		if spec.ClusterIP == "" && len(spec.ClusterIPs) == 0 {
			spec.ClusterIP, spec.ClusterIPs = old.Spec.ClusterIP, slices.Clone(old.Spec.ClusterIPs)
		}
		if spec.ClusterIP != old.Spec.ClusterIP && slices.Equal(spec.ClusterIPs, old.Spec.ClusterIPs) {
			spec.ClusterIPs = nil
		}
	}
	if spec.ClusterIP != "" && len(spec.ClusterIPs) == 0 {
		spec.ClusterIPs = []string{spec.ClusterIP}
	}
}
