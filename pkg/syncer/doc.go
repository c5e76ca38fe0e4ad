// Package syncer is the agent that lives in (or beside) a child cluster. It
// connects outwards only: to the hub, and to the child's API server.
//
//	hub                                  agent                              child
//	view of the sync target --watch--> mirror --> copy --server-side apply--> objects
//	status subresource     <--patch--- copy <--- mirror <----watch---------- status
//	SyncTarget status      <--patch--- heartbeat, synced resources
//
// One pipeline per resource: a mirror of the view, which shows the objects of
// all workspaces that are assigned to this sync target, a mirror of the copies
// in the child, and a loop between them that runs pkg/syncer/copy with the rules
// of pkg/syncer/transform. Namespaces are made in the child on demand and
// removed when nothing wants them any more.
//
// Invariants:
//
//	Y1: spec flows down and status flows up, never the other way.
//	Y2: nothing is written in the child outside namespaces whose locator names
//	    this sync target, by name and UID.
//	Y3: a finalizer in the hub is removed only after the child's API server said
//	    that the copy is gone.
//	Y4: nothing is deleted before both sides have been seen completely.
//	Y5: all state is on the two sides; killing the agent at any moment loses
//	    nothing.
//
// The agent runs until its context ends. Cuts of either connection are waited
// out. The only thing that stops it is a SyncTarget with another UID: then it
// would be working for a cluster that has been replaced.
package syncer
