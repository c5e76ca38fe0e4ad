package cliws

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/atriumhub/atrium/internal/cli"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// findCommand is "kubectl ws find".
type findCommand struct {
	env     environment
	options cli.Options
	output  string
}

func newFind(env environment) *cobra.Command {
	c := &findCommand{env: env}
	cmd := &cobra.Command{
		Use:   "find <text>",
		Short: "Find workspaces by name, anywhere you may look",
		Long: `Find workspaces by name and print their paths, one per line, as they are found.

A workspace is found when its name contains the text, in whatever case, or matches
it as a whole when it has '*', '?' or '[…]' in it. A text with a colon is compared
with the path instead of the name.

The search begins at the root, or, if you may not list the workspaces there, at
the first one on the way to the current workspace where you may; --workspace names
another place. Workspaces that you may not look into are counted at the end.`,
		Example: `  kubectl ws find team
  kubectl ws find 'team-*' -o wide
  kubectl ws find org:team -w :root:customers`,
		Args:         cli.Args(1, 1, "one text to look for"),
		SilenceUsage: true,
		RunE:         func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args[0]) },
	}
	c.options.BindFlags(cmd.Flags())
	c.options.BindWorkspaceFlag(cmd.Flags())
	cmd.Flags().StringVarP(&c.output, "output", "o", "", "What to print: paths only, or 'wide' for type and phase too")
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	completeFlags(env, cmd, &c.options)
	return cmd
}

func (c *findCommand) run(ctx context.Context, text string) error {
	if c.output != "" && c.output != "wide" {
		return fmt.Errorf("unknown output %q: leave out -o for paths, or use -o wide", c.output)
	}
	matches, err := matcher(text)
	if err != nil {
		return err
	}
	session, hub, err := c.options.Open(c.env.streams)
	if err != nil {
		return err
	}
	s := &search{out: c.env.streams.Out, wide: c.output == "wide", matches: matches}
	if c.env.terminal(c.env.streams.ErrOut) {
		s.progress = c.env.streams.ErrOut
	}
	err = c.search(ctx, session, hub, s)
	s.clear()
	if err != nil {
		return cli.Explain(err, session.Base)
	}
	return s.conclude(c.env.streams.ErrOut, text)
}

// search looks where it was told to, or as near to the root as it may.
func (c *findCommand) search(ctx context.Context, session *cli.Session, hub *client.Hub, s *search) error {
	if c.options.WorkspacePath != "" || session.Current == "" {
		from, err := session.Workspace(ctx)
		if err != nil {
			return err
		}
		return s.from(ctx, hub, from)
	}
	for _, start := range lineage(session.Current) {
		err := s.from(ctx, hub, start)
		if apierrors.IsForbidden(err) && start != session.Current {
			s.hint = fmt.Sprintf("Note: you may not list the workspaces in %q, so not all were searched; --workspace names another place.", start)
			continue
		}
		return err
	}
	return nil
}

// lineage lists a workspace and those above it, from the top.
func lineage(path logicalcluster.Path) []logicalcluster.Path {
	line := []logicalcluster.Path{path}
	for parent, ok := path.Parent(); ok; parent, ok = parent.Parent() {
		line = append(line, parent)
	}
	slices.Reverse(line)
	return line
}

// matcher returns what decides whether a workspace is meant by a text.
func matcher(text string) (func(logicalcluster.Path) bool, error) {
	text = strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(text, ":"), "/", ":"))
	if _, err := path.Match(text, ""); err != nil {
		return nil, fmt.Errorf("invalid pattern %q: %w", text, err)
	}
	subject := logicalcluster.Path.Base
	if strings.Contains(text, ":") {
		subject = logicalcluster.Path.String
	}
	if strings.ContainsAny(text, `*?[\`) {
		return func(p logicalcluster.Path) bool {
			ok, _ := path.Match(text, subject(p))
			return ok
		}, nil
	}
	return func(p logicalcluster.Path) bool { return strings.Contains(subject(p), text) }, nil
}

// search is a search in progress.
type search struct {
	out     io.Writer
	wide    bool
	matches func(logicalcluster.Path) bool
	// progress is nil when nobody watches.
	progress io.Writer
	hint     string

	seen, found int
	closed      int64
	shown       bool
}

func (s *search) from(ctx context.Context, hub *client.Hub, start logicalcluster.Path) error {
	closed, err := explore(ctx, hub, &node{path: start}, s.visit)
	s.closed += closed
	return err
}

// visit prints those children of a workspace that match.
func (s *search) visit(n *node) error {
	s.seen += len(n.children)
	for _, child := range n.children {
		if !s.matches(child.path) {
			continue
		}
		s.clear()
		if err := s.print(child); err != nil {
			return err
		}
	}
	if s.progress != nil {
		fmt.Fprintf(s.progress, "\r%d workspaces seen, %d found", s.seen, s.found)
		s.shown = true
	}
	return nil
}

func (s *search) print(n *node) error {
	s.found++
	if !s.wide {
		_, err := fmt.Fprintln(s.out, n.path)
		return err
	}
	if s.found == 1 {
		if _, err := fmt.Fprintf(s.out, "%-40s %-30s %s\n", "PATH", "TYPE", "PHASE"); err != nil {
			return err
		}
	}
	kind := "<none>"
	switch {
	case n.mount:
		kind = "<mount>"
	case n.kind != nil:
		kind = n.kind.String()
	}
	_, err := fmt.Fprintf(s.out, "%-40s %-30s %s\n", n.path, kind, cmp.Or(string(n.phase), unknown))
	return err
}

// clear takes the line of progress away.
func (s *search) clear() {
	if s.shown {
		fmt.Fprint(s.progress, "\r\x1b[K")
		s.shown = false
	}
}

// conclude says what one would otherwise wonder about.
func (s *search) conclude(errOut io.Writer, text string) error {
	if s.found == 0 {
		fmt.Fprintf(errOut, "No workspace matches %q among the %d that were seen.\n", text, s.seen)
	}
	if s.hint != "" {
		fmt.Fprintln(errOut, s.hint)
	}
	if s.closed > 0 {
		fmt.Fprintf(errOut, "Note: %d workspaces could not be searched: you may not list what is below them.\n", s.closed)
	}
	return nil
}
