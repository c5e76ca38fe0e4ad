package views

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/target"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Resolve implements View for
//
//	/services/apiexport/<workspace of the export>/<its name>/clusters/<workspace or *>/…
//
// Both workspaces may be given by their IDs or by their paths. Whether they, and
// the export, exist is a question of Authorize and Enter.
func (e *Exports) Resolve(_ context.Context, path string) (target.Target, keyspace.Scope, string, error) {
	refuse := func(what, got string) (target.Target, keyspace.Scope, string, error) {
		return target.Target{}, keyspace.Scope{}, "", fmt.Errorf("%w: %s %q; expected /services/%s/<workspace>/<APIExport>/clusters/<workspace or *>/..., as in status.endpoints of an APIExportEndpointSlice",
			ErrMalformed, what, target.Shorten(got), ExportsKind)
	}
	rest, ok := strings.CutPrefix(path, "/services/"+ExportsKind+"/")
	segments := strings.SplitN(rest, "/", 5)
	if !ok || len(segments) < 4 || segments[2] != "clusters" {
		return refuse("path", path)
	}
	owner, name, consumer := logicalcluster.Path(segments[0]), segments[1], logicalcluster.Path(segments[3])
	inner := "/"
	if len(segments) == 5 {
		inner += segments[4]
	}
	switch {
	case !isWorkspace(owner):
		return refuse("workspace of the export", segments[0])
	case len(validation.IsDNS1123Subdomain(name)) > 0:
		return refuse("APIExport", name)
	case consumer != logicalcluster.Wildcard.Path() && !isWorkspace(consumer):
		return refuse("workspace", segments[3])
	case isNested(inner):
		return refuse("nested path", inner)
	}
	t := target.Target{Path: consumer, View: &target.View{Kind: ExportsKind, Name: owner.Join(name).String(), Target: name}}
	home, found := e.ask.Resolve(owner)
	if !found {
		return t, keyspace.Nowhere(), inner, nil
	}
	t.Identity, t.View.Key = home, keyOf(logicalcluster.Key{Workspace: home, Name: name})
	return t, e.reach(consumer), inner, nil
}

// isNested reports whether a path goes on to name a workspace or a view.
func isNested(inner string) bool {
	for _, prefix := range []string{"/clusters", "/services"} {
		if inner == prefix || strings.HasPrefix(inner, prefix+"/") {
			return true
		}
	}
	return false
}

// reach is the scope of a request to consumer before it is known what it asks for.
// A workspace that does not exist is nowhere, and refused like one that has not
// bound the export.
func (e *Exports) reach(consumer logicalcluster.Path) keyspace.Scope {
	if consumer == logicalcluster.Wildcard.Path() {
		return keyspace.Everywhere()
	}
	name, found := e.ask.Resolve(consumer)
	if !found {
		return keyspace.Nowhere()
	}
	return keyspace.In(name)
}
