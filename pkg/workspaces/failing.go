package workspaces

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/atriumhub/atrium/pkg/failpoint"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// failing is a door at which a test can let the process end. It knows the steps of
// failpoint, and nothing else.
type failing struct{ door }

func (f failing) CreateMissing(ctx context.Context, in logicalcluster.Name, items ...item) (existing []item, err error) {
	step := failpoint.CreateContent
	if slices.ContainsFunc(items, func(it item) bool { return it.gvr == logicalClustersGVR }) {
		step = failpoint.CreateCluster
	}
	err = failpoint.Around(step, in.String(), func() error {
		existing, err = f.door.CreateMissing(ctx, in, items...)
		return err
	})
	return existing, err
}

func (f failing) AmendWorkspace(ctx context.Context, in logicalcluster.Name, name string, uid types.UID, change func(*tenancyv1alpha1.Workspace) error) error {
	return failpoint.Around(failpoint.AmendWorkspace, name, func() error { return f.door.AmendWorkspace(ctx, in, name, uid, change) })
}

func (f failing) AmendCluster(ctx context.Context, in logicalcluster.Name, change func(*corev1alpha1.LogicalCluster) error) error {
	return failpoint.Around(failpoint.AmendCluster, in.String(), func() error { return f.door.AmendCluster(ctx, in, change) })
}

func (f failing) ReleaseWorkspace(ctx context.Context, in logicalcluster.Name, name string, uid types.UID, held func(*tenancyv1alpha1.Workspace)) error {
	return failpoint.Around(failpoint.Release, name, func() error { return f.door.ReleaseWorkspace(ctx, in, name, uid, held) })
}

func (f failing) Delete(ctx context.Context, in logicalcluster.Name, gvr schema.GroupVersionResource, namespace, name string, uid types.UID) error {
	step, subject := failpoint.DeleteObject, in.String()
	if gvr == workspacesGVR {
		step, subject = failpoint.DeleteWorkspace, name
	}
	return failpoint.Around(step, subject, func() error { return f.door.Delete(ctx, in, gvr, namespace, name, uid) })
}

// failingContent is the same for content.
type failingContent struct{ Content }

func (f failingContent) Purge(ctx context.Context, in logicalcluster.Name, resources ...schema.GroupResource) error {
	step := failpoint.PurgeObjects
	switch {
	case slices.Contains(resources, logicalClustersGVR.GroupResource()):
		step = failpoint.PurgeCluster
	case slices.Contains(resources, definitions):
		step = failpoint.PurgeDefinitions
	}
	return failpoint.Around(step, in.String(), func() error { return f.Content.Purge(ctx, in, resources...) })
}
