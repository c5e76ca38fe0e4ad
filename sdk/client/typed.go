package client

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/gentype"

	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	cachev1alpha1 "github.com/atriumhub/atrium/sdk/apis/cache/v1alpha1"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	schedulingv1alpha1 "github.com/atriumhub/atrium/sdk/apis/scheduling/v1alpha1"
	"github.com/atriumhub/atrium/sdk/apis/scheme"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Object is what typed clients deal in: a pointer to an API type.
type Object interface {
	runtime.Object
	metav1.Object
}

// Typed is a client for one kind in one workspace, or in all of them. It has
// Create, Get, List, Watch, Update, UpdateStatus, Patch, Delete and
// DeleteCollection.
type Typed[T Object, L runtime.Object] = gentype.ClientWithList[T, L]

// Clients of the kinds in sdk/apis.
type (
	// WorkspaceClient is a client for Workspaces.
	WorkspaceClient = Typed[*tenancyv1alpha1.Workspace, *tenancyv1alpha1.WorkspaceList]
	// WorkspaceTypeClient is a client for WorkspaceTypes.
	WorkspaceTypeClient = Typed[*tenancyv1alpha1.WorkspaceType, *tenancyv1alpha1.WorkspaceTypeList]
	// LogicalClusterClient is a client for LogicalClusters.
	LogicalClusterClient = Typed[*corev1alpha1.LogicalCluster, *corev1alpha1.LogicalClusterList]
	// ShardClient is a client for Shards.
	ShardClient = Typed[*corev1alpha1.Shard, *corev1alpha1.ShardList]
	// WorkspaceAuthenticationConfigurationClient is a client for
	// WorkspaceAuthenticationConfigurations.
	WorkspaceAuthenticationConfigurationClient = Typed[*tenancyv1alpha1.WorkspaceAuthenticationConfiguration, *tenancyv1alpha1.WorkspaceAuthenticationConfigurationList]
	// SyncTargetClient is a client for SyncTargets.
	SyncTargetClient = Typed[*workloadv1alpha1.SyncTarget, *workloadv1alpha1.SyncTargetList]
	// LocationClient is a client for Locations.
	LocationClient = Typed[*schedulingv1alpha1.Location, *schedulingv1alpha1.LocationList]
	// PlacementClient is a client for Placements.
	PlacementClient = Typed[*schedulingv1alpha1.Placement, *schedulingv1alpha1.PlacementList]
	// APIExportClient is a client for APIExports.
	APIExportClient = Typed[*apisv1alpha2.APIExport, *apisv1alpha2.APIExportList]
	// APIBindingClient is a client for APIBindings.
	APIBindingClient = Typed[*apisv1alpha2.APIBinding, *apisv1alpha2.APIBindingList]
	// APIResourceSchemaClient is a client for APIResourceSchemas.
	APIResourceSchemaClient = Typed[*apisv1alpha1.APIResourceSchema, *apisv1alpha1.APIResourceSchemaList]
	// APIConversionClient is a client for APIConversions.
	APIConversionClient = Typed[*apisv1alpha1.APIConversion, *apisv1alpha1.APIConversionList]
	// APIExportEndpointSliceClient is a client for APIExportEndpointSlices.
	APIExportEndpointSliceClient = Typed[*apisv1alpha1.APIExportEndpointSlice, *apisv1alpha1.APIExportEndpointSliceList]
	// APIPublicationClient is a client for APIPublications.
	APIPublicationClient = Typed[*publicationv1alpha1.APIPublication, *publicationv1alpha1.APIPublicationList]
	// SchemaRolloutClient is a client for SchemaRollouts.
	SchemaRolloutClient = Typed[*publicationv1alpha1.SchemaRollout, *publicationv1alpha1.SchemaRolloutList]
	// ClusterCachedResourceClient is a client for ClusterCachedResources.
	ClusterCachedResourceClient = Typed[*cachev1alpha1.ClusterCachedResource, *cachev1alpha1.ClusterCachedResourceList]
	// ClusterCachedResourceEndpointSliceClient is a client for
	// ClusterCachedResourceEndpointSlices.
	ClusterCachedResourceEndpointSliceClient = Typed[*cachev1alpha1.ClusterCachedResourceEndpointSlice, *cachev1alpha1.ClusterCachedResourceEndpointSliceList]
)

// Workspaces returns a client for the children of the workspace at path.
func Workspaces(hub *Hub, path logicalcluster.Path) *WorkspaceClient {
	return typed[tenancyv1alpha1.Workspace, tenancyv1alpha1.WorkspaceList](hub, path, tenancyv1alpha1.SchemeGroupVersion, "workspaces")
}

// WorkspaceTypes returns a client for the WorkspaceTypes at path.
func WorkspaceTypes(hub *Hub, path logicalcluster.Path) *WorkspaceTypeClient {
	return typed[tenancyv1alpha1.WorkspaceType, tenancyv1alpha1.WorkspaceTypeList](hub, path, tenancyv1alpha1.SchemeGroupVersion, "workspacetypes")
}

// LogicalClusters returns a client for the LogicalCluster of the workspace at
// path.
func LogicalClusters(hub *Hub, path logicalcluster.Path) *LogicalClusterClient {
	return typed[corev1alpha1.LogicalCluster, corev1alpha1.LogicalClusterList](hub, path, corev1alpha1.SchemeGroupVersion, "logicalclusters")
}

// Shards returns a client for the Shards at path.
func Shards(hub *Hub, path logicalcluster.Path) *ShardClient {
	return typed[corev1alpha1.Shard, corev1alpha1.ShardList](hub, path, corev1alpha1.SchemeGroupVersion, "shards")
}

// WorkspaceAuthenticationConfigurations returns a client for the
// WorkspaceAuthenticationConfigurations at path.
func WorkspaceAuthenticationConfigurations(hub *Hub, path logicalcluster.Path) *WorkspaceAuthenticationConfigurationClient {
	return typed[tenancyv1alpha1.WorkspaceAuthenticationConfiguration, tenancyv1alpha1.WorkspaceAuthenticationConfigurationList](hub, path, tenancyv1alpha1.SchemeGroupVersion, "workspaceauthenticationconfigurations")
}

// SyncTargets returns a client for the SyncTargets at path.
func SyncTargets(hub *Hub, path logicalcluster.Path) *SyncTargetClient {
	return typed[workloadv1alpha1.SyncTarget, workloadv1alpha1.SyncTargetList](hub, path, workloadv1alpha1.SchemeGroupVersion, "synctargets")
}

// Locations returns a client for the Locations at path.
func Locations(hub *Hub, path logicalcluster.Path) *LocationClient {
	return typed[schedulingv1alpha1.Location, schedulingv1alpha1.LocationList](hub, path, schedulingv1alpha1.SchemeGroupVersion, "locations")
}

// Placements returns a client for the Placements at path.
func Placements(hub *Hub, path logicalcluster.Path) *PlacementClient {
	return typed[schedulingv1alpha1.Placement, schedulingv1alpha1.PlacementList](hub, path, schedulingv1alpha1.SchemeGroupVersion, "placements")
}

// APIExports returns a client for the APIExports at path.
func APIExports(hub *Hub, path logicalcluster.Path) *APIExportClient {
	return typed[apisv1alpha2.APIExport, apisv1alpha2.APIExportList](hub, path, apisv1alpha2.SchemeGroupVersion, "apiexports")
}

// APIBindings returns a client for the APIBindings at path.
func APIBindings(hub *Hub, path logicalcluster.Path) *APIBindingClient {
	return typed[apisv1alpha2.APIBinding, apisv1alpha2.APIBindingList](hub, path, apisv1alpha2.SchemeGroupVersion, "apibindings")
}

// APIResourceSchemas returns a client for the APIResourceSchemas at path.
func APIResourceSchemas(hub *Hub, path logicalcluster.Path) *APIResourceSchemaClient {
	return typed[apisv1alpha1.APIResourceSchema, apisv1alpha1.APIResourceSchemaList](hub, path, apisv1alpha1.SchemeGroupVersion, "apiresourceschemas")
}

// APIConversions returns a client for the APIConversions at path.
func APIConversions(hub *Hub, path logicalcluster.Path) *APIConversionClient {
	return typed[apisv1alpha1.APIConversion, apisv1alpha1.APIConversionList](hub, path, apisv1alpha1.SchemeGroupVersion, "apiconversions")
}

// APIExportEndpointSlices returns a client for the
// APIExportEndpointSlices at path.
func APIExportEndpointSlices(hub *Hub, path logicalcluster.Path) *APIExportEndpointSliceClient {
	return typed[apisv1alpha1.APIExportEndpointSlice, apisv1alpha1.APIExportEndpointSliceList](hub, path, apisv1alpha1.SchemeGroupVersion, "apiexportendpointslices")
}

// APIPublications returns a client for the APIPublications at path.
func APIPublications(hub *Hub, path logicalcluster.Path) *APIPublicationClient {
	return typed[publicationv1alpha1.APIPublication, publicationv1alpha1.APIPublicationList](hub, path, publicationv1alpha1.SchemeGroupVersion, "apipublications")
}

// SchemaRollouts returns a client for the SchemaRollouts at path.
func SchemaRollouts(hub *Hub, path logicalcluster.Path) *SchemaRolloutClient {
	return typed[publicationv1alpha1.SchemaRollout, publicationv1alpha1.SchemaRolloutList](hub, path, publicationv1alpha1.SchemeGroupVersion, "schemarollouts")
}

// ClusterCachedResources returns a client for the
// ClusterCachedResources at path.
func ClusterCachedResources(hub *Hub, path logicalcluster.Path) *ClusterCachedResourceClient {
	return typed[cachev1alpha1.ClusterCachedResource, cachev1alpha1.ClusterCachedResourceList](hub, path, cachev1alpha1.SchemeGroupVersion, "clustercachedresources")
}

// ClusterCachedResourceEndpointSlices returns a client for the
// ClusterCachedResourceEndpointSlices at path.
func ClusterCachedResourceEndpointSlices(hub *Hub, path logicalcluster.Path) *ClusterCachedResourceEndpointSliceClient {
	return typed[cachev1alpha1.ClusterCachedResourceEndpointSlice, cachev1alpha1.ClusterCachedResourceEndpointSliceList](hub, path, cachev1alpha1.SchemeGroupVersion, "clustercachedresourceendpointslices")
}

// pointer says that P is *V and an API object, so that typed can make new ones.
type pointer[V any] interface {
	*V
	Object
}

// listPointer is the same for lists.
type listPointer[V any] interface {
	*V
	runtime.Object
}

func typed[V, LV any, T pointer[V], L listPointer[LV]](hub *Hub, path logicalcluster.Path, gv schema.GroupVersion, resource string) *Typed[T, L] {
	return gentype.NewClientWithList[T, L](
		resource, hub.RESTFor(path, gv), scheme.ParameterCodec, "",
		func() T { return new(V) },
		func() L { return new(LV) },
	)
}

// KeyOf returns the key of an object that was read from a hub.
func KeyOf(obj metav1.Object) logicalcluster.Key {
	return logicalcluster.Key{
		Workspace: logicalcluster.From(obj),
		Namespace: obj.GetNamespace(),
		Name:      obj.GetName(),
	}
}
