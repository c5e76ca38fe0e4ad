// Package transform says how an object of a hub workspace looks in a child
// cluster, and how the child's status looks in the hub. It is pure: no clients,
// no clocks, no memory.
//
// A Target is the sync target that an agent works for. From it follow all names
// that the agent leaves behind:
//
//	hub                                     child
//	workspace + namespace                   namespace kcp-<hash of the locator>
//	ConfigMap kube-root-ca.crt              ConfigMap kcp-root-ca.crt
//	label state.workload.kcp.io/<key>       label internal.workload.kcp.io/cluster=<key>
//	metadata.uid and metadata.generation    annotation syncer.atrium.io/source
//
// Rules that hold for every kind:
//
//	T1: labels and annotations of the domain kcp.io and below stay on their side.
//	T2: spec goes down only, status comes up only.
//	T3: what the child decides (cluster IPs, node ports, volume names, selectors of
//	    Jobs) is never sent down, so that applying a copy again changes nothing.
//	T4: Down of an equal hub object gives an equal copy, so hashes can be compared.
package transform
