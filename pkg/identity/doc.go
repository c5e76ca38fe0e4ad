// Package identity says who a user is in which workspace. A name is trusted in
// another workspace only if it means the same there (docs/decisions/0018): those
// of service accounts do not, nor do those that somebody was only allowed to
// borrow in his own workspace.
//
// What limits or extends a user travels in the "extra" of the user info, under
// the names of the wire, so that it survives reviews, audit and proxies. These
// are written by authenticators and by the hub, never by clients.
//
// Invariants:
//
//	I1: out of scope a user is nobody: no name, group or extra of it is left but
//	    that it has logged in, and where.
//	I2: a service account is itself in one workspace only. Elsewhere it has
//	    neither its name nor a group of its home.
//	I3: Effective ends for whatever a warrant holds, and what cannot be read gives
//	    no permission.
//
// The package is pure. It does not know what any of these users may do.
package identity
