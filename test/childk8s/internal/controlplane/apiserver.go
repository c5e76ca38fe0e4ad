package controlplane

import (
	"context"
	"fmt"
	"net"

	"github.com/spf13/pflag"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/client-go/rest"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/component-base/compatibility"
	"k8s.io/component-base/featuregate"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"
)

// prepareAPIServer reads the flags as the kube-apiserver command does. It also applies feature gates and
// logging for the whole process, so it comes before the other components.
func prepareAPIServer(ctx context.Context, args []string, listener net.Listener) (options.CompletedOptions, error) {
	opts := options.NewServerRunOptions()
	if err := parse("kube-apiserver", opts.Flags(), args); err != nil {
		return options.CompletedOptions{}, err
	}
	opts.SecureServing.Listener = listener
	opts.SecureServing.BindPort = listener.Addr().(*net.TCPAddr).Port
	registry := opts.GenericServerRunOptions.ComponentGlobalsRegistry
	if err := registry.Set(); err != nil {
		return options.CompletedOptions{}, fmt.Errorf("failed to set the feature gates: %w", err)
	}
	gates := registry.FeatureGateFor(compatibility.DefaultKubeComponent)
	if err := logsapi.ValidateAndApply(opts.Logs, gates); err != nil {
		return options.CompletedOptions{}, fmt.Errorf("failed to set up logging: %w", err)
	}
	if mutable, ok := gates.(featuregate.MutableFeatureGate); ok {
		mutable.AddMetrics()
	}
	// Components that watch everything would fill the log with deprecation warnings of old versions.
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	completed, err := opts.Complete(ctx)
	if err != nil {
		return options.CompletedOptions{}, fmt.Errorf("failed to complete the options of kube-apiserver: %w", err)
	}
	if errs := completed.Validate(); len(errs) > 0 {
		return options.CompletedOptions{}, fmt.Errorf("failed to validate the options of kube-apiserver: %w", utilerrors.NewAggregate(errs))
	}
	return completed, nil
}

// parse applies flags to a component's options. It takes the sets of a component together, as its
// command does.
func parse(name string, sets cliflag.NamedFlagSets, args []string) error {
	flags := pflag.NewFlagSet(name, pflag.ContinueOnError)
	for _, set := range sets.FlagSets {
		flags.AddFlagSet(set)
	}
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("failed to parse the flags of %s: %w", name, err)
	}
	return nil
}
