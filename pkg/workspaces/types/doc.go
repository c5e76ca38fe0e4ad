// Package types reports on WorkspaceTypes: whether what they extend is there, and
// where their initializers and terminators find their work.
//
// Invariants:
//
//	T1: a status is written only when it says something new.
//	T2: a type that changes what it extends, appears or goes, is news to all that
//	    extend something: they are looked at again, together, after a moment.
package types
