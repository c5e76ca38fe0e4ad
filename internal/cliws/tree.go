package cliws

import (
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
}

func (c *treeCommand) bind(cmd *cobra.Command) {
	c.options.BindFlags(cmd.Flags())
	c.options.BindWorkspaceFlag(cmd.Flags())
	cmd.Flags().BoolVarP(&c.full, "full", "f", false, "Print whole paths instead of names")
}

func (c *treeCommand) run(ctx context.Context) error {
	session, err := c.options.Load(c.env.streams)
	if err != nil {
		return err
	}
	path, err := session.Workspace(ctx)
	if err != nil {
		return err
	}
	hub, err := session.Hub()
	if err != nil {
		return err
	}
	top, closed, err := grow(ctx, hub, path)
	if err != nil {
		return cli.Explain(err, session.Base)
	}
	fmt.Fprintln(c.env.streams.Out, render(top, c.full))
	if closed > 0 {
		fmt.Fprintf(c.env.streams.ErrOut, "Note: %d of these workspaces may have more below them that you are not allowed to list.\n", closed)
	}
	return nil
}

// node is a workspace in the tree.
type node struct {
	// path of the workspace. The last segment of it is the name.
	path logicalcluster.Path
	// mount tells that the workspace is served elsewhere.
	mount    bool
	children []*node
}

// grow asks for everything below a workspace. closed counts those whose children
// may not be listed. That the top itself may not be listed is an error.
func grow(ctx context.Context, hub *client.Hub, path logicalcluster.Path) (top *node, closed int64, err error) {
	top = &node{path: path}
	if top.children, err = children(ctx, hub, path); err != nil {
		return nil, 0, fmt.Errorf("listing the workspaces in %q: %w", path.String(), err)
	}
	var refused atomic.Int64
	level := top.children
	for len(level) > 0 {
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(treeRequests)
		for _, n := range level {
			group.Go(func() error {
				var err error
				n.children, err = below(ctx, hub, n, &refused)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return nil, 0, err
		}
		level = next(level)
	}
	return top, refused.Load(), nil
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
	n := &node{path: path.Join(ws.Name), mount: ws.Spec.Mount != nil}
	if _, real, ok := client.SplitURL(ws.Spec.URL); ok && !n.mount && real.Base() == ws.Name {
		n.path = real
	}
	return n
}

// render draws the tree, with names or with whole paths.
func render(top *node, full bool) string {
	tree := treeprint.New()
	draw(tree, top, full)
	return tree.String()
}

func draw(tree treeprint.Tree, n *node, full bool) {
	name := n.path.Base()
	if full {
		name = n.path.String()
	}
	if n.mount {
		name += " [m]"
	}
	branch := tree.AddBranch(name)
	for _, c := range n.children {
		draw(branch, c, full)
	}
}
