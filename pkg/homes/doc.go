// Package homes answers requests for the home workspace of whoever asks, which
// appears in root as the Workspace "~":
//
//	GET    /clusters/root/apis/tenancy.kcp.io/v1alpha1/workspaces/~   make it unless it is there
//	DELETE /clusters/root/apis/tenancy.kcp.io/v1alpha1/workspaces/~   take it away
//
// The home is made at the first ask, together with the buckets above it, by the
// hub, which makes its user the owner. Where it is says pkg/homes/naming. Once it
// is known to be there, the request goes on as if it had been sent for the real
// Workspace, so that tables, options and errors are those of every Workspace.
//
// Invariants:
//
//	H1: nobody is led to a Workspace that does not name him as its owner, nor
//	    below a bucket that the hub did not make itself.
//	H2: what is asked for at the same time for one user is made once. A hub that
//	    dies on the way leaves what the next ask goes on from.
//	H3: nothing is remembered: where a home is is computed, and whether it is
//	    there is what the read models say.
//
// The package does not know who may ask: that is authorization, which comes
// before, by the verbs get and delete on the Workspace "~" in root.
package homes
