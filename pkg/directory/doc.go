// Package directory knows where every workspace is: it turns what people type
// ("root:org:team") into the ID under which a workspace is stored, and says in
// which phase that workspace is. Everything is in memory and every question is
// answered in O(depth) without taking a lock.
//
// It is a read model. Its facts arrive as watch events of two kinds:
//
//	Workspace       in a parent workspace: name, spec.cluster, type, deletion
//	LogicalCluster  in the workspace itself: the phase, as its keeper sees it
//
// Invariants:
//
//	I1: a path resolves as soon as spec.cluster of its last Workspace is known,
//	    whatever the phase; refusing requests by phase is the router's job.
//	I2: an ID belongs to one Workspace. Who comes second is not listed, so a
//	    Workspace can not be made to point at somebody else's content.
//	I3: what lies below a Workspace that is gone does not resolve, neither by
//	    path nor by ID, even while its own records are still there.
//	I4: "root" and "system:admin" resolve always and are always ready.
package directory
