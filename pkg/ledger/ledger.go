package ledger

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/storage"
	storeerr "k8s.io/apiserver/pkg/storage/errors"

	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/partition"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Open opens a resource to be changed as it lies in storage.
func Open(getter *partition.Getter, resource schema.GroupResource) (storage.Interface, error) {
	return OpenAs(getter, resource, unstructured.UnstructuredJSONScheme, &unstructured.Unstructured{})
}

// OpenAs opens a resource whose objects are like empty and written by codec.
func OpenAs(getter *partition.Getter, resource schema.GroupResource, codec runtime.Codec, empty runtime.Object) (storage.Interface, error) {
	// The connection lives as long as the process, like that of the API.
	opened, _, err := getter.Open(partition.OpenConfig{
		GroupResource: resource, Codec: codec,
		NewFunc:     func() runtime.Object { return empty.DeepCopyObject() },
		NewListFunc: func() runtime.Object { return &unstructured.UnstructuredList{} },
	})
	if err != nil {
		return nil, fmt.Errorf("failed to open %s: %w", resource, err)
	}
	return opened, nil
}

// Within makes ctx that of a request to the workspace in.
func Within(ctx context.Context, in logicalcluster.Name) context.Context {
	return keyspace.WithScope(ctx, keyspace.In(in))
}

// Amend changes an object. change may be called several times, with what is stored
// by then. Errors are API errors: not found; conflict, also where what is stored does
// not meet the preconditions.
func Amend(ctx context.Context, store storage.Interface, resource schema.GroupResource, key logicalcluster.Key, only *storage.Preconditions, change func(*unstructured.Unstructured) error) error {
	_, err := Amended(ctx, store, resource, key, only, change)
	return err
}

// Amended is Amend, and returns the revision that the object has after it.
func Amended(ctx context.Context, store storage.Interface, resource schema.GroupResource, key logicalcluster.Key, only *storage.Preconditions, change func(*unstructured.Unstructured) error) (string, error) {
	update := storage.SimpleUpdate(func(stored runtime.Object) (runtime.Object, error) {
		raw := stored.(*unstructured.Unstructured).DeepCopy()
		return raw, change(raw)
	})
	amended := &unstructured.Unstructured{}
	err := store.GuaranteedUpdate(Within(ctx, key.Workspace), partition.ObjectKey(store, key.Namespace, key.Name), amended, false, only, update, nil)
	return amended.GetResourceVersion(), storeerr.InterpretUpdateError(err, resource, key.Name)
}

// Typed returns what raw says as a T.
func Typed[T any](raw *unstructured.Unstructured) (*T, error) {
	out := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(raw.Object, out); err != nil {
		return nil, fmt.Errorf("failed to read %s %s: %w", raw.GetKind(), raw.GetName(), err)
	}
	return out, nil
}

// SetIfChanged makes after the content of a field, unless it was so before.
func SetIfChanged[T any](raw *unstructured.Unstructured, field string, before, after *T) error {
	if equality.Semantic.DeepEqual(before, after) {
		return nil
	}
	value, err := runtime.DefaultUnstructuredConverter.ToUnstructured(after)
	if err != nil {
		return fmt.Errorf("failed to write %s: %w", field, err)
	}
	raw.Object[field] = value
	return nil
}
