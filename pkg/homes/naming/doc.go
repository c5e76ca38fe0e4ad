// Package naming says who has a home workspace, and where it is:
//
//	root:users:<b1>:<b2>:<user>
//
// The two buckets are the beginning of a hash of the user's name, so that no
// workspace has many children. The last segment is the name itself where that
// can be a segment, and otherwise what is left of it that can, followed by more
// of the hash: "alice@example.org" lives in "alice-example-org-rsk76vl90s".
//
// Invariants:
//
//	N1: equal names, equal place; different names, different places, up to
//	    collisions of 70 bits of SHA-256, which the owner recorded in the
//	    Workspace decides.
//	N2: a name that is used as it is never ends like one that was changed.
//	N3: only users who are the same in every workspace have a home.
//
// The package is pure.
package naming
