// Package controlplane runs the control plane of one child cluster inside the calling process: etcd on a
// unix socket, kube-apiserver, kube-controller-manager and kube-scheduler, each the unmodified upstream
// code with the flags a cluster administrator would give it.
//
// One process instead of four saves about 170 MiB and a second of start-up a child. The price is that
// there can be only one control plane in a process, as feature gates, metrics and logging are global in
// the upstream libraries, and that its parts cannot be killed one by one.
//
// Order of start, and why:
//
//	etcd               the API server writes its bootstrap objects at once
//	kube-apiserver     wait for /readyz: before that the RBAC rules of the other two are not there
//	controller manager
//	and scheduler      together; neither serves HTTP, so that a child takes no ports for them
//
// Stop goes the other way round and does not wait for controllers, because everything a client was told
// is stored is in etcd already.
package controlplane
