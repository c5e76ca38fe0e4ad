package bindings

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/claims"
	"github.com/atriumhub/atrium/pkg/inflight"
	"github.com/atriumhub/atrium/pkg/loop"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Permissions is what the loops need for permission claims.
type Permissions struct {
	// Served returns how a workspace serves a resource, and false when it does not.
	// It answers from memory.
	Served func(logicalcluster.Name, schema.GroupResource) (claims.Served, bool)
	// Relabel gives the objects of a resource in a workspace the labels that claims
	// make, from page on, and returns the page that comes next, also with an error;
	// "" is the first, and that there is none. Writes that are judged after the first page was asked for
	// give labels by themselves.
	Relabel func(ctx context.Context, workspace logicalcluster.Name, resource schema.GroupResource, page string) (next string, err error)
	// Writes are those that are under way, and may have been judged before.
	Writes *inflight.Writes
}

// permissionQueues are the loops that put labels right.
type permissionQueues struct {
	relabeling queue
	// relabelingFollowers is for those whose export has changed.
	relabelingFollowers queue
}

// permissionLoops makes them.
func (k *keeper) permissionLoops() []*loop.Loop {
	own := loop.New(loop.Config{Name: "apibindings-claims", Workers: 2, Clock: k.Clock, Reconcile: k.reconcileLabels})
	following := loop.New(loop.Config{Name: "apibindings-claims-following", Workers: 1, Clock: k.Clock, Reconcile: k.reconcileLabels})
	k.permissionQueues = permissionQueues{own, following}
	return []*loop.Loop{own, following}
}

// Reasons of the condition PermissionClaimsApplied.
const (
	reasonApplying  = "ApplyingPermissionClaims"
	reasonNotServed = "ClaimedResourcesNotServed"
	// reasonInvalidClaims is that of PermissionClaimsValid.
	reasonInvalidClaims = "InvalidPermissionClaims"
)

// planOf judges the claims of a bound binding, and plans how to get there.
func (k *keeper) planOf(key logicalcluster.Key, f facts) (claims.Judgement, claims.Plan) {
	binding := f.binding
	known := k.relabels.of(key)
	settled := settledOnce(binding) && !known.dirty
	if claims.Ended(binding) {
		return claims.Judgement{}, claims.Make(binding.Status.AppliedPermissionClaims, nil, settled)
	}
	j := claims.Judge(claims.Facts{Binding: binding, Export: f.export, Served: func(gr schema.GroupResource) (claims.Served, bool) {
		return k.Permissions.Served(key.Workspace, gr)
	}})
	return j, claims.Make(binding.Status.AppliedPermissionClaims, j.Usable, settled)
}

// settledOnce reports whether the labels of what is noted down as applied were
// right when the status was written.
func settledOnce(binding *apisv1alpha2.APIBinding) bool {
	c := conditionsv1alpha1.Get(binding.Status.Conditions, apisv1alpha2.PermissionClaimsApplied)
	return c == nil || c.Reason != reasonApplying
}

// answerClaims adds to a status what there is to say about permission claims, and
// reports whether labels have to be put right before more can be said.
func (k *keeper) answerClaims(key logicalcluster.Key, f facts, status *apisv1alpha2.APIBindingStatus) (relabel bool) {
	if status.Phase != apisv1alpha2.APIBindingPhaseBound {
		return false
	}
	known := k.relabels.of(key)
	j, plan := k.planOf(key, f)
	status.ExportPermissionClaims = j.Claimed
	applied := appliedCondition(j)
	switch {
	case !plan.Recorded(status.AppliedPermissionClaims):
		if status.AppliedPermissionClaims = plan.Record; len(plan.Sweep) > 0 {
			applied = applying("")
		}
	case len(plan.Sweep) > 0 && known.done != plan.Signature:
		applied, relabel = applying(known.trouble), known.trouble == "" // else it is tried again anyhow
	default:
		status.AppliedPermissionClaims = plan.After
		k.relabels.forget(key, known)
	}
	if len(f.binding.Spec.PermissionClaims) == 0 && len(j.Claimed) == 0 && len(plan.Record) == 0 && len(f.binding.Status.ExportPermissionClaims) == 0 {
		return relabel // most bindings have nothing to do with claims, and say nothing
	}
	status.Conditions = conditionsv1alpha1.Set(status.Conditions, k.Clock.Now(), validCondition(j), applied)
	return relabel
}

func validCondition(j claims.Judgement) conditionsv1alpha1.Condition {
	if len(j.Invalid) == 0 {
		return conditionsv1alpha1.True(apisv1alpha2.PermissionClaimsValid)
	}
	return conditionsv1alpha1.False(apisv1alpha2.PermissionClaimsValid, conditionsv1alpha1.ConditionSeverityError, reasonInvalidClaims, "%s", few(j.Invalid))
}

func appliedCondition(j claims.Judgement) conditionsv1alpha1.Condition {
	if len(j.Waiting) == 0 {
		return conditionsv1alpha1.True(apisv1alpha2.PermissionClaimsApplied)
	}
	return conditionsv1alpha1.False(apisv1alpha2.PermissionClaimsApplied, conditionsv1alpha1.ConditionSeverityInfo, reasonNotServed,
		"accepted, but not served in this workspace yet: %s; the claims come into force when they are", few(j.Waiting))
}

func applying(trouble string) conditionsv1alpha1.Condition {
	message := "the labels of existing objects are being put right"
	if trouble != "" {
		message += ", which will be tried again: " + trouble
	}
	return conditionsv1alpha1.False(apisv1alpha2.PermissionClaimsApplied, conditionsv1alpha1.ConditionSeverityInfo, reasonApplying, "%s", message)
}

// undressed returns what adds to the metadata of a binding what it lacks of what it
// has because of its export, or nil. Admission adds it as well, to whatever is written
// after the export is known.
func undressed(f facts) func(*apisv1alpha2.APIBinding) {
	if f.native || f.export == nil || f.export.Status.IdentityHash == "" {
		return nil
	}
	dressed := claims.Dress(f.binding, claims.Export{Workspace: f.where.Name, Name: f.export.Name}, f.export.Status.IdentityHash)
	labels, differ := dressed.Labels(f.binding.Labels, claims.LabelsIn(f.binding.Labels))
	annotations, differs := dressed.Annotations(f.binding.Annotations)
	if !differ && !differs {
		return nil
	}
	return func(binding *apisv1alpha2.APIBinding) {
		metav1.SetMetaDataLabel(&binding.ObjectMeta, dressed.LabelKey, labels[dressed.LabelKey])
		if identity, ok := annotations[claims.AcceptedIdentityAnnotation]; ok {
			metav1.SetMetaDataAnnotation(&binding.ObjectMeta, claims.AcceptedIdentityAnnotation, identity)
		} else {
			delete(binding.Annotations, claims.AcceptedIdentityAnnotation)
		}
	}
}

// endClaims takes the claims of a binding out of force whose objects are gone, and
// reports whether they are.
func (k *keeper) endClaims(ctx context.Context, key logicalcluster.Key, binding *apisv1alpha2.APIBinding) (ended bool, err error) {
	if len(binding.Status.AppliedPermissionClaims) == 0 {
		return true, nil
	}
	if !claims.Ended(binding) {
		status := *binding.Status.DeepCopy()
		status.Conditions = conditionsv1alpha1.Set(status.Conditions, k.Clock.Now(), conditionsv1alpha1.True(apisv1alpha2.BindingResourceDeleteSuccess))
		return false, k.writeStatus(ctx, key, binding, status)
	}
	known := k.relabels.of(key)
	if _, plan := k.planOf(key, facts{binding: binding}); known.done != plan.Signature {
		if known.trouble == "" {
			k.queueLabels(key)
			return false, nil
		}
		status := *binding.Status.DeepCopy()
		status.Conditions = conditionsv1alpha1.Set(status.Conditions, k.Clock.Now(), applying(known.trouble))
		return false, k.writeStatus(ctx, key, binding, status)
	}
	k.relabels.forget(key, known)
	return true, nil
}

// queueLabels asks for the labels of a binding to be put right. Those of thousands
// who follow an export are another queue, where they do not keep waiting somebody
// who has just accepted or rejected something.
func (k *keeper) queueLabels(key logicalcluster.Key) {
	if k.relabels.of(key).following {
		k.relabelingFollowers.Enqueue(key)
		return
	}
	k.relabeling.Enqueue(key)
}

// labelsDone has the status of a binding say what has come of it.
func (k *keeper) labelsDone(key logicalcluster.Key) {
	if k.relabels.of(key).following {
		k.followers.Enqueue(key)
		return
	}
	k.bindings.Enqueue(key)
}

// reconcileLabels puts the labels right that the claims of one binding make, or as
// many as it can in one turn. It writes no status: what has come of it is in
// relabels.
func (k *keeper) reconcileLabels(ctx context.Context, key logicalcluster.Key) (loop.Result, error) {
	binding, found := k.APIBindings.Get(key)
	if !found {
		k.relabels.drop(key)
		return loop.Result{}, nil
	}
	_, plan := k.planOf(key, k.gather(key, binding))
	known := k.relabels.of(key)
	if len(plan.Sweep) == 0 || !plan.Recorded(binding.Status.AppliedPermissionClaims) || known.done == plan.Signature {
		return loop.Result{}, nil
	}
	pass := known.pass
	if pass.signature != plan.Signature {
		pass = newPass(plan.Signature, k.Permissions.Writes.Mark())
	}
	over := k.Permissions.Writes.Over(pass.since, key.Workspace, plan.Sweep...)
	if pass.second && !over {
		return loop.Result{After: writesRetry}, nil
	}
	pass.undisturbed = pass.undisturbed || pass.at == (place{}) && over
	whole := k.relabel(ctx, key.Workspace, plan.Sweep, &pass)
	switch {
	case whole && pass.failed != nil:
		trouble := pass.failed.Error()
		if k.relabels.note(key, known, func(r *relabeled) { r.pass, r.trouble = relabelPass{}, trouble }) && known.trouble != trouble {
			k.labelsDone(key)
		}
		return loop.Result{}, pass.failed
	case whole && pass.undisturbed:
		if k.relabels.note(key, known, func(r *relabeled) { r.done, r.pass, r.trouble = plan.Signature, relabelPass{}, "" }) {
			k.labelsDone(key)
			return loop.Result{}, nil
		}
	case whole:
		// What is being written was judged by what went before: look again when it
		// is stored.
		pass = relabelPass{signature: plan.Signature, since: pass.since, second: true, undisturbed: true}
		k.relabels.note(key, known, func(r *relabeled) { r.pass = pass })
		return loop.Result{After: writesRetry}, nil
	default:
		k.relabels.note(key, known, func(r *relabeled) { r.pass = pass })
	}
	return loop.Result{After: nextTurn}, nil
}

// relabel goes on with a pass until it is through or the turn is over, for others
// wait. What fails does not keep it from the rest.
func (k *keeper) relabel(ctx context.Context, workspace logicalcluster.Name, resources []schema.GroupResource, pass *relabelPass) (whole bool) {
	began := k.Clock.Now()
	for at := &pass.at; at.resource < len(resources); {
		gr := resources[at.resource]
		next, err := k.Permissions.Relabel(ctx, workspace, gr, at.page)
		if err != nil && pass.failed == nil {
			pass.failed = fmt.Errorf("failed to label the %s of workspace %s: %w", gr, workspace, err)
		}
		if at.page = next; next == "" {
			at.resource++
		}
		if k.Clock.Since(began) > turn && at.resource < len(resources) {
			return false
		}
	}
	return true
}

// noteAnswers marks a binding whose answers to claims have changed: labels may have
// been given by them, even if they are what they were before when somebody looks.
func (k *keeper) noteAnswers(before, after *apisv1alpha2.APIBinding, key logicalcluster.Key) {
	switch {
	case after == nil:
		k.relabels.drop(key)
	case before != nil && len(after.Status.AppliedPermissionClaims) > 0 &&
		(before.Generation != after.Generation || before.Annotations[claims.AcceptedIdentityAnnotation] != after.Annotations[claims.AcceptedIdentityAnnotation]):
		k.relabels.mark(key, false)
	}
}

// noteClaims does so for the bindings to an export whose claims have changed.
func (k *keeper) noteClaims(before, after *apisv1alpha2.APIExport, key logicalcluster.Key) {
	if before != nil && after != nil && before.Status.IdentityHash == after.Status.IdentityHash &&
		equality.Semantic.DeepEqual(before.Spec.PermissionClaims, after.Spec.PermissionClaims) {
		return
	}
	for _, user := range k.index.of(key) {
		if binding, ok := k.APIBindings.Get(user); ok && (claims.Accepts(binding) || len(binding.Status.AppliedPermissionClaims) > 0) {
			k.relabels.mark(user, true)
		}
	}
}

// servedChanged is called when what a workspace serves has changed: claims to it may
// come into force, or not be valid any more.
func (k *keeper) servedChanged(workspace logicalcluster.Name) {
	for _, binding := range k.APIBindings.In(workspace) {
		if claims.Accepts(binding) || len(binding.Status.AppliedPermissionClaims) > 0 {
			k.bindings.Enqueue(logicalcluster.Key{Workspace: workspace, Name: binding.Name})
		}
	}
}
