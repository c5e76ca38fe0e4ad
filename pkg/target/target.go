// Package target says what a request is about, once routing has read its URL.
//
// It holds only words, so that the rooms of the request path (routing, access,
// admission, views) can speak of the same thing without knowing each other.
// Where the data lies is not here: that is keyspace.Scope.
package target

import (
	"context"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Target is what the URL of a request named.
type Target struct {
	// Path is the workspace as the caller wrote it, for messages. It may be a
	// path, a name, or "*".
	Path logicalcluster.Path
	// Identity is the workspace whose service accounts and role bindings judge
	// the caller. It is empty when the URL named a workspace that does not
	// exist; nobody but the privileged is let through then.
	Identity logicalcluster.Name
	// Impersonated is set when the caller asked to act as somebody else. Who that
	// is was judged in the workspace Identity, and is nobody anywhere else.
	Impersonated bool
	// View is set when the request came in under /services/.
	View *View
}

// View is a window onto objects of many workspaces, cut for one client.
type View struct {
	// Kind is the segment after /services/: "syncer".
	Kind string
	// Target is the name of the object the view belongs to, a SyncTarget for
	// the syncer's view. It lives in the workspace Target.Identity.
	Target string
	// UID is the UID of that object as the client believes it to be.
	UID string
	// Key is the sync target's key, as it appears in label names.
	Key string
}

type contextKey struct{}

// With returns ctx carrying t.
func With(ctx context.Context, t Target) context.Context {
	return context.WithValue(ctx, contextKey{}, t)
}

// From returns the Target that With put into ctx.
func From(ctx context.Context) (Target, bool) {
	t, ok := ctx.Value(contextKey{}).(Target)
	return t, ok
}
