package partition

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/storage"

	"github.com/atriumhub/atrium/pkg/keyspace"
)

// store is the partitioned view of one resource. It implements
// storage.Interface: reading is in read.go, watching in watch.go, writing in
// write.go. What is not overridden (versioner, readiness, statistics,
// revisions) concerns the resource as a whole and needs no Scope.
type store struct {
	storage.Interface

	layout   keyspace.Layout
	resource schema.GroupResource
	attrs    storage.AttrFunc
	newList  func() runtime.Object
	// indexed says that the inner store finds watchers by workspaceField.
	indexed bool
	// direct leads past the inner store; nil if that may have a cache.
	direct *destination
}

var _ storage.Interface = (*store)(nil)

// ResourcePrefix returns the prefix of the resource above the workspaces, and
// the prefix of all keys callers may use.
func (s *store) ResourcePrefix() string { return strings.TrimSuffix(s.layout.Prefix(), "/") }

// NewList returns an empty list of what is stored.
func (s *store) NewList() runtime.Object { return s.newList() }

// IsWatchListSemanticsUnSupported keeps client-go reflectors that read the
// partitioned store directly from keying objects of all workspaces by
// namespace and name.
func (s *store) IsWatchListSemanticsUnSupported() bool { return true }

// object returns the Scope of an operation on a single object and its key.
func (s *store) object(ctx context.Context, verb, key string) (keyspace.Scope, string, error) {
	scope, err := s.scope(ctx, verb, key)
	if err != nil {
		return scope, "", err
	}
	if _, err := storage.PrepareKey(s.layout.Prefix(), key, false); err != nil {
		return scope, "", err
	}
	if scope.All() {
		return scope, "", errEverywhere(verb)
	}
	inner, err := s.layout.Key(scope, key)
	return scope, inner, err
}

// collection returns the Scope of a list or watch and the part of its key
// below the prefix.
func (s *store) collection(ctx context.Context, verb, key string, recursive bool) (keyspace.Scope, string, error) {
	scope, err := s.scope(ctx, verb, key)
	if err != nil {
		return scope, "", err
	}
	rest, err := s.layout.Rest(key)
	if apierrors.IsBadRequest(err) {
		return scope, "", err // in the client's words, and not in those of the store
	}
	if _, err := storage.PrepareKey(s.layout.Prefix(), key, recursive); err != nil {
		return scope, "", err
	}
	return scope, rest, err
}

func (s *store) scope(ctx context.Context, verb, key string) (keyspace.Scope, error) {
	scope, ok := keyspace.ScopeFrom(ctx)
	if !ok {
		return scope, fmt.Errorf("cannot %s %q: %w", verb, key, ErrNoScope)
	}
	return scope, nil
}

// visible returns nil if obj, read under key, exists for scope: NotFound if
// the selector hides it (P5), an error if it belongs to somebody else (P4).
func (s *store) visible(scope keyspace.Scope, key string, obj runtime.Object) error {
	if err := verify(scope, key, obj); err != nil {
		return err
	}
	if scope.Selector() == nil {
		return nil
	}
	accessor, err := meta.Accessor(obj)
	if err != nil {
		return storage.NewInternalError(fmt.Errorf("reading labels of %q: %w", key, err))
	}
	if !scope.Sees(labels.Set(accessor.GetLabels())) {
		return storage.NewKeyNotFoundError(key, 0)
	}
	return nil
}

// verify checks the stamp of obj: the right one in a workspace, any valid one
// everywhere.
func verify(scope keyspace.Scope, key string, obj runtime.Object) error {
	found := stampOf(obj)
	want, single := scope.Workspace()
	switch {
	case single && found == want:
		return nil
	case scope.All() && found.IsValid():
		return nil
	default:
		return foreign(key, found, want)
	}
}

// exists reports whether obj was read from etcd; the zero object that stands
// for "not there" has no version.
func exists(obj runtime.Object) bool {
	accessor, err := meta.Accessor(obj)
	return err == nil && accessor.GetResourceVersion() != ""
}
