// Package access decides who may do what: the chain of authorizers, and role
// based access control per workspace.
//
// The chain, in order (New):
//
//  1. system:masters may do everything.
//  2. A request for several workspaces at once is for system:masters only,
//     unless it comes through a view, which judges it itself.
//  3. To enter a workspace one needs the verb "access" on "/" there. A
//     workspace that does not exist refuses with the same words.
//  4. What is about the whole hub (metrics and the like) is not served inside
//     a workspace.
//  5. Identities that mean the same in every workspace cannot be impersonated.
//  6. Role based access control with the roles and bindings of the workspace,
//     and those of system:admin for everybody.
//
// Roles and bindings are read from memory (pkg/informers); a decision costs no
// storage access and does not depend on the number of workspaces.
package access
