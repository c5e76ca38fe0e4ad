// Package defaults makes the APIBindings that the type of a workspace asks for.
// It is the initializer "system:apibindings": a workspace whose type has default
// bindings becomes ready when they are bound. Bindings of types with the
// lifecycle Maintain are put back later on, too, when somebody removed them or
// the type changed.
//
// One pass reads the LogicalCluster, its type and its bindings from memory, asks
// plan what to do, and does it.
//
// Invariants:
//
//	D1: of status.initializers only "system:apibindings" is touched, and of the
//	    conditions only APIBindingsInitialized and APIBindingsReconciled.
//	D2: a binding that refers to the export already, whatever its name and
//	    however it writes the path, is enough; it is never made twice.
//	D3: what is bound is what the author of the type was allowed to bind: a path
//	    that has come to mean another workspace is not followed.
//	D4: without default bindings nothing is stored.
package defaults
