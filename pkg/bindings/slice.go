package bindings

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/atriumhub/atrium/pkg/loop"
	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// viewURL is where the provider finds the objects of all who bind an export.
func (k *keeper) viewURL(export logicalcluster.Key) string {
	return fmt.Sprintf("%s/services/apiexport/%s/%s", k.HubURL, export.Workspace, export.Name)
}

// hasView reports whether there is a view of an export: there is none of what is
// compiled in, which has no provider.
func (k *keeper) hasView(export logicalcluster.Key) bool {
	where, ok := k.Resolve(export.Workspace.Path())
	return ok && !k.natives[where.Path.Join(export.Name).String()]
}

// tellView writes the address into the status of an export, where clients look that
// are older than endpoint slices.
func (k *keeper) tellView(export logicalcluster.Key, status *apisv1alpha2.APIExportStatus) {
	if !k.hasView(export) {
		return
	}
	status.VirtualWorkspaces = []apisv1alpha2.VirtualWorkspace{{URL: k.viewURL(export)}}
	status.Conditions = conditionsv1alpha1.Set(status.Conditions, k.Clock.Now(), conditionsv1alpha1.True(apisv1alpha2.APIExportVirtualWorkspaceURLsReady))
}

// ensureSlice makes the endpoint slice of an export, unless its owner does not want
// one, or has one of that name.
func (k *keeper) ensureSlice(ctx context.Context, key logicalcluster.Key, export *apisv1alpha2.APIExport) error {
	if _, skip := export.Annotations[apisv1alpha2.SkipEndpointSliceAnnotationKey]; skip || !k.hasView(key) {
		return nil
	}
	if _, found := k.EndpointSlices.Get(key); found {
		return nil
	}
	where, _ := k.Resolve(key.Workspace.Path())
	slice := &apisv1alpha1.APIExportEndpointSlice{
		TypeMeta:   metav1.TypeMeta{APIVersion: apisv1alpha1.SchemeGroupVersion.String(), Kind: "APIExportEndpointSlice"},
		ObjectMeta: metav1.ObjectMeta{Name: export.Name},
		Spec: apisv1alpha1.APIExportEndpointSliceSpec{
			APIExport: apisv1alpha2.ExportBindingReference{Path: where.Path.String(), Name: export.Name},
		},
	}
	if err := k.hub.Create(ctx, slicesGVR, key.Workspace, slice); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("failed to make the endpoint slice of APIExport %s: %w", key, err)
	}
	return nil
}

// listenForSlices wakes the loop of slices, and exports that have lost theirs.
func (k *keeper) listenForSlices() {
	k.EndpointSlices.OnChange(func(_, after *apisv1alpha1.APIExportEndpointSlice, key logicalcluster.Key) {
		if after != nil {
			k.endpoints.Enqueue(key)
			return
		}
		k.slicesOf.drop(key)
		if _, exported := k.APIExports.Get(key); exported {
			k.exports.Enqueue(key)
		}
	})
	k.APIExports.OnChange(func(before, after *apisv1alpha2.APIExport, key logicalcluster.Key) {
		if before != nil && after != nil && storageInvalid(before) == storageInvalid(after) {
			return
		}
		for _, slice := range k.slicesOf.of(key) {
			k.endpoints.Enqueue(slice)
		}
	})
}

func storageInvalid(export *apisv1alpha2.APIExport) bool {
	return conditionsv1alpha1.IsFalse(export.Status.Conditions, publicationv1alpha1.ExportStorageValid)
}

// reconcileSlice says in a slice where the objects are. There is an address as soon
// as there is an export, so that a provider can start before anybody has bound it.
func (k *keeper) reconcileSlice(ctx context.Context, key logicalcluster.Key) (loop.Result, error) {
	slice, found := k.EndpointSlices.Get(key)
	if !found || slice.DeletionTimestamp != nil {
		return loop.Result{}, nil
	}
	path := logicalcluster.Path(slice.Spec.APIExport.Path)
	if path.Empty() {
		path = key.Workspace.Path()
	}
	where, resolved := k.Resolve(path)
	export := logicalcluster.Key{Workspace: where.Name, Name: slice.Spec.APIExport.Name}
	var exported *apisv1alpha2.APIExport
	if resolved {
		k.slicesOf.put(key, export)
		exported, _ = k.APIExports.Get(export)
	}
	endpoint := ""
	if exported != nil && k.hasView(export) {
		endpoint = k.viewURL(export)
	}
	status := judgeSlice(slice, path, exported, endpoint, k.Clock.Now())
	result := loop.Result{}
	if !resolved {
		result.After = unresolvedRetry
	}
	if equality.Semantic.DeepEqual(status, slice.Status) {
		return result, nil
	}
	return result, k.patch(ctx, slicesGVR, key, map[string]any{
		"metadata": map[string]any{"resourceVersion": slice.ResourceVersion},
		"status":   map[string]any{"conditions": status.Conditions, "endpoints": status.APIExportEndpoints},
	}, "status")
}

// judgeSlice returns the status that a slice ought to have.
func judgeSlice(slice *apisv1alpha1.APIExportEndpointSlice, path logicalcluster.Path, export *apisv1alpha2.APIExport, endpoint string, now time.Time) apisv1alpha1.APIExportEndpointSliceStatus {
	severe := conditionsv1alpha1.ConditionSeverityError
	valid := conditionsv1alpha1.True(apisv1alpha2.APIExportValid)
	switch {
	case export == nil:
		valid = conditionsv1alpha1.False(valid.Type, severe, apisv1alpha2.APIExportNotFoundReason,
			"APIExport %q not found in workspace %q: create it, or delete this slice", slice.Spec.APIExport.Name, path)
	case endpoint == "":
		valid = conditionsv1alpha1.False(valid.Type, severe, apisv1alpha2.APIExportInvalidReferenceReason,
			"APIExport %q of workspace %q is served by the hub itself and has no view: delete this slice", slice.Spec.APIExport.Name, path)
	case storageInvalid(export):
		valid = conditionsv1alpha1.False(valid.Type, severe, publicationv1alpha1.StorageInvalidReason,
			"APIExport %q of workspace %q has resources that nobody can read, which its owner has to mend: its condition %s says why; the others are served",
			export.Name, path, publicationv1alpha1.ExportStorageValid)
	}
	partition := conditionsv1alpha1.True(apisv1alpha1.PartitionValid)
	if slice.Spec.Partition != "" {
		partition = conditionsv1alpha1.False(partition.Type, severe, apisv1alpha1.PartitionInvalidReferenceReason,
			"there are no partitions: all workspaces are on one shard; remove spec.partition")
	}
	status := *slice.Status.DeepCopy()
	status.APIExportEndpoints = nil
	if endpoint != "" && partition.Status == corev1.ConditionTrue {
		status.APIExportEndpoints = []corev1alpha1.Endpoint{{URL: endpoint}}
	}
	status.Conditions = conditionsv1alpha1.Set(status.Conditions, now, valid, partition)
	return status
}
