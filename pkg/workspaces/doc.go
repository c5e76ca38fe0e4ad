// Package workspaces leads a workspace through its life: it furnishes what a
// Workspace object asks for, reports how far that is, and takes everything
// away again when the object is deleted.
//
// The Workspace lives in the parent; the inside of the workspace is described
// by a LogicalCluster named "cluster", which lives in the workspace itself:
//
//	root             root:org (ID 2xk8p9…)
//	  Workspace org ──▶ LogicalCluster cluster, namespaces, service accounts,
//	  (finalizer)  ◀──   root CA, admin binding        (owner: Workspace org)
//
// The LogicalCluster says Scheduling while the content is made, Initializing
// while others prepare it, Ready, Inactive while it was put to rest, Terminating
// while others clear up, and Deleting while content goes. The Workspace repeats
// that, and says Unavailable while the LogicalCluster is missing.
//
// One pass of the loop reads both objects from memory, asks next for the one
// thing to do, and does it. Nothing is remembered between passes, so a hub that
// dies at any point goes on where it was.
//
// Invariants:
//
//	W1: the LogicalCluster says Ready only when everything a workspace begins
//	    with has been stored; the Workspace says Ready only after this hub has
//	    seen the LogicalCluster do so, and its roles know the creator. Whoever
//	    reads Ready can walk in.
//	W2: content is removed only when the LogicalCluster names this very
//	    Workspace (by UID) as its owner, or nobody else has the ID.
//	W3: objects with finalizers are deleted through the API and waited for;
//	    everything else goes in one sweep, the LogicalCluster last.
//	W4: initializers and terminators come off by themselves; this package only
//	    draws the conclusion, and writes phase and labels together. Nothing is
//	    removed while a terminator is left, and no user enters while an
//	    initializer is.
//	W5: the Workspace keeps its finalizer until nothing is left, and says what
//	    is left.
package workspaces
