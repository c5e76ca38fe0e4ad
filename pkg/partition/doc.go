// Package partition makes one etcd look like a private one to each workspace.
//
// It is a generic.RESTOptionsGetter around another one. Stores built with it
// get a storage.Interface that reads the keyspace.Scope from ctx, adds the
// workspace to every key, stamps what is written and checks what is read:
//
//	registry store ── key /configmaps/ns/name, ctx with Scope
//	      │
//	 partitioned      key /configmaps/<workspace>/ns/name, stamp, selector
//	      │
//	 lazy cache       watch cache, started by the first watch
//	      │
//	 etcd3 store      one client connection for all resources
//
// Invariants, held by the tests that name them:
//
//	P1  Without a Scope in ctx nothing is read or written.
//	P2  Whatever a request in one workspace names as key, selector, continue
//	    token or resource version, it reads and writes only keys under
//	    prefix/workspace/.
//	P3  What is stored carries the workspace it is stored in, whatever the
//	    client sent.
//	P4  An object that etcd has under the key of one workspace with the stamp
//	    of another is never returned from there; a cache files objects by their
//	    stamp. Objects without a valid stamp belong to nobody and are not shown.
//	P5  Under a selecting Scope an object that does not match does not exist:
//	    not for get, list, watch, update and delete, not by the error of a
//	    precondition, and nothing can be created that does not match, or, unless
//	    the Scope admits it, at all.
//	P6  A watch under a selecting Scope says DELETED when an object ceases to
//	    match and ADDED when it starts to.
//	P7  Nothing is written everywhere or nowhere.
//	P8  The number of connections, metrics and running caches does not depend on the
//	    number of workspaces.
//	P9  A purge of one workspace removes exactly its keys, and watchers see a
//	    DELETED event for each.
//	P10 What CreateMissing creates is stored as Create would store it, all of it
//	    at one revision or none, and never over something that exists.
//	P11 Counts and Purge cover every resource of which something is stored or can
//	    be; a resource that tenants named is forgotten when neither is so.
//	P12 An object that moves from one place of its resource to another is at every
//	    moment in exactly one of them.
package partition
