package cliatrium

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/util/retry"

	"github.com/atriumhub/atrium/internal/cli"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
)

// publishCommand is "kubectl atrium publish".
type publishCommand struct {
	env     environment
	options cli.Options

	to, selector          string
	name                  string
	lifecycle, withdrawal string
	overwrite             bool
	timeout               time.Duration
	answers               answers
}

func newPublish(env environment) *cobra.Command {
	c := &publishCommand{env: env}
	cmd := &cobra.Command{
		Use:   "publish <apiexport> --to <workspace>",
		Short: "Bind an APIExport in all workspaces of a subtree",
		Long: `Bind an APIExport of the current workspace (or that of --workspace) in a workspace
and all workspaces below it, those made later included: create an APIPublication,
and wait until the hub has bound what it can. It takes permission to do so in the
whole subtree.

The hub goes on when this command ends. 'kubectl get apipublications' tells how far
it is. 'kubectl delete apipublication <name>' takes everything back: with
--withdrawal Unbind that deletes the objects of the APIs too.`,
		Example: `  # every team gets databases
  kubectl atrium publish databases --to root:teams

  # only those who pay; the provider may use their secrets
  kubectl atrium publish databases --to root:teams --selector tier=paid --accept-permission-claim secrets.core

  # offer it to more workspaces than before
  kubectl atrium publish databases --to root --overwrite`,
		Args:         cli.Args(1, 1, "the name of an APIExport"),
		SilenceUsage: true,
		RunE:         func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args[0]) },
	}
	c.bind(cmd)
	cmd.ValidArgsFunction = completeFirst(&c.options, exportNames)
	return cmd
}

func (c *publishCommand) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	c.options.BindFlags(flags)
	c.options.BindWorkspaceFlag(flags)
	flags.StringVar(&c.to, "to", "", "Workspace that gets the APIs, with all below it: relative to the one to work in, or absolute, such as root:teams. root is all")
	flags.StringVar(&c.selector, "selector", "", "Label selector for Workspaces, such as tier=paid. The default is all")
	flags.StringVar(&c.name, "name", "", "Name of the APIPublication. The default is that of the APIExport")
	flags.StringVar(&c.lifecycle, "lifecycle", string(publicationv1alpha1.PublicationMaintain), "Maintain keeps the bindings as they are published; InitializeOnly makes them once and leaves them to the workspaces")
	flags.StringVar(&c.withdrawal, "withdrawal", string(publicationv1alpha1.PublicationUnbind), "What becomes of bindings when the publication is deleted or a workspace does not match any more: Unbind deletes them, and the objects of the APIs; Leave leaves them")
	flags.BoolVar(&c.overwrite, "overwrite", false, "Change an APIPublication of that name")
	flags.DurationVar(&c.timeout, "timeout", time.Minute, "How long to wait until the workspaces are bound")
	c.answers.bindAccept(flags)
}

func (c *publishCommand) run(ctx context.Context, exportName string) error {
	publication, err := c.publication(exportName)
	if err != nil {
		return err
	}
	s, err := open(ctx, c.env, &c.options)
	if err != nil {
		return err
	}
	subtree, err := s.Below(ctx, c.to, "")
	if err != nil {
		return fmt.Errorf("invalid --to %q: %w", c.to, err)
	}
	publication.Spec.Subtree = subtree.String()
	return s.explain(c.publish(ctx, s, publication))
}

// publication is what the flags ask for, without subtree and claims.
func (c *publishCommand) publication(exportName string) (*publicationv1alpha1.APIPublication, error) {
	p := &publicationv1alpha1.APIPublication{}
	p.Name, p.Spec.Export.Name = cmp.Or(c.name, exportName), exportName
	for _, name := range []string{exportName, p.Name} {
		if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 {
			return nil, fmt.Errorf("invalid name %q: %s", name, strings.Join(problems, "; "))
		}
	}
	if c.to == "" {
		return nil, errors.New("publish to whom? Name a workspace with --to; it and all below it are meant, and root is all")
	}
	if c.selector != "" {
		selector, err := metav1.ParseToLabelSelector(c.selector)
		if err != nil {
			return nil, fmt.Errorf("invalid selector %q: %w; write it like tier=paid", c.selector, err)
		}
		p.Spec.WorkspaceSelector = selector
	}
	p.Spec.Lifecycle = publicationv1alpha1.PublicationLifecycle(c.lifecycle)
	p.Spec.Withdrawal = publicationv1alpha1.PublicationWithdrawal(c.withdrawal)
	if err := oneOf("--lifecycle", p.Spec.Lifecycle, publicationv1alpha1.PublicationMaintain, publicationv1alpha1.PublicationInitializeOnly); err != nil {
		return nil, err
	}
	if err := oneOf("--withdrawal", p.Spec.Withdrawal, publicationv1alpha1.PublicationUnbind, publicationv1alpha1.PublicationLeave); err != nil {
		return nil, err
	}
	return p, c.answers.parse()
}

func oneOf[T ~string](flag string, got T, allowed ...T) error {
	if slices.Contains(allowed, got) {
		return nil
	}
	return fmt.Errorf("invalid %s %q: use %s or %s", flag, got, allowed[0], allowed[1])
}

func (c *publishCommand) publish(ctx context.Context, s *session, wanted *publicationv1alpha1.APIPublication) error {
	claims, known, err := s.claimsOf(ctx, export{s.path, wanted.Spec.Export.Name})
	if err != nil {
		return err
	}
	if !known {
		return fmt.Errorf("no permission to read APIExport %q in workspace %q: an APIExport is published by those who look after it", wanted.Spec.Export.Name, s.path)
	}
	if err := c.answers.check(claims); err != nil {
		return err
	}
	wanted.Spec.AcceptAllPermissionClaims = c.answers.acceptAll
	wanted.Spec.AcceptedPermissionClaims = c.accepted(claims)
	publications := client.APIPublications(s.hub, s.path)
	if err := c.write(ctx, publications, wanted); err != nil {
		return err
	}
	return c.await(ctx, publications, wanted.Name)
}

// accepted are the claims that were named, for all verbs and objects.
func (c *publishCommand) accepted(claims []apisv1alpha2.PermissionClaim) []publicationv1alpha1.AcceptedPermissionClaim {
	var accepted []publicationv1alpha1.AcceptedPermissionClaim
	for _, claim := range claims {
		if c.answers.acceptAll || c.answers.to(claim) != apisv1alpha2.ClaimAccepted {
			continue
		}
		accepted = append(accepted, publicationv1alpha1.AcceptedPermissionClaim{
			GroupResource: claim.GroupResource, IdentityHash: claim.IdentityHash,
			Selector: &apisv1alpha2.PermissionClaimSelector{MatchAll: true},
		})
	}
	return accepted
}

// write creates the publication, or changes it if that was asked for.
func (c *publishCommand) write(ctx context.Context, publications *client.APIPublicationClient, wanted *publicationv1alpha1.APIPublication) error {
	_, err := publications.Create(ctx, wanted, metav1.CreateOptions{})
	if err == nil {
		c.say("apipublication %s created. Waiting for the workspaces ...", wanted.Name)
		return nil
	}
	if !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("publishing APIExport %q: %w", wanted.Spec.Export.Name, err)
	}
	changed := false
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		existing, err := publications.Get(ctx, wanted.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if changed = !equality.Semantic.DeepEqual(existing.Spec, wanted.Spec); !changed {
			return nil
		}
		if !c.overwrite || existing.Spec.Export != wanted.Spec.Export {
			return exists(existing, wanted)
		}
		existing.Spec = wanted.Spec
		_, err = publications.Update(ctx, existing, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		return err
	}
	if changed {
		c.say("apipublication %s changed. Waiting for the workspaces ...", wanted.Name)
	} else {
		c.say("apipublication %s already exists. Waiting for the workspaces ...", wanted.Name)
	}
	return nil
}

func exists(existing, wanted *publicationv1alpha1.APIPublication) error {
	if existing.Spec.Export != wanted.Spec.Export {
		return fmt.Errorf("apipublication %q exists and is of APIExport %q: choose another --name", wanted.Name, existing.Spec.Export.Name)
	}
	if existing.Spec.Subtree != wanted.Spec.Subtree {
		return fmt.Errorf("apipublication %q exists and publishes to %q: change it with --overwrite, or choose another --name for one more", wanted.Name, existing.Spec.Subtree)
	}
	return fmt.Errorf("apipublication %q exists and asks for something else: change it with --overwrite, or choose another --name for one more", wanted.Name)
}

func (c *publishCommand) say(format string, args ...any) {
	fmt.Fprintf(c.env.streams.Out, format+"\n", args...)
}

// await waits until the hub has bound what it can.
func (c *publishCommand) await(ctx context.Context, publications *client.APIPublicationClient, name string) error {
	seen := &publicationv1alpha1.APIPublication{}
	why, err := waiting[*publicationv1alpha1.APIPublication, *publicationv1alpha1.APIPublicationList]{
		objects: publications, name: name, deadline: c.env.after(c.timeout), after: c.env.after,
		judge: func(p *publicationv1alpha1.APIPublication) (bool, string) {
			seen = p
			return judgePublication(p)
		},
		slow: printSlow(c.env.streams.ErrOut, fmt.Sprintf("APIPublication %q", name)),
		left: fmt.Sprintf("the hub goes on publishing; 'kubectl get apipublication %s -w' shows how far it is, and 'kubectl delete apipublication %s' takes it back", name, name),
	}.wait(ctx)
	if errors.Is(err, errTimeout) {
		return fmt.Errorf("apipublication %s is not done after %s: %s; the hub goes on, and 'kubectl get apipublication %s -w' shows how far it is", name, c.timeout, why, name)
	}
	if err != nil {
		return err
	}
	status := seen.Status
	if status.Conflicting+status.Failed > 0 {
		return fmt.Errorf("apipublication %s: %s%s\nThe hub binds them too once this is mended", name, counts(status), examples(status))
	}
	if status.Matched == 0 {
		c.say("%s published. No workspace matches yet.", name)
		return nil
	}
	c.say("%s published and bound in %d workspaces.", name, status.Bound)
	return nil
}

// judgePublication says whether the hub has done what it can.
func judgePublication(p *publicationv1alpha1.APIPublication) (bool, string) {
	status := p.Status
	if status.ObservedGeneration < p.Generation || status.ObservedGeneration == 0 {
		return false, firstProblem(status.Conditions)
	}
	if status.Pending == 0 && status.Bound+status.Conflicting+status.Failed >= status.Matched {
		return true, ""
	}
	return false, counts(status)
}

func counts(status publicationv1alpha1.APIPublicationStatus) string {
	text := fmt.Sprintf("%d of %d workspaces are bound", status.Bound, status.Matched)
	if status.Conflicting > 0 {
		text += fmt.Sprintf(", %d with another API of that name", status.Conflicting)
	}
	if status.Failed > 0 {
		text += fmt.Sprintf(", %d failed", status.Failed)
	}
	return text
}

func examples(status publicationv1alpha1.APIPublicationStatus) string {
	text := ""
	for _, example := range status.Examples {
		text += fmt.Sprintf("\n  %s: %s: %s", example.Workspace, example.State, example.Message)
	}
	return text
}
