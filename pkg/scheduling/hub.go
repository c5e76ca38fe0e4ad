package scheduling

import (
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	schedulingv1alpha1 "github.com/atriumhub/atrium/sdk/apis/scheduling/v1alpha1"
	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var (
	syncTargetsGVR = workloadv1alpha1.SchemeGroupVersion.WithResource("synctargets")
	locationsGVR   = schedulingv1alpha1.SchemeGroupVersion.WithResource("locations")
	placementsGVR  = schedulingv1alpha1.SchemeGroupVersion.WithResource("placements")
	namespacesGVR  = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
)

// writer is how the loops write to the hub.
type writer interface {
	// MergePatch applies a JSON merge patch to an object, or to its status.
	MergePatch(ctx context.Context, gvr schema.GroupVersionResource, key logicalcluster.Key, patch []byte, subresources ...string) error
	// Create stores a new object in a workspace.
	Create(ctx context.Context, gvr schema.GroupVersionResource, workspace logicalcluster.Name, object runtime.Object) error
}

// hubWriter writes through a client.
type hubWriter struct{ *client.Hub }

// MergePatch implements writer.
func (w hubWriter) MergePatch(ctx context.Context, gvr schema.GroupVersionResource, key logicalcluster.Key, patch []byte, subresources ...string) error {
	_, err := w.Dynamic(key.Workspace.Path()).Resource(gvr).Namespace(key.Namespace).
		Patch(ctx, key.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "atrium-scheduling"}, subresources...)
	return err
}

// Create implements writer.
func (w hubWriter) Create(ctx context.Context, gvr schema.GroupVersionResource, workspace logicalcluster.Name, object runtime.Object) error {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return err
	}
	_, err = w.Dynamic(workspace.Path()).Resource(gvr).
		Create(ctx, &unstructured.Unstructured{Object: content}, metav1.CreateOptions{FieldManager: "atrium-scheduling"})
	return err
}

// mergePatch writes patch as JSON and sends it. That the object is gone is fine:
// there is nothing left to write to.
func (s *scheduler) mergePatch(ctx context.Context, gvr schema.GroupVersionResource, key logicalcluster.Key, patch any, subresources ...string) error {
	data, err := json.Marshal(patch)
	if err != nil {
		return fmt.Errorf("failed to write a patch of %s %s: %w", gvr.Resource, key, err)
	}
	err = s.hub.MergePatch(ctx, gvr, key, data, subresources...)
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("failed to patch %s %s: %w", gvr.Resource, key, err)
	}
	return nil
}

// metadataPatch is a merge patch of labels or annotations ("labels").
func metadataPatch(field, key string, value *string) any {
	return map[string]any{"metadata": map[string]any{field: map[string]*string{key: value}}}
}
