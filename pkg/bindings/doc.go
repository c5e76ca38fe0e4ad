// Package bindings keeps APIExports and APIBindings: it gives an export its
// identity, and a binding its status, which says what the workspace has got and,
// when it has got nothing, why.
//
// What a workspace serves is not decided here. The catalog learns of bindings as
// everybody else does, by watching; Feed translates them.
//
// Invariants:
//
//	B1: a binding is never unbound by a fault of the export: once Bound it stays
//	    so, and a condition tells what is wrong.
//	B2: while a binding is being deleted its resources stay served, so that what
//	    has to clean up behind their objects can; it is gone when they are.
//	B3: of two bindings to the same resource the older one has it.
//	B4: the exports a workspace has are read from the reference of the binding,
//	    which cannot be changed and was authorized when it was made.
package bindings
