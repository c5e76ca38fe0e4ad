package publications

import (
	"k8s.io/apimachinery/pkg/labels"

	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// maxDepth bounds the way up to the root, as the directory does.
const maxDepth = 4096

// lineage returns a workspace and all above it, and false when they do not reach
// the root.
func (p *Publisher) lineage(id logicalcluster.Name) ([]logicalcluster.Name, bool) {
	var line []logicalcluster.Name
	for range maxDepth {
		line = append(line, id)
		if id == logicalcluster.Root {
			return line, true
		}
		owner, ok := p.Directory.Owner(id)
		if !ok {
			return line, false
		}
		id = owner.Workspace
	}
	return line, false
}

// subtree returns a workspace and all below it.
func (p *Publisher) subtree(root logicalcluster.Name) []logicalcluster.Name {
	ids := []logicalcluster.Name{root}
	for next := 0; next < len(ids); next++ {
		for _, child := range p.Workspaces.In(ids[next]) {
			id := logicalcluster.Name(child.Spec.Cluster)
			// Mounts have no ID, and an ID belongs to one Workspace only.
			if owner, ok := p.Directory.Owner(id); ok && owner.Workspace == ids[next] && owner.Name == child.Name {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// labelsOf returns the labels of the Workspace object; root has none.
func (p *Publisher) labelsOf(id logicalcluster.Name) labels.Set {
	owner, ok := p.Directory.Owner(id)
	if !ok {
		return nil
	}
	workspace, ok := p.Workspaces.Get(owner)
	if !ok {
		return nil
	}
	return workspace.Labels
}

// open reports whether things may be put into a workspace.
func (p *Publisher) open(id logicalcluster.Name) bool {
	entry, ok := p.Directory.ByName(id)
	if !ok || entry.Phase != corev1alpha1.LogicalClusterPhaseInitializing && entry.Phase != corev1alpha1.LogicalClusterPhaseReady {
		return false
	}
	cluster, ok := p.LogicalClusters.Get(keyOf(id))
	return id == logicalcluster.Root || ok && cluster.DeletionTimestamp == nil
}
