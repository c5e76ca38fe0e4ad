// Package authentication says who sends a request: Kubernetes' own
// authenticators for those whom the operator of the hub knows (certificates,
// token file, OpenID Connect), the workspaces themselves for their service
// accounts, and the issuers that tenants named for theirs.
//
// Each workspace is an issuer of its own (pkg/identity/issuer). A token is checked
// with the keys, and against the live service account, of the workspace it says
// it is from. In that workspace its bearer is who Kubernetes says; in any other
// it is a foreigner whose name says where it comes from.
//
// Invariants:
//
//	A1: whom the operator knows is found first; what tenants configured is asked
//	    only about tokens that nobody else accepted, and only about those of the
//	    issuers they named.
//	A2: no claim of a token makes anybody one of the system's own, and none
//	    writes what the hub itself keeps in the extra of a user.
//	A3: nothing is remembered of a token. What is remembered of keys, and of
//	    accounts that are gone, is bounded, whatever the number of workspaces,
//	    issuers and accounts.
//	A4: an issuer of a tenant that does not answer costs those who present its
//	    tokens, and nobody else.
package authentication
