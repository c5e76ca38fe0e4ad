// Package identity says who a user is in which workspace. A name is trusted in
// another workspace only if it means the same there (docs/decisions/0018): those
// of service accounts do not, nor do those that somebody was only allowed to
// borrow in his own workspace.
//
// What limits or extends a user travels in the "extra" of the user info, under
// the names of the wire, so that it survives reviews, audit and proxies. These
// are written by authenticators and by the hub, never by clients.
//
// The package is pure.
package identity
