// Package views cuts windows through the walls between workspaces, each for one
// kind of client. A view is the ordinary API with another scope: objects that do
// not match its selector do not exist (docs/decisions/0014).
//
// Each View has three parts, one for each place of the request path it has a say
// in:
//
//	Resolve    URL -> target, scope and the path an ordinary cluster would be asked.
//	Authorize  who may look through, and what for.
//	Validate   admission: what of an object may be changed from there.
//
// There are, each in the files that begin with its name:
//
//	/services/syncer/<workspace of the SyncTarget>/<its name>/<its UID>/clusters/<workspace or *>/{api,apis}/…
//
// syncer shows the agent of a child cluster the objects that are assigned to its
// SyncTarget, in whatever workspace they live. Its agent needs the verb "sync" on
// the SyncTarget.
//
//	/services/initializingworkspaces/<workspace of the type>:<its name>/clusters/<workspace or *>/{api,apis}/…
//	/services/terminatingworkspaces/…
//
// lifecycle shows initializers the LogicalClusters that wait for them, and lets
// them into these workspaces before their users; terminators the same, when the
// users have left. They need the verb "initialize" or "terminate" on the
// WorkspaceType. Inside, a request is an ordinary one to that workspace (Enter),
// made by the creator of the workspace, or, where the type lists permissions, by
// the caller with just these (docs/decisions/0021).
//
//	/services/apiexport/<workspace of the export>/<its name>/clusters/<workspace or *>/…
//
// exports shows providers what their APIExport offers and claims, in all
// workspaces that have bound it, and the bindings. They need the verb of the
// request on apiexports/content, with the name of the export. What of it is shown
// is an API of its own (Enter, SetFrom); claimed resources are narrowed to what is
// labelled as claimed (pkg/claims). Of all workspaces at once is only read. A
// request to one of them goes on as an ordinary one, of a visitor, whom the
// binding there allows what it allows (docs/decisions/0035).
//
//	/services/apiresourceschema/<workspace with the bindings>/clusters/<* or workspace of a provider>/…
//
// schemas shows who may read the bindings of a workspace the APIResourceSchemas
// behind them, although they live where he has no access: from the copies that the
// hub keeps, under the names and UIDs of the originals.
//
//	/services/replication/<workspace of the slice>/<its name>/clusters/<workspace or *>/{api,apis}/…
//
// replication shows what a ClusterCachedResource publishes, to be read. It takes
// the verb of the request on clustercachedresourceendpointslices/content.
//
// Invariants:
//
//	V1: nothing of what a view belongs to, not even whether it exists, shows before
//	    the caller has been found to have the verb on that name.
//	V2: through the syncer's view no object is created or deleted, no spec is
//	    changed, and no permission, account, webhook or API definition is as much
//	    as read.
//	V3: through it an object is let go of only after it was asked to leave.
//	V4: a workspace is entered only while its LogicalCluster says that it waits for
//	    the caller; that ends watches too.
//	V5: inside, nobody is the hub, and nobody has more than an administrator of the
//	    workspace; outside of it, the creator's name is worth nothing to him who
//	    acts in it.
//	V6: of a LogicalCluster a caller changes nothing but that it is itself still
//	    waited for.
//	V7: a provider reads and writes, in workspaces that have bound his export, what
//	    that offers, and of what it claims what they have accepted; nothing else,
//	    nowhere else.
//	V8: a watch shows one export, one schema and one claim from beginning to end.
package views
