package publications

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/atriumhub/atrium/pkg/publications/decide"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// listen turns what happens to objects into keys for the loops (P1).
func (p *Publisher) listen() {
	p.Publications.OnChange(p.publicationChanged)
	p.Exports.OnChange(func(_, _ *apisv1alpha2.APIExport, key logicalcluster.Key) {
		p.again(p.board.of(key))
	})
	p.Bindings.OnChange(p.bindingChanged)
	p.LogicalClusters.OnChange(p.clusterChanged)
	p.Workspaces.OnChange(p.workspaceChanged)
}

// again has publications looked at.
func (p *Publisher) again(keys []logicalcluster.Key) {
	for _, key := range keys {
		p.publications.Enqueue(key)
	}
}

// publicationChanged passes over the status, which comes from here.
func (p *Publisher) publicationChanged(old, publication *publicationv1alpha1.APIPublication, key logicalcluster.Key) {
	if old != nil && publication != nil && old.UID == publication.UID && old.Generation == publication.Generation &&
		old.DeletionTimestamp.Equal(publication.DeletionTimestamp) && slices.Equal(old.Finalizers, publication.Finalizers) &&
		maps.Equal(old.Annotations, publication.Annotations) {
		return
	}
	p.publications.Enqueue(key)
}

func (p *Publisher) bindingChanged(old, binding *apisv1alpha2.APIBinding, key logicalcluster.Key) {
	var before, after string
	if old != nil {
		before = decide.Mark(old)
	}
	if binding != nil {
		after = decide.Mark(binding)
	}
	p.again(p.board.sawBinding(key.Workspace, before, after))
	if before != "" || after != "" || p.concerned(key.Workspace) {
		p.wake(key.Workspace)
	}
}

func (p *Publisher) clusterChanged(old, cluster *corev1alpha1.LogicalCluster, key logicalcluster.Key) {
	if old != nil && cluster != nil && old.Status.Phase == cluster.Status.Phase &&
		equality.Semantic.DeepEqual(old.Status.Initializers, cluster.Status.Initializers) &&
		old.Annotations[corev1alpha1.InactiveAnnotationKey] == cluster.Annotations[corev1alpha1.InactiveAnnotationKey] {
		return
	}
	if cluster != nil && waits(cluster) || p.concerned(key.Workspace) {
		p.wake(key.Workspace)
	}
}

func (p *Publisher) workspaceChanged(old, workspace *tenancyv1alpha1.Workspace, _ logicalcluster.Key) {
	if workspace == nil {
		id := logicalcluster.Name(old.Spec.Cluster)
		p.again(p.board.rooted(id))
		p.tell(p.board.leave(id)...)
		return
	}
	id := logicalcluster.Name(workspace.Spec.Cluster)
	if old == nil {
		p.again(p.board.unrooted())
	}
	if old != nil && old.Spec.Cluster == workspace.Spec.Cluster && maps.Equal(old.Labels, workspace.Labels) &&
		old.DeletionTimestamp.Equal(workspace.DeletionTimestamp) {
		return
	}
	if id != "" && p.concerned(id) {
		p.wake(id)
	}
}

// concerned reports whether there may be something to do in a workspace.
func (p *Publisher) concerned(id logicalcluster.Name) bool {
	return p.board.concerns(func() []logicalcluster.Name {
		line, _ := p.lineage(id)
		return line
	}, id)
}

// waits reports whether a new workspace waits for its publications.
func waits(cluster *corev1alpha1.LogicalCluster) bool {
	return slices.Contains(cluster.Status.Initializers, corev1alpha1.PublicationsInitializer)
}
