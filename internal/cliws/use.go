package cliws

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/internal/cli"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const homeNote = "Note: 'kubectl ws' now matches 'cd' semantics: go to home workspace. 'kubectl ws -' to go back. 'kubectl ws .' to print current workspace."

// useCommand is "kubectl ws <workspace>", "use", "cd" and "current".
type useCommand struct {
	env     environment
	options cli.Options
	short   bool
	// interactive lets somebody choose in the tree.
	interactive bool
}

const interactiveHelp = "Walk about in the tree of workspaces and enter one"

func (c *useCommand) bind(cmd *cobra.Command) {
	c.options.BindFlags(cmd.Flags())
	cmd.Flags().BoolVar(&c.short, "short", false, "Print only the path of the workspace, for shell prompts and scripts")
	completeFlags(c.env, cmd, &c.options)
}

// bindInteractive is apart because "current" has nothing to choose.
func (c *useCommand) bindInteractive(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&c.interactive, "interactive", "i", false, interactiveHelp)
}

// choose lets somebody choose a workspace, and enters it.
func (c *useCommand) choose(ctx context.Context, args []string) error {
	if len(args) > 0 {
		return errors.New("--interactive takes no workspace: it begins at the current one")
	}
	return browse(ctx, c.env, c.options)
}

func (c *useCommand) run(ctx context.Context, typed string) error {
	session, err := c.options.Load(c.env.streams)
	if err != nil {
		return err
	}
	d := cli.ParseDestination(typed, c.env.home())
	if d.LegacyRoot && !c.short {
		fmt.Fprintln(c.env.streams.ErrOut, cli.LegacyRootNote)
	}
	switch d.Where {
	case cli.ToCurrent:
		return c.print(session.Host, nil)
	case cli.ToPrevious:
		return c.goBack(ctx, session)
	}
	if err := c.goTo(ctx, session, d); err != nil {
		return err
	}
	if typed == "" && !c.short {
		fmt.Fprintln(c.env.streams.ErrOut, homeNote)
	}
	return nil
}

func (c *useCommand) goBack(ctx context.Context, session *cli.Session) error {
	kubeconfig, server, err := swap(&session.Kubeconfig)
	if err != nil {
		return err
	}
	if err := session.Save(kubeconfig, true); err != nil {
		return err
	}
	// The previous context may have another user and another hub: load anew.
	c.options.Context = kubeconfig.CurrentContext
	if back, err := c.options.Load(c.env.streams); err == nil {
		c.warn(ctx, back)
	}
	return c.print(server, nil)
}

func (c *useCommand) goTo(ctx context.Context, session *cli.Session, d cli.Destination) error {
	path, err := session.Resolve(ctx, d)
	if err != nil {
		return err
	}
	hub, err := session.Hub()
	if err != nil {
		return err
	}
	workspaceType, err := mayEnter(ctx, hub, session, path)
	if err != nil {
		return err
	}
	return c.enter(ctx, session, path, workspaceType)
}

// enter makes a workspace current that is known to be accessible.
func (c *useCommand) enter(ctx context.Context, session *cli.Session, path logicalcluster.Path, workspaceType *tenancyv1alpha1.WorkspaceTypeReference) error {
	server := client.WorkspaceURL(session.Base, path)
	kubeconfig, err := enter(&session.Kubeconfig, server)
	if err != nil {
		return err
	}
	if err := session.Save(kubeconfig, true); err != nil {
		return err
	}
	entered := *session
	entered.Host, entered.Current = server, path
	c.warn(ctx, &entered)
	return c.print(server, workspaceType)
}

// warn prints what is unfinished in a workspace. It never fails: the workspace
// has been entered.
func (c *useCommand) warn(ctx context.Context, session *cli.Session) {
	if session.Current == "" {
		return
	}
	hub, err := session.Hub()
	if err != nil {
		return
	}
	bindings, err := client.APIBindings(hub, session.Current).List(ctx, metav1.ListOptions{})
	if apierrors.IsForbidden(err) || apierrors.IsNotFound(err) {
		return
	}
	if apierrors.IsServiceUnavailable(err) {
		fmt.Fprintf(c.env.streams.ErrOut, "Warning: %v\n", err)
		return
	}
	if err != nil {
		fmt.Fprintf(c.env.streams.ErrOut, "error checking APIBindings: %v\n", cli.Explain(err, session.Base))
		return
	}
	for _, warning := range cli.ClaimWarnings(bindings.Items) {
		fmt.Fprintln(c.env.streams.ErrOut, warning)
	}
}

// print says which workspace is at the given address.
func (c *useCommand) print(host string, workspaceType *tenancyv1alpha1.WorkspaceTypeReference) error {
	line := currentLine(host, workspaceType, c.short)
	if line == "" {
		return nil
	}
	_, err := fmt.Fprintln(c.env.streams.Out, line)
	return err
}

// currentLine is empty when there is nothing to say: in short form, for an
// address that is not a workspace.
func currentLine(host string, workspaceType *tenancyv1alpha1.WorkspaceTypeReference, short bool) string {
	_, path, ok := client.SplitURL(host)
	switch {
	case !ok && short:
		return ""
	case !ok:
		return fmt.Sprintf("Current workspace is the URL %q.", host)
	case short:
		return path.String()
	case workspaceType != nil:
		return fmt.Sprintf("Current workspace is '%s' (type %s).", path, workspaceType)
	}
	return fmt.Sprintf("Current workspace is '%s'.", path)
}

// mayEnter asks the hub whether a workspace can be entered, and returns its type
// if the parent lets the user see it.
func mayEnter(ctx context.Context, hub *client.Hub, session *cli.Session, path logicalcluster.Path) (*tenancyv1alpha1.WorkspaceTypeReference, error) {
	probe := hub.RESTFor(path, schema.GroupVersion{Version: "v1"}).Get().AbsPath("/apis").Do(ctx).Error()
	if session.Current == "" && apierrors.IsNotFound(probe) {
		// No hub, most likely: an ordinary cluster has no /clusters.
		return nil, session.NotAWorkspace()
	}
	if probe != nil && !apierrors.IsForbidden(probe) {
		return nil, cli.Explain(verdict(path, probe, nil), session.Base)
	}
	workspaceType, lookup := lookUpType(ctx, hub, path)
	return workspaceType, verdict(path, probe, lookup)
}

// lookUpType asks the parent for the type of a workspace. The type is nil
// together with a nil error when there is no parent to ask.
func lookUpType(ctx context.Context, hub *client.Hub, path logicalcluster.Path) (*tenancyv1alpha1.WorkspaceTypeReference, error) {
	if path == logicalcluster.Root.Path() {
		return &tenancyv1alpha1.WorkspaceTypeReference{Name: tenancyv1alpha1.RootWorkspaceTypeName}, nil
	}
	parent, name := path.Split()
	if parent == "" {
		return nil, nil
	}
	workspace, err := client.Workspaces(hub, parent).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	return workspace.Spec.Type, nil
}

// verdict decides from two answers whether a workspace can be entered: that of
// the workspace itself, which counts, and that of the parent, which tells "does
// not exist" from "not allowed" for those who may look there.
func verdict(path logicalcluster.Path, probe, lookup error) error {
	switch {
	case probe == nil:
		return nil
	case apierrors.IsForbidden(probe) && apierrors.IsNotFound(lookup), apierrors.IsNotFound(probe):
		return fmt.Errorf("workspace %q not found: 'kubectl ws tree' shows those there are", path.String())
	case apierrors.IsForbidden(probe):
		return denied(path, probe)
	case apierrors.IsServiceUnavailable(probe):
		return fmt.Errorf("workspace %q cannot be entered now: %w", path.String(), probe)
	}
	return fmt.Errorf("asking for workspace %q: %w", path.String(), probe)
}

// denied is a refusal with the reason of the hub, which says who can change that.
func denied(path logicalcluster.Path, probe error) error {
	text := fmt.Sprintf("access to workspace %q denied", path.String())
	_, reason, _ := strings.Cut(probe.Error(), `cannot get path "/apis": `)
	if reason = strings.TrimPrefix(reason, text+": "); reason != "" {
		text += ": " + reason
	}
	return errors.New(text)
}

// saveContext adds a context to the kubeconfig and says so.
func saveContext(session *cli.Session, streams cli.Streams, want contextRequest) error {
	kubeconfig, message, err := addContext(&session.Kubeconfig, want)
	if err != nil {
		return err
	}
	if err := session.Save(kubeconfig, !want.stay); err != nil {
		return err
	}
	_, err = fmt.Fprintln(streams.Out, message)
	return err
}
