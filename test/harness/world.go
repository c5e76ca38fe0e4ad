package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// World is a directory and the processes that keep their data in it.
type World struct {
	// Dir holds everything: a directory for the hub and each child, kubeconfigs,
	// and the logs.
	Dir string
	// Bin is the directory with the programs.
	Bin string
	// Outlive lets what is started from now on go on when this process ends.
	Outlive bool

	mu        sync.Mutex
	processes []*Process
	relays    []*Relay
}

// NewWorld returns a world in dir, which is made if it is not there.
func NewWorld(dir string) (*World, error) {
	bin, err := BinDir()
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, fmt.Errorf("failed to find %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("failed to make the directory of the world: %w", err)
	}
	return &World{Dir: dir, Bin: bin}, nil
}

// Path is a file in the world's directory.
func (w *World) Path(parts ...string) string {
	return filepath.Join(append([]string{w.Dir}, parts...)...)
}

// Start runs one of the programs beside us. Its log is <name>.log.
func (w *World) Start(name, program string, args ...string) (*Process, error) {
	return w.StartWith(nil, name, program, args...)
}

// StartWith is Start with more in the environment.
func (w *World) StartWith(env []string, name, program string, args ...string) (*Process, error) {
	p, err := Start(name, w.Path(name+".log"), w.Outlive, append(w.Env(""), env...), filepath.Join(w.Bin, program), args...)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.processes = append(w.processes, p)
	return p, nil
}

// Env is the environment of commands that talk to the server of a kubeconfig:
// the programs come first in PATH, so that kubectl finds its plugins, and what
// kubectl caches stays in the world.
func (w *World) Env(kubeconfig string) []string {
	return []string{
		"PATH=" + w.Bin + string(os.PathListSeparator) + os.Getenv("PATH"),
		"KUBECONFIG=" + kubeconfig,
		"HOME=" + w.Dir,
		"KUBECACHEDIR=" + w.Path("cache"),
	}
}

// Kubectl runs kubectl and returns its standard output.
func (w *World) Kubectl(ctx context.Context, kubeconfig string, args ...string) (string, error) {
	return w.KubectlInput(ctx, kubeconfig, "", args...)
}

// KubectlInput runs kubectl with a standard input, as for apply -f -.
func (w *World) KubectlInput(ctx context.Context, kubeconfig, stdin string, args ...string) (string, error) {
	return Command{
		Dir: w.Dir, Env: w.Env(kubeconfig), Stdin: stdin,
		Program: filepath.Join(w.Bin, Kubectl), Args: args,
	}.Run(ctx)
}

// Running are the processes that have not ended, in the order they were started.
func (w *World) Running() []*Process {
	w.mu.Lock()
	defer w.mu.Unlock()
	var running []*Process
	for _, p := range w.processes {
		if !p.ended() {
			running = append(running, p)
		}
	}
	return running
}

// Close stops everything, all at once. What does not stop is killed, and named
// in the error.
func (w *World) Close() error {
	w.mu.Lock()
	relays := w.relays
	w.relays = nil
	w.mu.Unlock()
	for _, relay := range relays {
		relay.Close()
	}
	running := w.Running()
	failures := make([]error, len(running))
	var stopping sync.WaitGroup
	for i, p := range running {
		stopping.Go(func() {
			p.Resume()
			failures[i] = p.Stop()
		})
	}
	stopping.Wait()
	return errors.Join(failures...)
}

// Abandon kills everything, for when the data does not matter.
func (w *World) Abandon() {
	w.mu.Lock()
	relays := w.relays
	w.relays = nil
	w.mu.Unlock()
	for _, relay := range relays {
		relay.Close()
	}
	for _, p := range w.Running() {
		p.Kill()
	}
}

// startPatience is how long a server may take until it is ready; minutes only on
// a machine that is busy with other things.
const startPatience = 3 * time.Minute
