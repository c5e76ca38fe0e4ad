// Package doors decides what a mount is: a Workspace that has no content of its
// own, because its spec.mount names an object, in the same parent, that says in its
// status where the content is served.
//
//	Workspace eu                     KubeCluster eu
//	  spec.mount.ref  ────────────▶    annotation is-mount: "true"
//	  status.phase    ◀────────────    status.phase, status.URL
//
// Invariants:
//
//	D1: a mount leads somewhere only while its object is annotated as one, says
//	    that it is ready, and names an address that can be gone to: https, no
//	    credentials, no query.
//	D2: an address of the hub itself is recognised as such, and leads only to
//	    workspaces and views.
//	D3: whoever wrote the object learns from the condition what was wrong with it;
//	    the condition does not repeat the address, which is nobody's business who
//	    may only see Workspaces.
//
// The package is pure.
package doors
