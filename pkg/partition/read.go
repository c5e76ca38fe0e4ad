package partition

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/storage"

	"github.com/atriumhub/atrium/pkg/keyspace"
)

// Get implements storage.Interface.
func (s *store) Get(ctx context.Context, key string, opts storage.GetOptions, out runtime.Object) error {
	scope, inner, err := s.object(ctx, "get", key)
	if err != nil {
		return err
	}
	if err := s.Interface.Get(ctx, inner, opts, out); err != nil {
		return err
	}
	if !exists(out) {
		return nil // not there, and the caller does not mind
	}
	err = s.visible(scope, inner, out)
	if err == nil {
		return nil
	}
	if zeroErr := runtime.SetZeroValue(out); zeroErr != nil {
		return zeroErr
	}
	if storage.IsNotFound(err) && opts.IgnoreNotFound {
		return nil
	}
	return err
}

// GetList implements storage.Interface.
func (s *store) GetList(ctx context.Context, key string, opts storage.ListOptions, list runtime.Object) error {
	scope, rest, err := s.collection(ctx, "list", key, opts.Recursive)
	if err != nil {
		return err
	}
	inner, opts := s.narrow(scope, rest, opts)
	opts.Predicate.IndexFields, opts.Predicate.IndexLabels = nil, nil // no cache has them
	if err := s.Interface.GetList(ctx, inner, opts, list); err != nil {
		return err
	}
	return s.verifyList(scope, inner, list)
}

// verifyList checks the stamp of every item (P4). In a workspace one foreign
// object spoils the list and empties it. Everywhere, objects that belong to no
// workspace are left out: somebody put them into etcd by hand, and they must
// not blind the hub to all others.
func (s *store) verifyList(scope keyspace.Scope, key string, list runtime.Object) error {
	err := meta.EachListItem(list, func(item runtime.Object) error {
		return verify(scope, key, item)
	})
	if err == nil {
		return nil
	}
	if scope.All() {
		return leaveOutStrays(list)
	}
	if zeroErr := runtime.SetZeroValue(list); zeroErr != nil {
		return zeroErr
	}
	return err
}

// leaveOutStrays removes the items of list that have no valid stamp.
func leaveOutStrays(list runtime.Object) error {
	items, err := meta.ExtractList(list)
	if err != nil {
		return err
	}
	return meta.SetList(list, slices.DeleteFunc(items, func(item runtime.Object) bool {
		return !stampOf(item).IsValid()
	}))
}

// narrow translates a list or watch of rest in scope to the inner store's key
// and options: under the workspace's keys, and only what the selector shows.
//
// Everywhere, a namespace or name cannot be part of the key, for the workspace
// stands before it; there they become field requirements instead.
func (s *store) narrow(scope keyspace.Scope, rest string, opts storage.ListOptions) (string, storage.ListOptions) {
	opts.Predicate = s.predicate(scope, opts.Predicate)
	if !scope.All() {
		return s.layout.Home(scope) + rest, opts
	}
	namespace, name := keyspace.SplitRest(rest)
	if opts.Recursive {
		namespace, name = name, ""
	}
	opts.Recursive = true
	opts.Predicate.Field = require(opts.Predicate.Field, "metadata.namespace", namespace)
	opts.Predicate.Field = require(opts.Predicate.Field, "metadata.name", name)
	return s.layout.Prefix(), opts
}

// predicate adds the selector of scope to p, and makes sure that p can read
// labels and fields, which callers that select nothing leave out.
func (s *store) predicate(scope keyspace.Scope, p storage.SelectionPredicate) storage.SelectionPredicate {
	if p.Label == nil {
		p.Label = labels.Everything()
	}
	if p.Field == nil {
		p.Field = fields.Everything()
	}
	if p.GetAttrs == nil {
		p.GetAttrs = s.attrs
	}
	if scope.Selector() != nil {
		p.Label = keyspace.Both(p.Label, scope.Selector())
		p.GetAttrs = withOwnLabels(p.GetAttrs)
	}
	return p
}

// withOwnLabels takes the labels from the object itself, whatever attrs says:
// the selector of a Scope is about what is stored.
func withOwnLabels(attrs storage.AttrFunc) storage.AttrFunc {
	return func(obj runtime.Object) (labels.Set, fields.Set, error) {
		_, fieldSet, err := attrs(obj)
		if err != nil {
			return nil, nil, err
		}
		accessor, err := meta.Accessor(obj)
		if err != nil {
			return nil, nil, err
		}
		return accessor.GetLabels(), fieldSet, nil
	}
}

// require adds "field = value" to selector; an empty value asks for nothing.
func require(selector fields.Selector, field, value string) fields.Selector {
	if value == "" {
		return selector
	}
	return fields.AndSelectors(selector, fields.OneTermEqualSelector(field, value))
}
