// Package views cuts windows through the walls between workspaces, each for one
// kind of client.
//
// The syncer's view shows the agent of a child cluster the objects that are
// assigned to its SyncTarget, in whatever workspace they live:
//
//	/services/syncer/<workspace of the SyncTarget>/<its name>/<its UID>/clusters/<workspace or *>/{api,apis}/…
//
// It has three parts, one for each place of the request path it has a say in:
//
//	Resolve    URL -> target, scope and the path an ordinary cluster would be asked.
//	           The scope lets only objects with the target's state label exist.
//	Authorize  who may look through (verb "sync" on the SyncTarget, judged in the
//	           workspace of the SyncTarget), and what for.
//	Validate   admission: what of an object may be changed from there.
//
// Invariants:
//
//	V1: nothing of a SyncTarget, not even whether it exists, shows before the
//	    caller has been found to have the verb "sync" on that name.
//	V2: through the view no object is created or deleted, no spec is changed, and
//	    no permission, account, webhook or API definition is as much as read.
//	V3: an object is let go of only after it was asked to leave.
package views
