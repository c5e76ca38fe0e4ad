package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/atriumhub/atrium/test/childk8s/internal/child"
)

// ownCommands holds the commands that upstream does not have. Each takes the arguments after its name
// and returns the exit status.
var ownCommands = map[string]func(args []string) int{
	"cluster":  runCluster,
	"clusters": runClusters,
	"all":      runAll,
}

const defaultNodes = 2

func runCluster(args []string) int {
	var options child.Options
	flags := pflag.NewFlagSet("childk8s cluster", pflag.ContinueOnError)
	flags.StringVar(&options.Dir, "dir", "", "directory for the cluster's data; a restart in it is the same cluster")
	flags.StringVar(&options.Name, "name", "", "the cluster's name: region of its nodes and context in its kubeconfig")
	flags.IntVar(&options.Port, "port", 0, "API server's port on 127.0.0.1; 0 for that of the last start, or a free one")
	flags.IntVar(&options.KubeletPort, "kubelet-port", 0, "port on 127.0.0.1 that answers as every node's kubelet; 0 as for --port")
	flags.IntVar(&options.Nodes, "nodes", defaultNodes, "number of simulated nodes; 0 runs a control plane only")
	flags.BoolVar(&options.AllowExec, "allow-exec", false, "let `kubectl exec` run commands on THIS machine as this user; for tests of exec")
	flags.BoolVar(&options.OutliveParent, "outlive-parent", false, "run on when the process that started this one ends")
	if status, done := parseFlags(flags, args, 0); done {
		return status
	}
	return runUntilSignal(func(ctx context.Context, notes *os.File) error {
		return child.Run(ctx, options, os.Stdout, notes)
	})
}

func runClusters(args []string) int {
	var options child.GroupOptions
	flags := pflag.NewFlagSet("childk8s clusters", pflag.ContinueOnError)
	flags.StringVar(&options.Root, "root", "", "directory that gets one directory for each cluster")
	flags.IntVar(&options.BasePort, "base-port", 0, fmt.Sprintf("port of the first cluster, the next ones follow in steps of %d; 0 for free ones", child.PortStep))
	flags.IntVar(&options.Nodes, "nodes", defaultNodes, "number of simulated nodes in each cluster")
	flags.BoolVar(&options.AllowExec, "allow-exec", false, "let `kubectl exec` run commands on THIS machine as this user; for tests of exec")
	if status, done := parseFlags(flags, args, -1); done {
		return status
	}
	options.Names = flags.Args()
	return runUntilSignal(func(ctx context.Context, notes *os.File) error {
		return child.RunGroup(ctx, options, os.Stdout, notes)
	})
}

// runAll is the short form for a control plane without nodes: childk8s all DIR PORT.
func runAll(args []string) int {
	if len(args) != 2 {
		fmt.Fprintln(os.Stderr, "childk8s all: give a directory and a port, nothing else")
		return exitUsage
	}
	port, err := strconv.Atoi(args[1])
	if err != nil {
		fmt.Fprintf(os.Stderr, "childk8s all: %q is not a port\n", args[1])
		return exitUsage
	}
	options := child.Options{Dir: args[0], Name: "all", Port: port}
	return runUntilSignal(func(ctx context.Context, notes *os.File) error {
		return child.Run(ctx, options, os.Stdout, notes)
	})
}

// parseFlags reads a command line that may have maxArgs arguments beside the flags, or any number for -1.
// done tells the caller to return status.
func parseFlags(flags *pflag.FlagSet, args []string, maxArgs int) (status int, done bool) {
	err := flags.Parse(args)
	if errors.Is(err, pflag.ErrHelp) {
		return 0, true
	}
	if err == nil && maxArgs >= 0 && flags.NArg() > maxArgs {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(maxArgs))
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", flags.Name(), err)
		return exitUsage, true
	}
	return 0, false
}

// runUntilSignal runs until SIGINT or SIGTERM; a second one ends the process at once. notes is where
// people read.
func runUntilSignal(run func(ctx context.Context, notes *os.File) error) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	notes, err := child.KeepStderr()
	if err != nil {
		fmt.Fprintf(os.Stderr, "childk8s: %v\n", err)
		return 1
	}
	err = run(ctx, notes)
	if err == nil {
		return 0
	}
	fmt.Fprintf(notes, "childk8s: %v\n", err)
	if errors.Is(err, child.ErrUsage) {
		return exitUsage
	}
	return 1
}
