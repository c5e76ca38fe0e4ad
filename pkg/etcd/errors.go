package etcd

import "errors"

// Why a server could not be started on a directory. Errors of Start wrap at
// most one of them.
var (
	// ErrInUse means that another process holds the data directory.
	ErrInUse = errors.New("data directory is used by another process")
	// ErrNotWritable means that the directory cannot be made or written.
	ErrNotWritable = errors.New("data directory is not writable")
	// ErrCorrupt means that there is data in the directory which cannot be read.
	ErrCorrupt = errors.New("data directory is corrupt")
)
