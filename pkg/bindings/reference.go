package bindings

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/atriumhub/atrium/pkg/informers"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Source is what is needed of an informer over all workspaces. Objects that come
// out of it are shared and must not be changed.
type Source[T metav1.Object] interface {
	// Get returns the object with the given key.
	Get(key logicalcluster.Key) (T, bool)
	// In returns the objects of one workspace, in no order.
	In(workspace logicalcluster.Name) []T
	// All returns the objects of all workspaces, in no order.
	All() []T
	// OnChange registers a function that is called in order after each change.
	// old is nil when the object was added, new when it was deleted.
	OnChange(informers.ChangeFunc[T])
	// Synced is closed once the source has seen everything that is stored.
	Synced() <-chan struct{}
}

// Workspace is where an export was found.
type Workspace struct {
	Name logicalcluster.Name
	// Path is the canonical one, from the root.
	Path logicalcluster.Path
}

// Resolve finds a workspace by path or by name. It answers from memory.
type Resolve func(logicalcluster.Path) (Workspace, bool)

// Bound returns the export that a binding has brought into its workspace, as
// "root:compute:kubernetes", or "" while there is none.
func Bound(binding *apisv1alpha2.APIBinding, resolve Resolve) string {
	reference := binding.Spec.Reference.Export
	if reference == nil || binding.Status.Phase != apisv1alpha2.APIBindingPhaseBound {
		return ""
	}
	path := referencePath(binding)
	if workspace, ok := resolve(path); ok {
		path = workspace.Path
	}
	return path.Join(reference.Name).String()
}

// referencePath is where the export of a binding is, as the binding puts it.
func referencePath(binding *apisv1alpha2.APIBinding) logicalcluster.Path {
	if path := binding.Spec.Reference.Export.Path; path != "" {
		return logicalcluster.Path(path)
	}
	return logicalcluster.From(binding).Path()
}
