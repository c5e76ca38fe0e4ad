package decide

import (
	"cmp"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Publication is an APIPublication and what it refers to, as far as workspaces
// are concerned.
type Publication struct {
	// Key is where it lives, Home the path of that workspace.
	Key  logicalcluster.Key
	Home logicalcluster.Path
	// ID is what marks its bindings.
	ID      string
	UID     types.UID
	Created metav1.Time
	Spec    publicationv1alpha1.APIPublicationSpec
	// Root is the workspace at spec.subtree. It is empty when that is not the one
	// any more that the author meant.
	Root logicalcluster.Name
	// Offer is what the export offers.
	Offer Offer
	// Ending is whether it is being deleted.
	Ending bool
}

// Offer is what is of interest of an export.
type Offer struct {
	// Trouble says why nothing new can be bound; it is empty when something can.
	Trouble   string
	Resources []schema.GroupResource
	Claims    []apisv1alpha2.PermissionClaim
}

// Export is the key of the export.
func (p *Publication) Export() logicalcluster.Key {
	return logicalcluster.Key{Workspace: p.Key.Workspace, Name: p.Spec.Export.Name}
}

// Name is how people call it: "<path>:<name>".
func (p *Publication) Name() string { return p.Home.Join(p.Key.Name).String() }

// Active reports whether there are workspaces that it is for.
func (p *Publication) Active() bool { return !p.Ending && p.Root != "" }

// Same reports whether other means the same for every workspace.
func (p *Publication) Same(other *Publication) bool { return equality.Semantic.DeepEqual(p, other) }

// Older orders publications by age; the name decides between those of one second.
func Older(a, b *Publication) int {
	return cmp.Or(a.Created.Compare(b.Created.Time), cmp.Compare(a.Key.Workspace, b.Key.Workspace), cmp.Compare(a.Key.Name, b.Key.Name))
}

// Selector returns which labels of Workspaces a publication is for. A selector that
// makes no sense is for none.
func Selector(spec publicationv1alpha1.APIPublicationSpec) (labels.Selector, error) {
	if spec.WorkspaceSelector == nil {
		return labels.Everything(), nil
	}
	return metav1.LabelSelectorAsSelector(spec.WorkspaceSelector)
}

// maintains reports whether the bindings are kept as the publication says.
func (p *Publication) maintains() bool {
	return p.Spec.Lifecycle != publicationv1alpha1.PublicationInitializeOnly
}

// is reports whether other is the same publication.
func (p *Publication) is(other *Publication) bool { return p.Key == other.Key }
