package nodes

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/pflag"
	"sigs.k8s.io/kwok/pkg/config"
	kwokcmd "sigs.k8s.io/kwok/pkg/kwok/cmd"
	"sigs.k8s.io/kwok/pkg/log"
)

// Kwok says how one kwok is run.
type Kwok struct {
	// Dir is where its files are written.
	Dir string
	// Kubeconfig is what it logs in to the child with.
	Kubeconfig string
	// Port is where it answers as the kubelet of every node, on 127.0.0.1. It asks nobody who they are.
	Port int32
	// CertFile and KeyFile are its serving certificate.
	CertFile, KeyFile string
	// PodCIDR is where pods get their addresses from.
	PodCIDR string
	// AllowExec lets `kubectl exec` run commands on this machine.
	AllowExec bool
	// Log takes its log.
	Log io.Writer
}

func (k Kwok) args() []string {
	server := fmt.Sprintf("127.0.0.1:%d", k.Port)
	return []string{
		"--kubeconfig=" + k.Kubeconfig,
		"--manage-all-nodes=true",
		"--server-address=" + server,
		"--node-ip=127.0.0.1",
		fmt.Sprintf("--node-port=%d", k.Port),
		"--tls-cert-file=" + k.CertFile,
		"--tls-private-key-file=" + k.KeyFile,
		"--cidr=" + k.PodCIDR,
		"--node-lease-duration-seconds=40",
	}
}

// Prepare writes kwok's files and returns the function that runs it. Prepare changes the program's
// arguments for a moment and its global flags for good, so nothing else may run beside it. The function
// returns only if kwok fails; there is no way to end it before the process, as kwok answers the end of its
// context with os.Exit(1).
func (k Kwok) Prepare() (run func() error, err error) {
	configFile := filepath.Join(k.Dir, "kwok.yaml")
	if err := writeKwokFiles(configFile, filepath.Join(k.Dir, "pod.log"), k.AllowExec); err != nil {
		return nil, err
	}
	objects, err := k.loadConfig(configFile)
	if err != nil {
		return nil, err
	}
	command := kwokcmd.NewCommand(objects)
	command.SetArgs(k.args())
	return func() error { return command.ExecuteContext(objects) }, nil
}

// loadConfig returns a context that holds the objects of the file, which is where kwok looks for them.
// kwok takes the file's path from os.Args and nowhere else, and would read a file in the home directory
// first, which must not change a test.
func (k Kwok) loadConfig(configFile string) (context.Context, error) {
	args := os.Args
	defer func() { os.Args = args }()
	os.Args = []string{"kwok", "--config=" + configFile}
	config.WorkDir = k.Dir
	forgetGlobalFlags()

	ctx := log.NewContext(context.Background(), log.NewLogger(k.Log, log.LevelWarn))
	ctx, err := config.InitFlags(ctx, globalFlags())
	if err != nil {
		return nil, fmt.Errorf("failed to load kwok's configuration: %w", err)
	}
	return ctx, nil
}

// forgetGlobalFlags drops the flags that other programs in this binary have put where kwok's command
// looks for its own; one of them has the same name and another type.
func forgetGlobalFlags() {
	pflag.CommandLine = pflag.NewFlagSet("kwok", pflag.ContinueOnError)
}

func globalFlags() *pflag.FlagSet {
	flags := pflag.NewFlagSet("global", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Usage = func() {}
	return flags
}

// KwokMain is the kwok program as it is, for the command line. It returns the exit status.
func KwokMain() int {
	forgetGlobalFlags()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	flags := globalFlags()
	ctx, logger := log.InitFlags(ctx, flags)
	ctx, err := config.InitFlags(ctx, flags)
	if err != nil {
		logger.Error("Load configuration", "err", err)
		return 1
	}
	command := kwokcmd.NewCommand(ctx)
	command.PersistentFlags().AddFlagSet(flags)
	if err := command.ExecuteContext(ctx); err != nil {
		logger.Error("Run", "err", err)
		return 1
	}
	return 0
}
