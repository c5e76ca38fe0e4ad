// Package target says what a request is about, once routing has read its URL.
//
// It holds only words, so that the rooms of the request path (routing, access,
// admission, views) can speak of the same thing without knowing each other.
// Where the data lies is not here: that is keyspace.Scope.
package target

import (
	"context"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apiserver/pkg/authentication/user"

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
	// View is set when the request came in under /services/.
	View *View
	// Visitor is set when the request came in under /services/, and goes on as
	// one to the workspace Identity itself. View is not set then.
	Visitor *Visitor
}

// JudgedBy returns the kind of the view that judges the request in place of the
// roles of a workspace, and false when there is none.
func (t Target) JudgedBy() (kind string, ok bool) {
	switch {
	case t.View != nil:
		return t.View.Kind, true
	case t.Visitor != nil && t.Visitor.Rules != nil:
		return t.Visitor.Kind, true
	default:
		return "", false
	}
}

// View is a window onto objects of many workspaces, cut for one client.
type View struct {
	// Kind is the segment after /services/: "syncer".
	Kind string
	// Name is what the view belongs to as the caller wrote it, for messages.
	Name string
	// Target is the name of the object the view belongs to, a SyncTarget for
	// the syncer's view, a WorkspaceType for that of an initializer. It lives in
	// the workspace Target.Identity.
	Target string
	// UID is the UID of that object as the client believes it to be.
	UID string
	// Key is the sync target's key, as it appears in label names, or the ID of
	// the initializer or terminator.
	Key string
	// Below is set for MountKind: the path of the workspace that was named,
	// seen from the mount it lies behind. Empty is the mount itself.
	Below logicalcluster.Path
}

// Visitor is an initializer, a terminator, or the provider of an API, at work in a
// workspace of others.
type Visitor struct {
	// Kind is that of the View he came through.
	Kind string
	// Key is the ID of the initializer or terminator, or
	// "<workspace ID>:<APIExport>".
	Key string
	// User is who logged in, as the workspace Home knows him. In Identity he acts
	// as somebody else; anywhere else he is himself.
	User user.Info
	Home logicalcluster.Name
	// Rules are what he may do in Identity. When nil, the roles of Identity say.
	Rules []rbacv1.PolicyRule
}

// TerminatorKind is the kind of the view of those who clear up workspaces.
const TerminatorKind = "terminatingworkspaces"

// MountKind is the kind of the view that a mount is: a Workspace, called
// View.Target, in the workspace Identity, whose content is served elsewhere. It
// has no URL of its own below /services/.
const MountKind = "mount"

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

// Shorten keeps a stranger's 10 kB out of messages and logs: what a request
// names is repeated up to 80 bytes of it.
func Shorten(s string) string {
	if len(s) <= 80 {
		return s
	}
	return s[:80] + "..."
}
