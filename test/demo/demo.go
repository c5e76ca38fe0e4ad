package main

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"k8s.io/client-go/kubernetes"

	"github.com/atriumhub/atrium/test/harness"
)

// demo is one performance.
type demo struct {
	stage *stage
	world *harness.World
	// shell is the environment of the commands that are shown.
	shell []string

	hub *harness.Hub

	mu       sync.Mutex // two clusters are started at a time
	children map[string]*harness.Child
	clusters map[string]kubernetes.Interface
}

func newDemo(on *stage, world *harness.World) *demo {
	return &demo{
		stage: on, world: world,
		shell:    world.Env(world.Path("hub", "admin.kubeconfig")),
		children: map[string]*harness.Child{},
		clusters: map[string]kubernetes.Interface{},
	}
}

// step is one numbered part.
type step struct {
	title string
	do    func(context.Context) error
}

// regions name the child clusters.
var regions = []string{"eu", "us"}

// run types a command: it prints it, runs it in a shell, and prints what it
// showed.
func (d *demo) run(ctx context.Context, line string) error { return d.runShort(ctx, line, 0) }

// runShort is run for a command that shows more than is of interest here.
func (d *demo) runShort(ctx context.Context, line string, lines int) error {
	output, err := d.typed(ctx, line)
	d.stage.output(output, lines)
	if err != nil {
		return fmt.Errorf("the command %q failed: %w", line, err)
	}
	return nil
}

// runRefused is run for a command that has to fail, and to say why.
func (d *demo) runRefused(ctx context.Context, line, why string) error {
	output, err := d.typed(ctx, line)
	d.stage.output(output, 0)
	switch {
	case err == nil:
		return fmt.Errorf("the command %q should have been refused", line)
	case !strings.Contains(output, why):
		return fmt.Errorf("the command %q should have said %q", line, why)
	}
	return nil
}

func (d *demo) typed(ctx context.Context, line string) (string, error) {
	d.stage.command(line)
	d.stage.wait("working")
	return harness.Command{Dir: d.world.Dir, Env: d.shell, Program: "sh", Args: []string{"-c", line}}.RunMerged(ctx)
}

// runAll types several commands.
func (d *demo) runAll(ctx context.Context, lines ...string) error {
	for _, line := range lines {
		if err := d.run(ctx, line); err != nil {
			return err
		}
	}
	return nil
}
