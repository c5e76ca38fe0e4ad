package cliws

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/atriumhub/atrium/internal/cli"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// deleteCommand is "kubectl ws delete".
type deleteCommand struct {
	env     environment
	options cli.Options

	wait           bool
	timeout        time.Duration
	ignoreNotFound bool
	leave          bool
}

func newDelete(env environment) *cobra.Command {
	c := &deleteCommand{env: env}
	cmd := &cobra.Command{
		Use:   "delete <workspace>...",
		Short: "Delete workspaces with all that is in them",
		Long: `Delete workspaces with all that is in them, the workspaces below included. This
cannot be undone.

Names are relative to the current workspace (or that of --workspace), or absolute
with a leading colon. Unless --wait=false is given, the command returns when they
are gone, and tells meanwhile what holds them: objects with finalizers, in the
workspace or below it, which somebody has to let go. There is no way to force it.

The current workspace and those above it are deleted only with --leave, which
moves to the parent of the deleted workspace.`,
		Example: `  kubectl ws delete team
  kubectl ws delete :root:org:a :root:org:b --timeout=2m
  kubectl ws delete . --leave`,
		Args:         cli.Args(1, 1000, "at least one workspace"),
		SilenceUsage: true,
		RunE:         func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args) },
	}
	c.options.BindFlags(cmd.Flags())
	c.options.BindWorkspaceFlag(cmd.Flags())
	cmd.Flags().BoolVar(&c.wait, "wait", true, "Wait until the workspaces are gone")
	cmd.Flags().DurationVar(&c.timeout, "timeout", 0, "How long to wait for each; 0 means as long as it takes")
	cmd.Flags().BoolVar(&c.ignoreNotFound, "ignore-not-found", false, "Treat a workspace that does not exist as deleted")
	cmd.Flags().BoolVar(&c.leave, "leave", false, "Leave a workspace that is to be deleted, for its parent")
	cmd.ValidArgsFunction = completeWith(env, &c.options, 1000, workspaceCandidates(env.home()))
	completeFlags(env, cmd, &c.options)
	return cmd
}

// deletion is one workspace to delete.
type deletion struct {
	path       logicalcluster.Path
	workspaces *client.WorkspaceClient
	// workspace is what is known of it, nil once it is gone.
	workspace *tenancyv1alpha1.Workspace
}

func (c *deleteCommand) run(ctx context.Context, typed []string) error {
	session, hub, err := c.options.Open(c.env.streams)
	if err != nil {
		return err
	}
	// Nothing is deleted before all are known to make sense.
	found, err := c.find(ctx, session, hub, typed)
	if err != nil {
		return cli.Explain(err, session.Base)
	}
	if err := c.getOut(ctx, session, found); err != nil {
		return err
	}
	var failures []error
	for _, d := range found {
		failures = append(failures, c.begin(ctx, d))
	}
	for _, d := range found {
		if d.workspace != nil {
			failures = append(failures, c.finish(ctx, d))
		}
	}
	return cli.Explain(errors.Join(failures...), session.Base)
}

// find looks up the workspaces that were named.
func (c *deleteCommand) find(ctx context.Context, session *cli.Session, hub *client.Hub, typed []string) ([]*deletion, error) {
	var found []*deletion
	for _, name := range typed {
		path, err := c.resolve(ctx, session, name)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(found, func(d *deletion) bool { return d.path == path }) {
			continue
		}
		parent, base := path.Split()
		d := &deletion{path: path, workspaces: client.Workspaces(hub, parent)}
		d.workspace, err = d.workspaces.Get(ctx, base, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err) && c.ignoreNotFound:
			continue
		case apierrors.IsNotFound(err):
			return nil, fmt.Errorf("workspace %q not found: nothing was deleted", path.String())
		case apierrors.IsForbidden(err) && cli.ParseDestination(name, c.env.home()).Where == cli.ToHome:
			return nil, fmt.Errorf("home workspace %q is deleted in root, where you know it as ~: 'kubectl ws :root', then \"kubectl delete workspace '~' --wait=false\"; nothing was deleted", path.String())
		case err != nil:
			return nil, fmt.Errorf("looking for workspace %q: %w", path.String(), err)
		}
		found = append(found, d)
	}
	return found, nil
}

func (c *deleteCommand) resolve(ctx context.Context, session *cli.Session, typed string) (logicalcluster.Path, error) {
	path, err := session.Below(ctx, typed, c.env.home())
	if err != nil {
		return "", err
	}
	if path == logicalcluster.Root.Path() {
		return "", errors.New("the root workspace cannot be deleted")
	}
	if parent, _ := path.Split(); parent == "" {
		return "", fmt.Errorf("workspace %q is named by its ID, which does not tell its parent: give its path", path.String())
	}
	return path, nil
}

// getOut makes sure that nobody stands in a workspace that is to be deleted.
func (c *deleteCommand) getOut(ctx context.Context, session *cli.Session, found []*deletion) error {
	var outermost *deletion
	for _, d := range found {
		if holds(d, session.Current) && (outermost == nil || outermost.path.HasPrefix(d.path)) {
			outermost = d
		}
	}
	if outermost == nil {
		return nil
	}
	if !c.leave {
		return fmt.Errorf("you are in workspace %q, which would be deleted with %q: leave it first, or use --leave to move to the parent; nothing was deleted", session.Current.String(), outermost.path.String())
	}
	parent, _ := outermost.path.Split()
	use := &useCommand{env: c.env, options: c.options}
	return use.enter(ctx, session, parent, nil)
}

// holds tells whether the current workspace goes with a deletion.
func holds(d *deletion, current logicalcluster.Path) bool {
	return current != "" && (current.HasPrefix(d.path) || current.String() == d.workspace.Spec.Cluster)
}

// begin asks for a deletion.
func (c *deleteCommand) begin(ctx context.Context, d *deletion) error {
	uid := d.workspace.UID
	err := d.workspaces.Delete(ctx, d.workspace.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
	switch {
	case apierrors.IsNotFound(err):
		return c.say(d, "deleted.")
	case err != nil:
		err = fmt.Errorf("deleting workspace %q: %w", d.path.String(), err)
		d.workspace = nil
		return err
	case !c.wait:
		return c.say(d, "is being deleted.")
	}
	return nil
}

// say prints what became of a deletion, which ends it.
func (c *deleteCommand) say(d *deletion, what string) error {
	d.workspace = nil
	_, err := fmt.Fprintf(c.env.streams.Out, "Workspace %q %s\n", d.path.String(), what)
	return err
}

// finish waits until a workspace is gone.
func (c *deleteCommand) finish(ctx context.Context, d *deletion) error {
	v := vigil{workspaces: d.workspaces, after: c.env.after, progress: c.env.streams.ErrOut, timeout: c.timeout}
	waiting := v.awaitGone(d.path, d.workspace)
	current, err := waiting.look(ctx, d.workspace.Name)
	if err != nil {
		return fmt.Errorf("workspace %q is being deleted, but its end cannot be awaited: %w", d.path.String(), err)
	}
	if over, _ := waiting.over(current); !over {
		if _, err := waiting.until(ctx, current); err != nil {
			return err
		}
	}
	return c.say(d, "deleted.")
}

// awaitGone makes a vigil one for the end of a workspace.
func (v vigil) awaitGone(path logicalcluster.Path, wanted *tenancyv1alpha1.Workspace) *vigil {
	v.over = func(workspace *tenancyv1alpha1.Workspace) (bool, error) {
		// One that was made anew under the name is none of ours.
		return workspace == nil || workspace.UID != wanted.UID, nil
	}
	v.left = fmt.Errorf("interrupted: the deletion of workspace %q goes on by itself", path.String())
	v.tell = func(workspace *tenancyv1alpha1.Workspace) string {
		return fmt.Sprintf("Workspace %q is not gone yet: %s", path.String(), heldBy(workspace))
	}
	v.late = func(workspace *tenancyv1alpha1.Workspace) error {
		return fmt.Errorf("workspace %q is not gone after %s: %s; its deletion goes on by itself", path.String(), v.timeout, heldBy(workspace))
	}
	return &v
}

// heldBy says why a workspace is not gone, as far as it tells.
func heldBy(workspace *tenancyv1alpha1.Workspace) string {
	var parts []string
	for _, condition := range workspace.Status.Conditions {
		if condition.Status == corev1.ConditionFalse && ofDeletion[condition.Type] && condition.Message != "" {
			parts = append(parts, condition.Message)
		}
	}
	if terminators := workspace.Status.Terminators; len(terminators) > 0 && len(parts) == 0 {
		parts = append(parts, fmt.Sprintf("waiting for terminators %s", join(terminators)))
	}
	foreign := slices.DeleteFunc(slices.Clone(workspace.Finalizers), func(name string) bool {
		return name == corev1alpha1.LogicalClusterFinalizer
	})
	if len(foreign) > 0 {
		parts = append(parts, fmt.Sprintf("it has the finalizers %s, which their owners have to remove", strings.Join(foreign, ", ")))
	}
	if len(parts) == 0 {
		return "the hub removes what is in it"
	}
	return strings.Join(parts, "; ")
}

func join[S ~string](names []S) string {
	words := make([]string, len(names))
	for i, name := range names {
		words[i] = string(name)
	}
	return strings.Join(words, ", ")
}

// ofDeletion are the conditions that tell what a deletion waits for.
var ofDeletion = map[conditionsv1alpha1.ConditionType]bool{
	tenancyv1alpha1.WorkspaceContentDeleted:         true,
	tenancyv1alpha1.WorkspaceDeletionContentSuccess: true,
}
