// Package prepare holds the pure part of a workspace's life: what a new
// Workspace must look like before it is stored, what tenants may not change in
// it afterwards, and the objects every workspace begins with.
//
// Admission calls Create and Update, the lifecycle loop stores what the other
// functions build. Doing the assignment of the ID at admission rather than in
// a loop saves a write and leaves no moment in which a Workspace has no ID.
//
// Invariants:
//
//	P1: spec.cluster comes from the hub's random source, never from a tenant,
//	    and never changes.
//	P2: who a Workspace belongs to is what the hub saw at creation.
//	P3: a tenant can neither forge nor remove the finalizer, the phase and the
//	    annotations that the hub relies on.
package prepare
