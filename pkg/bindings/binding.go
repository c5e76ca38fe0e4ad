package bindings

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/loop"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const (
	// unresolvedRetry is when a binding whose export is in no known workspace is
	// looked at again: workspaces do not announce themselves here.
	unresolvedRetry = 10 * time.Second
	// purgeRetry is how often it is looked whether objects have gone.
	purgeRetry = 500 * time.Millisecond
	// turnRetry is when a binding is looked at again that let an older one pass.
	turnRetry = 20 * time.Millisecond
)

// reconcileBinding brings the status of one binding up to date, or, when it is
// being deleted, removes the objects of its resources first. The bindings of one
// workspace are judged one at a time (B3).
func (k *keeper) reconcileBinding(ctx context.Context, key logicalcluster.Key) (loop.Result, error) {
	unlock := k.judging.lock(key.Workspace)
	defer unlock()
	binding, found := k.APIBindings.Get(key)
	if !found {
		return loop.Result{}, nil
	}
	if binding.DeletionTimestamp != nil {
		return k.finalize(ctx, key, binding)
	}
	if !slices.Contains(binding.Finalizers, apisv1alpha2.APIBindingFinalizer) {
		// The changed object comes back by itself.
		return loop.Result{}, k.patchFinalizers(ctx, key, binding, append(slices.Clone(binding.Finalizers), apisv1alpha2.APIBindingFinalizer))
	}
	return k.keep(ctx, key, binding)
}

// keep writes the status of a binding, and before that the copies of schemas that
// it names.
func (k *keeper) keep(ctx context.Context, key logicalcluster.Key, binding *apisv1alpha2.APIBinding) (loop.Result, error) {
	f := k.gather(key, binding)
	k.index.put(key, f)
	if k.yields(key, f) {
		return loop.Result{After: turnRetry}, nil
	}
	if err := k.copySchemas(ctx, f.offers); err != nil {
		return loop.Result{}, err
	}
	if err := k.writeStatus(ctx, key, binding, judge(f, k.Clock.Now())); err != nil {
		return loop.Result{}, err
	}
	if !f.found && binding.Spec.Reference.Export != nil {
		return loop.Result{After: unresolvedRetry}, nil
	}
	return loop.Result{}, nil
}

// yields reports whether an older binding, which nobody has judged yet, may want
// the same names. It comes first.
func (k *keeper) yields(key logicalcluster.Key, f facts) bool {
	if f.binding.Status.Phase == apisv1alpha2.APIBindingPhaseBound || f.export == nil {
		return false
	}
	for _, other := range k.APIBindings.In(key.Workspace) {
		if other.Name == key.Name || !older(other, f.binding) || other.DeletionTimestamp != nil || k.ahead.latest(other).Status.Phase != "" {
			continue
		}
		if export := k.exportOf(other); export != nil && shareGroup(export, f.export) {
			return true
		}
	}
	return false
}

// exportOf returns the export that a binding refers to, or nil.
func (k *keeper) exportOf(binding *apisv1alpha2.APIBinding) *apisv1alpha2.APIExport {
	reference := binding.Spec.Reference.Export
	if reference == nil {
		return nil
	}
	where, ok := k.Resolve(referencePath(binding))
	if !ok {
		return nil
	}
	export, _ := k.APIExports.Get(logicalcluster.Key{Workspace: where.Name, Name: reference.Name})
	return export
}

func shareGroup(a, b *apisv1alpha2.APIExport) bool {
	return slices.ContainsFunc(a.Spec.Resources, func(r apisv1alpha2.ResourceSchema) bool {
		return slices.ContainsFunc(b.Spec.Resources, func(other apisv1alpha2.ResourceSchema) bool { return r.Group == other.Group })
	})
}

// older orders bindings by age; the name decides between those of one second.
func older(a, b *apisv1alpha2.APIBinding) bool {
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return a.Name < b.Name
}

func (k *keeper) writeStatus(ctx context.Context, key logicalcluster.Key, binding *apisv1alpha2.APIBinding, status apisv1alpha2.APIBindingStatus) error {
	if equality.Semantic.DeepEqual(status, binding.Status) {
		return nil
	}
	k.ahead.writing(key, binding, &status)
	// In a merge patch null removes: what became empty must be there to go. The
	// conditions are one list, in which others have theirs.
	err := k.patch(ctx, bindingsGVR, key, map[string]any{
		"metadata": map[string]any{"resourceVersion": binding.ResourceVersion},
		"status": map[string]any{
			"phase": status.Phase, "apiExportClusterName": status.APIExportClusterName,
			"boundResources": status.BoundResources, "conditions": status.Conditions,
		},
	}, "status")
	if err != nil {
		k.ahead.forget(key)
	}
	return err
}

func (k *keeper) patchFinalizers(ctx context.Context, key logicalcluster.Key, binding *apisv1alpha2.APIBinding, finalizers []string) error {
	return k.patch(ctx, bindingsGVR, key, map[string]any{"metadata": map[string]any{
		"resourceVersion": binding.ResourceVersion, "finalizers": finalizers,
	}})
}

// finalize removes the objects that exist because of the binding, and lets it go
// when they are gone (B2).
func (k *keeper) finalize(ctx context.Context, key logicalcluster.Key, binding *apisv1alpha2.APIBinding) (loop.Result, error) {
	at := slices.Index(binding.Finalizers, apisv1alpha2.APIBindingFinalizer)
	if at < 0 {
		return loop.Result{}, nil
	}
	var left []string
	for _, gvr := range k.exclusive(key, binding) {
		n, err := k.Content.Purge(ctx, key.Workspace, gvr)
		if err != nil {
			return loop.Result{}, fmt.Errorf("failed to remove the %s of workspace %s: %w", gvr.Resource, key.Workspace, err)
		}
		if n > 0 {
			left = append(left, fmt.Sprintf("%d %s", n, resourceText(gvr.Group, gvr.Resource)))
		}
	}
	if len(left) == 0 {
		return loop.Result{}, k.patchFinalizers(ctx, key, binding, slices.Delete(slices.Clone(binding.Finalizers), at, at+1))
	}
	status := *binding.Status.DeepCopy()
	status.Conditions = conditionsv1alpha1.Set(status.Conditions, k.Clock.Now(), conditionsv1alpha1.False(
		apisv1alpha2.BindingResourceDeleteSuccess, conditionsv1alpha1.ConditionSeverityInfo, apisv1alpha2.ResourceDeletionFailedReason,
		"waiting until these are gone: %s; objects that do not go have finalizers, such as that of a sync target that does not answer", strings.Join(left, ", ")))
	return loop.Result{After: purgeRetry}, k.writeStatus(ctx, key, binding, status)
}

// boundEverywhere reports whether the workspace keeps the resources of binding
// when that goes.
func (k *keeper) boundEverywhere(binding *apisv1alpha2.APIBinding) bool {
	reference := binding.Spec.Reference.Export
	if reference == nil {
		return false
	}
	where, ok := k.Resolve(referencePath(binding))
	return ok && k.everywhere[where.Path.Join(reference.Name).String()]
}

// exclusive returns the resources that the workspace has by this binding alone.
func (k *keeper) exclusive(key logicalcluster.Key, binding *apisv1alpha2.APIBinding) []schema.GroupVersionResource {
	if k.boundEverywhere(binding) {
		return nil
	}
	shared := map[schema.GroupResource]bool{}
	for _, other := range k.APIBindings.In(key.Workspace) {
		if other.Name == binding.Name {
			continue
		}
		for _, r := range other.Status.BoundResources {
			shared[schema.GroupResource{Group: r.Group, Resource: r.Resource}] = true
		}
	}
	var out []schema.GroupVersionResource
	for _, r := range binding.Status.BoundResources {
		gr := schema.GroupResource{Group: r.Group, Resource: r.Resource}
		// What is virtual belongs to the provider.
		if !shared[gr] && len(r.StorageVersions) > 0 && r.Virtual == nil {
			out = append(out, gr.WithVersion(r.StorageVersions[0]))
		}
	}
	return out
}
