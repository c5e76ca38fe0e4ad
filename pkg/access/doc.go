// Package access decides who may do what: the chain of authorizers, and role
// based access control per workspace.
//
// The chain, in order (New). The first link with an opinion decides:
//
//	always-allow groups  system:masters may do everything
//	target               a request names a workspace, or is refused
//	always-allow paths   health checks of the process are for everybody
//	views                a view judges what comes in through it itself
//	wildcard             all workspaces at once are for system:masters only
//	required groups      a workspace may be for the members of groups only
//	workspace            roles and bindings, see below
//	webhook              an operator's own judge is asked last, if there is one
//
// In a workspace, somebody who has the verb "access" on "/" is let in; then
// what is about the whole hub, and identities that mean the same everywhere, are
// refused; then the maximal permission policy of the export that a resource
// comes from has to allow the request, and at last the roles and bindings of the
// workspace, or those of system:admin, which hold for everybody.
//
// Invariants:
//
//	A1: a workspace that one may not enter and one that does not exist are refused
//	    with the same words, by whichever link.
//	A2: whom a name stands for in a workspace is for pkg/identity to say; nothing
//	    here compares the names of users before asking it.
//	A3: reviews, lists of rules and checks against escalation are answered by what
//	    judges requests.
//	A4: a decision reads memory only, and what it costs does not depend on the
//	    number of workspaces. The webhook is the exception an operator asks for.
//	A5: nothing that is remembered about a user of one workspace is used in another.
package access
