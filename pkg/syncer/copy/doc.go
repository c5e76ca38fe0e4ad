// Package copy carries objects from one side to another and their status back.
// It does not know which side is the hub: it is told what an object asks for
// and how its copy looks by Rules, and reads and writes through two small doors,
// From and To.
//
// The work is level-triggered: Reconcile looks at both sides as they are now and
// takes the one step that comes next. A side that changes calls for another
// look, and nothing is remembered in between, so it can be interrupted anywhere.
//
//	object on From          copy on To            step
//	gone                    ours                  Delete
//	asks for Keep           none                  Apply
//	                        of an earlier object  Delete
//	                        differs               Apply
//	                        equal                 Report (status back)
//	                        somebody else's       Refuse
//	asks for Remove         ours                  Delete
//	                        none, or not ours     Release
//
// Guarantees:
//
//	C1: an object that was not made by these rules is never written or deleted.
//	C2: Release comes only after To itself, not a cache, said that the copy is gone.
//	C3: the first write of a copy comes only after To itself said that the name is free.
//	C4: no write is made that the sides, as seen, would not need.
package copy
