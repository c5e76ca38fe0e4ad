// Package inventorytest is a small world for tests of control loops: a hub in
// memory whose collections are sources like informers, and a driver that runs
// reconcile functions one at a time, in a fixed order, on a clock that the test
// moves. What is written to the hub is logged in words, so that a test can
// compare a whole story with a file.
//
// The hub does what the loops rely on: merge patches, resource versions and
// conflicts, status apart from the rest, and objects with finalizers that stay
// until the last one is removed.
package inventorytest
