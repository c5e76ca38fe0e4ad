// Package routing reads the URL of a request once and puts what it found into
// the context: a target.Target (what was named) and a keyspace.Scope (where its
// data lies). Everything behind it sees the URL of an ordinary cluster.
//
//	/clusters/<path or name or *>/<rest>   one workspace, or all
//	/clusters/<path of a mount>/<rest>     a view onto what is served elsewhere
//	/services/<view>/...                   a view, parsed by whoever serves it
//	/<rest>                                the workspace system:admin
//
// Invariants:
//
//	R1: every request that leaves this package carries exactly one Scope.
//	R2: a workspace that does not exist travels on with the scope "nowhere", so
//	    that it is refused where a forbidden one is refused and names cannot be
//	    probed.
//	    The same scope has a mount: none of its content is here.
//	R3: the prefix is stripped exactly once; a second /clusters/ is not found.
package routing
