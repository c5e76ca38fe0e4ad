package workspaces

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var (
	workspacesGVR      = tenancyv1alpha1.SchemeGroupVersion.WithResource("workspaces")
	logicalClustersGVR = corev1alpha1.SchemeGroupVersion.WithResource("logicalclusters")
)

// object is what the door stores.
type object interface {
	runtime.Object
	metav1.Object
}

// item is an object and the resource that it is of.
type item struct {
	gvr schema.GroupVersionResource
	object
}

// door is the hub's data as this package uses it. Errors are API errors: already
// exists, not found, conflict (also for another UID than the given one).
type door interface {
	clerk
	remover
}

// clerk keeps the records of workspaces. What it writes is the hub's own, and
// complete: it needs no admission, validation or defaulting, so it goes straight
// to storage. A workspace begins with nine objects; taking them through the
// whole request path costs ten times as much.
type clerk interface {
	// CreateMissing stores those of items that do not exist yet as they are,
	// status included, in one transaction, and returns the others. Each is of
	// another resource.
	CreateMissing(ctx context.Context, in logicalcluster.Name, items ...item) (existing []item, err error)
	// GetWorkspace reads a Workspace from storage.
	GetWorkspace(ctx context.Context, in logicalcluster.Name, name string) (*tenancyv1alpha1.Workspace, error)
	// AmendWorkspace changes a Workspace in one write. change may be called
	// several times, each time with what is stored by then.
	AmendWorkspace(ctx context.Context, in logicalcluster.Name, name string, uid types.UID, change func(*tenancyv1alpha1.Workspace) error) error
	// AmendCluster is the same for labels and status of the LogicalCluster of a
	// workspace.
	AmendCluster(ctx context.Context, in logicalcluster.Name, change func(*corev1alpha1.LogicalCluster) error) error
	// ReleaseWorkspace takes the finalizer of this package off a Workspace that
	// is being deleted, and with it the Workspace. When others hold it too, held
	// is applied to what stays; it may be called several times.
	ReleaseWorkspace(ctx context.Context, in logicalcluster.Name, name string, uid types.UID, held func(*tenancyv1alpha1.Workspace)) error
}

// remover deletes tenants' objects as a tenant would.
type remover interface {
	// Delete deletes the object with that UID in the background.
	Delete(ctx context.Context, in logicalcluster.Name, gvr schema.GroupVersionResource, namespace, name string, uid types.UID) error
	// List returns one page of the metadata of all objects of a resource.
	List(ctx context.Context, in logicalcluster.Name, gvr schema.GroupVersionResource, options metav1.ListOptions) (*metav1.PartialObjectMetadataList, error)
}
