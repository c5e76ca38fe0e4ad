package admission

import (
	"context"

	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/atriumhub/atrium/pkg/directory"
	"github.com/atriumhub/atrium/pkg/target"
	"github.com/atriumhub/atrium/pkg/workspaces/prepare"
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
	ask.User = info
	if there.Identity != here.Identity {
		if here.Impersonated {
			return false
		}
		ask.User = prepare.Elsewhere(info, here.Identity)
	}
	decision, _, err := j.authorizer.Authorize(target.With(ctx, there), ask)
	return err == nil && decision == authorizer.DecisionAllow
}
