package bindings

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Content removes the objects of one resource from a workspace.
type Content interface {
	// Purge asks for all objects to be removed and returns how many are left at
	// this moment. It is called again until none is.
	Purge(ctx context.Context, workspace logicalcluster.Name, resource schema.GroupVersionResource) (left int, err error)
}

// HubContent removes objects as a user would: those with finalizers stay until
// whoever set them agrees, so that agents get to remove their copies.
func HubContent(hubClient *client.Hub) Content { return hubContent{hubClient} }

type hubContent struct{ hub *client.Hub }

// purgePage is how many objects are listed at a time.
const purgePage = 500

// Purge implements Content.
func (c hubContent) Purge(ctx context.Context, workspace logicalcluster.Name, gvr schema.GroupVersionResource) (int, error) {
	objects := c.hub.Dynamic(workspace.Path()).Resource(gvr)
	left, page := 0, ""
	for {
		list, err := objects.List(ctx, metav1.ListOptions{Limit: purgePage, Continue: page})
		if apierrors.IsNotFound(err) {
			return left, nil
		}
		if err != nil {
			return 0, fmt.Errorf("failed to list: %w", err)
		}
		if err := deleteAll(ctx, objects, list.Items); err != nil {
			return 0, err
		}
		left += len(list.Items)
		if page = list.GetContinue(); page == "" {
			return left, nil
		}
	}
}

// deleteAll asks for the objects to be removed, without the time that Pods are
// given to stop: what is on the hub does not run.
func deleteAll(ctx context.Context, objects dynamic.NamespaceableResourceInterface, items []unstructured.Unstructured) error {
	background, now := metav1.DeletePropagationBackground, int64(0)
	for i := range items {
		if items[i].GetDeletionTimestamp() != nil {
			continue
		}
		namespace, name := items[i].GetNamespace(), items[i].GetName()
		err := objects.Namespace(namespace).Delete(ctx, name, metav1.DeleteOptions{PropagationPolicy: &background, GracePeriodSeconds: &now})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("failed to delete %s/%s: %w", namespace, name, err)
		}
	}
	return nil
}
