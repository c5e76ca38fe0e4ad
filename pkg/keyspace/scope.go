package keyspace

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

type reach int8

const (
	none reach = iota
	one
	all
)

// Scope is the part of the keyspace a request may see: one workspace, all of
// them or none, narrowed to objects whose labels match a selector. It is a
// value; the zero Scope is Nowhere (K5).
type Scope struct {
	reach     reach
	workspace logicalcluster.Name
	selector  labels.Selector
	admits    bool
}

// In returns the Scope of one workspace. An invalid name is a programming
// error and panics: names reach this point only from the directory (K3).
func In(name logicalcluster.Name) Scope {
	if !name.IsValid() {
		panic(fmt.Sprintf("keyspace: %q is not a workspace name", name))
	}
	return Scope{reach: one, workspace: name}
}

// Everywhere returns the Scope of all workspaces.
func Everywhere() Scope { return Scope{reach: all} }

// Nowhere returns the Scope that holds no object. Requests for workspaces that
// do not exist carry it.
func Nowhere() Scope { return Scope{} }

// Selecting returns s narrowed to objects whose labels match selector, as if
// no others existed. Narrowing twice requires both. A nil or empty selector
// changes nothing.
func (s Scope) Selecting(selector labels.Selector) Scope {
	if selector == nil || selector.Empty() {
		return s
	}
	s.selector = Both(s.selector, selector)
	return s
}

// Admitting returns s such that objects that match its selector may also be
// created. Otherwise nothing enters through a selector.
func (s Scope) Admitting() Scope {
	s.admits = true
	return s
}

// Admits reports whether an object with the given labels may be created.
func (s Scope) Admits(set labels.Labels) bool {
	return s.selector == nil || s.admits && s.selector.Matches(set)
}

// AdmitsSome reports whether anything can be created.
func (s Scope) AdmitsSome() bool { return s.selector == nil || s.admits }

// Workspace returns the one workspace of s, and false when s is all or none.
func (s Scope) Workspace() (logicalcluster.Name, bool) {
	return s.workspace, s.reach == one
}

// All reports whether s reaches all workspaces.
func (s Scope) All() bool { return s.reach == all }

// None reports whether s reaches no workspace.
func (s Scope) None() bool { return s.reach == none }

// Selector returns what labels of visible objects must match; nil stands for
// everything.
func (s Scope) Selector() labels.Selector { return s.selector }

// Sees reports whether an object with the given labels exists for s. The
// workspace is not looked at.
func (s Scope) Sees(set labels.Labels) bool {
	return s.selector == nil || s.selector.Matches(set)
}

// String is for messages: "workspace w", "all workspaces", "no workspace".
func (s Scope) String() string {
	text := map[reach]string{
		none: "no workspace",
		one:  "workspace " + string(s.workspace),
		all:  "all workspaces",
	}[s.reach]
	if s.selector != nil {
		text += " selecting " + s.selector.String()
	}
	return text
}

// Both returns a selector that matches what a and b match. A nil selector
// matches everything; one that can match nothing (labels.Nothing) wins.
func Both(a, b labels.Selector) labels.Selector {
	if a == nil {
		return b
	}
	if b == nil {
		return a
	}
	requirements, selectable := b.Requirements()
	if !selectable {
		return b
	}
	if _, selectable := a.Requirements(); !selectable {
		return a
	}
	return a.Add(requirements...)
}

type contextKey struct{}

// WithScope returns ctx carrying s.
func WithScope(ctx context.Context, s Scope) context.Context {
	return context.WithValue(ctx, contextKey{}, s)
}

// ScopeFrom returns the Scope in ctx, and false when nobody put one there.
func ScopeFrom(ctx context.Context) (Scope, bool) {
	s, ok := ctx.Value(contextKey{}).(Scope)
	return s, ok
}
