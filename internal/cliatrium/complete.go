package cliatrium

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/atriumhub/atrium/internal/cli"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const (
	// completionTimeout is how long somebody who pressed TAB may wait.
	completionTimeout = 2 * time.Second
	// completionLimit is how many names of a kind a shell is given to choose from.
	completionLimit = 1000
)

// candidates suggests words for what was typed; it is silent when it cannot.
type candidates func(ctx context.Context, s *session, typed string) []string

// completeFirst completes the first argument of a command.
func completeFirst(options *cli.Options, suggest candidates) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		silent := cli.Streams{In: strings.NewReader(""), Out: io.Discard, ErrOut: io.Discard}
		_, hub, path, err := options.OpenWorkspace(ctx, silent)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		words := suggest(ctx, &session{hub: hub, path: path}, typed)
		words = slices.DeleteFunc(words, func(word string) bool { return !strings.HasPrefix(word, typed) })
		slices.Sort(words)
		directive := cobra.ShellCompDirectiveNoFileComp
		if slices.ContainsFunc(words, func(word string) bool { return strings.HasSuffix(word, ":") }) {
			directive |= cobra.ShellCompDirectiveNoSpace
		}
		return words, directive
	}
}

func bindingNames(ctx context.Context, s *session, _ string) []string {
	list, err := client.APIBindings(s.hub, s.path).List(ctx, metav1.ListOptions{Limit: completionLimit})
	return namesIn(list, err)
}

func exportNames(ctx context.Context, s *session, _ string) []string {
	list, err := client.APIExports(s.hub, s.path).List(ctx, metav1.ListOptions{Limit: completionLimit})
	return namesIn(list, err)
}

// namesIn returns the names of what was listed; none when that failed.
func namesIn(list runtime.Object, err error) []string {
	if err != nil {
		return nil
	}
	var names []string
	_ = meta.EachListItem(list, func(object runtime.Object) error {
		item, err := meta.Accessor(object)
		if err == nil {
			names = append(names, item.GetName())
		}
		return err
	})
	return names
}

// exportPaths suggests the exports of the workspace that was typed so far, and
// the workspaces below it.
func exportPaths(ctx context.Context, s *session, typed string) []string {
	at := strings.LastIndex(typed, ":")
	stem := typed[:at+1]
	path := logicalcluster.Path(strings.Trim(stem, ":"))
	if path == "" {
		return []string{stem + logicalcluster.Root.String() + ":"}
	}
	var words []string
	for _, name := range exportNames(ctx, &session{hub: s.hub, path: path}, "") {
		words = append(words, stem+name)
	}
	children, err := client.Workspaces(s.hub, path).List(ctx, metav1.ListOptions{Limit: completionLimit})
	if err != nil {
		return words
	}
	for i := range children.Items {
		words = append(words, stem+children.Items[i].Name+":")
	}
	return words
}
