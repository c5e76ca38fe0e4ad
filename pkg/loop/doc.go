// Package loop is the one work queue of the hub: a set of keys, each naming an
// object in a workspace, worked on until its Reconcile is content.
//
// Invariants, held by the tests that name them:
//
//	L1  A key is never reconciled twice at the same time.
//	L2  A key enqueued while it is being reconciled is reconciled once more
//	    afterwards. Enqueued many times before that, it is still only once.
//	L3  An error brings the key back after 5 ms, doubling up to 30 s; success
//	    starts over. A Terminal error does not bring it back.
//	L4  A panic of Reconcile is an error like any other; the loop lives on.
//	L5  Run returns only when no Reconcile is running.
//
// The queue knows no API type. Its clock is injected, so tests decide when
// time passes. Metrics carry the name of the loop and nothing else: their
// number does not depend on the number of workspaces.
package loop
