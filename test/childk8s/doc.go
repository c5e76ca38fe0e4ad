// childk8s is a whole Kubernetes in one file: etcd, kube-apiserver, kube-controller-manager,
// kube-scheduler, kubelet, kubectl and kwok, unmodified from their public modules. The first argument
// (or the name the file is called by) picks the piece:
//
//	childk8s kube-apiserver --help
//	childk8s kubectl get nodes
//
// Two commands are its own. "cluster" runs one child cluster in one process: etcd, the control plane
// and simulated nodes, on loopback. "clusters" runs several of them and ends them together.
//
// It is a Go module apart from the hub's, because kubelet and kwok need modules and replace lines that
// the hub must not carry. The hub's tests and demo start it as a program and know nothing else of it.
package main
