package partition

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/storage"

	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Create implements storage.Interface.
func (s *store) Create(ctx context.Context, key string, obj, out runtime.Object, ttl uint64) error {
	inner, err := s.creatable(ctx, key, obj)
	if err != nil {
		return err
	}
	return sized(s.Interface.Create(ctx, inner, obj, out, ttl))
}

// creatable decides whether obj may be created, stamps it, and returns the
// inner store's key.
func (s *store) creatable(ctx context.Context, key string, obj runtime.Object) (string, error) {
	scope, inner, err := s.object(ctx, "create", key)
	if err != nil {
		return "", err
	}
	name, single := scope.Workspace()
	if !single {
		return "", apierrors.NewNotFound(s.resource, nameOf(obj))
	}
	if !admits(scope, obj) {
		return "", s.forbidCreate(obj)
	}
	if err := stamp(obj, name); err != nil {
		return "", storage.NewInternalError(err)
	}
	return inner, nil
}

// admits reports whether obj, as it would be stored, may come into being in scope.
func admits(scope keyspace.Scope, obj runtime.Object) bool {
	if scope.Selector() == nil {
		return true
	}
	accessor, err := meta.Accessor(obj)
	return err == nil && scope.Admits(labels.Set(accessor.GetLabels()))
}

// forbidCreate refuses to create what a selecting Scope does not admit: it shows
// what others have chosen.
func (s *store) forbidCreate(obj runtime.Object) error {
	return apierrors.NewForbidden(s.resource, nameOf(obj), errors.New("objects cannot be created through this view, or not with these labels"))
}

// Delete implements storage.Interface.
func (s *store) Delete(ctx context.Context, key string, out runtime.Object, preconditions *storage.Preconditions,
	validate storage.ValidateObjectFunc, cached runtime.Object, opts storage.DeleteOptions) error {
	scope, inner, err := s.object(ctx, "delete", key)
	if err != nil {
		return err
	}
	if scope.None() {
		return storage.NewKeyNotFoundError(inner, 0)
	}
	check := func(ctx context.Context, obj runtime.Object) error {
		if err := s.deletable(scope, inner, obj, preconditions); err != nil {
			return err
		}
		return validate(ctx, obj)
	}
	return s.Interface.Delete(ctx, inner, out, nil, check, own(scope, cached), opts)
}

// deletable decides whether obj may be deleted. Preconditions are checked here
// and not by the inner store, for their error would tell of an object that the
// selector hides (P5). An unreadable object is nil; only a Scope that selects
// nothing can be sure that it may go.
func (s *store) deletable(scope keyspace.Scope, key string, obj runtime.Object, preconditions *storage.Preconditions) error {
	if obj == nil {
		if scope.Selector() != nil {
			return storage.NewKeyNotFoundError(key, 0)
		}
		return nil
	}
	if err := s.visible(scope, key, obj); err != nil {
		return err
	}
	return preconditions.Check(key, obj)
}

// GuaranteedUpdate implements storage.Interface.
func (s *store) GuaranteedUpdate(ctx context.Context, key string, out runtime.Object, ignoreNotFound bool,
	preconditions *storage.Preconditions, update storage.UpdateFunc, cached runtime.Object) error {
	scope, inner, err := s.object(ctx, "update", key)
	if err != nil {
		return err
	}
	name, single := scope.Workspace()
	if !single {
		return storage.NewKeyNotFoundError(inner, 0)
	}
	stamped := func(current runtime.Object, meta storage.ResponseMeta) (runtime.Object, *uint64, error) {
		if err := s.updatable(scope, inner, current, preconditions); err != nil {
			return nil, nil, err
		}
		updated, ttl, err := update(current, meta)
		if err != nil {
			return nil, nil, err
		}
		if !exists(current) && !admits(scope, updated) {
			return nil, nil, s.forbidCreate(updated)
		}
		if err := stamp(updated, name); err != nil {
			return nil, nil, storage.NewInternalError(err)
		}
		return updated, ttl, nil
	}
	return sized(s.Interface.GuaranteedUpdate(ctx, inner, out, ignoreNotFound, nil, stamped, own(scope, cached)))
}

// updatable decides whether current may be updated. The zero object stands for
// one that does not exist yet: updating it creates, which most selecting Scopes
// cannot.
func (s *store) updatable(scope keyspace.Scope, key string, current runtime.Object, preconditions *storage.Preconditions) error {
	if exists(current) {
		if err := s.visible(scope, key, current); err != nil {
			return err
		}
	} else if !scope.AdmitsSome() {
		return storage.NewKeyNotFoundError(key, 0)
	}
	return preconditions.Check(key, current)
}

// own returns cached if it may serve as a guess at the current object: one
// with another stamp was read elsewhere.
func own(scope keyspace.Scope, cached runtime.Object) runtime.Object {
	name, single := scope.Workspace()
	if cached == nil || !single || stampOf(cached) != logicalcluster.Name(name) {
		return nil
	}
	return cached
}

func nameOf(obj runtime.Object) string {
	accessor, err := meta.Accessor(obj)
	if err != nil {
		return fmt.Sprintf("%T", obj)
	}
	return accessor.GetName()
}
