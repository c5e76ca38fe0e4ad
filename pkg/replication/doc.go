// Package replication says which objects a provider lets others read, by a
// ClusterCachedResource and its endpoint slice (docs/decisions/0039).
//
// In kcp the objects are copied to a cache server, from which the shards of those
// who bind read them. Here all workspaces are in one store, so nothing is copied: a
// Window is a place to look at, and readers see the originals.
//
// Invariants:
//
//	N1: a window shows custom resources of cluster scope, and nothing of the hub's
//	    own and of Kubernetes' kinds.
//	N2: it shows objects of the workspace its ClusterCachedResource lives in, and
//	    of no other: a slice cannot refer to another workspace.
//	N3: it opens only for the identity by which it was bound. One made again under
//	    the same name has another, unless its secret was kept.
//	N4: nothing is written through it.
package replication
