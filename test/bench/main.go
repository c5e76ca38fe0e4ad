package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/atriumhub/atrium/test/harness"
)

// experimentLimit ends an experiment that hangs.
const experimentLimit = time.Hour

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C does not wait for the clean-up
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run returns the exit status: 0 if everything could be measured, whether
// budgets are met or not; 1 if not; 2 if the command line makes no sense.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "bench:", err)
		return 2
	case o.list:
		listExperiments(stdout)
		return 0
	}
	if err := measure(ctx, o, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	return 0
}

// measure runs the chosen experiments and prints the table, also when it is
// interrupted: then with what there is.
func measure(ctx context.Context, o *options, stdout, stderr io.Writer) (err error) {
	dir, err := os.MkdirTemp(o.dir, "atrium-bench-")
	if err != nil {
		return fmt.Errorf("failed to make a directory: %w", err)
	}
	defer func() { err = errors.Join(err, cleanUp(dir, o.keep, stderr)) }()
	world, err := harness.NewWorld(dir)
	if err != nil {
		return err
	}
	defer world.Abandon()
	say := newProgress(stderr)
	machine := examine(dir)
	say.printf("%s", machine)
	if warning := machine.warning(); warning != "" {
		say.printf("%s", warning)
	}
	l := &lab{options: o, world: world, say: say}
	began := l.clock()
	failed := l.conduct(ctx, chosen(o.run))
	usage := l.clock().since(began)
	world.Abandon()
	l.table.print(stdout, machine, usage, o)
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted; everything was stopped")
	case failed > 0:
		return fmt.Errorf("%d experiments failed", failed)
	}
	return nil
}

// conduct runs experiments one after the other and returns how many failed. One
// that fails leaves a row that says so, and does not keep others from running.
func (l *lab) conduct(ctx context.Context, experiments []experiment) int {
	failed := 0
	for _, e := range experiments {
		l.say.begin(e.name)
		began := l.clock()
		limited, cancel := context.WithTimeoutCause(ctx, experimentLimit, fmt.Errorf("took longer than %s", experimentLimit))
		err := e.run(limited, l)
		cancel()
		l.table.excuse(l.clock().since(began))
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			l.say.printf("failed: %v", err)
			l.table.add(row{what: e.about, measured: "could not be measured", verdict: firstLine(err)})
			failed++
			l.reset() // nobody knows in what state it is
		}
	}
	return failed
}

func cleanUp(dir string, keep bool, stderr io.Writer) error {
	if keep {
		fmt.Fprintln(stderr, "Logs and data are in", dir)
		return nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("failed to clean up: %w", err)
	}
	return nil
}
