package directory

import (
	"github.com/atriumhub/atrium/pkg/informers"
	"github.com/atriumhub/atrium/pkg/workspaces/prepare"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Types returns a lookup of WorkspaceTypes by path and name.
func (d *Directory) Types(types *informers.Informer[*tenancyv1alpha1.WorkspaceType]) prepare.TypeLookup {
	return func(path logicalcluster.Path, name tenancyv1alpha1.WorkspaceTypeName) (*tenancyv1alpha1.WorkspaceType, bool) {
		home, ok := d.Resolve(path)
		if !ok {
			return nil, false
		}
		return types.Get(logicalcluster.Key{Workspace: home.Name, Name: string(name)})
	}
}
