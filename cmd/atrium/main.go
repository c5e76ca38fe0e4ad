// Command atrium runs a hub.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/klog/v2"

	"github.com/atriumhub/atrium/pkg/server"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := newCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "atrium",
		Short:         "Atrium is a hub that holds thousands of workspaces, each like a Kubernetes cluster of its own.",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newStartCommand(), newKeysCommand())
	return root
}

func newStartCommand() *cobra.Command {
	options := server.NewOptions()
	command := &cobra.Command{
		Use:   "start",
		Short: "Start a hub with everything it needs in one process",
		Long: `Start a hub. Without flags it runs its own etcd, listens on https://127.0.0.1:6443
and keeps data, keys and the administrators' kubeconfig in .atrium.

It prints a line when it is ready. SIGTERM or Ctrl-C stops it; what was
acknowledged is on disk.`,
		Example: `  atrium start
  atrium start --root-dir /var/lib/atrium --bind-address 0.0.0.0 --external-hostname hub.example.com
  atrium start --etcd-servers https://etcd-0:2379,https://etcd-1:2379 --etcd-cafile ca.crt`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return start(cmd.Context(), *options) },
	}
	options.AddFlags(command.Flags())
	addLogFlags(command.Flags())
	return command
}

func start(ctx context.Context, options server.Options) error {
	began := time.Now()
	hub, err := server.New(options, os.Stderr)
	if err != nil {
		return err
	}
	if err := logToFile(options.RootDir); err != nil {
		return err
	}
	defer klog.Flush()
	return hub.Run(ctx, func() {
		fmt.Fprintf(os.Stderr, `
Atrium is ready at %s after %.1f s. In another terminal:

  export KUBECONFIG=%s
  kubectl ws create team --enter

The log is in %s.
`, hub.URL(), time.Since(began).Seconds(), hub.KubeconfigFile(), filepath.Join(options.RootDir, "atrium.log"))
	})
}

// logs are klog's own flags, which only this file sets.
var logs = flag.NewFlagSet("klog", flag.ContinueOnError)

// addLogFlags adds the one logging flag people use.
func addLogFlags(flags *pflag.FlagSet) {
	klog.InitFlags(logs)
	verbosity := logs.Lookup("v")
	verbosity.Usage = "Log level of the log file: 0 is for operators, 2 for following what happens, 4 and more for debugging."
	flags.AddGoFlag(verbosity)
}

func writable(dir, file string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	opened, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return opened.Close()
}

// logToFile sends what the libraries log to a file in the root directory, so
// that the terminal shows only what is for the person in front of it.
//
// When the file cannot be written they go nowhere: klog would end the process
// with a message of its own, and the hub is about to say it better.
func logToFile(rootDir string) error {
	name := filepath.Join(rootDir, "atrium.log")
	if err := writable(rootDir, name); err != nil {
		klog.SetOutput(io.Discard)
		return logs.Set("logtostderr", "false")
	}
	settings := map[string]string{
		"logtostderr": "false", "alsologtostderr": "false", "stderrthreshold": "FATAL",
		"log_file": name, "log_file_max_size": "100",
	}
	for name, value := range settings {
		if err := logs.Set(name, value); err != nil {
			return fmt.Errorf("failed to set up logging: %w", err)
		}
	}
	return nil
}
