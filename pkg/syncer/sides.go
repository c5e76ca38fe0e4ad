package syncer

import (
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/atriumhub/atrium/pkg/syncer/copy"
	"github.com/atriumhub/atrium/pkg/syncer/remote"
	"github.com/atriumhub/atrium/pkg/syncer/transform"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// hubSide is one resource of the hub, seen through the target's view.
type hubSide struct {
	target transform.Target
	mirror *remote.Mirror
}

var _ copy.From = hubSide{}

// Seen returns the hub object as last seen.
func (h hubSide) Seen(key copy.Key) (*copy.Object, error) { return h.mirror.Get(key) }

// in is the collection in the workspace of obj. Writes name their workspace.
func (h hubSide) in(obj *copy.Object) remote.Collection {
	return h.mirror.Collection().Under(viewPrefix(h.target, logicalcluster.From(obj)))
}

// WriteStatus replaces the status.
func (h hubSide) WriteStatus(ctx context.Context, obj *copy.Object, status map[string]any) error {
	patch, err := json.Marshal([]operation{
		{"test", "/metadata/uid", obj.GetUID()},
		{"add", "/status", status},
	})
	if err != nil {
		return fmt.Errorf("failed to encode status: %w", err)
	}
	_, err = h.in(obj).Patch(ctx, types.JSONPatchType, obj.GetNamespace(), obj.GetName(), "status", patch)
	return ignoreNotFound(err)
}

// Release takes finalizer, label and annotations of the target off the object.
func (h hubSide) Release(ctx context.Context, obj *copy.Object) error {
	patch, err := transform.ReleasePatch(obj, h.target.Key())
	if err != nil {
		return err
	}
	_, err = h.in(obj).Patch(ctx, types.MergePatchType, obj.GetNamespace(), obj.GetName(), "", patch)
	return ignoreNotFound(err)
}

// childSide is one resource of the child.
type childSide struct {
	target     transform.Target
	mirror     *remote.Mirror
	namespaces *namespaces
}

var _ copy.To = childSide{}

// place returns where the copy of a hub object lies. It is false when it has no
// place.
func (c childSide) place(key copy.Key) (namespace, name string, ok bool) {
	name, ok = transform.ChildName(c.mirror.Collection().Resource.GroupResource(), key.Name)
	return c.target.Locate(key.Workspace, key.Namespace).ChildNamespace(), name, ok
}

// Seen returns the child object as last seen.
func (c childSide) Seen(key copy.Key) (*copy.Object, error) {
	namespace, name, ok := c.place(key)
	if !ok {
		return nil, nil
	}
	return c.mirror.Get(copy.Key{Namespace: namespace, Name: name})
}

// Read asks the child for the object.
func (c childSide) Read(ctx context.Context, key copy.Key) (*copy.Object, error) {
	namespace, name, ok := c.place(key)
	if !ok {
		return nil, nil
	}
	have, err := c.mirror.Collection().Get(ctx, namespace, name)
	return have, ignoreNotFound(err)
}

// Apply makes the namespace if need be, and writes the object.
func (c childSide) Apply(ctx context.Context, key copy.Key, want *copy.Object) error {
	if err := c.namespaces.ensure(ctx, c.target.Locate(key.Workspace, key.Namespace)); err != nil {
		return err
	}
	err := c.mirror.Collection().Apply(ctx, want)
	if apierrors.IsNotFound(err) {
		c.namespaces.forget(want.GetNamespace())
	}
	return err
}

// Delete deletes the object, if the namespace it lies in is the target's.
func (c childSide) Delete(ctx context.Context, key copy.Key, have *copy.Object) error {
	if err := c.namespaces.verify(ctx, c.target.Locate(key.Workspace, key.Namespace)); err != nil {
		return err
	}
	return ignoreNotFound(c.mirror.Collection().Delete(ctx, have.GetNamespace(), have.GetName(), have.GetUID()))
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
