package directory

import (
	"github.com/atriumhub/atrium/pkg/workspaces/prepare"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// SetWorkspace takes in a Workspace object that was added to, or changed in,
// the workspace parent.
func (d *Directory) SetWorkspace(parent logicalcluster.Name, workspace *tenancyv1alpha1.Workspace) {
	d.feeding.Lock()
	defer d.feeding.Unlock()
	at := place{parent: parent, name: workspace.Name}
	d.setMount(at, workspace)
	before, listed := d.child(at)
	after := recordOf(at, workspace)
	if listed && (after == nil || before.cluster != after.cluster) {
		d.remove(before)
	}
	if after == nil || d.taken(after) {
		return
	}
	d.rooms.Store(after.cluster, after)
	d.children.Store(at, after)
}

// DropWorkspace forgets the Workspace called name in the workspace parent, and
// with it everything below.
func (d *Directory) DropWorkspace(parent logicalcluster.Name, name string) {
	d.feeding.Lock()
	defer d.feeding.Unlock()
	d.mounts.Delete(place{parent: parent, name: name})
	if before, listed := d.child(place{parent: parent, name: name}); listed {
		d.remove(before)
	}
}

// SetLogicalCluster takes in the LogicalCluster of the workspace cluster.
func (d *Directory) SetLogicalCluster(cluster logicalcluster.Name, object *corev1alpha1.LogicalCluster) {
	if h := helpersIn(object.Status); len(h.initializers)+len(h.terminators) > 0 {
		d.helpers.Store(cluster, h)
	} else {
		d.helpers.Delete(cluster)
	}
	phase := object.Status.Phase
	switch {
	case object.Annotations[corev1alpha1.InactiveAnnotationKey] == "true" && phase == corev1alpha1.LogicalClusterPhaseReady:
		phase = corev1alpha1.LogicalClusterPhaseInactive
	case phase == "":
		phase = corev1alpha1.LogicalClusterPhaseScheduling
	}
	d.phases.Store(cluster, phase)
}

func helpersIn(status corev1alpha1.LogicalClusterStatus) *helpers {
	h := &helpers{}
	for _, initializer := range status.Initializers {
		h.initializers = append(h.initializers, string(initializer))
	}
	for _, terminator := range status.Terminators {
		h.terminators = append(h.terminators, string(terminator))
	}
	return h
}

// DropLogicalCluster forgets the phase of the workspace cluster.
func (d *Directory) DropLogicalCluster(cluster logicalcluster.Name) {
	d.phases.Delete(cluster)
	d.helpers.Delete(cluster)
}

// recordOf returns nil for a Workspace that has no ID yet, or one that no
// workspace below the root can have.
func recordOf(at place, workspace *tenancyv1alpha1.Workspace) *record {
	cluster := logicalcluster.Name(workspace.Spec.Cluster)
	if _, isBuiltin := builtin(cluster); isBuiltin || !cluster.IsValid() {
		return nil
	}
	return &record{
		place:    at,
		cluster:  cluster,
		kind:     typeOf(workspace),
		deleting: workspace.DeletionTimestamp != nil,
		used:     prepare.InUse(workspace),
	}
}

func typeOf(workspace *tenancyv1alpha1.Workspace) logicalcluster.Path {
	if workspace.Spec.Type == nil {
		return ""
	}
	return logicalcluster.Path(workspace.Spec.Type.Path).Join(string(workspace.Spec.Type.Name))
}

// taken reports whether another Workspace has the ID of r already.
func (d *Directory) taken(r *record) bool {
	owner, ok := d.room(r.cluster)
	return ok && owner.place != r.place
}

func (d *Directory) remove(r *record) {
	d.children.Delete(r.place)
	if owner, ok := d.room(r.cluster); ok && owner.place == r.place {
		d.rooms.Delete(r.cluster)
	}
}
