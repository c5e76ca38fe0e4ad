// Package bootstrap creates what a hub can not be without: the inside of the
// root workspace, the workspace types, the workspace that offers compute, and
// the roles by which everybody who logged in may enter root and use these.
//
// Everything is idempotent and leaves alone what an administrator has changed,
// apart from roles, which are put right. Root runs before the hub's loops,
// Compute after them, because the workspace it fills is made by a loop.
package bootstrap
