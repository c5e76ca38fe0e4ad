package cliws

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/atriumhub/atrium/internal/cli"
)

const example = `  # print the current workspace
  kubectl ws .

  # enter a child of the current workspace, or one deeper below
  kubectl ws team
  kubectl ws org:team

  # enter a workspace by absolute path
  kubectl ws :root:org:team

  # choose one in the tree
  kubectl ws -i

  # enter the parent, the parent's parent, the root, the previous workspace
  kubectl ws ..
  kubectl ws ..:..
  kubectl ws :
  kubectl ws -

  # go home
  kubectl ws

  # create a workspace below the current one and enter it
  kubectl ws create team --enter

  # print the workspaces below the current one, or find one anywhere
  kubectl ws tree
  kubectl ws find team

  # delete a workspace and wait until it is gone
  kubectl ws delete team

  # keep a context for the current workspace
  kubectl ws create-context team`

const long = `Move between workspaces, create, show, find and delete them.

The current workspace is the one that the current context of the kubeconfig
points to. Entering another one rewrites the contexts "workspace.kcp.io/current"
and "workspace.kcp.io/previous" and leaves everything else in the file alone, so
kubectl, Helm and controllers follow.

A workspace is named by a path: names joined by colons (slashes do as well),
relative to the current workspace, or absolute with a leading colon. "." is the
current workspace, ".." its parent, "-" the previous one, ":" the root, and "~"
(or nothing) your home workspace. A workspace that is called like one of the
commands below is entered with "kubectl ws use <name>".`

// environment is what commands take from the outside besides streams and hub.
type environment struct {
	streams cli.Streams
	// userHome returns the home directory that shells put in place of "~".
	userHome func() (string, error)
	// terminal tells whether somebody watches what is written to a stream.
	terminal func(io.Writer) bool
	// after is time.After.
	after func(time.Duration) <-chan time.Time
}

// home is the home directory that shells put in place of "~", or empty when there
// is none: then no shell can have done it.
func (e environment) home() string {
	home, err := e.userHome()
	if err != nil {
		return ""
	}
	return home
}

// New returns the command tree of the plugin.
func New(streams cli.Streams) *cobra.Command {
	return newCommand(standardEnvironment(streams))
}

func standardEnvironment(streams cli.Streams) environment {
	return environment{streams: streams, userHome: os.UserHomeDir, terminal: isTerminal, after: time.After}
}

// NewCreateWorkspace returns the command of the plugin "kubectl create workspace".
func NewCreateWorkspace(streams cli.Streams) *cobra.Command {
	return newCreateWorkspace(standardEnvironment(streams))
}

func newCreateWorkspace(env environment) *cobra.Command {
	cmd := newCreate(env)
	cmd.Use = "kubectl-create-workspace <name>"
	cmd.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl create workspace"}
	cmd.Example = strings.ReplaceAll(cmd.Example, "kubectl ws create", "kubectl create workspace")
	cmd.CompletionOptions = cobra.CompletionOptions{HiddenDefaultCmd: true}
	cli.Prepare(cmd, env.streams)
	return cmd
}

func newCommand(env environment) *cobra.Command {
	use := &useCommand{env: env}
	cmd := &cobra.Command{
		Use:               "kubectl-ws [<workspace> | .. | . | - | : | ~]",
		Short:             "Move between workspaces, create, find and delete them",
		Long:              long,
		Example:           example,
		Annotations:       map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl ws"},
		Args:              cli.Args(0, 1, "one workspace; the names in a path are joined by colons"),
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		RunE: func(cmd *cobra.Command, args []string) error {
			if use.interactive {
				return use.choose(cmd.Context(), args)
			}
			if len(args) == 0 {
				args = []string{""}
			}
			return use.run(cmd.Context(), args[0])
		},
	}
	cli.Prepare(cmd, env.streams)
	use.bind(cmd)
	use.bindInteractive(cmd)
	cmd.ValidArgsFunction = completeWith(env, &use.options, 1, workspaceCandidates(env.home()))
	cmd.AddCommand(newUse(env), newCurrent(env), newCreate(env), newTree(env), newFind(env), newDelete(env), newCreateContext(env))
	return cmd
}

func newUse(env environment) *cobra.Command {
	use := &useCommand{env: env}
	cmd := &cobra.Command{
		Use:          "use <workspace> | .. | . | - | : | ~",
		Aliases:      []string{"cd"},
		Short:        "Enter a workspace",
		Long:         "Enter a workspace: the same as 'kubectl ws <workspace>', also for workspaces that are called like a command.",
		Example:      "  kubectl ws use tree",
		Args:         cli.Args(0, 1, "one workspace"),
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if use.interactive {
				return use.choose(cmd.Context(), args)
			}
			if len(args) == 0 {
				return fmt.Errorf("'%s' takes one workspace, but got nothing: see '%s --help'", cmd.CommandPath(), cmd.CommandPath())
			}
			return use.run(cmd.Context(), args[0])
		},
	}
	use.bind(cmd)
	use.bindInteractive(cmd)
	cmd.ValidArgsFunction = completeWith(env, &use.options, 1, workspaceCandidates(env.home()))
	return cmd
}

func newCurrent(env environment) *cobra.Command {
	use := &useCommand{env: env}
	cmd := &cobra.Command{
		Use:          "current",
		Short:        "Print the current workspace",
		Long:         "Print the current workspace: the same as 'kubectl ws .'. The hub is not asked.",
		Example:      "  kubectl ws current --short",
		Args:         cli.Args(0, 0, "no arguments"),
		SilenceUsage: true,
		RunE:         func(cmd *cobra.Command, _ []string) error { return use.run(cmd.Context(), ".") },
	}
	use.bind(cmd)
	return cmd
}

func newCreate(env environment) *cobra.Command {
	create := &createCommand{env: env}
	cmd := &cobra.Command{
		Use:   "create <name>",
		Short: "Create a workspace below the current one",
		Long: `Create a workspace below the current one (or that of --workspace), wait until it is
ready, and enter it if asked to. What a workspace waits for is told when it takes
longer than a moment: its initializers, and what is wrong.`,
		Example: `  kubectl ws create team --enter
  kubectl ws create team -w :root:org --type team
  kubectl ws create org --type root:organization --ignore-existing`,
		Args:         cli.Args(1, 1, "the name of the new workspace"),
		SilenceUsage: true,
		RunE:         func(cmd *cobra.Command, args []string) error { return create.run(cmd.Context(), args[0]) },
	}
	create.bind(cmd)
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	completeFlags(env, cmd, &create.options)
	return cmd
}

func newTree(env environment) *cobra.Command {
	tree := &treeCommand{env: env}
	cmd := &cobra.Command{
		Use:          "tree",
		Short:        "Print the workspaces below the current one",
		Long:         "Print the workspaces below the current one (or that of --workspace) as a tree. Workspaces that are being deleted are left out; what you may not list is mentioned at the end.",
		Example:      "  kubectl ws tree --full\n  kubectl ws tree --wide -w :root:org",
		Args:         cli.Args(0, 0, "no arguments; choose a workspace with --workspace"),
		SilenceUsage: true,
		RunE:         func(cmd *cobra.Command, _ []string) error { return tree.run(cmd.Context()) },
	}
	tree.bind(cmd)
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	completeFlags(env, cmd, &tree.options)
	return cmd
}

func newCreateContext(env environment) *cobra.Command {
	create := &contextCommand{env: env}
	cmd := &cobra.Command{
		Use:          "create-context [<name>]",
		Short:        "Create a kubeconfig context for the current workspace",
		Long:         "Create a kubeconfig context that stays with the current workspace, and switch to it. Its name is the path of the workspace unless another one is given.",
		Example:      "  kubectl ws create-context team",
		Args:         cli.Args(0, 1, "at most the name of the context"),
		SilenceUsage: true,
		RunE:         func(cmd *cobra.Command, args []string) error { return create.run(cmd.Context(), args) },
	}
	create.bind(cmd)
	cmd.ValidArgsFunction = completeWith(env, &create.options, 1, contextCandidates)
	completeFlags(env, cmd, &create.options)
	return cmd
}

// contextCommand is "kubectl ws create-context".
type contextCommand struct {
	env       environment
	options   cli.Options
	overwrite bool
}

func (c *contextCommand) bind(cmd *cobra.Command) {
	c.options.BindFlags(cmd.Flags())
	cmd.Flags().BoolVar(&c.overwrite, "overwrite", false, "Replace a context of that name")
}

func (c *contextCommand) run(_ context.Context, args []string) error {
	session, err := c.options.Load(c.env.streams)
	if err != nil {
		return err
	}
	if session.Current == "" {
		return session.NotAWorkspace()
	}
	name := session.Current.String()
	if len(args) > 0 {
		name = args[0]
	}
	return saveContext(session, c.env.streams, contextRequest{name: name, server: session.Host, overwrite: c.overwrite})
}
