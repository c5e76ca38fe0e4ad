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
)

// reconcileBinding brings the status of one binding up to date, or, when it is
// being deleted, removes the objects of its resources first.
func (k *keeper) reconcileBinding(ctx context.Context, key logicalcluster.Key) (loop.Result, error) {
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
	f := k.gather(key, binding)
	status := judge(f, k.Clock.Now())
	if err := k.writeStatus(ctx, key, binding, status); err != nil {
		return loop.Result{}, err
	}
	if !f.found && binding.Spec.Reference.Export != nil {
		return loop.Result{After: unresolvedRetry}, nil
	}
	return loop.Result{}, nil
}

func (k *keeper) gather(key logicalcluster.Key, binding *apisv1alpha2.APIBinding) facts {
	f := facts{binding: binding}
	for _, other := range k.APIBindings.In(key.Workspace) {
		if other.Name != binding.Name {
			f.others = append(f.others, other)
		}
	}
	reference := binding.Spec.Reference.Export
	if reference == nil {
		return f
	}
	if f.where, f.found = k.Resolve(referencePath(binding)); !f.found {
		return f
	}
	f.export, _ = k.APIExports.Get(logicalcluster.Key{Workspace: f.where.Name, Name: reference.Name})
	f.native = k.natives[f.where.Path.Join(reference.Name).String()]
	return f
}

func (k *keeper) writeStatus(ctx context.Context, key logicalcluster.Key, binding *apisv1alpha2.APIBinding, status apisv1alpha2.APIBindingStatus) error {
	if equality.Semantic.DeepEqual(status, binding.Status) {
		return nil
	}
	// In a merge patch null removes: what became empty must be there to go.
	return k.patch(ctx, bindingsGVR, key, map[string]any{"status": map[string]any{
		"phase": status.Phase, "apiExportClusterName": status.APIExportClusterName,
		"boundResources": status.BoundResources, "conditions": status.Conditions,
	}}, "status")
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
		if !shared[gr] && len(r.StorageVersions) > 0 {
			out = append(out, gr.WithVersion(r.StorageVersions[0]))
		}
	}
	return out
}
