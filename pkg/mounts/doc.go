// Package mounts keeps mounts up to date: for every Workspace with a spec.mount
// it watches the object that is referred to, lets pkg/mounts/doors judge it, opens
// or shuts the door, and says so in the status of the Workspace.
//
// Invariants:
//
//	U1: there is one watch for each resource that is referred to in a workspace,
//	    however many mounts refer to it, and none where nobody does.
//	U2: a door is open only while the Workspace is there and its object, as last
//	    seen, says so. It is shut before the status says why.
//	U3: the status of a Workspace with a mount is written here, and only here.
//	U4: the mounts of a workspace hold no more than maxSources watches. Who comes
//	    when there is no room is told, and comes in when there is.
package mounts
