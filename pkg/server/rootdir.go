package server

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// Errors an operator can do something about. Start wraps them with the details.
var (
	// ErrInUse: another hub runs on the same root directory.
	ErrInUse = errors.New("in use by another hub")
	// ErrNotWritable: the root directory cannot be made or written.
	ErrNotWritable = errors.New("not writable")
	// ErrPortTaken: something else listens on the address.
	ErrPortTaken = errors.New("address is taken")
)

// lockRootDir makes dir and holds a lock on it until the process ends or the
// returned file is closed. The kernel drops the lock of a killed process.
func lockRootDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("root directory %s is %w: %v; choose another with --root-dir", dir, ErrNotWritable, err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("root directory %s is %w: %v; choose another with --root-dir", dir, ErrNotWritable, err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer lock.Close()
		return nil, fmt.Errorf("root directory %s is %w%s; stop it, or start this one with another --root-dir", dir, ErrInUse, holder(lock))
	}
	if err = lock.Truncate(0); err == nil {
		_, err = lock.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
	}
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("root directory %s is %w: %v", dir, ErrNotWritable, err)
	}
	return lock, nil
}

func holder(lock *os.File) string {
	content := make([]byte, 20)
	n, _ := lock.ReadAt(content, 0)
	if _, err := strconv.Atoi(string(content[:n])); err != nil {
		return ""
	}
	return fmt.Sprintf(" (process %s)", content[:n])
}

// listen opens the hub's port before anything else is started, so that a taken
// port costs nothing.
func listen(address string, port int) (net.Listener, int, error) {
	at := net.JoinHostPort(address, strconv.Itoa(port))
	listener, err := net.Listen("tcp", at)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, 0, fmt.Errorf("%w: something else listens on %s; choose another port with --secure-port", ErrPortTaken, at)
	case err != nil:
		return nil, 0, fmt.Errorf("failed to listen on %s: %w", at, err)
	}
	return listener, listener.Addr().(*net.TCPAddr).Port, nil
}
