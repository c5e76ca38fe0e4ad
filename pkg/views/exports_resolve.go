package views

import (
	"context"

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
	a, err := addressOf(path, ExportsKind, "APIExport", "an APIExportEndpointSlice")
	if err != nil {
		return target.Target{}, keyspace.Scope{}, "", err
	}
	t := a.target(ExportsKind)
	home, found := e.ask.Resolve(a.owner)
	if !found {
		return t, keyspace.Nowhere(), a.inner, nil
	}
	t.Identity, t.View.Key = home, keyOf(logicalcluster.Key{Workspace: home, Name: a.name})
	return t, e.reach(a.consumer), a.inner, nil
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
