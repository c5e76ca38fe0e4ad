// Package keyspace says where a workspace's objects lie in etcd, and carries
// the answer to "which workspace?" through a request.
//
// A resource owns a prefix; the first segment below it is the workspace, the
// rest is what the upstream registry would have written:
//
//	/configmaps/2xk8p9/default/settings
//	 ^prefix    ^workspace ^rest
//
// Invariants, held by the tests that name them:
//
//	K1  A key made for a workspace starts with prefix/workspace/, whatever
//	    the caller passed in.
//	K2  Two workspaces never share a key: the workspace read back from a key
//	    (Layout.Split) is the one it was made for.
//	K3  Only a valid logicalcluster.Name becomes a segment. A path, the
//	    wildcard and the empty name cannot.
//	K4  Nowhere has a segment that no valid name can equal; nothing is ever
//	    stored there.
//	K5  The zero Scope is Nowhere, and a ctx without a Scope says so: forgetting
//	    to set one can only hide objects, never show foreign ones.
//
// The package is pure: it knows neither etcd's client nor HTTP.
package keyspace
