// Package scheduling runs the decisions of pkg/scheduling/decide whenever the
// facts behind them change, and writes down what they say. It talks to the hub
// as a client and to nobody else: agents find out by watching.
//
// Five loops, in the order in which their facts depend on each other:
//
//	synctargets  heartbeat and readiness of each child cluster, the addresses of
//	             its views, its key, and the Location every workspace with a
//	             SyncTarget has
//	locations    how many sync targets a Location has, and how many take work
//	placements   which sync target a Placement uses, or why none
//	namespaces   the state labels of namespaces
//	objects      the state labels and finalizers of what is in them; one loop per
//	             resource
//
// What is written where:
//
//	S1: the choice is stored once, as an annotation of the Placement. Labels of
//	    namespaces and objects follow from it and from nothing else, so a crash
//	    between two writes is mended by the next pass.
//	S2: label and finalizer of an object change in one patch that is only valid
//	    for the version it was decided on.
//	S3: the loops start to write when all their sources have seen everything:
//	    what is merely not known yet must not look as if it were gone.
package scheduling
