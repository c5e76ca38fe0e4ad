package workspaces

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"

	"github.com/atriumhub/atrium/pkg/loop"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// remove takes a workspace away: the workspaces below it, then its content,
// then the finalizer that kept the Workspace.
func (l *Lifecycle) remove(ctx context.Context, key logicalcluster.Key, f facts) (loop.Result, error) {
	id := logicalcluster.Name(f.workspace.Spec.Cluster)
	if id == "" || !f.owned {
		return loop.Result{}, l.release(ctx, key, f.workspace)
	}
	if children := l.read.children(id); len(children) > 0 {
		return l.removeChildren(ctx, key, f, children)
	}
	left, err := l.sweeper.sweep(ctx, id, f.cluster)
	if err != nil {
		return loop.Result{}, errors.Join(err, l.sayDeleting(ctx, key, f, sweepFailed(err)...))
	}
	if left.draining {
		return loop.Result{After: drain}, nil
	}
	if !left.empty() {
		return l.later(f.workspace.DeletionTimestamp), l.sayDeleting(ctx, key, f, contentRemains(left)...)
	}
	return loop.Result{}, l.release(ctx, key, f.workspace)
}

// removeChildren asks for the deletion of the workspaces below. The last one to
// go wakes this one.
func (l *Lifecycle) removeChildren(ctx context.Context, key logicalcluster.Key, f facts, children []*tenancyv1alpha1.Workspace) (loop.Result, error) {
	id := logicalcluster.Name(f.workspace.Spec.Cluster)
	var tasks []func() error
	for _, child := range children {
		if child.DeletionTimestamp == nil {
			tasks = append(tasks, func() error {
				return gone(l.door.Delete(ctx, id, workspacesGVR, "", child.Name, child.UID))
			})
		}
	}
	if err := bounded(tasks); err != nil {
		return loop.Result{}, fmt.Errorf("failed to delete the workspaces below: %w", err)
	}
	return l.later(f.workspace.DeletionTimestamp), l.sayDeleting(ctx, key, f, childrenRemain(children)...)
}

// release takes the finalizer off, which lets the Workspace go. One that others
// hold as well stays, and says so: its content is gone, its name is not free.
func (l *Lifecycle) release(ctx context.Context, key logicalcluster.Key, workspace *tenancyv1alpha1.Workspace) error {
	held := func(w *tenancyv1alpha1.Workspace) {
		w.Status.Phase = corev1alpha1.LogicalClusterPhaseDeleting
		w.Status.Conditions = conditionsv1alpha1.Set(w.Status.Conditions, l.clock.Now(), workspaceHeld(w.Finalizers)...)
		label(w)
	}
	if err := gone(l.door.ReleaseWorkspace(ctx, key.Workspace, workspace.Name, workspace.UID, held)); err != nil {
		return fmt.Errorf("failed to release the Workspace: %w", err)
	}
	return nil
}

// follow deletes the Workspace whose LogicalCluster was deleted. Admission has
// decided that this was allowed.
func (l *Lifecycle) follow(ctx context.Context, key logicalcluster.Key, workspace *tenancyv1alpha1.Workspace) error {
	if err := gone(l.door.Delete(ctx, key.Workspace, workspacesGVR, "", workspace.Name, workspace.UID)); err != nil {
		return fmt.Errorf("failed to delete the Workspace of a deleted LogicalCluster: %w", err)
	}
	return nil
}

// sayDeleting tells what a deletion waits for, outside and inside. The workspace
// may be gone by then, which is fine.
func (l *Lifecycle) sayDeleting(ctx context.Context, key logicalcluster.Key, f facts, conditions ...conditionsv1alpha1.Condition) error {
	if f.cluster != nil && f.cluster.Status.Phase != corev1alpha1.LogicalClusterPhaseDeleting {
		if err := gone(l.settle(ctx, f.workspace)); err != nil {
			return err
		}
	}
	return gone(l.say(ctx, key, f.workspace, corev1alpha1.LogicalClusterPhaseDeleting, conditions...))
}

// later returns when to look again at a deletion that waits for others. It
// grows with the time waited, so that somebody's forgotten finalizer costs next
// to nothing.
func (l *Lifecycle) later(since *metav1.Time) loop.Result {
	waited := l.clock.Since(since.Time)
	return loop.Result{After: min(max(waited/4, 200*time.Millisecond), 15*time.Second)}
}

// gone turns "not found" into success.
func gone(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// attempted says that the last attempt to remove content met no errors, whatever
// it had to leave to others.
var attempted = conditionsv1alpha1.True(tenancyv1alpha1.WorkspaceDeletionContentSuccess)

func sweepFailed(err error) []conditionsv1alpha1.Condition {
	return []conditionsv1alpha1.Condition{
		conditionsv1alpha1.False(tenancyv1alpha1.WorkspaceContentDeleted, conditionsv1alpha1.ConditionSeverityWarning, reasonDeletionTrouble,
			"content is left: see the condition %s", tenancyv1alpha1.WorkspaceDeletionContentSuccess),
		conditionsv1alpha1.False(tenancyv1alpha1.WorkspaceDeletionContentSuccess, conditionsv1alpha1.ConditionSeverityWarning, reasonDeletionTrouble,
			"the hub could not remove the content and tries again: %v", err),
	}
}

func contentRemains(left remainder) []conditionsv1alpha1.Condition {
	return []conditionsv1alpha1.Condition{
		conditionsv1alpha1.False(tenancyv1alpha1.WorkspaceContentDeleted, conditionsv1alpha1.ConditionSeverityInfo, reasonContentRemains,
			"waiting for those who hold %s", left),
		attempted,
	}
}

func childrenRemain(children []*tenancyv1alpha1.Workspace) []conditionsv1alpha1.Condition {
	names := make([]string, 0, len(children))
	for _, child := range children {
		names = append(names, child.Name)
	}
	return []conditionsv1alpha1.Condition{
		conditionsv1alpha1.False(tenancyv1alpha1.WorkspaceContentDeleted, conditionsv1alpha1.ConditionSeverityInfo, reasonChildrenRemain,
			"waiting for %d workspaces below: %s", len(children), some(names)),
		attempted,
	}
}

// workspaceHeld says who keeps a Workspace of which nothing else is left. The
// condition is False although the content is gone: what it tells is what the
// deletion waits for.
func workspaceHeld(finalizers []string) []conditionsv1alpha1.Condition {
	return []conditionsv1alpha1.Condition{
		conditionsv1alpha1.False(tenancyv1alpha1.WorkspaceContentDeleted, conditionsv1alpha1.ConditionSeverityInfo, reasonWorkspaceHeld,
			"all content is gone; waiting for those who hold this Workspace itself (finalizers: %s)", some(slices.Clone(finalizers))),
		attempted,
	}
}

// some lists the first of names, in order.
func some(names []string) string {
	const shown = 5
	slices.Sort(names)
	if len(names) <= shown {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
}

// reconcileOrphan removes the content of a workspace whose Workspace is gone
// without having been released, which only somebody with the hub's own
// privileges can bring about.
func (l *Lifecycle) reconcileOrphan(ctx context.Context, key logicalcluster.Key) (loop.Result, error) {
	cluster, ok := l.read.cluster(key.Workspace)
	if !ok {
		return loop.Result{}, l.removeStragglers(ctx, key.Workspace)
	}
	if cluster.Spec.Owner == nil {
		return loop.Result{}, nil
	}
	owner := cluster.Spec.Owner
	if workspace, ok := l.read.workspace(ownerKey(owner)); ok && workspace.UID == owner.UID {
		return loop.Result{}, nil
	}
	// Memory may lag behind; ask before doing something that can not be undone.
	stored, err := l.door.GetWorkspace(ctx, logicalcluster.Name(owner.Cluster), owner.Name)
	if err == nil && stored.UID == owner.UID {
		return loop.Result{}, nil
	}
	if gone(err) != nil {
		return loop.Result{}, fmt.Errorf("failed to look for the owner of %s: %w", key.Workspace, err)
	}
	klog.FromContext(ctx).Info("Removing a workspace without owner", "cluster", key.Workspace, "owner", ownerKey(owner))
	left, err := l.sweeper.sweep(ctx, key.Workspace, cluster)
	if err != nil {
		return loop.Result{}, err
	}
	if left.draining {
		return loop.Result{After: drain}, nil
	}
	if !left.empty() {
		return l.later(&cluster.CreationTimestamp), nil
	}
	return loop.Result{}, nil
}

// removeStragglers removes what was written to a workspace that is gone by
// requests that had been let through before its deletion was known. Nothing can
// come after these: nobody is let through to an ID that no Workspace has.
func (l *Lifecycle) removeStragglers(ctx context.Context, id logicalcluster.Name) error {
	if _, used := l.read.directory.ByName(id); used {
		return nil
	}
	if _, used := l.read.directory.Owner(id); used || strings.HasPrefix(id.String(), "system:") {
		return nil
	}
	counts, err := l.sweeper.counts(ctx, id)
	if err != nil || len(counts) == 0 {
		return err
	}
	klog.FromContext(ctx).Info("Removing what came late to a workspace that is gone", "cluster", id, "resources", len(counts))
	if err := l.sweeper.content.Purge(ctx, id, slices.Collect(maps.Keys(counts))...); err != nil {
		return fmt.Errorf("failed to remove what came late: %w", err)
	}
	return l.sweeper.verifyEmpty(ctx, id)
}
