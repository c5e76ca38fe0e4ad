package bindings

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/informers"
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
	// busyRetry is when a binding is looked at again while another one of its
	// workspace is judged.
	busyRetry = 10 * time.Millisecond
	// turnRetry is when a binding is looked at again that let an older one pass.
	turnRetry = 20 * time.Millisecond
	// writesRetry is how often it is looked whether writes have ended.
	writesRetry = 100 * time.Millisecond
	// turn is how long the labels of one workspace are worked on while others wait,
	// nextTurn when it goes on if nobody does.
	turn, nextTurn = time.Second, time.Millisecond
)

// reconcileBinding brings the status of one binding up to date, or, when it is
// being deleted, removes the objects of its resources first. The bindings of one
// workspace are judged one at a time (B3).
func (k *keeper) reconcileBinding(ctx context.Context, key logicalcluster.Key) (loop.Result, error) {
	unlock, ok := k.judging.try(key.Workspace)
	if !ok {
		return loop.Result{After: busyRetry}, nil
	}
	defer unlock()
	binding, found := k.APIBindings.Get(key)
	if !found {
		return loop.Result{}, nil
	}
	if binding.DeletionTimestamp != nil {
		return k.finalize(ctx, key, binding)
	}
	f := k.gather(key, binding)
	k.note(key, f)
	if change := marks(f); change != nil {
		// The changed object comes back by itself.
		_, err := k.amend(ctx, key, binding, change)
		return loop.Result{}, err
	}
	return k.keep(ctx, key, f)
}

// note remembers which export a binding refers to.
func (k *keeper) note(key logicalcluster.Key, f facts) {
	if !f.found {
		k.index.drop(key)
		return
	}
	k.index.put(key, logicalcluster.Key{Workspace: f.where.Name, Name: f.binding.Spec.Reference.Export.Name})
}

// marks returns what adds to a binding what is missing in its metadata, or nil: the
// finalizer, and the label by which those of one export are found.
func marks(f facts) func(*apisv1alpha2.APIBinding) {
	held := slices.Contains(f.binding.Finalizers, apisv1alpha2.APIBindingFinalizer)
	label := f.binding.Labels[apisv1alpha2.InternalAPIBindingExportLabelKey]
	if f.found && !f.moved {
		label = apisv1alpha2.BindingExportLabelValue(f.where.Name, f.binding.Spec.Reference.Export.Name)
	}
	labelled := f.binding.Labels[apisv1alpha2.InternalAPIBindingExportLabelKey] == label
	if held && labelled {
		return nil
	}
	return func(binding *apisv1alpha2.APIBinding) {
		if !held {
			binding.Finalizers = append(binding.Finalizers, apisv1alpha2.APIBindingFinalizer)
		}
		if !labelled {
			metav1.SetMetaDataLabel(&binding.ObjectMeta, apisv1alpha2.InternalAPIBindingExportLabelKey, label)
		}
	}
}

// keep writes the status of a binding, and before that the copies of schemas that
// it names.
func (k *keeper) keep(ctx context.Context, key logicalcluster.Key, f facts) (loop.Result, error) {
	binding := f.binding
	if k.yields(key, f) {
		return loop.Result{After: turnRetry}, nil
	}
	if lacking := undressed(f); lacking != nil {
		// The changed object comes back by itself.
		_, err := k.amend(ctx, key, binding, lacking)
		return loop.Result{}, err
	}
	if err := k.evolve(ctx, key, &f); err != nil {
		return loop.Result{}, err
	}
	if err := k.inherit(ctx, key, &f); err != nil {
		return loop.Result{}, err
	}
	k.copies.naming.RLock()
	defer k.copies.naming.RUnlock()
	if err := k.copySchemas(ctx, f.offers); err != nil {
		return loop.Result{}, err
	}
	status := judge(f, k.Clock.Now())
	if err := k.noteBounds(ctx, f, &status); err != nil {
		return loop.Result{}, err
	}
	if k.pending(f) && conditionsv1alpha1.IsTrue(status.Conditions, apisv1alpha2.BindingUpToDate) {
		return k.adopt(ctx, key, f, status)
	}
	relabel := k.answerClaims(key, f, &status)
	if err := k.writeStatus(ctx, key, binding, status); err != nil {
		return loop.Result{}, err
	}
	if relabel {
		k.queueLabels(key)
	}
	if left, err := k.sweep(ctx, key, f); err != nil || left {
		return loop.Result{After: sweepRetry}, err
	}
	if !f.found && binding.Spec.Reference.Export != nil {
		return loop.Result{After: unresolvedRetry}, nil
	}
	return loop.Result{}, nil
}

// pending reports whether there are objects to take over before the binding is
// what it should be.
func (k *keeper) pending(f facts) bool {
	return slices.ContainsFunc(adopting(f), func(o *offer) bool { return o.held.Plural == "" })
}

// yields reports whether an older binding, which nobody has judged yet, may want
// the same names. It comes first.
func (k *keeper) yields(key logicalcluster.Key, f facts) bool {
	if f.binding.Status.Phase == apisv1alpha2.APIBindingPhaseBound || f.export == nil {
		return false
	}
	for _, other := range k.APIBindings.In(key.Workspace) {
		if other.Name == key.Name || informers.ByAge(other, f.binding) > 0 || other.DeletionTimestamp != nil || k.ahead.latest(other).Status.Phase != "" {
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

func (k *keeper) writeStatus(ctx context.Context, key logicalcluster.Key, binding *apisv1alpha2.APIBinding, status apisv1alpha2.APIBindingStatus) error {
	if equality.Semantic.DeepEqual(status, binding.Status) {
		return nil
	}
	if migrationLost(&binding.Status, &status) {
		k.migrations.drop(key)
	}
	revision, err := k.amend(ctx, key, binding, func(stored *apisv1alpha2.APIBinding) { stored.Status = status })
	if err == nil && revision != "" {
		k.ahead.wrote(key, given{binding.UID, revision, status.Phase, status.BoundResources}, k.APIBindings.Get)
	}
	return err
}

// patchFinalizers goes through the API, which removes what nothing holds any more.
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
	definitions, err := k.endAdoptions(ctx, key, binding)
	if err != nil {
		return loop.Result{}, err
	}
	var left []string
	if definitions > 0 {
		left = append(left, fmt.Sprintf("%d customresourcedefinitions", definitions))
	}
	for _, bound := range k.exclusive(key, binding) {
		n, err := k.purge(ctx, key.Workspace, bound)
		if err != nil {
			return loop.Result{}, fmt.Errorf("failed to remove the %s of workspace %s: %w", bound.Resource, key.Workspace, err)
		}
		if n > 0 {
			left = append(left, fmt.Sprintf("%d %s", n, resourceText(bound.Group, bound.Resource)))
		}
	}
	if len(left) == 0 {
		if ended, err := k.endClaims(ctx, key, binding); !ended {
			return loop.Result{}, err
		}
		return loop.Result{}, k.patchFinalizers(ctx, key, binding, slices.Delete(slices.Clone(binding.Finalizers), at, at+1))
	}
	status := *binding.Status.DeepCopy()
	status.Conditions = conditionsv1alpha1.Set(status.Conditions, k.Clock.Now(), conditionsv1alpha1.False(
		apisv1alpha2.BindingResourceDeleteSuccess, conditionsv1alpha1.ConditionSeverityInfo, apisv1alpha2.ResourceDeletionFailedReason,
		"waiting until these are gone: %s; objects that do not go have finalizers, such as that of a sync target that does not answer; "+
			"'kubectl get <resource> -A -o yaml' shows them", strings.Join(left, ", ")))
	return loop.Result{After: purgeRetry}, k.writeStatus(ctx, key, binding, status)
}

// purge asks for the objects of a bound resource to be removed, and returns how
// many are left.
func (k *keeper) purge(ctx context.Context, workspace logicalcluster.Name, bound apisv1alpha2.BoundAPIResource) (int, error) {
	resource := schema.GroupResource{Group: bound.Group, Resource: bound.Resource}
	if !Stored(&bound) {
		if len(bound.StorageVersions) == 0 {
			return 0, nil
		}
		return k.Content.Purge(ctx, workspace, resource.WithVersion(bound.StorageVersions[0]))
	}
	if version := k.Reach(workspace, resource, bound.Schema.IdentityHash); version != "" {
		if n, err := k.Content.Purge(ctx, workspace, resource.WithVersion(version)); err != nil || n > 0 {
			return n, err
		}
	}
	// What is still there no request can reach.
	return 0, k.PurgeStored(ctx, workspace, resource, bound.Schema.IdentityHash)
}

// Stored reports whether the objects of bound are kept by the identity of its
// export. What is compiled in is kept where it always is; its schemas are no
// objects, and what stands for their UIDs is none.
func Stored(bound *apisv1alpha2.BoundAPIResource) bool {
	return strings.Contains(bound.Schema.UID, "-")
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
// One that another binding has, or is waiting to have with the same objects, goes
// over to that with them.
func (k *keeper) exclusive(key logicalcluster.Key, binding *apisv1alpha2.APIBinding) []apisv1alpha2.BoundAPIResource {
	if k.boundEverywhere(binding) {
		return nil
	}
	var out []apisv1alpha2.BoundAPIResource
	for _, bound := range binding.Status.BoundResources {
		adopted := slices.ContainsFunc(k.APIBindings.In(key.Workspace), func(other *apisv1alpha2.APIBinding) bool {
			return other.Name != key.Name && other.DeletionTimestamp == nil && k.takesOver(other, &bound)
		})
		// What is virtual belongs to the provider.
		if !adopted && bound.Virtual == nil {
			out = append(out, bound)
		}
	}
	return out
}

// takesOver reports whether other has the resource, with the same objects, or will
// have.
func (k *keeper) takesOver(other *apisv1alpha2.APIBinding, bound *apisv1alpha2.BoundAPIResource) bool {
	if at := boundAt(other, bound.Group, bound.Resource); at != nil {
		return Stored(at) == Stored(bound) && (!Stored(at) || at.Schema.IdentityHash == bound.Schema.IdentityHash)
	}
	export := k.exportOf(other)
	return export != nil && export.Status.IdentityHash == bound.Schema.IdentityHash &&
		slices.ContainsFunc(export.Spec.Resources, func(r apisv1alpha2.ResourceSchema) bool {
			return r.Group == bound.Group && r.Name == bound.Resource
		})
}
