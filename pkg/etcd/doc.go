// Package etcd runs the hub's own etcd inside the hub's process: one member,
// reachable by a unix socket that only the owner of the data directory can
// open, with fsync on.
//
// Invariants, held by the tests that name them:
//
//	E1  What a client was told is written is there after the process is killed.
//	E2  One data directory is used by one process at a time; the second one
//	    gets ErrInUse and disturbs nothing.
//	E3  A directory that cannot be used is told apart: ErrInUse,
//	    ErrNotWritable, ErrCorrupt. None of them takes the process down.
//	E4  Stop leaves no goroutine serving and no lock behind; the same directory
//	    can be started again at once.
//
// The package knows nothing of workspaces.
package etcd
