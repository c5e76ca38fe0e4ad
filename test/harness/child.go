package harness

import (
	"context"
	"fmt"
	"regexp"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/atriumhub/atrium/sdk/client"
)

// Child is a running child cluster.
type Child struct {
	*Process
	// Kubeconfig is its cluster admins' file.
	Kubeconfig string
}

var childReady = regexp.MustCompile(`(?m)^ready$`)

// StartChild starts a child cluster of the hub's Kubernetes version and waits
// until it is ready.
func (w *World) StartChild(ctx context.Context, name string) (*Child, error) {
	return w.StartChildOf(ctx, name, ChildK8s)
}

// StartChildOf starts a child cluster that another program makes.
func (w *World) StartChildOf(ctx context.Context, name, program string) (*Child, error) {
	args := []string{"cluster", "--dir", w.Path(name), "--name", name}
	if w.Outlive {
		args = append(args, "--outlive-parent")
	}
	process, err := w.Start(name, program, args...)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startPatience, fmt.Errorf("not ready within %s", startPatience))
	defer cancel()
	if _, err := process.AwaitLine(ctx, childReady); err != nil {
		return nil, err
	}
	return &Child{Process: process, Kubeconfig: w.Path(name, "admin.kubeconfig")}, nil
}

// Client is a connection as the child's cluster admin, without a limit of its
// own.
func (c *Child) Client() (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("failed to read %s: %w", c.Kubeconfig, err)
	}
	return kubernetes.NewForConfig(client.Unthrottled(config))
}
