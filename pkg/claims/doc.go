// Package claims decides what the provider of an export may do with resources
// that are not his, in the workspaces that bind it: which of his permission claims
// are in force in a workspace, and which labels objects have because of that.
//
// A claim in force is a label on each object it holds for,
//
//	claimed.internal.apis.kcp.io/<hash of the export> = <hash of the claim>
//
// so that what a provider sees of all workspaces is one selector over them, and an
// object whose claim is withdrawn leaves his watches like one that was deleted.
// The hashes are those of kcp. When a workspace does not let its objects be listed
// or watched, the value has an ending that says so, and the selectors of views over
// all workspaces leave these objects out.
//
// Invariants:
//
//	C1: a claim is in force only where the export makes it, the binding accepts it,
//	    the workspace serves the resource as the export that the claim names, and
//	    the binding has noted it down as applied.
//	C2: what is allowed is what both the export claims and the binding accepts.
//	C3: an acceptance is of one export: of its workspace, and of the identity that
//	    it had when the claims were accepted. Another one with its name has none.
//	C4: the labels of an object follow from its own labels and the bindings of its
//	    workspace. Nobody's claim changes the labels that another one gives.
//	C5: whatever has been labelled is noted down in status.appliedPermissionClaims
//	    before, and stays there until the labels are gone.
//
// The package reads no clock, store or network.
package claims
