package etcd

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
)

// maxSocketPath is what fits into sockaddr_un on Linux, less the final zero.
const maxSocketPath = 107

// socket is the unix socket the member listens on.
type socket struct {
	path    string
	tempDir string // made for the socket alone, or ""
}

// newSocket places the socket into dir. Where the path would be too long for
// the system it goes into a fresh temporary directory, which like dir only its
// owner can enter: nobody else on the machine may read the hub's data.
func newSocket(dir string) (socket, error) {
	path := filepath.Join(dir, "etcd.sock")
	if len(path) <= maxSocketPath {
		return socket{path: path}, nil
	}
	tempDir, err := os.MkdirTemp("", "atrium-etcd-")
	if err != nil {
		return socket{}, fmt.Errorf("making a directory for the etcd socket: %w", err)
	}
	return socket{path: filepath.Join(tempDir, "etcd.sock"), tempDir: tempDir}, nil
}

func (s socket) url() url.URL { return url.URL{Scheme: "unix", Path: s.path} }

func (s socket) remove() {
	os.Remove(s.path)
	if s.tempDir != "" {
		os.Remove(s.tempDir)
	}
}
