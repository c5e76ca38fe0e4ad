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
//	B3: a name belongs to the binding that was bound to it first. Of bindings made
//	    together that is the older one.
//	B4: the exports a workspace has are read from the reference of the binding,
//	    which cannot be changed and was authorized when it was made; a path that
//	    has come to mean another workspace is not followed, nor an export that was
//	    made again with another identity.
//	B5: what the status of a binding says is served can be: the hub has a copy of
//	    each schema in it, whatever becomes of the original.
//	B6: an object that is adopted is at every moment with its definition or with the
//	    binding, and never shown while some are here and some there.
//	B7: a binding moves to another schema only where that hurts neither stored
//	    objects nor clients, or the owner of the export has accepted it; what objects
//	    are stored in can be read, whoever accepts what.
//	B8: which schema a workspace is meant to have follows from the export, its
//	    SchemaRollouts and the workspace, never from what it had.
//	B9: a claim that was withdrawn, by whomever, is noted down as applied until no
//	    object has a label by it any more, nor can get one from a write that is
//	    under way.
//	B10: what an export that is gone let users do is not more than it was when it
//	    was last seen.
//	B11: a binding forgets a version that objects were stored in when all of them
//	    have been seen stored in another one, and no write is under way, nor has
//	    begun since the first was looked at, that could store one otherwise.
package bindings
