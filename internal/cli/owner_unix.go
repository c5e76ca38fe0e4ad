//go:build unix

package cli

import (
	"io/fs"
	"os"
	"syscall"
)

// giveTo gives a file to the owner of another one: who runs a plugin with sudo
// does not want to lose his kubeconfig to root.
func giveTo(name string, like fs.FileInfo) error {
	owner, ok := like.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return os.Chown(name, int(owner.Uid), int(owner.Gid))
}
