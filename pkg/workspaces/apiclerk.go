package workspaces

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// apiClerk is the clerk of a process that has the hub's API, but not its
// storage. It does the same in more and slower steps.
type apiClerk struct{ hub *client.Hub }

var _ clerk = apiClerk{}

func (c apiClerk) Create(ctx context.Context, in logicalcluster.Name, gvr schema.GroupVersionResource, obj object) error {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		return fmt.Errorf("failed to write %s %s: %w", gvr.Resource, obj.GetName(), err)
	}
	raw := &unstructured.Unstructured{Object: content}
	raw.SetGroupVersionKind(gvr.GroupVersion().WithKind(kinds[gvr]))
	resource := c.hub.Dynamic(in.Path()).Resource(gvr)
	if obj.GetNamespace() != "" {
		_, err = resource.Namespace(obj.GetNamespace()).Create(ctx, raw, metav1.CreateOptions{})
		return err
	}
	if _, err = resource.Create(ctx, raw, metav1.CreateOptions{}); err != nil {
		return err
	}
	if cluster, ok := obj.(*corev1alpha1.LogicalCluster); ok {
		return c.AmendCluster(ctx, in, func(stored *corev1alpha1.LogicalCluster) error {
			stored.Status = cluster.Status
			return nil
		})
	}
	return nil
}

var kinds = map[schema.GroupVersionResource]string{
	namespacesGVR:      "Namespace",
	serviceAccountsGVR: "ServiceAccount",
	configMapsGVR:      "ConfigMap",
	bindingsGVR:        "ClusterRoleBinding",
	logicalClustersGVR: "LogicalCluster",
}

func (c apiClerk) GetWorkspace(ctx context.Context, in logicalcluster.Name, name string) (*tenancyv1alpha1.Workspace, error) {
	return client.Workspaces(c.hub, in.Path()).Get(ctx, name, metav1.GetOptions{})
}

func (c apiClerk) AmendWorkspace(ctx context.Context, in logicalcluster.Name, name string, uid types.UID, change func(*tenancyv1alpha1.Workspace) error) error {
	workspaces := client.Workspaces(c.hub, in.Path())
	stored, err := workspaces.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if stored.UID != uid {
		return apierrors.NewConflict(workspacesGVR.GroupResource(), name, fmt.Errorf("it is not the one with UID %s", uid))
	}
	changed := stored.DeepCopy()
	if err := change(changed); err != nil {
		return err
	}
	if !equality.Semantic.DeepEqual(stored.Status, changed.Status) {
		withStatus := stored.DeepCopy()
		withStatus.Status = changed.Status
		if withStatus, err = workspaces.UpdateStatus(ctx, withStatus, metav1.UpdateOptions{}); err != nil {
			return err
		}
		changed.ResourceVersion = withStatus.ResourceVersion
	}
	_, err = workspaces.Update(ctx, changed, metav1.UpdateOptions{})
	return err
}

func (c apiClerk) AmendCluster(ctx context.Context, in logicalcluster.Name, change func(*corev1alpha1.LogicalCluster) error) error {
	clusters := client.LogicalClusters(c.hub, in.Path())
	stored, err := clusters.Get(ctx, corev1alpha1.LogicalClusterName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if err := change(stored); err != nil {
		return err
	}
	_, err = clusters.UpdateStatus(ctx, stored, metav1.UpdateOptions{})
	return err
}

func (c apiClerk) ReleaseWorkspace(ctx context.Context, in logicalcluster.Name, name string, uid types.UID) error {
	return c.AmendWorkspace(ctx, in, name, uid, func(workspace *tenancyv1alpha1.Workspace) error {
		workspace.Finalizers = slices.DeleteFunc(workspace.Finalizers, func(f string) bool { return !notOurs(f) })
		return nil
	})
}
