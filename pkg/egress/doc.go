// Package egress is the one door by which the hub calls addresses that tenants
// chose: issuers of tokens, mounts, webhooks. The hub stands in a network where
// tenants do not: it reaches its etcd, the metadata service of its machine, and
// whatever trusts its address. Behind this door it reaches what a stranger on
// the internet reaches, and what the operator allowed.
//
//	door := egress.New(policy)
//	client := door.Client(nil, 1<<20)     // fetch a small document
//	transport := door.Transport(nil)      // proxy, stream
//	config := door.RESTConfig("me", t)    // what client-go makes
//
// Invariants:
//
//	E1: what is judged is the address a connection is made to, after a name was
//	    resolved, so that no second answer of a DNS server is ever used.
//	E2: every connection is judged: those of redirects as well, and no proxy from
//	    the environment makes them in the hub's stead.
//	E3: an address that carries another one (IPv4 in IPv6, NAT64, 6to4) is
//	    judged as both.
//	E4: nothing waits forever, and nothing is read without end.
package egress
