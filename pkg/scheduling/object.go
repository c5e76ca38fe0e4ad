package scheduling

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/loop"
	"github.com/atriumhub/atrium/pkg/scheduling/decide"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// objectLoop places the objects of one resource.
type objectLoop struct {
	*scheduler
	resource schema.GroupVersionResource
	source   Objects
	queue    queue
}

// reconcile brings the metadata of one object in line with the Placements of its
// workspace.
func (l *objectLoop) reconcile(ctx context.Context, key logicalcluster.Key) (loop.Result, error) {
	o, found := l.source.Get(key)
	if !found {
		return loop.Result{}, nil
	}
	namespace, found := l.Namespaces.Get(logicalcluster.Key{Workspace: key.Workspace, Name: key.Namespace})
	if !found {
		// It is younger than what is known here. Its arrival wakes this object.
		return loop.Result{}, nil
	}
	return l.writeChange(ctx, l.resource, key, o, l.change(o, l.wanted(namespace)))
}

// change decides on an object in a namespace whose content belongs on want.
func (l *objectLoop) change(o *metav1.PartialObjectMetadata, want decide.Keys) decide.Change {
	if !decide.Syncable(l.resource.GroupResource(), o) {
		want = nil
	}
	return decide.Object(o, want, l.inventory.Exists, l.Clock.Now())
}

// wakeIn enqueues the objects of a namespace that need a change, as its content
// belongs on want.
func (l *objectLoop) wakeIn(namespace logicalcluster.Key, want decide.Keys) {
	for _, o := range l.source.In(namespace.Workspace) {
		if o.Namespace == namespace.Name && !l.change(o, want).Empty() {
			l.queue.Enqueue(client.KeyOf(o))
		}
	}
}

// wakeMentioning enqueues the objects of all workspaces that have to do with a
// sync target.
func (l *objectLoop) wakeMentioning(target string) {
	for _, o := range l.source.All() {
		if decide.Mentioned(o)[target] {
			l.queue.Enqueue(client.KeyOf(o))
		}
	}
}
