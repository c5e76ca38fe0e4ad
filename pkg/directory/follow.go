package directory

import (
	"github.com/atriumhub/atrium/pkg/informers"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Follow keeps the directory up to date with the two informers. Call it before
// they run, and before anything else that listens to them and asks the
// directory in return.
func (d *Directory) Follow(workspaces *informers.Informer[*tenancyv1alpha1.Workspace], clusters *informers.Informer[*corev1alpha1.LogicalCluster]) {
	workspaces.OnChange(func(_, workspace *tenancyv1alpha1.Workspace, key logicalcluster.Key) {
		if workspace == nil {
			d.DropWorkspace(key.Workspace, key.Name)
			return
		}
		d.SetWorkspace(key.Workspace, workspace)
	})
	clusters.OnChange(func(_, cluster *corev1alpha1.LogicalCluster, key logicalcluster.Key) {
		if cluster == nil {
			d.DropLogicalCluster(key.Workspace)
			return
		}
		d.SetLogicalCluster(key.Workspace, cluster)
	})
}
