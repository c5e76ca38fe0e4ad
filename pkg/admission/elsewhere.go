package admission

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/atriumhub/atrium/pkg/directory"
	"github.com/atriumhub/atrium/pkg/identity"
	"github.com/atriumhub/atrium/pkg/target"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// judge asks the role based access control of another workspace.
type judge struct {
	directory  *directory.Directory
	authorizer authorizer.UnconditionalAuthorizer
}

// allows reports whether the caller may do what ask says in the workspace at
// path, or in the one of the request when path is empty. Who the caller is
// there is not what it is here (pkg/identity).
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
		info, home = outside(info, here)
	}
	ask.User = identity.From(info, home)
	decision, _, err := j.authorizer.Authorize(target.With(ctx, there), ask)
	return err == nil && decision == authorizer.DecisionAllow
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

// mayUse asks for the verb "use" on the workspace type, where it lives. One that
// does not exist is refused with the same words.
func (j judge) mayUse(ctx context.Context, info user.Info, kind *tenancyv1alpha1.WorkspaceTypeReference) error {
	if kind == nil || identity.IsHub(info) {
		return nil
	}
	path := logicalcluster.Path(kind.Path)
	if j.uses(ctx, info, path, kind.Name) {
		return nil
	}
	return cannotUse(path, kind.Name)
}

func cannotUse(path logicalcluster.Path, name tenancyv1alpha1.WorkspaceTypeName) error {
	return fmt.Errorf("no permission to use workspace type %q: it does not exist, or its owner has to grant you the verb \"use\" on it", path.Join(string(name)))
}

func (j judge) uses(ctx context.Context, info user.Info, path logicalcluster.Path, name tenancyv1alpha1.WorkspaceTypeName) bool {
	return j.allows(ctx, info, path, authorizer.AttributesRecord{
		Verb: "use", APIGroup: tenancyv1alpha1.GroupName, APIVersion: "*",
		Resource: "workspacetypes", Name: string(name), ResourceRequest: true,
	})
}

// mayBind asks for the verb "bind" on the export, where it lives.
func (j judge) mayBind(ctx context.Context, info user.Info, path logicalcluster.Path, name string) bool {
	return j.allows(ctx, info, path, authorizer.AttributesRecord{
		Verb: "bind", APIGroup: apisv1alpha2.SchemeGroupVersion.Group, APIVersion: "*",
		Resource: "apiexports", Name: name, ResourceRequest: true,
	})
}

func resourceAsk(verb, group, resource, name string) authorizer.AttributesRecord {
	ask := authorizer.AttributesRecord{Verb: verb, APIGroup: group, APIVersion: "*", Name: name, ResourceRequest: true}
	ask.Resource, ask.Subresource, _ = strings.Cut(resource, "/")
	return ask
}

// askText says what was asked for, for people.
func askText(ask authorizer.AttributesRecord) string {
	if !ask.ResourceRequest {
		return fmt.Sprintf("verb %q on URL %q", ask.Verb, ask.Path)
	}
	resource := ask.Resource
	if ask.Subresource != "" {
		resource += "/" + ask.Subresource
	}
	return fmt.Sprintf("verb %q on %q of API group %q", ask.Verb, resource, ask.APIGroup)
}
