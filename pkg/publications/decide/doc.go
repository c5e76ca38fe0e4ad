// Package decide says what an APIPublication means for one workspace: which
// APIBindings to make there, to change, to take along and to let go, and how far
// the workspace is. It is pure: equal facts, equal plan.
//
// Invariants:
//
//	D1: only bindings with the mark of a publication are changed or deleted.
//	    A binding that the workspace has of its own is enough, and is left alone.
//	D2: a binding carries no claim that the publication does not accept.
//	D3: of several publications of one export one has the binding. When it goes
//	    and another is for the workspace, that one takes over, and nothing is
//	    unbound.
//	D4: of publications of different exports with the same resource one is bound:
//	    the one that is there, otherwise the oldest.
//	D5: nothing is unbound because something is not known: where the workspace is,
//	    which publication a mark means, or where a publication's subtree is.
//	D6: what a workspace has had of a publication that is InitializeOnly is not
//	    made a second time.
package decide
