package publications

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/atriumhub/atrium/pkg/loop"
	"github.com/atriumhub/atrium/pkg/publications/decide"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// visit does in one workspace what its publications want.
func (p *Publisher) visit(ctx context.Context, key logicalcluster.Key) (loop.Result, error) {
	id := key.Workspace
	plan := p.look(id, true)
	if err := p.do(ctx, id, plan); err != nil {
		p.backlog.visited(id, false)
		return loop.Result{}, err
	}
	p.board.succeeded(id)
	busy := len(plan.Delete) > 0 || slices.ContainsFunc(plan.Outcomes, func(o decide.Outcome) bool { return o.Soon })
	flies := p.backlog.visited(id, !busy)
	closed, err := p.settle(ctx, id, plan, busy)
	if err == nil && (flies || closed) {
		return loop.Result{After: patience}, nil
	}
	return loop.Result{}, err
}

// look decides on a workspace and counts it. earnest is whether the plan is going to
// be carried out.
func (p *Publisher) look(id logicalcluster.Name, earnest bool) decide.Plan {
	line, rooted := p.lineage(id)
	p.board.mu.Lock()
	defer p.board.mu.Unlock()
	plan := decide.Decide(decide.Facts{
		Path: p.pathOf(id), Lost: !rooted, Open: rooted && p.open(id),
		Bindings: p.bindingsOf(id), Matching: p.board.matching(line, p.labelsOf(id)),
		Known: p.board.known, Export: p.exportOf, Had: p.had(id),
		Trouble: func(publication string) string { return p.board.troubles[id][publication] },
	})
	p.tellLocked(p.board.record(id, plan.Outcomes)...)
	if earnest {
		for _, c := range plan.Create {
			p.board.startMaking(id, c.For.ID)
		}
	}
	return plan
}

// bindingsOf are in order, so that equal facts are equal.
func (p *Publisher) bindingsOf(id logicalcluster.Name) []*apisv1alpha2.APIBinding {
	bindings := p.Bindings.In(id)
	slices.SortFunc(bindings, func(a, b *apisv1alpha2.APIBinding) int { return strings.Compare(a.Name, b.Name) })
	return bindings
}

// exportOf says which export a binding refers to: the one that it was bound to, or,
// before that, the one at the path.
func (p *Publisher) exportOf(binding *apisv1alpha2.APIBinding) (logicalcluster.Key, bool) {
	reference := binding.Spec.Reference.Export
	if reference == nil {
		return logicalcluster.Key{}, true
	}
	key := logicalcluster.Key{Workspace: logicalcluster.Name(binding.Status.APIExportClusterName), Name: reference.Name}
	if key.Workspace != "" {
		return key, true
	}
	path := logicalcluster.Path(reference.Path)
	if path.Empty() {
		path = logicalcluster.From(binding).Path()
	}
	entry, ok := p.Directory.Resolve(path)
	key.Workspace = entry.Name
	return key, ok
}

func (p *Publisher) had(id logicalcluster.Name) []types.UID {
	cluster, ok := p.LogicalClusters.Get(keyOf(id))
	if !ok {
		return nil
	}
	return hadIn(cluster)
}

func hadIn(cluster *corev1alpha1.LogicalCluster) []types.UID {
	var had []types.UID
	for uid := range strings.SplitSeq(cluster.Annotations[publicationv1alpha1.InitializedAnnotationKey], ",") {
		if uid != "" {
			had = append(had, types.UID(uid))
		}
	}
	return had
}

// do carries out the part of a plan that is about bindings.
func (p *Publisher) do(ctx context.Context, id logicalcluster.Name, plan decide.Plan) error {
	var errs []error
	for _, binding := range plan.Delete {
		errs = append(errs, said("delete", binding, p.clerk.DeleteBinding(ctx, id, binding)))
	}
	for _, binding := range plan.Amend {
		errs = append(errs, said("change", binding, p.clerk.AmendBinding(ctx, id, binding)))
	}
	for _, c := range plan.Create {
		made, err := p.clerk.CreateBinding(ctx, id, c.Binding)
		if err != nil || !made {
			p.again(p.board.tried(id, c.For.ID, err))
		}
		errs = append(errs, said("create", c.Binding, err))
	}
	return errors.Join(errs...)
}

// said adds what failed. That a binding is not there any more, or another one, is
// for the next visit, which the event that told so has asked for.
func said(verb string, binding *apisv1alpha2.APIBinding, err error) error {
	if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return fmt.Errorf("failed to %s APIBinding %s: %w", verb, binding.Name, err)
}

// settle writes to the LogicalCluster what a visit came to: whose turn it has had,
// and that it does not wait for publications any more (P3). closed says that it
// still does.
func (p *Publisher) settle(ctx context.Context, id logicalcluster.Name, plan decide.Plan, busy bool) (closed bool, err error) {
	cluster, ok := p.LogicalClusters.Get(keyOf(id))
	if !ok {
		return false, nil
	}
	closed = waits(cluster) && busy && p.Clock.Since(cluster.CreationTimestamp.Time) < patience
	opens := waits(cluster) && !closed
	if !opens && len(plan.Had) == 0 {
		return closed, nil
	}
	err = p.clerk.AmendCluster(ctx, id, func(stored *corev1alpha1.LogicalCluster) {
		if opens {
			stored.Status.Initializers = without(stored.Status.Initializers)
		}
		if len(plan.Had) > 0 {
			p.note(stored, plan.Had)
		}
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return closed, fmt.Errorf("failed to write to the LogicalCluster: %w", err)
	}
	return closed, nil
}

func without(all []corev1alpha1.LogicalClusterInitializer) []corev1alpha1.LogicalClusterInitializer {
	return slices.DeleteFunc(slices.Clone(all), func(i corev1alpha1.LogicalClusterInitializer) bool {
		return i == corev1alpha1.PublicationsInitializer
	})
}

// note adds publications to those whose turn a workspace has had, and forgets those
// that are no more.
func (p *Publisher) note(cluster *corev1alpha1.LogicalCluster, had []types.UID) {
	p.board.mu.Lock()
	alive := p.board.uids()
	p.board.mu.Unlock()
	all := append(hadIn(cluster), had...)
	slices.Sort(all)
	var text []string
	for _, uid := range slices.Compact(all) {
		if alive[uid] {
			text = append(text, string(uid))
		}
	}
	metav1.SetMetaDataAnnotation(&cluster.ObjectMeta, publicationv1alpha1.InitializedAnnotationKey, strings.Join(text, ","))
}
