package child

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// directory is a child's own, locked directory.
type directory struct {
	path string
	lock *os.File
}

// identity is what a directory remembers of its child, so that a restart is the same cluster at the same
// address.
type identity struct {
	Name        string `json:"name"`
	Port        int    `json:"port"`
	KubeletPort int    `json:"kubeletPort"`
}

// openDirectory makes the directory if needed and takes its lock (C2).
func openDirectory(path string) (*directory, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the directory %s: %w", path, reason(err))
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot write to the directory %s: %w", path, reason(err))
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("the directory %s is in use by another childk8s: stop that one, or give another --dir", path)
	}
	return &directory{path: path, lock: lock}, nil
}

// reason drops the operation and path of a file error: the messages here name the path themselves.
func reason(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}

func (d *directory) file(elements ...string) string {
	return filepath.Join(append([]string{d.path}, elements...)...)
}

func (d *directory) adminKubeconfig() string { return d.file("admin.kubeconfig") }

// identity returns what an earlier start has left; found is false in a new directory.
func (d *directory) identity() (id identity, found bool, err error) {
	text, err := os.ReadFile(d.file("child.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return identity{}, false, nil
	}
	if err != nil {
		return identity{}, false, fmt.Errorf("failed to read what is known of the child: %w", err)
	}
	if err := json.Unmarshal(text, &id); err != nil {
		return identity{}, false, fmt.Errorf("failed to parse %s: %w: delete the directory to begin anew", d.file("child.json"), err)
	}
	return id, true, nil
}

func (d *directory) remember(id identity) error {
	text, err := json.Marshal(id)
	if err != nil {
		return fmt.Errorf("failed to encode what is known of the child: %w", err)
	}
	return d.replace("child.json", append(text, '\n'))
}

// replace writes a file in one step: readers see the old text or the new, never a part.
func (d *directory) replace(name string, text []byte) error {
	temp := d.file("." + name + ".new")
	if err := os.WriteFile(temp, text, 0o600); err != nil {
		return fmt.Errorf("failed to write %s: %w", d.file(name), reason(err))
	}
	if err := os.Rename(temp, d.file(name)); err != nil {
		return fmt.Errorf("failed to write %s: %w", d.file(name), err)
	}
	return nil
}

// withdraw takes the admin kubeconfig away (C1).
func (d *directory) withdraw() error {
	err := os.Remove(d.adminKubeconfig())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("failed to remove %s: %w", d.adminKubeconfig(), reason(err))
	}
	return nil
}

// openLog opens a new log and keeps that of the start before as child.log.1.
func (d *directory) openLog() (*os.File, error) {
	path := d.file("child.log")
	if err := os.Rename(path, path+".1"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("failed to keep the last log: %w", err)
	}
	log, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("failed to open the log: %w", err)
	}
	return log, nil
}

func (d *directory) close() { d.lock.Close() }
