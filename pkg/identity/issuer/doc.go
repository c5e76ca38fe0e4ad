// Package issuer makes each workspace an issuer of tokens of its own: with a
// URL, and with keys that no other workspace has.
//
// Keys are not stored. They are derived, when they are needed, from a master
// secret and the ID of the workspace, so that an idle workspace costs nothing.
// There can be several secrets (a Ring): the newest signs, all verify.
//
// Invariants:
//
//	I1: the same secret and workspace give the same key, in every process.
//	I2: two workspaces, or two secrets, have nothing in common: who knows the
//	    keys of one learns nothing about those of another.
//	I3: a key's ID names secret and workspace, so that one derivation finds the
//	    key of a token, however many secrets there are.
//	I4: what an unverified token says decides only which key it is checked with.
//
// The package is pure.
package issuer
