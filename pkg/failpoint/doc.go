// Package failpoint lets tests end the process, as a power cut would, at a chosen
// step of its work. Nothing is armed unless the environment variable
// ATRIUM_FAILPOINT names a point, and for whom:
//
//	ATRIUM_FAILPOINT=after-create-content@x7 atrium start
//
// Invariants:
//
//	F1: an unarmed point costs one comparison of strings.
//	F2: an armed process ends by SIGKILL the first time that the point is reached
//	    for that subject: no deferred function runs, no buffer is flushed.
//	F3: every point in Points is one that can be reached, and a name that is none
//	    is an error at the start.
package failpoint
