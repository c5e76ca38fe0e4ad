package copy

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Key names an object by its place on the From side.
type Key = logicalcluster.Key

// Object is an object of either side. The doors give out objects that the
// caller may change.
type Object = unstructured.Unstructured

// From is the side that objects come from.
type From interface {
	// Seen returns the object as last seen, or nil.
	Seen(Key) (*Object, error)
	// WriteStatus replaces the status of the object. It fails when the object is
	// another one by now.
	WriteStatus(ctx context.Context, obj *Object, status map[string]any) error
	// Release lets go of the object: the side will not hear of its copy again.
	Release(ctx context.Context, obj *Object) error
}

// To is the side that copies are made on.
type To interface {
	// Seen returns the copy as last seen, or nil. Only objects that Rules.Mine
	// accepts are ever seen.
	Seen(Key) (*Object, error)
	// Read asks the server for whatever stands in the place of the copy, and
	// returns nil only when the server said that nothing does.
	Read(ctx context.Context, key Key) (*Object, error)
	// Apply makes the copy be as wanted.
	Apply(ctx context.Context, key Key, want *Object) error
	// Delete deletes exactly that copy, not a later one of the same name. A copy
	// that is gone already is no error.
	Delete(ctx context.Context, key Key, have *Object) error
}

// Intent is what an object asks for.
type Intent int

const (
	// Wait: nothing is to be done, whatever there is.
	Wait Intent = iota
	// Keep: there shall be a copy.
	Keep
	// Remove: there shall be no copy, and the object wants to be released.
	Remove
)

// Match is what was found in the place of a copy.
type Match int

const (
	// Foreign: somebody else's object.
	Foreign Match = iota
	// Stale: the copy of an earlier object with the same name.
	Stale
	// Differs: a copy that has to be written again.
	Differs
	// Equal: the copy as wanted.
	Equal
)

// Rules decide. They are pure.
type Rules interface {
	// Intent reads what obj asks for.
	Intent(obj *Object) Intent
	// Make returns the copy wanted, or nil when such objects have none.
	Make(obj *Object) (*Object, error)
	// Mine reports whether something found on To was made by these rules.
	Mine(have *Object) bool
	// Compare relates what was found to what is wanted.
	Compare(want, have *Object) Match
	// Status returns what the status of obj should be, and whether it is not.
	Status(obj, have *Object) (status map[string]any, differs bool)
}
