package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/atriumhub/atrium/test/harness"
)

const (
	// timeLimit is for the whole demo, once the programs are built.
	timeLimit = 3 * time.Minute
	// keepVariable in the environment leaves everything running.
	keepVariable = "KEEP"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := start(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// start performs in .demo at the top of the repository.
func start(ctx context.Context) error {
	root, err := harness.ModuleRoot()
	if err != nil {
		return err
	}
	return run(ctx, newStage(os.Stdout), filepath.Join(root, ".demo"), os.Getenv(keepVariable) != "")
}

func run(ctx context.Context, on *stage, dir string, keep bool) error {
	world, err := openWorld(dir)
	if err != nil {
		return err
	}
	world.Outlive = keep
	d := newDemo(on, world)
	if err := d.play(ctx); err != nil {
		on.calm()
		err = d.failure(ctx, err)
		_ = world.Close() // what was cut off while starting does not end well
		return err
	}
	if keep {
		return d.keep()
	}
	on.say("Stopping the hub, the clusters and their agents.")
	if err := world.Close(); err != nil {
		return err
	}
	on.say("Done. To look around in it yourself: make demo KEEP=1")
	return nil
}

// openWorld empties the demo's directory.
func openWorld(dir string) (*harness.World, error) {
	if err := refuseRunning(dir); err != nil {
		return nil, err
	}
	if err := os.RemoveAll(dir); err != nil {
		return nil, fmt.Errorf("failed to empty %s: %w", dir, err)
	}
	return harness.NewWorld(dir)
}

// play goes through the steps.
func (d *demo) play(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeLimit, fmt.Errorf("the demo may take %s", timeLimit))
	defer cancel()
	steps := d.steps()
	d.stage.open()
	for i, step := range steps {
		d.stage.step(i+1, len(steps), step.title)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("step %d, %q: %w", i+1, step.title, err)
		}
	}
	d.stage.finish()
	return nil
}

// failure adds to an error where to look.
func (d *demo) failure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.New("interrupted; everything was stopped")
	}
	text := "\nThe demo failed at " + err.Error() + "\n"
	for _, p := range d.world.Running() {
		if tail := p.LogTail(5); tail != "" {
			text += fmt.Sprintf("\nThe end of %s:\n%s\n", p.LogFile, indent(tail))
		}
	}
	return errors.New(text)
}
