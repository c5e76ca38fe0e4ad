package cliatrium

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/atriumhub/atrium/internal/cli"
)

// environment is what commands take from the outside besides the hub.
type environment struct {
	streams cli.Streams
	// now is time.Now, after is time.After.
	now   func() time.Time
	after func(time.Duration) <-chan time.Time
}

// New returns the command tree of the plugin.
func New(streams cli.Streams) *cobra.Command {
	return newCommand(environment{streams: streams, now: time.Now, after: time.After})
}

func newCommand(env environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "kubectl-atrium",
		Short: "Offer and bind APIs, register child clusters and bind compute",
		Long: `Offer APIs to other workspaces and bind those of others, answer what their
providers claim; register child clusters with the hub, take them out of service and
back, and make workspaces able to run workloads on them.`,
		Annotations:       map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl atrium"},
		Args:              cli.Subcommand,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cli.Prepare(cmd, env.streams)
	cmd.AddCommand(newSync(env), newBind(env), newClaims(env), newCRD(env), newPublish(env), newWorkload(env))
	return cmd
}

func newSync(env environment) *cobra.Command {
	c := &syncCommand{env: env}
	cmd := &cobra.Command{
		Use:   "sync <name>",
		Short: "Register a child cluster and write what its agent needs",
		Long: `Register a child cluster in the current workspace (or that of --workspace).

This creates a SyncTarget of that name, a service account for its agent with just
the permissions it needs, and writes a kubeconfig with a token of that account.
Give the kubeconfig to atrium-syncer; the command to run is printed at the end.
Nothing is sent to the child cluster.

Run it again to change labels or to renew the token.`,
		Example: `  # register a cluster in Europe, and write eu.kubeconfig for its agent
  kubectl atrium sync eu --labels region=eu -o eu.kubeconfig

  # let other workspaces use it, without having them bind a compute export
  kubectl atrium sync eu --allow-workspaces root:acme,root:umbrella:web`,
		Args:         cli.Args(1, 1, "the name of the child cluster"),
		SilenceUsage: true,
		RunE:         func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args[0]) },
	}
	c.bind(cmd)
	return cmd
}

func newBind(env environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:          "bind",
		Short:        "Make APIs of other workspaces available in this one",
		Args:         cli.Subcommand,
		SilenceUsage: true,
		RunE:         func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c := &bindCommand{env: env}
	compute := &cobra.Command{
		Use:   "compute <location-workspace>",
		Short: "Make the current workspace run workloads on clusters registered in another one",
		Long: `Make the current workspace (or that of --workspace) able to hold workloads, and
place them on clusters that are registered in the location workspace.

This creates an APIBinding for each export of --apiexports that is not bound yet,
and a Placement, and waits until both are ready.`,
		Example: `  # run everything on any cluster registered in root:compute
  kubectl atrium bind compute root:compute

  # run the namespaces with a label on clusters in Europe
  kubectl atrium bind compute root:compute --location-selectors region=eu --namespace-selector tier=web`,
		Args:         cli.Args(1, 1, "the location workspace"),
		SilenceUsage: true,
		RunE:         func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args[0]) },
	}
	c.bind(compute)
	cmd.AddCommand(newBindExport(env), compute)
	return cmd
}

func newWorkload(env environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:          "workload",
		Short:        "Take child clusters out of service and back",
		Args:         cli.Subcommand,
		SilenceUsage: true,
		RunE:         func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newSync(env),
		newService(env, "cordon", "Keep new workloads away from a child cluster; what is there stays", cordon),
		newService(env, "uncordon", "Let new workloads onto a child cluster again, and stop draining it", uncordon),
		newService(env, "drain", "Keep new workloads away from a child cluster, and move away what is there", drain),
	)
	return cmd
}

func newService(env environment, verb, short string, decide serviceFunc) *cobra.Command {
	c := &serviceCommand{env: env, decide: decide}
	cmd := &cobra.Command{
		Use:          verb + " <name>",
		Short:        short,
		Example:      "  kubectl atrium workload " + verb + " eu",
		Args:         cli.Args(1, 1, "the name of the child cluster"),
		SilenceUsage: true,
		RunE:         func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args[0]) },
	}
	c.options.BindFlags(cmd.Flags())
	c.options.BindWorkspaceFlag(cmd.Flags())
	return cmd
}
