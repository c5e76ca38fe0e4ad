package main

import (
	"context"
	"flag"
	"fmt"
	"net"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"github.com/atriumhub/atrium/pkg/syncer"
)

const description = `Connect one child cluster to an Atrium hub.

The agent watches the objects that the hub has placed on its sync target, copies
them into the child by server-side apply, and reports their status back. It only
makes outbound connections: to the hub and to the API server of the child. It
keeps no state of its own and can be stopped and started at any time.

"kubectl atrium sync NAME" creates the SyncTarget in the hub, with a service
account of least privilege, and prints the command line for this agent. In the
child, "atrium-syncer child-rbac | kubectl apply -f -" creates what it needs.`

const examples = `  # In a child cluster, with the child's service account
  atrium-syncer --hub-kubeconfig hub.kubeconfig --sync-target eu --sync-target-uid 1b3c...

  # Beside a child cluster
  atrium-syncer --hub-kubeconfig hub.kubeconfig --child-kubeconfig eu.kubeconfig \
      --sync-target eu --sync-target-uid 1b3c...

  # The permissions that the agent needs in the child
  atrium-syncer child-rbac --namespace atrium-syncer | kubectl apply -f -`

// options are the flags.
type options struct {
	hubKubeconfig   string
	childKubeconfig string
	metricsAddress  string
	qps             float32
	burst           int
	config          syncer.Config
}

func newCommand() *cobra.Command {
	o := &options{}
	command := &cobra.Command{
		Use:           "atrium-syncer",
		Short:         "Connect one child cluster to an Atrium hub",
		Long:          description,
		Example:       examples,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(command *cobra.Command, _ []string) error { return o.run(command.Context()) },
	}
	o.addFlags(command)
	command.AddCommand(newChildRBACCommand())
	command.CompletionOptions.DisableDefaultCmd = true
	return command
}

func (o *options) addFlags(command *cobra.Command) {
	flags := command.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.hubKubeconfig, "hub-kubeconfig", "", "File with the address and credentials for the hub. The server has to end in /clusters/<workspace of the SyncTarget>. Required.")
	flags.StringVar(&o.childKubeconfig, "child-kubeconfig", "", "File with the address and credentials for the child cluster. Without it, the service account of the pod the agent runs in is used.")
	flags.StringVar(&o.config.SyncTarget, "sync-target", "", "Name of the SyncTarget that stands for the child. Required.")
	flags.StringVar(&o.config.UID, "sync-target-uid", "", "UID of that SyncTarget. The agent stops when the SyncTarget has been replaced by another of the same name. Required.")
	flags.StringSliceVar(&o.config.Resources, "resources", nil, "What to copy, as plural.group, separated by commas; Kubernetes' workload resources unless given: "+fmt.Sprint(syncer.DefaultResources())+".")
	flags.DurationVar(&o.config.HeartbeatInterval, "heartbeat-interval", syncer.DefaultHeartbeatInterval, "How often to tell the hub that the agent and the child are well. The hub takes a minute of silence for an outage.")
	flags.IntVar(&o.config.Workers, "workers", syncer.DefaultWorkers, "How many objects of one resource to work on at a time.")
	flags.Float32Var(&o.qps, "qps", -1, "Requests per second to each side; negative means as many as needed.")
	flags.IntVar(&o.burst, "burst", 100, "Requests to each side that may exceed --qps for a moment.")
	flags.StringVar(&o.metricsAddress, "metrics-bind-address", "0", `Where to serve /healthz, /readyz and /metrics, unprotected, as in 127.0.0.1:8080; "0" means nowhere.`)
	addVerbosity(command)
}

// addVerbosity takes from klog the one flag that its users need.
func addVerbosity(command *cobra.Command) {
	all := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(all)
	verbosity := all.Lookup("v")
	verbosity.Usage = "How much to log: 0 what an operator wants to know, 2 every copy, 4 and more for debugging."
	command.Flags().AddGoFlag(verbosity)
}

func (o *options) run(ctx context.Context) error {
	if err := o.load(); err != nil {
		return err
	}
	agent, err := syncer.New(o.config)
	if err != nil {
		return err
	}
	klog.Background().Info("Atrium syncer: " + agent.String())
	if err := o.serve(ctx, agent); err != nil {
		return err
	}
	if err := agent.Run(ctx); err != nil {
		return err
	}
	klog.Background().Info("Stopped; what was copied stays in the child")
	return nil
}

// load reads both kubeconfigs.
func (o *options) load() error {
	if o.hubKubeconfig == "" {
		return fmt.Errorf(`no hub: give --hub-kubeconfig, as written by "kubectl atrium sync"`)
	}
	hub, err := clientcmd.BuildConfigFromFlags("", o.hubKubeconfig)
	if err != nil {
		return fmt.Errorf("failed to read --hub-kubeconfig: %w", err)
	}
	child, err := o.loadChild()
	if err != nil {
		return err
	}
	for _, config := range []*rest.Config{hub, child} {
		config.QPS, config.Burst, config.UserAgent = o.qps, o.burst, "atrium-syncer/"+o.config.SyncTarget
	}
	o.config.Hub, o.config.Child = hub, child
	return nil
}

func (o *options) loadChild() (*rest.Config, error) {
	if o.childKubeconfig == "" {
		config, err := rest.InClusterConfig()
		if err != nil {
			return nil, fmt.Errorf("no child: give --child-kubeconfig, or run the agent in a pod of the child: %w", err)
		}
		return config, nil
	}
	config, err := clientcmd.BuildConfigFromFlags("", o.childKubeconfig)
	if err != nil {
		return nil, fmt.Errorf("failed to read --child-kubeconfig: %w", err)
	}
	return config, nil
}

// serve starts the metrics server, if one is wanted.
func (o *options) serve(ctx context.Context, agent *syncer.Syncer) error {
	if o.metricsAddress == "0" || o.metricsAddress == "" {
		return nil
	}
	listener, err := net.Listen("tcp", o.metricsAddress)
	if err != nil {
		return fmt.Errorf("failed to listen at --metrics-bind-address: %w", err)
	}
	klog.Background().Info("Serving metrics", "address", listener.Addr())
	go func() {
		if err := agent.Serve(ctx, listener); err != nil {
			klog.Background().Error(err, "No metrics")
		}
	}()
	return nil
}
