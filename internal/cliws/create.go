package cliws

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/atriumhub/atrium/internal/cli"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// readyTimeout bounds how long "create" waits unless it is told otherwise.
const readyTimeout = time.Minute

// createCommand is "kubectl ws create".
type createCommand struct {
	env     environment
	options cli.Options

	typeName         string
	enter            bool
	ignoreExisting   bool
	locationSelector string
	contextName      string
	wait             bool
	timeout          time.Duration
}

func (c *createCommand) bind(cmd *cobra.Command) {
	c.options.BindFlags(cmd.Flags())
	c.options.BindWorkspaceFlag(cmd.Flags())
	cmd.Flags().StringVar(&c.typeName, "type", "", "Type of the workspace: a name, or <path>:<name> as in root:team. The default depends on the type of the parent")
	cmd.Flags().BoolVar(&c.enter, "enter", false, "Enter the workspace when it is ready")
	cmd.Flags().BoolVar(&c.ignoreExisting, "ignore-existing", false, "Take an existing workspace of that name and type for the new one. A --type has to be absolute then; a context of --create-context is replaced")
	cmd.Flags().StringVar(&c.locationSelector, "location-selector", "", "Label selector for the place to keep the workspace at")
	cmd.Flags().StringVar(&c.contextName, "create-context", "", "Name of a kubeconfig context to create for the workspace")
	cmd.Flags().BoolVar(&c.wait, "wait", true, "Wait until the workspace is ready")
	cmd.Flags().DurationVar(&c.timeout, "timeout", readyTimeout, "How long to wait; 0 means as long as it takes")
}

func (c *createCommand) run(ctx context.Context, name string) error {
	if c.enter && !c.wait {
		return errors.New("--enter needs a workspace that is ready: leave out --wait=false, or enter it later with 'kubectl ws'")
	}
	wanted, err := c.workspace(name)
	if err != nil {
		return err
	}
	session, hub, parent, err := c.options.OpenWorkspace(ctx, c.env.streams)
	if err != nil {
		return err
	}
	if _, exists := session.Kubeconfig.Contexts[c.contextName]; exists && c.contextName != "" && !c.ignoreExisting {
		return fmt.Errorf("context %q already exists in kubeconfig: choose another name for --create-context; nothing was created", c.contextName)
	}
	workspace, err := c.createAndWait(ctx, client.Workspaces(hub, parent), wanted)
	if err != nil {
		return cli.Explain(err, session.Base)
	}
	return c.afterwards(ctx, session, parent.Join(name), workspace.Spec.Type)
}

// workspace returns the object to create.
func (c *createCommand) workspace(name string) (*tenancyv1alpha1.Workspace, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	workspaceType, err := parseType(c.typeName, c.ignoreExisting)
	if err != nil {
		return nil, err
	}
	workspace := &tenancyv1alpha1.Workspace{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       tenancyv1alpha1.WorkspaceSpec{Type: workspaceType},
	}
	if c.locationSelector == "" {
		return workspace, nil
	}
	selector, err := metav1.ParseToLabelSelector(c.locationSelector)
	if err != nil {
		return nil, fmt.Errorf("invalid location selector: %w", err)
	}
	workspace.Spec.Location = &tenancyv1alpha1.WorkspaceLocation{Selector: selector}
	return workspace, nil
}

func checkName(name string) error {
	segments := logicalcluster.Path(strings.ReplaceAll(name, "/", ":")).Segments()
	if len(segments) > 1 {
		return fmt.Errorf("invalid workspace name %q: it is a path; name the parent with --workspace and give only the last name", name)
	}
	if !logicalcluster.Path(name).IsValid() {
		return fmt.Errorf("invalid workspace name %q: a name has 1 to 63 characters of a-z, 0-9 and '-', the first and last of them a letter or digit", name)
	}
	return nil
}

// parseType reads "<name>" or "<path>:<name>". An empty type leaves the choice
// to the hub.
func parseType(typed string, mustBeAbsolute bool) (*tenancyv1alpha1.WorkspaceTypeReference, error) {
	if typed == "" {
		return nil, nil
	}
	path, name := logicalcluster.Path(strings.TrimPrefix(strings.ReplaceAll(typed, "/", ":"), ":")).Split()
	if mustBeAbsolute && !path.HasPrefix(logicalcluster.Root.Path()) || mustBeAbsolute && path == "" {
		return nil, errors.New("--ignore-existing must not be used with non-absolute type path")
	}
	if name == "" || path != "" && !path.IsValid() {
		return nil, fmt.Errorf("invalid workspace type %q: give a name, or <path>:<name> as in root:team", typed)
	}
	return &tenancyv1alpha1.WorkspaceTypeReference{
		Name: tenancyv1alpha1.WorkspaceTypeName(strings.ToLower(name)),
		Path: path.String(),
	}, nil
}

// createAndWait returns the workspace when it is ready.
func (c *createCommand) createAndWait(ctx context.Context, workspaces *client.WorkspaceClient, wanted *tenancyv1alpha1.Workspace) (*tenancyv1alpha1.Workspace, error) {
	workspace, err := workspaces.Create(ctx, wanted, metav1.CreateOptions{})
	existed := apierrors.IsAlreadyExists(err)
	if existed && !c.ignoreExisting {
		return nil, fmt.Errorf("%w: use --ignore-existing to take it as it is", err)
	}
	if existed {
		workspace, err = workspaces.Get(ctx, wanted.Name, metav1.GetOptions{})
	}
	if err != nil {
		return nil, fmt.Errorf("creating workspace %q: %w", wanted.Name, err)
	}
	if existed && !sameType(wanted.Spec.Type, workspace.Spec.Type) {
		return nil, fmt.Errorf("workspace %q cannot be created with type %s, it already exists with different type %s", wanted.Name, wanted.Spec.Type, workspace.Spec.Type)
	}
	ready := isReady(workspace)
	if line := createdLine(workspace, existed, ready, c.wait); line != "" {
		fmt.Fprintln(c.env.streams.Out, line)
	}
	if !ready && !c.wait {
		return workspace, nil
	}
	if !ready {
		wait := vigil{workspaces: workspaces, after: c.env.after, progress: c.env.streams.ErrOut, timeout: c.timeout}
		if workspace, err = wait.awaitReady(workspace.Name).until(ctx, workspace); err != nil {
			return nil, err
		}
	}
	_, err = fmt.Fprintf(c.env.streams.Out, "%s is ready to use.\n", reference(workspace))
	return workspace, err
}

// sameType reports whether an existing type is what was asked for.
func sameType(wanted, existing *tenancyv1alpha1.WorkspaceTypeReference) bool {
	return wanted == nil || existing != nil && *wanted == *existing
}

func isReady(workspace *tenancyv1alpha1.Workspace) bool {
	return workspace.Status.Phase == corev1alpha1.LogicalClusterPhaseReady && workspace.DeletionTimestamp == nil
}

// createdLine is what to say before waiting. A workspace that was created and is
// ready at once needs no words but the final ones.
func createdLine(workspace *tenancyv1alpha1.Workspace, existed, ready, wait bool) string {
	switch {
	case existed && (ready || !wait):
		return reference(workspace) + " already exists."
	case existed:
		return reference(workspace) + " already exists. Waiting for it to be ready..."
	case ready:
		return ""
	case !wait:
		return reference(workspace) + " created."
	}
	return reference(workspace) + " created. Waiting for it to be ready..."
}

func reference(workspace *tenancyv1alpha1.Workspace) string {
	if workspace.Spec.Type == nil {
		return fmt.Sprintf("Workspace %q", workspace.Name)
	}
	return fmt.Sprintf("Workspace %q (type %s)", workspace.Name, workspace.Spec.Type)
}

// afterwards does what else was asked for: a context, or entering.
func (c *createCommand) afterwards(ctx context.Context, session *cli.Session, path logicalcluster.Path, workspaceType *tenancyv1alpha1.WorkspaceTypeReference) error {
	switch {
	case c.contextName != "":
		return saveContext(session, c.env.streams, contextRequest{
			name:      c.contextName,
			server:    client.WorkspaceURL(session.Base, path),
			overwrite: c.ignoreExisting,
			stay:      !c.enter,
		})
	case c.enter:
		use := &useCommand{env: c.env, options: c.options}
		return use.enter(ctx, session, path, workspaceType)
	}
	return nil
}
