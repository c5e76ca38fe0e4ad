package main

import (
	"github.com/spf13/cobra"

	"github.com/atriumhub/atrium/pkg/syncer"
)

func newChildRBACCommand() *cobra.Command {
	var namespace string
	var resources []string
	command := &cobra.Command{
		Use:   "child-rbac",
		Short: "Print the objects that give the agent its permissions in the child",
		Long: `Print a namespace, a service account, a ClusterRole and a ClusterRoleBinding as YAML.

The role names each resource and verb that the agent uses and nothing else: it
contains no wildcard. Apply it with a cluster admin of the child.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			manifest, err := syncer.ChildRBAC(namespace, resources)
			if err != nil {
				return err
			}
			_, err = command.OutOrStdout().Write(manifest)
			return err
		},
	}
	command.Flags().StringVar(&namespace, "namespace", "atrium-syncer", "Namespace of the child that the agent's service account lies in.")
	command.Flags().StringSliceVar(&resources, "resources", nil, "The same as for the agent.")
	return command
}
