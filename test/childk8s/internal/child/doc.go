// Package child runs one child cluster from an empty directory to a usable cluster and back, or several
// of them together. It is the part of this program that its users meet: it owns the directory, the ports,
// the words of its errors, and what the process does when it is told to end.
//
// To a client a child is an ordinary cluster. It knows nothing of the hub.
//
// Invariants:
//
//	C1: admin.kubeconfig is in the directory only while the cluster can take work: its nodes are Ready and
//	    the first service account exists. It appears whole, by rename, and goes when the child ends.
//	C2: one process at a time uses a directory; the lock goes with the process, however it ends.
//	C3: a child ends with the process that started it, unless it was told not to.
package child
