package admission

import (
	"context"

	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/atriumhub/atrium/pkg/directory"
	"github.com/atriumhub/atrium/pkg/identity"
	"github.com/atriumhub/atrium/pkg/target"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// judge asks the role based access control of another workspace.
type judge struct {
	directory  *directory.Directory
	authorizer authorizer.Authorizer
}

// allows reports whether the caller may do what ask says in the workspace at
// path, or in the one of the request when path is empty. A name is trusted
// elsewhere only if it means the same there: not that of a service account, and
// not one the caller was only allowed to borrow in its own workspace.
func (j judge) allows(ctx context.Context, info user.Info, path logicalcluster.Path, ask authorizer.AttributesRecord) bool {
	here, _ := target.From(ctx)
	there := here
	if !path.Empty() {
		entry, ok := j.directory.Resolve(path)
		if !ok {
			return false
		}
		there = target.Target{Path: path, Identity: entry.Name}
	}
	home := here.Identity
	if there.Identity != here.Identity {
		if here.Impersonated {
			return false
		}
		info, home = outside(info, here)
	}
	for _, ask.User = range identity.Effective(identity.From(info, home), there.Identity) {
		decision, _, err := j.authorizer.Authorize(target.With(ctx, there), ask)
		if err == nil && decision == authorizer.DecisionAllow {
			return true
		}
	}
	return false
}

// outside returns who info, who acts in here, is outside of it, and which
// workspace knows him. Somebody who visits here acts in the name of whoever it
// belongs to; that name is lent for here alone.
func outside(info user.Info, here target.Target) (user.Info, logicalcluster.Name) {
	if v := here.Visitor; v != nil {
		return v.User, v.Home
	}
	return info, here.Identity
}
