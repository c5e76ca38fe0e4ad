package server

import (
	"context"
	"fmt"
	"maps"
	"sync"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	svmv1 "k8s.io/api/storagemigration/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsapiserver "k8s.io/apiextensions-apiserver/pkg/apiserver"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/kubernetes/pkg/api/legacyscheme"

	"github.com/atriumhub/atrium/pkg/admission/policies"
	"github.com/atriumhub/atrium/pkg/informers"
	"github.com/atriumhub/atrium/pkg/nativeapis"
	"github.com/atriumhub/atrium/pkg/partition"
	"github.com/atriumhub/atrium/pkg/scheduling"
	"github.com/atriumhub/atrium/pkg/schemas"
	"github.com/atriumhub/atrium/pkg/upkeep/serviceaccounts"
	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	cachev1alpha1 "github.com/atriumhub/atrium/sdk/apis/cache/v1alpha1"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	schedulingv1alpha1 "github.com/atriumhub/atrium/sdk/apis/scheduling/v1alpha1"
	"github.com/atriumhub/atrium/sdk/apis/scheme"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
)

// metadata is an informer that keeps only the metadata of a kind.
type metadata = informers.Informer[*metav1.PartialObjectMetadata]

// readModels are the informers over all workspaces. They read straight from
// storage.
type readModels struct {
	workspaces      *informers.Informer[*tenancyv1alpha1.Workspace]
	workspaceTypes  *informers.Informer[*tenancyv1alpha1.WorkspaceType]
	logicalClusters *informers.Informer[*corev1alpha1.LogicalCluster]
	exports         *informers.Informer[*apisv1alpha2.APIExport]
	schemas         *informers.Informer[*apisv1alpha1.APIResourceSchema]
	cached          *informers.Informer[*cachev1alpha1.ClusterCachedResource]
	cachedSlices    *informers.Informer[*cachev1alpha1.ClusterCachedResourceEndpointSlice]
	conversions     *informers.Informer[*apisv1alpha1.APIConversion]
	endpointSlices  *informers.Informer[*apisv1alpha1.APIExportEndpointSlice]
	bindings        *informers.Informer[*apisv1alpha2.APIBinding]
	publications    *informers.Informer[*publicationv1alpha1.APIPublication]
	rollouts        *informers.Informer[*publicationv1alpha1.SchemaRollout]
	syncTargets     *informers.Informer[*workloadv1alpha1.SyncTarget]
	locations       *informers.Informer[*schedulingv1alpha1.Location]
	placements      *informers.Informer[*schedulingv1alpha1.Placement]
	definitions     *informers.Informer[*apiextensionsv1.CustomResourceDefinition]

	roles               *informers.Informer[*rbacv1.Role]
	roleBindings        *informers.Informer[*rbacv1.RoleBinding]
	clusterRoles        *informers.Informer[*rbacv1.ClusterRole]
	clusterRoleBindings *informers.Informer[*rbacv1.ClusterRoleBinding]
	namespaces          *informers.Informer[*corev1.Namespace]
	storageMigrations   *informers.Informer[*svmv1.StorageVersionMigration]
	serviceAccounts     *metadata
	// authentication are the issuers that tenants named.
	authentication *informers.Informer[*tenancyv1alpha1.WorkspaceAuthenticationConfiguration]

	secrets    *metadata
	configMaps *metadata
	// placeable are the resources that placement assigns to sync targets.
	placeable map[schema.GroupVersionResource]scheduling.Objects

	policies policies.Models

	running []running
	closers []func()
}

// running is the part of an informer that does not depend on its type.
type running interface {
	Name() string
	Run(context.Context)
	Synced() <-chan struct{}
}

// run starts all informers and returns when they have synced, or ctx ended.
func (m *readModels) run(ctx context.Context, wait *sync.WaitGroup) error {
	for _, informer := range m.running {
		wait.Go(func() { informer.Run(ctx) })
	}
	for _, informer := range m.running {
		select {
		case <-informer.Synced():
		case <-ctx.Done():
			return fmt.Errorf("stopped while reading %s", informer.Name())
		}
	}
	return nil
}

func (m *readModels) close() {
	for _, c := range m.closers {
		c()
	}
}

// opener opens informers and remembers the first error, so that openReadModels
// reads as the list it is.
type opener struct {
	models *readModels
	err    error
}

func openReadModels(stores *stores) (*readModels, error) {
	m := &readModels{placeable: map[schema.GroupVersionResource]scheduling.Objects{}}
	o := &opener{models: m}

	m.workspaces = system[*tenancyv1alpha1.Workspace](o, stores, tenancyv1alpha1.SchemeGroupVersion.WithResource("workspaces"), &tenancyv1alpha1.Workspace{}, &tenancyv1alpha1.WorkspaceList{})
	m.workspaceTypes = system[*tenancyv1alpha1.WorkspaceType](o, stores, tenancyv1alpha1.SchemeGroupVersion.WithResource("workspacetypes"), &tenancyv1alpha1.WorkspaceType{}, &tenancyv1alpha1.WorkspaceTypeList{})
	m.authentication = system[*tenancyv1alpha1.WorkspaceAuthenticationConfiguration](o, stores, tenancyv1alpha1.SchemeGroupVersion.WithResource("workspaceauthenticationconfigurations"), &tenancyv1alpha1.WorkspaceAuthenticationConfiguration{}, &tenancyv1alpha1.WorkspaceAuthenticationConfigurationList{})
	m.logicalClusters = system[*corev1alpha1.LogicalCluster](o, stores, corev1alpha1.SchemeGroupVersion.WithResource("logicalclusters"), &corev1alpha1.LogicalCluster{}, &corev1alpha1.LogicalClusterList{})
	m.schemas = system[*apisv1alpha1.APIResourceSchema](o, stores, apisv1alpha1.SchemeGroupVersion.WithResource("apiresourceschemas"), &apisv1alpha1.APIResourceSchema{}, &apisv1alpha1.APIResourceSchemaList{})
	m.cached = system[*cachev1alpha1.ClusterCachedResource](o, stores, cachev1alpha1.SchemeGroupVersion.WithResource("clustercachedresources"), &cachev1alpha1.ClusterCachedResource{}, &cachev1alpha1.ClusterCachedResourceList{})
	m.cachedSlices = system[*cachev1alpha1.ClusterCachedResourceEndpointSlice](o, stores, cachev1alpha1.SchemeGroupVersion.WithResource("clustercachedresourceendpointslices"), &cachev1alpha1.ClusterCachedResourceEndpointSlice{}, &cachev1alpha1.ClusterCachedResourceEndpointSliceList{})
	m.exports = system[*apisv1alpha2.APIExport](o, stores, apisv1alpha2.SchemeGroupVersion.WithResource("apiexports"), &apisv1alpha2.APIExport{}, &apisv1alpha2.APIExportList{})
	m.conversions = system[*apisv1alpha1.APIConversion](o, stores, apisv1alpha1.SchemeGroupVersion.WithResource("apiconversions"), &apisv1alpha1.APIConversion{}, &apisv1alpha1.APIConversionList{})
	m.endpointSlices = system[*apisv1alpha1.APIExportEndpointSlice](o, stores, apisv1alpha1.SchemeGroupVersion.WithResource("apiexportendpointslices"), &apisv1alpha1.APIExportEndpointSlice{}, &apisv1alpha1.APIExportEndpointSliceList{})
	m.bindings = system[*apisv1alpha2.APIBinding](o, stores, apisv1alpha2.SchemeGroupVersion.WithResource("apibindings"), &apisv1alpha2.APIBinding{}, &apisv1alpha2.APIBindingList{})
	m.publications = system[*publicationv1alpha1.APIPublication](o, stores, publicationv1alpha1.SchemeGroupVersion.WithResource("apipublications"), &publicationv1alpha1.APIPublication{}, &publicationv1alpha1.APIPublicationList{})
	m.rollouts = system[*publicationv1alpha1.SchemaRollout](o, stores, publicationv1alpha1.SchemeGroupVersion.WithResource("schemarollouts"), &publicationv1alpha1.SchemaRollout{}, &publicationv1alpha1.SchemaRolloutList{})
	m.syncTargets = system[*workloadv1alpha1.SyncTarget](o, stores, workloadv1alpha1.SchemeGroupVersion.WithResource("synctargets"), &workloadv1alpha1.SyncTarget{}, &workloadv1alpha1.SyncTargetList{})
	m.locations = system[*schedulingv1alpha1.Location](o, stores, schedulingv1alpha1.SchemeGroupVersion.WithResource("locations"), &schedulingv1alpha1.Location{}, &schedulingv1alpha1.LocationList{})
	m.placements = system[*schedulingv1alpha1.Placement](o, stores, schedulingv1alpha1.SchemeGroupVersion.WithResource("placements"), &schedulingv1alpha1.Placement{}, &schedulingv1alpha1.PlacementList{})

	m.definitions = informer(o, stores.crds, opening{
		resource: apiextensionsv1.SchemeGroupVersion.WithResource("customresourcedefinitions"),
		codecs:   apiextensionsapiserver.Codecs, object: &apiextensionsv1.CustomResourceDefinition{}, list: &apiextensionsv1.CustomResourceDefinitionList{},
	}, interned(schemas.NewInterner()))

	m.roles = native(o, stores, rbacv1.SchemeGroupVersion.WithResource("roles"), whole[*rbacv1.Role])
	m.roleBindings = native(o, stores, rbacv1.SchemeGroupVersion.WithResource("rolebindings"), whole[*rbacv1.RoleBinding])
	m.clusterRoles = native(o, stores, rbacv1.SchemeGroupVersion.WithResource("clusterroles"), whole[*rbacv1.ClusterRole])
	m.clusterRoleBindings = native(o, stores, rbacv1.SchemeGroupVersion.WithResource("clusterrolebindings"), whole[*rbacv1.ClusterRoleBinding])
	m.namespaces = native(o, stores, corev1.SchemeGroupVersion.WithResource("namespaces"), whole[*corev1.Namespace])
	m.storageMigrations = native(o, stores, svmv1.SchemeGroupVersion.WithResource("storageversionmigrations"), whole[*svmv1.StorageVersionMigration])
	m.serviceAccounts = native(o, stores, corev1.SchemeGroupVersion.WithResource("serviceaccounts"), digested)
	configMaps := corev1.SchemeGroupVersion.WithResource("configmaps")
	m.configMaps = native(o, stores, configMaps, digested)
	m.placeable[configMaps] = m.configMaps
	secrets := corev1.SchemeGroupVersion.WithResource("secrets")
	m.secrets = native(o, stores, secrets, metadataOf)
	m.placeable[secrets] = m.secrets
	for _, resource := range nativeapis.Compute.Resources {
		if resource.Resource == "pods" {
			continue // pods are made by the children's own controllers
		}
		m.placeable[resource] = native(o, stores, resource, metadataOf)
	}
	m.policies = openPolicies(o, stores)
	if o.err != nil {
		m.close()
		return nil, o.err
	}
	return m, nil
}

// opening is a resource to open an informer on.
type opening struct {
	resource schema.GroupVersionResource
	codecs   serializer.CodecFactory
	object   runtime.Object
	list     runtime.Object
}

// system opens one of the hub's own kinds. They are stored as custom resources
// and decoded to their types.
func system[T metav1.Object](o *opener, stores *stores, resource schema.GroupVersionResource, object, list runtime.Object) *informers.Informer[T] {
	return informer(o, stores.customResources, opening{
		resource: resource, codecs: scheme.Codecs, object: object, list: list,
	}, whole[T])
}

// native opens one of Kubernetes' kinds.
func native[T metav1.Object](o *opener, stores *stores, resource schema.GroupVersionResource, convert func(runtime.Object) (T, error)) *informers.Informer[T] {
	gv := resource.GroupVersion()
	if o.err != nil {
		return nil
	}
	kind, err := kindOf(resource)
	if err != nil {
		o.err = err
		return nil
	}
	object, err := legacyscheme.Scheme.New(gv.WithKind(kind))
	if err != nil {
		o.err = fmt.Errorf("failed to find the type of %s: %w", resource, err)
		return nil
	}
	list, err := legacyscheme.Scheme.New(gv.WithKind(kind + "List"))
	if err != nil {
		o.err = fmt.Errorf("failed to find the list type of %s: %w", resource, err)
		return nil
	}
	return informer(o, stores.natives, opening{resource: resource, codecs: legacyscheme.Codecs, object: object, list: list}, convert)
}

// kindOf finds the kind of a native resource by its plural.
func kindOf(resource schema.GroupVersionResource) (string, error) {
	for kind := range legacyscheme.Scheme.KnownTypes(resource.GroupVersion()) {
		if plural, _ := meta.UnsafeGuessKindToResource(resource.GroupVersion().WithKind(kind)); plural == resource {
			return kind, nil
		}
	}
	return "", fmt.Errorf("no kind is known for %s", resource)
}

func informer[T metav1.Object](o *opener, getter *partition.Getter, open opening, convert func(runtime.Object) (T, error)) *informers.Informer[T] {
	if o.err != nil {
		return nil
	}
	storage, closer, err := getter.Open(partition.OpenConfig{
		GroupResource: open.resource.GroupResource(),
		Codec:         partition.CodecOf(open.codecs, runtime.ContentTypeJSON, open.resource.GroupVersion()),
		NewFunc:       func() runtime.Object { return open.object.DeepCopyObject() },
		NewListFunc:   func() runtime.Object { return open.list.DeepCopyObject() },
	})
	if err != nil {
		o.err = fmt.Errorf("failed to open %s: %w", open.resource, err)
		return nil
	}
	opened := informers.New(informers.Config[T]{Name: open.resource.GroupResource().String(), Storage: storage, Convert: convert})
	o.models.running = append(o.models.running, opened)
	o.models.closers = append(o.models.closers, closer)
	return opened
}

// whole keeps an object as it is, but for who wrote which field.
func whole[T metav1.Object](object runtime.Object) (T, error) {
	kept, ok := object.(T)
	if !ok {
		return kept, fmt.Errorf("storage returned %T, expected %T", object, kept)
	}
	kept.SetManagedFields(nil)
	return kept, nil
}

// interned keeps equal schemas of many workspaces once.
func interned(interner *schemas.Interner) func(runtime.Object) (*apiextensionsv1.CustomResourceDefinition, error) {
	return func(object runtime.Object) (*apiextensionsv1.CustomResourceDefinition, error) {
		crd, ok := object.(*apiextensionsv1.CustomResourceDefinition)
		if !ok {
			return nil, fmt.Errorf("storage returned %T, expected a CustomResourceDefinition", object)
		}
		interner.Intern(crd)
		return crd, nil
	}
}

// metadataOf keeps what placement and deletion look at.
func metadataOf(object runtime.Object) (*metav1.PartialObjectMetadata, error) {
	full, err := meta.Accessor(object)
	if err != nil {
		return nil, fmt.Errorf("storage returned %T: %w", object, err)
	}
	kept := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Namespace: full.GetNamespace(), Name: full.GetName(), UID: full.GetUID(), ResourceVersion: full.GetResourceVersion(),
		Labels: full.GetLabels(), Finalizers: full.GetFinalizers(),
		CreationTimestamp: full.GetCreationTimestamp(), DeletionTimestamp: full.GetDeletionTimestamp(),
	}}
	annotations := maps.Clone(full.GetAnnotations())
	delete(annotations, corev1.LastAppliedConfigAnnotation)
	kept.Annotations = annotations
	return kept, nil
}

// digested is metadataOf together with what serviceaccounts.Trim notes down.
func digested(object runtime.Object) (*metav1.PartialObjectMetadata, error) {
	small, err := serviceaccounts.Trim(object)
	if err != nil {
		return nil, err
	}
	kept, err := metadataOf(object)
	if err != nil {
		return nil, err
	}
	maps.Copy(kept.Annotations, small.Annotations)
	return kept, nil
}
