package etcd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// lockName is the file whose lock says that the directory is in use.
const lockName = "atrium.lock"

// claim makes dir, or closes it to others, locks it and proves that it can be
// written. Closing the returned file gives it free again; so does the end of the
// process, however it comes.
func claim(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making %s: %w: %w", dir, ErrNotWritable, err)
	}
	_ = os.Chmod(dir, 0o700) // what cannot be changed, the probe below finds out
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock of %s: %w: %w", dir, ErrNotWritable, err)
	}
	if err := lockFile(lock); err != nil {
		lock.Close()
		return nil, fmt.Errorf("locking %s: %w", dir, err)
	}
	if err := probeWrite(dir); err != nil {
		lock.Close()
		return nil, fmt.Errorf("writing to %s: %w: %w", dir, ErrNotWritable, err)
	}
	return lock, nil
}

// lockFile takes the lock without waiting. The holder's process ID is left in
// the file so that the message can name it.
func lockFile(file *os.File) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		holder := make([]byte, 20)
		n, _ := file.ReadAt(holder, 0)
		return fmt.Errorf("%w (process %s)", ErrInUse, holder[:n])
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotWritable, err)
	}
	if err := file.Truncate(0); err != nil {
		return fmt.Errorf("%w: %w", ErrNotWritable, err)
	}
	if _, err := file.WriteAt(fmt.Appendf(nil, "%d", os.Getpid()), 0); err != nil {
		return fmt.Errorf("%w: %w", ErrNotWritable, err)
	}
	return nil
}

// probeWrite writes where etcd will: a lock file left by root in a directory
// that is otherwise writable must not hide that the data is not.
func probeWrite(dir string) error {
	member := filepath.Join(dir, "member")
	if _, err := os.Stat(member); err == nil {
		dir = member
	}
	probe, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return err
	}
	defer os.Remove(probe.Name())
	return probe.Close()
}

// inspect reads the pages of the database that etcd will read a moment later, but
// in this goroutine, whose panic can be caught: etcd does it in one of its own,
// where a damaged file would end the process. A missing file is fine.
func inspect(dir string) (err error) {
	path := filepath.Join(dir, "member", "snap", "db")
	info, statErr := os.Stat(path)
	if errors.Is(statErr, os.ErrNotExist) {
		return nil
	}
	if statErr != nil {
		return fmt.Errorf("opening %s: %w: %w", path, classify(statErr), statErr)
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("reading %s: %w: %v", path, ErrCorrupt, r)
		}
	}()
	db, openErr := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: 200 * time.Millisecond})
	if openErr != nil {
		return fmt.Errorf("opening %s: %w: %w", path, classify(openErr), openErr)
	}
	defer db.Close()
	return db.View(func(tx *bbolt.Tx) error {
		if tx.Size() > info.Size() {
			return fmt.Errorf("reading %s: %w: it should have %d bytes and has %d", path, ErrCorrupt, tx.Size(), info.Size())
		}
		return visit(tx)
	})
}

// visit goes to every page that holds keys. It panics at one that is not what it
// should be.
func visit(tx *bbolt.Tx) error {
	return tx.ForEach(func(_ []byte, bucket *bbolt.Bucket) error {
		return bucket.ForEach(func(_, _ []byte) error { return nil })
	})
}

// classify maps what bbolt says to the errors of this package.
func classify(err error) error {
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return ErrInUse
	case errors.Is(err, os.ErrPermission):
		return ErrNotWritable
	default:
		return ErrCorrupt
	}
}
