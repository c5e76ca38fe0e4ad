// Package arrows keeps the plan of the house: which package may import which.
// Its test reads the imports of the whole repository and compares.
//
//	house.go    the plan: floors, walls, exceptions. This is the file to edit.
//	imports.go  what the repository imports
//	laws.go     the comparison, a pure function
//
// The laws:
//
//	L1: imports go down the floors; rooms on one floor do not import each other.
//	L2: a folder may import its children, whatever their floor; a child never
//	    imports a folder it lies in.
//	L3: no wall is walked around: what a wall keeps out is not reached through
//	    other packages either, where the wall says so.
//	L4: every package is on the plan, and the plan names no package that is gone.
//
// Tests of a package obey L1 and L2 as well, but not the walls. What lies below
// test/ uses whatever it likes, and nobody imports it.
package arrows
