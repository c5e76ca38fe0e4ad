package scheduling

import (
	"context"
	"fmt"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/inventory"
	"github.com/atriumhub/atrium/pkg/loop"
	"github.com/atriumhub/atrium/pkg/scheduling/decide"
	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// conflictRetry is a safety net: a conflict means that a newer version is on its
// way here, and that brings the object back by itself.
const conflictRetry = time.Second

// reconcileNamespace labels a namespace and wakes the loops of those objects in
// it that are not as they should be.
func (s *scheduler) reconcileNamespace(ctx context.Context, key logicalcluster.Key) (loop.Result, error) {
	o, found := s.Namespaces.Get(key)
	if !found {
		return loop.Result{}, nil
	}
	want := s.wanted(o)
	for _, gvr := range s.resources() {
		s.objects[gvr].wakeIn(key, want)
	}
	busy := func(target string) bool { return s.busy(key, target) }
	change := decide.Namespace(o, want, s.inventory.Exists, busy, s.Clock.Now())
	return s.writeChange(ctx, namespacesGVR, key, o, change)
}

// wanted returns the sync targets that the content of a namespace belongs on:
// those chosen by the Placements that select it.
func (s *scheduler) wanted(namespace *corev1.Namespace) decide.Keys {
	want := decide.Keys{}
	for _, placement := range s.Placements.In(logicalcluster.From(namespace)) {
		chosen := inventory.ChosenKey(placement)
		if chosen == "" {
			continue
		}
		selector, err := namespaceSelector(placement)
		if err != nil {
			// The Placement says so. Until it is mended, everything stays.
			want[chosen] = want[chosen] || namespace.Labels[workloadv1alpha1.StateLabel(chosen)] != ""
			continue
		}
		want[chosen] = want[chosen] || selects(selector, namespace)
	}
	maps.DeleteFunc(want, func(_ string, wanted bool) bool { return !wanted })
	return want
}

// busy reports whether any object in the namespace has to do with the target.
func (s *scheduler) busy(namespace logicalcluster.Key, target string) bool {
	for _, objects := range s.objects {
		for _, o := range objects.source.In(namespace.Workspace) {
			if o.Namespace == namespace.Name && decide.Mentioned(o)[target] {
				return true
			}
		}
	}
	return false
}

// writeChange sends a change of metadata, unless it is empty.
func (s *scheduler) writeChange(ctx context.Context, gvr schema.GroupVersionResource, key logicalcluster.Key, o metav1.Object, change decide.Change) (loop.Result, error) {
	if change.Empty() {
		return loop.Result{}, nil
	}
	patch, err := change.MergePatch(o.GetResourceVersion())
	if err != nil {
		return loop.Result{}, err
	}
	err = s.hub.MergePatch(ctx, gvr, key, patch)
	switch {
	case err == nil || apierrors.IsNotFound(err):
		return loop.Result{}, nil
	case apierrors.IsConflict(err):
		return loop.Result{After: conflictRetry}, nil
	}
	return loop.Result{}, fmt.Errorf("failed to place %s %s: %w", gvr.Resource, key, err)
}
