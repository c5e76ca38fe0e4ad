package cliws

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"
	"github.com/xlab/treeprint"
	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/atriumhub/atrium/internal/cli"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const (
	// treeRequests is how many lists are asked for at once.
	treeRequests = 8
	// treePage is how many workspaces a list brings at once.
	treePage = 500
)

// treeCommand is "kubectl ws tree".
type treeCommand struct {
	env     environment
	options cli.Options
	full    bool
	wide    bool
	// interactive lets somebody walk about in the tree instead.
	interactive bool
}

func (c *treeCommand) bind(cmd *cobra.Command) {
	c.options.BindFlags(cmd.Flags())
	c.options.BindWorkspaceFlag(cmd.Flags())
	cmd.Flags().BoolVarP(&c.full, "full", "f", false, "Print whole paths instead of names")
	cmd.Flags().BoolVarP(&c.interactive, "interactive", "i", false, interactiveHelp)
	cmd.Flags().BoolVar(&c.wide, "wide", false, "Print phases too: ws is what the parent says of a workspace, lc what the workspace says of itself, '?' what you may not read")
}

func (c *treeCommand) run(ctx context.Context) error {
	if c.interactive {
		return browse(ctx, c.env, c.options)
	}
	session, hub, path, err := c.options.OpenWorkspace(ctx, c.env.streams)
	if err != nil {
		return err
	}
	top, closed, err := grow(ctx, hub, path)
	if err != nil {
		return cli.Explain(err, session.Base)
	}
	if c.wide {
		if err := inspect(ctx, hub, top); err != nil {
			return cli.Explain(err, session.Base)
		}
	}
	fmt.Fprintln(c.env.streams.Out, render(top, c.full))
	if closed > 0 {
		fmt.Fprintf(c.env.streams.ErrOut, "Note: %d of these workspaces may have more below them that you are not allowed to list.\n", closed)
	}
	return nil
}

// inspect asks every workspace of a tree for its own view of its phase.
func inspect(ctx context.Context, hub *client.Hub, top *node) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(treeRequests)
	for level := []*node{top}; len(level) > 0; level = next(level) {
		for _, n := range level {
			group.Go(func() error { return n.inspect(ctx, hub) })
		}
	}
	return group.Wait()
}

// unknown stands for a phase that nobody tells.
const unknown = "?"

func (n *node) inspect(ctx context.Context, hub *client.Hub) error {
	n.wide = fmt.Sprintf(" ws=%s lc=%s", orUnknown(n.phase), unknown)
	if n.mount {
		n.wide = " ws=" + orUnknown(n.phase)
		return nil
	}
	cluster, err := client.LogicalClusters(hub, n.path).Get(ctx, corev1alpha1.LogicalClusterName, metav1.GetOptions{})
	if apierrors.IsForbidden(err) || apierrors.IsNotFound(err) || apierrors.IsServiceUnavailable(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("asking workspace %q for its phase: %w", n.path.String(), err)
	}
	n.wide = fmt.Sprintf(" ws=%s lc=%s", orUnknown(n.phase), orUnknown(cluster.Status.Phase))
	return nil
}

func orUnknown(phase corev1alpha1.LogicalClusterPhaseType) string {
	return cmp.Or(string(phase), unknown)
}

// node is a workspace in the tree.
type node struct {
	// path of the workspace. The last segment of it is the name.
	path logicalcluster.Path
	// mount tells that the workspace is served elsewhere.
	mount bool
	// kind is the type of the workspace, phase what its parent says of it; the
	// top of a tree has neither.
	kind  *tenancyv1alpha1.WorkspaceTypeReference
	phase corev1alpha1.LogicalClusterPhaseType
	// wide is what to print behind the name.
	wide     string
	children []*node
}

// grow asks for everything below a workspace. closed counts those whose children
// may not be listed. That the top itself may not be listed is an error.
func grow(ctx context.Context, hub *client.Hub, path logicalcluster.Path) (top *node, closed int64, err error) {
	top = &node{path: path}
	closed, err = explore(ctx, hub, top, func(*node) error { return nil })
	return top, closed, err
}

// explore asks for everything below a workspace, level by level, and shows each
// workspace as soon as its children are known: parents before children, and
// always in the same order.
func explore(ctx context.Context, hub *client.Hub, top *node, show func(*node) error) (closed int64, err error) {
	if top.children, err = children(ctx, hub, top.path); err != nil {
		err = fmt.Errorf("listing the workspaces in %q: %w", top.path.String(), err)
		if apierrors.IsForbidden(err) {
			err = fmt.Errorf("%w: name a workspace that you may look into with --workspace", err)
		}
		return 0, err
	}
	if err := show(top); err != nil {
		return 0, err
	}
	for level := top.children; len(level) > 0; level = next(level) {
		refused, err := exploreLevel(ctx, hub, level, show)
		closed += refused
		if err != nil {
			return closed, err
		}
	}
	return closed, nil
}

func exploreLevel(ctx context.Context, hub *client.Hub, level []*node, show func(*node) error) (closed int64, err error) {
	var refused atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(1 + treeRequests)
	known := make([]chan struct{}, len(level))
	for i := range known {
		known[i] = make(chan struct{})
	}
	group.Go(func() error {
		for i, n := range level {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-known[i]:
			}
			if err := show(n); err != nil {
				return err
			}
		}
		return nil
	})
	for i, n := range level {
		group.Go(func() error {
			var err error
			n.children, err = below(ctx, hub, n, &refused)
			close(known[i])
			return err
		})
	}
	err = group.Wait()
	return refused.Load(), err
}

// below returns the children of a workspace that is not the top. One that went
// away, is not ready or not accessible has none.
func below(ctx context.Context, hub *client.Hub, n *node, refused *atomic.Int64) ([]*node, error) {
	if n.mount {
		return nil, nil
	}
	found, err := children(ctx, hub, n.path)
	switch {
	case apierrors.IsForbidden(err):
		refused.Add(1)
		return nil, nil
	case apierrors.IsNotFound(err), apierrors.IsServiceUnavailable(err):
		return nil, nil
	}
	return found, err
}

// next returns all children of a level.
func next(level []*node) []*node {
	var all []*node
	for _, n := range level {
		all = append(all, n.children...)
	}
	return all
}

// children lists the workspaces directly below path, sorted by name.
func children(ctx context.Context, hub *client.Hub, path logicalcluster.Path) ([]*node, error) {
	var found []*node
	options := metav1.ListOptions{Limit: treePage}
	for {
		list, err := client.Workspaces(hub, path).List(ctx, options)
		if err != nil {
			return nil, err
		}
		for i := range list.Items {
			if ws := &list.Items[i]; ws.DeletionTimestamp == nil {
				found = append(found, child(path, ws))
			}
		}
		if options.Continue = list.Continue; options.Continue == "" {
			break
		}
	}
	slices.SortFunc(found, func(a, b *node) int { return strings.Compare(string(a.path), string(b.path)) })
	return found, nil
}

// child returns the node of a workspace that was listed at path. Below a
// workspace that is known by its ID only, the path in the URL is the better one.
func child(path logicalcluster.Path, ws *tenancyv1alpha1.Workspace) *node {
	n := &node{path: path.Join(ws.Name), mount: ws.Spec.Mount != nil, kind: ws.Spec.Type, phase: ws.Status.Phase}
	if _, real, ok := client.SplitURL(ws.Spec.URL); ok && !n.mount && real.Base() == ws.Name {
		n.path = real
	}
	return n
}

// render draws the tree, with names or with whole paths.
func render(top *node, full bool) string {
	tree := treeprint.New()
	drawTree(tree, top, full)
	return tree.String()
}

func drawTree(tree treeprint.Tree, n *node, full bool) {
	name := n.path.Base()
	if full {
		name = n.path.String()
	}
	if n.mount {
		name += " [m]"
	}
	branch := tree.AddBranch(name + n.wide)
	for _, c := range n.children {
		drawTree(branch, c, full)
	}
}
