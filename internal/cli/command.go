package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// Prepare makes the root command of a plugin use the given streams, and point
// to the help when a flag is wrong.
func Prepare(cmd *cobra.Command, streams Streams) {
	cmd.SetIn(streams.In)
	cmd.SetOut(streams.Out)
	cmd.SetErr(streams.ErrOut)
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if words := cmd.Flags().Args(); cmd.HasSubCommands() && len(words) > 0 {
			if wrong := cmd.ValidateArgs(words); wrong != nil {
				return wrong // The flag is that of the command that was misspelt.
			}
		}
		return fmt.Errorf("%w: see '%s --help'", err, cmd.CommandPath())
	})
}

// Args checks that a command got from least to most arguments. what says, in
// words, what the command takes.
func Args(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= least && len(args) <= most {
			return nil
		}
		got := "nothing"
		if len(args) > 0 {
			got = strings.Join(args, " ")
		}
		return fmt.Errorf("'%s' takes %s, but got %s: %s", cmd.CommandPath(), what, got, wayOut(cmd, args))
	}
}

// Subcommand checks that a command which only holds others was given none that it
// does not have.
func Subcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("'%s' has no command %q: %s", cmd.CommandPath(), args[0], wayOut(cmd, args))
}

// wayOut names the commands that are called like the first word, or else the help.
func wayOut(cmd *cobra.Command, args []string) string {
	cmd.SuggestionsMinimumDistance = 2
	if len(args) > 0 {
		if alike := cmd.SuggestionsFor(args[0]); len(alike) > 0 {
			return fmt.Sprintf("did you mean '%s %s'?", cmd.CommandPath(), strings.Join(alike, "' or '"+cmd.CommandPath()+" "))
		}
	}
	return fmt.Sprintf("see '%s --help'", cmd.CommandPath())
}

// Main runs a command and returns the exit code: 0, or 1 after an error, which
// cobra has printed to the error stream of the command.
func Main(ctx context.Context, cmd *cobra.Command) int {
	if err := cmd.ExecuteContext(ctx); err != nil {
		return 1
	}
	return 0
}
