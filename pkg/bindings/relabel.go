package bindings

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"

	"github.com/atriumhub/atrium/pkg/claims"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// relabelPage is how many objects are listed at a time.
const relabelPage = 200

// HubRelabel puts labels right through the hub's API: it looks at the metadata of
// objects, and has those admitted once more whose labels are not as book says.
// version returns one in which a workspace serves a resource, and false when it
// does not: then there is nothing to do.
func HubRelabel(hub *client.Hub, book claims.Book, version func(logicalcluster.Name, schema.GroupResource) (string, bool)) func(context.Context, logicalcluster.Name, schema.GroupResource, string) (string, error) {
	return func(ctx context.Context, workspace logicalcluster.Name, gr schema.GroupResource, page string) (string, error) {
		served, ok := version(workspace, gr)
		if !ok {
			return "", nil
		}
		reader, err := metadata.NewForConfigAndClient(metadata.ConfigFor(hub.Config(workspace.Path())), hub.HTTPClient())
		if err != nil {
			return "", fmt.Errorf("failed to make a client: %w", err)
		}
		r := relabeler{objects: reader.Resource(gr.WithVersion(served)), wrong: func(o *metav1.PartialObjectMetadata) bool {
			// Bindings have labels besides.
			_, wrong := claims.Exactly(o.Labels, book.Labels(workspace, gr, o.Labels))
			return wrong || gr == apisv1alpha2.Resource("apibindings")
		}}
		return r.page(ctx, page)
	}
}

type relabeler struct {
	objects metadata.Getter
	wrong   func(*metav1.PartialObjectMetadata) bool
}

// page puts the labels of one page right. An object with which that fails does not
// keep it from the others.
func (r relabeler) page(ctx context.Context, page string) (next string, err error) {
	list, err := r.objects.List(ctx, metav1.ListOptions{Limit: relabelPage, Continue: page})
	switch {
	case apierrors.IsNotFound(err):
		return "", nil // not served any more
	case apierrors.IsResourceExpired(err) && page != "":
		// It took too long: from the start, where most is right by now.
		return r.page(ctx, "")
	case err != nil:
		return "", fmt.Errorf("failed to list: %w", err)
	}
	var first error
	for i := range list.Items {
		if err := r.one(ctx, &list.Items[i]); err != nil && first == nil {
			first = err
		}
	}
	return list.Continue, first
}

// one has an object admitted once more, by a patch that changes nothing itself: the
// labels follow from what the object is by then.
func (r relabeler) one(ctx context.Context, o *metav1.PartialObjectMetadata) error {
	if !r.wrong(o) {
		return nil
	}
	var objects metadata.ResourceInterface = r.objects
	if o.Namespace != "" {
		objects = r.objects.Namespace(o.Namespace)
	}
	_, err := objects.Patch(ctx, o.Name, types.MergePatchType, []byte("{}"), metav1.PatchOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("failed to patch %s: %w", (types.NamespacedName{Namespace: o.Namespace, Name: o.Name}), err)
	}
	return nil
}
