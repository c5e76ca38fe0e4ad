package inventory

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/atriumhub/atrium/pkg/informers"
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

var _ Source[*metav1.PartialObjectMetadata] = &informers.Informer[*metav1.PartialObjectMetadata]{}
