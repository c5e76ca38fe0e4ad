package cliatrium

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// toStdout is the file name that stands for the output stream.
const toStdout = "-"

// checkOutput makes sure, before anything is created, that file can be written
// and holds nothing that would be missed.
func checkOutput(file string) error {
	if file == toStdout {
		return nil
	}
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return checkDirectory(filepath.Dir(file))
	case err != nil:
		return fmt.Errorf("cannot write %s: %w; name another file with --output-file", file, err)
	case info.IsDir():
		return fmt.Errorf("cannot write %s: it is a directory; name a file with --output-file", file)
	}
	config, err := clientcmd.LoadFromFile(file)
	if err == nil && config.CurrentContext == agentContext && len(config.Contexts) == 1 {
		return nil
	}
	return fmt.Errorf("will not overwrite %s: it was not written by this command; name another file with --output-file, or remove it", file)
}

func checkDirectory(directory string) error {
	info, err := os.Stat(directory)
	if err != nil || !info.IsDir() {
		return fmt.Errorf("cannot write into %s: there is no such directory; create it, or name another file with --output-file", directory)
	}
	return nil
}

// writeKubeconfig writes config where only its owner can read it, or to out. The
// file is complete or not there.
func writeKubeconfig(config *clientcmdapi.Config, file string, out io.Writer) error {
	data, err := clientcmd.Write(*config)
	if err != nil {
		return fmt.Errorf("writing the agent's kubeconfig: %w", err)
	}
	if file == toStdout {
		_, err := out.Write(data)
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(file), ".kubeconfig-*")
	if err != nil {
		return fmt.Errorf("writing the agent's kubeconfig: %w", err)
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.Write(data)
	if err := errors.Join(err, temporary.Close()); err != nil {
		return fmt.Errorf("writing the agent's kubeconfig: %w", err)
	}
	if err := os.Rename(temporary.Name(), file); err != nil {
		return fmt.Errorf("writing the agent's kubeconfig: %w", err)
	}
	return nil
}
