package harness

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// BinVariable names the environment variable that says where the programs are,
// if they are not in bin of this repository.
const BinVariable = "ATRIUM_BIN"

// Programs are what make programs builds. Kubectl is a link to ChildK8s.
const (
	Atrium       = "atrium"
	AtriumSyncer = "atrium-syncer"
	ChildK8s     = "childk8s"
	ChildK8s136  = "childk8s-v1.36"
	Kubectl      = "kubectl"
)

// needed are the programs without which there is no world.
var needed = []string{Atrium, AtriumSyncer, ChildK8s, Kubectl, "kubectl-ws", "kubectl-create-workspace", "kubectl-atrium"}

// ModuleRoot is the top of the repository: the directory with this module's
// go.mod, at or above the working directory.
func ModuleRoot() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("failed to find the repository: %w", err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		content, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(content), "module github.com/atriumhub/atrium\n") {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("failed to find the repository: no go.mod of atrium at or above %s", start)
		}
	}
}

// BinDir is the directory with the programs. It is an error if one is missing.
func BinDir() (string, error) {
	dir := os.Getenv(BinVariable)
	if dir == "" {
		root, err := ModuleRoot()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(root, "bin")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("failed to find %s: %w", dir, err)
	}
	var missing []string
	for _, program := range needed {
		if _, err := os.Stat(filepath.Join(dir, program)); err != nil {
			missing = append(missing, program)
		}
	}
	if len(missing) > 0 {
		return "", fmt.Errorf("%s is not complete: %s missing; run \"make programs\", or name another directory in %s", dir, strings.Join(missing, ", "), BinVariable)
	}
	return dir, nil
}

// Program returns the file of one of the programs, and whether it was built.
func (w *World) Program(name string) (string, bool) {
	file := filepath.Join(w.Bin, name)
	_, err := os.Stat(file)
	return file, !errors.Is(err, fs.ErrNotExist)
}
