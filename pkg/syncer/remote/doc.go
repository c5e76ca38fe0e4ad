// Package remote speaks to an API server, hub or child, in as few bytes of
// memory as possible.
//
// A Server is a connection. A Collection is one resource under one URL prefix:
// the resource of a whole cluster, of one workspace, or of all workspaces of a
// view. A Mirror follows a Collection by list and watch and keeps its objects as
// compact JSON without managed fields, keyed by workspace, namespace and name.
// client-go's informers do not serve here: they key by namespace and name, so
// that equal names in two workspaces would be one object, and they hold decoded
// objects, ten times the size.
package remote
