package directory

import (
	"strings"

	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Mount is where a path leaves the workspaces of this hub.
type Mount struct {
	// In is the workspace that holds the Workspace called Name, which is a mount.
	In   logicalcluster.Name
	Name string
	// Below is the rest of the path.
	Below logicalcluster.Path
}

// Mount finds the first mount on a path that does not resolve.
func (d *Directory) Mount(path logicalcluster.Path) (Mount, bool) {
	first, rest, more := strings.Cut(path.String(), ":")
	base, ok := d.ByName(logicalcluster.Name(first))
	if !ok || !more {
		return Mount{}, false
	}
	from := base.Name
	for more {
		var name string
		name, rest, more = strings.Cut(rest, ":")
		at := place{parent: from, name: name}
		if child, ok := d.child(at); ok {
			from = child.cluster
			continue
		}
		_, mounted := d.mounts.Load(at)
		return Mount{In: from, Name: name, Below: logicalcluster.Path(rest)}, mounted
	}
	return Mount{}, false
}

// setMount takes note of whether a Workspace is a mount.
func (d *Directory) setMount(at place, workspace *tenancyv1alpha1.Workspace) {
	if workspace.Spec.Mount != nil && workspace.Spec.Cluster == "" && workspace.DeletionTimestamp == nil {
		d.mounts.Store(at, struct{}{})
		return
	}
	d.mounts.Delete(at)
}
