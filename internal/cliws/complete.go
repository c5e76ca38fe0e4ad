package cliws

import (
	"context"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/atriumhub/atrium/internal/cli"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const (
	// completionTimeout is how long somebody who pressed TAB may wait. A program
	// that asks for a login is among what it cuts short.
	completionTimeout = 2 * time.Second
	// completionLimit is how many names a shell is given to choose from.
	completionLimit = 1000
)

// candidates suggests words; it is silent when it cannot.
type candidates func(ctx context.Context, options *cli.Options, streams cli.Streams, typed string) []string

// completeWith makes a candidates function cobra's. most is how many arguments
// it is asked for.
func completeWith(env environment, options *cli.Options, most int, suggest candidates) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		answer := make(chan []string, 1)
		go func() { answer <- suggest(ctx, options, env.silent(), typed) }()
		select {
		case <-ctx.Done():
			return nil, cobra.ShellCompDirectiveNoFileComp
		case words := <-answer:
			return words, directive(words)
		}
	}
}

// directive keeps the shell from adding a space where a path may go on.
func directive(words []string) cobra.ShellCompDirective {
	goesOn := cobra.ShellCompDirectiveNoFileComp
	for _, word := range words {
		if strings.HasSuffix(word, ":") || strings.HasSuffix(word, "/") {
			return goesOn | cobra.ShellCompDirectiveNoSpace
		}
	}
	return goesOn
}

// silent are streams for what runs behind a shell's prompt.
func (e environment) silent() cli.Streams {
	return cli.Streams{In: strings.NewReader(""), Out: io.Discard, ErrOut: io.Discard}
}

// workspaceCandidates suggests the children of what was typed up to the last
// colon or slash.
func workspaceCandidates(home string) candidates {
	return func(ctx context.Context, options *cli.Options, streams cli.Streams, typed string) []string {
		session, hub, err := options.Open(streams)
		if err != nil {
			return nil
		}
		stem, start := splitTyped(typed)
		parent := logicalcluster.Path("")
		if start != "" {
			if parent, err = session.Below(ctx, start, home); err != nil {
				return nil
			}
		}
		return suggestions(stem, typed, childNames(ctx, hub, parent))
	}
}

// splitTyped takes an unfinished path apart: stem is what stays as it is in
// front of the names to suggest, start the workspace they are looked for in.
func splitTyped(typed string) (stem, start string) {
	i := strings.LastIndexAny(typed, ":/")
	if i < 0 {
		return "", "."
	}
	stem = typed[:i+1]
	if start = typed[:i]; start != "" {
		return stem, start
	}
	// ":" alone is the top; names behind it are absolute paths.
	return stem, ""
}

// suggestions puts names that fit behind what was typed before them.
func suggestions(stem, typed string, names []string) []string {
	var fitting []string
	for _, name := range names {
		if word := stem + name; strings.HasPrefix(word, typed) {
			fitting = append(fitting, word)
		}
	}
	return fitting
}

// childNames lists the children of a workspace. An absolute path begins with the
// root.
func childNames(ctx context.Context, hub *client.Hub, parent logicalcluster.Path) []string {
	if parent == "" {
		return []string{logicalcluster.Root.String()}
	}
	list, err := client.Workspaces(hub, parent).List(ctx, metav1.ListOptions{Limit: completionLimit})
	if err != nil {
		return nil
	}
	var names []string
	for i := range list.Items {
		if list.Items[i].DeletionTimestamp == nil {
			names = append(names, list.Items[i].Name)
		}
	}
	slices.Sort(names)
	return names
}

// typeCandidates suggests types of the root workspace and of the one to work in.
func typeCandidates(ctx context.Context, options *cli.Options, streams cli.Streams, typed string) []string {
	session, hub, err := options.Open(streams)
	if err != nil {
		return nil
	}
	found := map[string]bool{}
	for _, path := range []logicalcluster.Path{logicalcluster.Root.Path(), session.Current} {
		if path == "" {
			continue
		}
		list, err := client.WorkspaceTypes(hub, path).List(ctx, metav1.ListOptions{Limit: completionLimit})
		if err != nil {
			continue
		}
		for i := range list.Items {
			reference := tenancyv1alpha1.WorkspaceTypeReference{Path: path.String(), Name: tenancyv1alpha1.WorkspaceTypeName(list.Items[i].Name)}
			found[reference.String()], found[list.Items[i].Name] = true, true
		}
	}
	return suggestions("", typed, slices.Sorted(maps.Keys(found)))
}

// contextCandidates suggests the names of contexts.
func contextCandidates(_ context.Context, options *cli.Options, _ cli.Streams, typed string) []string {
	return suggestions("", typed, options.ContextNames())
}

// completeFlags teaches the flags that a command has to complete themselves.
func completeFlags(env environment, cmd *cobra.Command, options *cli.Options) {
	for name, suggest := range map[string]candidates{
		"workspace":      workspaceFlagCandidates(env.home()),
		"context":        contextCandidates,
		"type":           typeCandidates,
		"create-context": contextCandidates,
		"output":         func(context.Context, *cli.Options, cli.Streams, string) []string { return []string{"wide"} },
	} {
		if cmd.Flags().Lookup(name) != nil {
			_ = cmd.RegisterFlagCompletionFunc(name, completeWith(env, options, 1000, suggest))
		}
	}
}

// workspaceFlagCandidates suggests values of --workspace, which starts at the
// current workspace whatever the flag says so far.
func workspaceFlagCandidates(home string) candidates {
	suggest := workspaceCandidates(home)
	return func(ctx context.Context, options *cli.Options, streams cli.Streams, typed string) []string {
		elsewhere := *options
		elsewhere.WorkspacePath = ""
		return suggest(ctx, &elsewhere, streams, typed)
	}
}
