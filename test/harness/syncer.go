package harness

import (
	"cmp"
	"context"
	"fmt"
	"regexp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Target is a registered child cluster: a SyncTarget and what its agent needs.
type Target struct {
	// Workspace and Name are where the SyncTarget is.
	Workspace logicalcluster.Path
	Name      string
	// UID is the SyncTarget's.
	UID string
	// Kubeconfig is the agent's, for the hub.
	Kubeconfig string
	// Agent names the agent's process and log; "syncer-<name>" unless given.
	Agent string
}

// Register makes a SyncTarget and an account for its agent, with "kubectl atrium
// sync".
func (w *World) Register(ctx context.Context, hub *Hub, workspace logicalcluster.Path, name, labels string) (*Target, error) {
	t := &Target{Workspace: workspace, Name: name, Kubeconfig: w.Path(hub.options.Name + "-" + name + ".kubeconfig")}
	login, err := hub.Login(w.Path(hub.options.Name+"-"+name+"-registrar.kubeconfig"), workspace)
	if err != nil {
		return nil, err
	}
	if _, err := w.Kubectl(ctx, login, "atrium", "sync", name, "--labels", labels, "--output-file", t.Kubeconfig); err != nil {
		return nil, fmt.Errorf("failed to register %s: %w", name, err)
	}
	hubClient, err := hub.Client()
	if err != nil {
		return nil, err
	}
	found, err := client.SyncTargets(hubClient, workspace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("failed to read the SyncTarget %s: %w", name, err)
	}
	t.UID = string(found.UID)
	return t, nil
}

// Syncer is the agent of a child cluster.
type Syncer struct {
	*Process

	world *World
	args  []string
}

var syncerWorking = regexp.MustCompile(`Copying resources`)

// StartSyncer starts the agent of a target for a child, and waits until it
// works. Use the files' names to send it over a Relay.
func (w *World) StartSyncer(ctx context.Context, t *Target, child *Child, args ...string) (*Syncer, error) {
	s, err := w.LaunchSyncer(t, child.Kubeconfig, args...)
	if err != nil {
		return nil, err
	}
	return s, s.AwaitWork(ctx)
}

// LaunchSyncer starts an agent and does not wait.
func (w *World) LaunchSyncer(t *Target, childKubeconfig string, args ...string) (*Syncer, error) {
	s := &Syncer{world: w, args: append([]string{
		"--hub-kubeconfig", t.Kubeconfig, "--child-kubeconfig", childKubeconfig,
		"--sync-target", t.Name, "--sync-target-uid", t.UID,
	}, args...)}
	return s, s.launch(cmp.Or(t.Agent, "syncer-"+t.Name))
}

func (s *Syncer) launch(name string) error {
	process, err := s.world.Start(name, AtriumSyncer, s.args...)
	if err != nil {
		return err
	}
	s.Process = process
	return nil
}

// Start starts an agent that has ended, and waits until it works.
func (s *Syncer) Start(ctx context.Context) error {
	if err := s.launch(s.Name); err != nil {
		return err
	}
	return s.AwaitWork(ctx)
}

// AwaitWork waits until the agent has found its SyncTarget and its child.
func (s *Syncer) AwaitWork(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startPatience, fmt.Errorf("does not work within %s", startPatience))
	defer cancel()
	_, err := s.AwaitLine(ctx, syncerWorking)
	return err
}
