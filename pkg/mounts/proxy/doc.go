// Package proxy answers requests for mounts by asking where the mount leads:
// another cluster, over TLS and behind the door for addresses that tenants
// chose, or a workspace of this hub, in process.
//
//	router ─▶ Keep ─▶ authentication, authorization ─▶ Wrap ─▶ the target
//
// Whoever may enter the parent workspace, and read the Workspace there that is
// the mount, may ask. What the answer is, is the target's to decide, which is told
// who asks.
//
// Invariants:
//
//	M1: nothing of what a client proves its identity with reaches a target:
//	    headers go through by name, and no others do.
//	M2: a target outside is told a name only if it means the same outside:
//	    names that a tenant can hand out do not pass, nor do the groups and users
//	    that the hub itself trusts.
//	M3: a target of this hub is asked as if the client had asked it itself, with
//	    all that it sent; it gains nothing on the way.
//	M4: nothing that a target answers makes a client go elsewhere, or keep
//	    something for the hub's address: no redirects, no cookies.
//	M5: a target that does not answer costs others nothing: the requests that
//	    wait for targets are few, of one workspace and of all.
//	M6: when a mount closes, what streams through it ends.
package proxy
