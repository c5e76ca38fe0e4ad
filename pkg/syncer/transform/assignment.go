package transform

import (
	"encoding/json"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
)

// Assignment is what a hub object asks of one target.
type Assignment int

const (
	// Pending: nothing yet. The object is not assigned, or its finalizer, without
	// which a copy could be left behind, is not there.
	Pending Assignment = iota
	// Assigned: there shall be a copy.
	Assigned
	// Leaving: the copy shall go, then the object wants to be released.
	Leaving
)

// AssignmentOf reads what obj asks of the target with key.
func AssignmentOf(obj metav1.Object, key string) Assignment {
	switch {
	case DeletionAsked(obj, key) && obj.GetAnnotations()[workloadv1alpha1.SoftFinalizersAnnotation(key)] == "":
		return Leaving
	case obj.GetLabels()[workloadv1alpha1.StateLabel(key)] != string(workloadv1alpha1.ResourceStateSync):
		return Pending
	case !slices.Contains(obj.GetFinalizers(), workloadv1alpha1.SyncerFinalizer(key)):
		return Pending
	default:
		return Assigned
	}
}

// Settled reports whether a hub object has come to its end, like a Job that is
// complete. Its copy may stay or go, but is not written or made again.
func Settled(resource schema.GroupResource, hubObj *unstructured.Unstructured) bool {
	settled := kinds[resource].settled
	return settled != nil && settled(hubObj)
}

// DeletionAsked reports whether obj is being deleted, in the hub or for the
// target with key only.
func DeletionAsked(obj metav1.Object, key string) bool {
	return obj.GetDeletionTimestamp() != nil || obj.GetAnnotations()[workloadv1alpha1.DeletionAnnotation(key)] != ""
}

// ReleasePatch returns the JSON merge patch that takes the target with key off
// obj: its finalizer, label and annotations, in one write that fails when obj
// has changed since it was read.
func ReleasePatch(obj metav1.Object, key string) ([]byte, error) {
	annotations := map[string]any{}
	for _, name := range workloadv1alpha1.OwnAnnotations(key) {
		if _, ok := obj.GetAnnotations()[name]; ok {
			annotations[name] = nil
		}
	}
	own := workloadv1alpha1.SyncerFinalizer(key)
	metadata := map[string]any{
		"uid":             obj.GetUID(),
		"resourceVersion": obj.GetResourceVersion(),
		"labels":          map[string]any{workloadv1alpha1.StateLabel(key): nil},
		"annotations":     annotations,
	}
	if slices.Contains(obj.GetFinalizers(), own) {
		metadata["finalizers"] = slices.DeleteFunc(slices.Clone(obj.GetFinalizers()), func(f string) bool { return f == own })
	}
	patch, err := json.Marshal(map[string]any{"metadata": metadata})
	if err != nil {
		return nil, fmt.Errorf("failed to encode the release of %s: %w", obj.GetName(), err)
	}
	return patch, nil
}
