package views

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/target"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Resolve implements View for
//
//	/services/<kind>/<workspace of the type>:<its name>/clusters/<workspace ID or *>/…
//
// The workspace of the type may be given by its ID or by its path. One that does
// not exist goes on as nowhere, so that it is refused where a forbidden one is.
func (l *Lifecycle) Resolve(_ context.Context, path string) (target.Target, keyspace.Scope, string, error) {
	refuse := func(what, got string) (target.Target, keyspace.Scope, string, error) {
		return target.Target{}, keyspace.Scope{}, "", fmt.Errorf("%w: %s %q; expected /services/%s/<workspace>:<type>/clusters/<workspace ID or *>/..., as in status.virtualWorkspaces of the WorkspaceType",
			ErrMalformed, what, target.Shorten(got), l.kind)
	}
	segments, of, inner, ok := split(path, l.kind, 1)
	if !ok {
		return refuse("path", path)
	}
	home, name := logicalcluster.Path(segments[0]).Split()
	workspace := logicalcluster.Name(of)
	switch {
	case !isWorkspace(home) || len(validation.IsDNS1123Subdomain(name)) > 0:
		return refuse(l.role, segments[0])
	case workspace != logicalcluster.Wildcard && !workspace.IsValid():
		return refuse("workspace", of)
	case isNested(inner):
		return refuse("nested path", inner)
	}
	view := &target.View{Kind: l.kind, Name: segments[0], Target: name}
	t := target.Target{Path: workspace.Path(), View: view}
	identity, found := l.ask.Resolve(home)
	if !found {
		return t, keyspace.Nowhere(), inner, nil
	}
	t.Identity, view.Key = identity, identity.String()+":"+name
	return t, l.scopeOf(workspace, view.Key), inner, nil
}

// scopeOf lets only LogicalClusters that wait for id exist. Of another kind no
// object has the label.
func (l *Lifecycle) scopeOf(workspace logicalcluster.Name, id string) keyspace.Scope {
	scope := keyspace.Everywhere()
	if workspace != logicalcluster.Wildcard {
		scope = keyspace.In(workspace)
	}
	key, value := l.label(id)
	return scope.Selecting(labels.SelectorFromSet(labels.Set{key: value}))
}
