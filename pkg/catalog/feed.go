package catalog

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Definitions tells of every change of a CustomResourceDefinition in any
// workspace, such as an *informers.Informer does. A nil old was added, a nil
// new deleted.
type Definitions interface {
	OnChange(func(old, new *apiextensionsv1.CustomResourceDefinition, key logicalcluster.Key))
}

// Feed keeps the catalog equal to definitions. Register it before anything
// that acts on definitions, so that those find the catalog up to date.
func (c *Catalog) Feed(definitions Definitions) {
	definitions.OnChange(func(_, crd *apiextensionsv1.CustomResourceDefinition, key logicalcluster.Key) {
		if crd == nil {
			c.Delete(key.Workspace, key.Name)
			return
		}
		c.Upsert(key.Workspace, crd)
	})
}
