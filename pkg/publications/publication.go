package publications

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/loop"
	"github.com/atriumhub/atrium/pkg/publications/decide"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// reconcile takes in one publication, has the workspaces looked at that it is for,
// or was, and lets it go when it left none.
func (p *Publisher) reconcile(ctx context.Context, key logicalcluster.Key) (loop.Result, error) {
	publication, found := p.Publications.Get(key)
	if !found {
		p.forget(key)
		return loop.Result{}, nil
	}
	held := slices.Contains(publication.Finalizers, publicationv1alpha1.PublicationFinalizer)
	if publication.DeletionTimestamp == nil && !held {
		return loop.Result{}, p.hold(ctx, key, publication) // and back with the event
	}
	fresh, facts := p.read(key, publication)
	p.board.set(fresh, facts)
	if p.board.spreads(key) {
		p.spread(fresh)
	}
	if fresh.Ending && held && p.board.left(fresh.ID) == 0 {
		return loop.Result{}, p.clerk.ReleasePublication(ctx, key, publication.UID)
	}
	p.tell(key)
	return loop.Result{}, nil
}

func (p *Publisher) hold(ctx context.Context, key logicalcluster.Key, publication *publicationv1alpha1.APIPublication) error {
	err := p.clerk.AmendPublication(ctx, key, publication.UID, func(stored *publicationv1alpha1.APIPublication) {
		if stored.DeletionTimestamp == nil && !slices.Contains(stored.Finalizers, publicationv1alpha1.PublicationFinalizer) {
			stored.Finalizers = append(stored.Finalizers, publicationv1alpha1.PublicationFinalizer)
		}
	})
	if err != nil {
		return fmt.Errorf("failed to add the finalizer: %w", err)
	}
	return nil
}

// read makes of a publication and what it refers to what workspaces need.
func (p *Publisher) read(key logicalcluster.Key, publication *publicationv1alpha1.APIPublication) (*decide.Publication, facts) {
	f := facts{generation: publication.Generation}
	fresh := &decide.Publication{
		Key: key, Home: key.Workspace.Path(), ID: publicationv1alpha1.PublicationID(key.Workspace, key.Name),
		UID: publication.UID, Created: publication.CreationTimestamp,
		Spec: *publication.Spec.DeepCopy(), Ending: publication.DeletionTimestamp != nil,
	}
	if home, ok := p.Directory.ByName(key.Workspace); ok {
		fresh.Home = home.Path
	}
	fresh.Offer, f.exportTrouble = p.offer(fresh)
	fresh.Root, f.subtreeTrouble = p.root(publication)
	var err error
	if f.selector, err = decide.Selector(fresh.Spec); err != nil {
		f.selector, fresh.Root = labels.Nothing(), ""
		f.subtreeTrouble = trouble{publicationv1alpha1.PublicationSelectorInvalidReason, "spec.workspaceSelector makes no sense: " + err.Error()}
	}
	return fresh, f
}

// offer looks up what is published.
func (p *Publisher) offer(publication *decide.Publication) (decide.Offer, trouble) {
	export, ok := p.Exports.Get(publication.Export())
	var t trouble
	switch {
	case !ok || export.DeletionTimestamp != nil:
		t = trouble{publicationv1alpha1.PublicationExportNotFoundReason, fmt.Sprintf(
			"there is no APIExport %q in this workspace: create it, or delete the publication. What is bound stays bound", publication.Spec.Export.Name)}
	case export.Status.IdentityHash == "":
		t = trouble{publicationv1alpha1.PublicationExportNotReadyReason, fmt.Sprintf(
			"APIExport %q has no identity yet: its conditions say why", publication.Spec.Export.Name)}
	}
	if !ok {
		return decide.Offer{Trouble: t.message}, t
	}
	return offered(export, t.message), t
}

func offered(export *apisv1alpha2.APIExport, trouble string) decide.Offer {
	offer := decide.Offer{Trouble: trouble, Claims: export.Spec.PermissionClaims}
	for _, resource := range export.Spec.Resources {
		offer.Resources = append(offer.Resources, schema.GroupResource{Group: resource.Group, Resource: resource.Name})
	}
	return offer
}

// root finds the subtree, which has to be the workspace that the author meant.
func (p *Publisher) root(publication *publicationv1alpha1.APIPublication) (logicalcluster.Name, trouble) {
	entry, ok := p.Directory.Resolve(logicalcluster.Path(publication.Spec.Subtree))
	meant := logicalcluster.Name(publication.Annotations[publicationv1alpha1.SubtreeIDAnnotationKey])
	switch {
	case !ok:
		return "", trouble{publicationv1alpha1.PublicationSubtreeNotFoundReason, fmt.Sprintf(
			"workspace %q is gone: delete the publication, or name another subtree", publication.Spec.Subtree)}
	case entry.Name != meant:
		return "", trouble{publicationv1alpha1.PublicationSubtreeReplacedReason, fmt.Sprintf(
			"workspace %q is another one than when this was written, and nobody has said that you may publish to it: "+
				"delete the publication and create it again", publication.Spec.Subtree)}
	}
	return entry.Name, trouble{}
}

// spread has all workspaces looked at that a publication is for, or was. They are
// counted at once, and worked on one after the other.
func (p *Publisher) spread(publication *decide.Publication) {
	ids := p.board.where(publication.Key)
	ids = append(ids, p.marked(publication.ID)...)
	if publication.Active() {
		ids = append(ids, p.subtree(publication.Root)...)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	for _, id := range ids {
		p.look(id, false)
	}
	p.backlog.add(ids...)
}

// forget is for a publication that is gone. Usually it has left nothing.
func (p *Publisher) forget(key logicalcluster.Key) {
	id, _ := p.board.drop(key)
	if id != "" && p.board.left(id) > 0 {
		p.backlog.add(p.marked(id)...)
	}
}

// marked returns the workspaces with bindings of a publication.
func (p *Publisher) marked(id string) []logicalcluster.Name {
	if p.board.left(id) == 0 {
		return nil
	}
	var ids []logicalcluster.Name
	for _, binding := range p.Bindings.All() {
		if decide.Mark(binding) == id {
			ids = append(ids, client.KeyOf(binding).Workspace)
		}
	}
	return ids
}

// Awaited reports whether a new workspace is to wait for its publications before it
// opens: there are some, and they can be bound.
func (p *Publisher) Awaited(parent logicalcluster.Name, set map[string]string) bool {
	line, _ := p.lineage(parent)
	p.board.mu.Lock()
	defer p.board.mu.Unlock()
	return slices.ContainsFunc(p.board.matching(line, set), func(publication *decide.Publication) bool {
		return publication.Offer.Trouble == ""
	})
}
