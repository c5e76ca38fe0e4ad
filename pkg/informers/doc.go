// Package informers keeps one kind of object of all workspaces in memory, for
// the hub's own read models and loops. It reads the storage layer in process.
//
// client-go's informers cannot do it: they key objects by namespace and name,
// which different workspaces share. Here the key is logicalcluster.Key, and
// each workspace's objects lie together, so that one workspace is listed or
// dropped without touching the others.
//
// Invariants, held by the tests that name them:
//
//	I1  After Synced, the store equals what storage held at some revision, and
//	    every later revision is applied in order.
//	I2  OnChange sees every difference between two states of the store, in the
//	    order they are applied, after the store shows it, one at a time.
//	I3  Losing the watch, even for longer than storage remembers, loses no
//	    difference: a relist yields the deletions and updates missed.
//	I4  Objects handed out are shared and must not be written to.
package informers
