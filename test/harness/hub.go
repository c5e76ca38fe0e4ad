package harness

import (
	"context"
	"fmt"
	"regexp"
	"strconv"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// HubOptions are how to start a hub.
type HubOptions struct {
	// Name is of the process, its log, and its data's directory; "hub" unless
	// given.
	Name string
	// Args are added to the command line.
	Args []string
}

// Hub is a running hub. It can be stopped (or killed) and started again, on the
// same data and port.
type Hub struct {
	*Process
	// URL is its address, without /clusters/.
	URL string
	// Kubeconfig is the administrators' file.
	Kubeconfig string
	// Dir is its root directory.
	Dir string
	// Env is added to its environment the next time it is started.
	Env []string

	world   *World
	options HubOptions
	port    int
}

var hubReady = regexp.MustCompile(`Atrium is ready at (https://\S+)`)

// StartHub starts a hub and waits until it is ready.
func (w *World) StartHub(ctx context.Context, options HubOptions) (*Hub, error) {
	h, err := w.NewHub(options)
	if err != nil {
		return nil, err
	}
	return h, h.Start(ctx)
}

// NewHub returns a hub that has not been started.
func (w *World) NewHub(options HubOptions) (*Hub, error) {
	if options.Name == "" {
		options.Name = "hub"
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	return &Hub{
		world: w, options: options, port: port,
		Dir: w.Path(options.Name), Kubeconfig: w.Path(options.Name, "admin.kubeconfig"),
	}, nil
}

// Start starts a hub that does not run, and waits until it is ready.
func (h *Hub) Start(ctx context.Context) error {
	if err := h.Launch(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startPatience, fmt.Errorf("not ready within %s", startPatience))
	defer cancel()
	found, err := h.AwaitLine(ctx, hubReady)
	if err != nil {
		return err
	}
	h.URL = found[1]
	return nil
}

// Launch starts a hub that does not run, and does not wait.
func (h *Hub) Launch() error {
	process, err := h.world.StartWith(h.Env, h.options.Name, Atrium, h.Args()...)
	if err == nil {
		h.Process = process
	}
	return err
}

// Args is the command line after "atrium".
func (h *Hub) Args() []string {
	return append([]string{"start", "--root-dir", h.Dir, "--secure-port", strconv.Itoa(h.port)}, h.options.Args...)
}

// Port is where the hub listens.
func (h *Hub) Port() int { return h.port }

// Restart stops the hub in good order and starts it again.
func (h *Hub) Restart(ctx context.Context) error {
	if err := h.Stop(); err != nil {
		return err
	}
	return h.Start(ctx)
}

// Client is a connection as the administrator, without a limit of its own.
func (h *Hub) Client() (*client.Hub, error) { return HubClient(h.Kubeconfig) }

// Login writes a kubeconfig of the administrator that points to a workspace, to
// be used (and changed, as by "kubectl ws use") apart from others.
func (h *Hub) Login(file string, workspace logicalcluster.Path) (string, error) {
	return file, Redirect(h.Kubeconfig, file, client.WorkspaceURL(h.URL, workspace))
}

// HubClient is a connection with the credentials in a kubeconfig, whichever
// workspace its current context points to.
func HubClient(kubeconfig string) (*client.Hub, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("failed to read %s: %w", kubeconfig, err)
	}
	if base, _, ok := client.SplitURL(config.Host); ok {
		config.Host = base
	}
	return client.New(client.Unthrottled(config))
}
