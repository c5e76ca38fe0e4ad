// Demo shows the main job of Atrium on real parts: a hub, two workspaces with
// APIs of their own, two child clusters, placement by label, specs down, status
// up. It prints each command as one would type it, and what it showed.
//
//	make demo          # everything is stopped at the end
//	make demo KEEP=1   # everything is left running, to look around
//
// steps.go is the story; the other files tell it. What is shown is also checked:
// the demo fails when a cluster does not hold just what it should.
package main
