package cliatrium

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/atriumhub/atrium/internal/cli"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/client"
)

func newClaims(env environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "claims",
		Short: "Look at and answer what providers of bound APIs would like to do here",
		Long: `Look at and answer the permission claims of the APIExports that the current
workspace has bound: what their providers would like to do with other objects of
the workspace. Only what was accepted is granted, and only while it is.`,
		Example: `  # what is claimed by whom, and what was answered
  kubectl atrium claims get apibinding

  # let the provider of one binding use secrets, and take that back
  kubectl atrium claims accept databases --resource secrets
  kubectl atrium claims reject databases --resource secrets`,
		Args:         cli.Subcommand,
		SilenceUsage: true,
		RunE:         func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	get := &cobra.Command{
		Use:          "get",
		Short:        "Show permission claims",
		Args:         cli.Subcommand,
		SilenceUsage: true,
		RunE:         func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	get.AddCommand(newGetClaims(env))
	cmd.AddCommand(get,
		newAnswerClaims(env, "accept", "Let the provider of a bound APIExport do what it claims", apisv1alpha2.ClaimAccepted),
		newAnswerClaims(env, "reject", "Keep the provider of a bound APIExport from what it claims", apisv1alpha2.ClaimRejected))
	return cmd
}

// getClaimsCommand is "kubectl atrium claims get apibinding".
type getClaimsCommand struct {
	env     environment
	options cli.Options
}

func newGetClaims(env environment) *cobra.Command {
	c := &getClaimsCommand{env: env}
	cmd := &cobra.Command{
		Use:     "apibinding [<name>]",
		Aliases: []string{"apibindings"},
		Short:   "Show what the APIExports bound here claim, and what was answered",
		Long: `Show what the APIExports bound in the current workspace (or that of --workspace)
claim, and what was answered: Accepted, Rejected, or Unanswered, which grants
nothing. The verbs are those that were answered for.`,
		Example:      "  kubectl atrium claims get apibinding\n  kubectl atrium claims get apibinding databases",
		Args:         cli.Args(0, 1, "at most the name of an APIBinding"),
		SilenceUsage: true,
		RunE:         func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args) },
	}
	c.options.BindFlags(cmd.Flags())
	c.options.BindWorkspaceFlag(cmd.Flags())
	cmd.ValidArgsFunction = completeFirst(&c.options, bindingNames)
	return cmd
}

func (c *getClaimsCommand) run(ctx context.Context, args []string) error {
	s, err := open(ctx, c.env, &c.options)
	if err != nil {
		return err
	}
	bindings := client.APIBindings(s.hub, s.path)
	if len(args) == 1 {
		binding, err := bindings.Get(ctx, args[0], metav1.GetOptions{})
		if err != nil {
			return s.explain(s.noSuchBinding(err, args[0]))
		}
		return printClaims(c.env.streams.Out, []apisv1alpha2.APIBinding{*binding})
	}
	list, err := bindings.List(ctx, metav1.ListOptions{})
	if err != nil {
		return s.explain(err)
	}
	return printClaims(c.env.streams.Out, list.Items)
}

func (s *session) noSuchBinding(err error, name string) error {
	if !apierrors.IsNotFound(err) {
		return err
	}
	return fmt.Errorf("apibinding %q not found in workspace %q: 'kubectl get apibindings' lists those there are; choose another workspace with --workspace", name, s.path)
}

func printClaims(out io.Writer, bindings []apisv1alpha2.APIBinding) error {
	table := tabwriter.NewWriter(out, 0, 8, 3, ' ', 0)
	fmt.Fprintln(table, "APIBINDING\tGROUP-RESOURCE\tVERBS\tSTATUS")
	for _, binding := range bindings {
		var answered []apisv1alpha2.PermissionClaim
		for _, claim := range binding.Spec.PermissionClaims {
			answered = append(answered, claim.PermissionClaim)
			printClaimLine(table, binding.Name, claim.PermissionClaim, string(claim.State))
		}
		for _, claim := range binding.Status.ExportPermissionClaims {
			if !isAmong(answered, claim) {
				printClaimLine(table, binding.Name, claim, "Unanswered")
			}
		}
	}
	return table.Flush()
}

func printClaimLine(table io.Writer, binding string, claim apisv1alpha2.PermissionClaim, status string) {
	fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", binding, claimedResource(claim), strings.Join(claim.Verbs, ","), status)
}

// answerClaimsCommand is "kubectl atrium claims accept" and "reject".
type answerClaimsCommand struct {
	env     environment
	options cli.Options
	state   apisv1alpha2.AcceptablePermissionClaimState

	resource, identity string
	all                bool
}

func newAnswerClaims(env environment, verb, short string, state apisv1alpha2.AcceptablePermissionClaimState) *cobra.Command {
	c := &answerClaimsCommand{env: env, state: state}
	cmd := &cobra.Command{
		Use:   verb + " <apibinding>",
		Short: short,
		Example: "  kubectl atrium claims " + verb + " databases --resource secrets\n" +
			"  kubectl atrium claims " + verb + " databases --resource widgets.example.org\n" +
			"  kubectl atrium claims " + verb + " databases --all",
		Args:         cli.Args(1, 1, "the name of an APIBinding"),
		SilenceUsage: true,
		RunE:         func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args[0]) },
	}
	flags := cmd.Flags()
	c.options.BindFlags(flags)
	c.options.BindWorkspaceFlag(flags)
	flags.StringVar(&c.resource, "resource", "", "Claims on this resource, such as secrets or widgets.example.org")
	flags.StringVar(&c.identity, "identity-hash", "", "Claims on resources of the APIExport with this identity")
	flags.BoolVar(&c.all, "all", false, "All claims")
	cmd.ValidArgsFunction = completeFirst(&c.options, bindingNames)
	return cmd
}

func (c *answerClaimsCommand) run(ctx context.Context, name string) error {
	choose, err := c.chooser()
	if err != nil {
		return err
	}
	s, err := open(ctx, c.env, &c.options)
	if err != nil {
		return err
	}
	var chosen []apisv1alpha2.PermissionClaim
	_, err = updateClaims(ctx, client.APIBindings(s.hub, s.path), name, func(b *apisv1alpha2.APIBinding) ([]apisv1alpha2.AcceptablePermissionClaim, error) {
		claims := allClaims(b)
		if chosen = slices.DeleteFunc(slices.Clone(claims), func(claim apisv1alpha2.PermissionClaim) bool { return !choose(claim) }); len(chosen) == 0 {
			return nil, fmt.Errorf("APIBinding %q has no such claim: %s", name, claimed(claims))
		}
		answers := b.Spec.PermissionClaims
		for _, claim := range chosen {
			answers = answered(answers, claim, c.state)
		}
		return answers, nil
	})
	if err != nil {
		return s.explain(s.noSuchBinding(err, name))
	}
	for _, claim := range chosen {
		fmt.Fprintf(c.env.streams.Out, "claim %q on APIBinding %q is %s\n", claimedResource(claim), name, strings.ToLower(string(c.state)))
	}
	return nil
}

// chooser says which claims are meant.
func (c *answerClaimsCommand) chooser() (func(apisv1alpha2.PermissionClaim) bool, error) {
	if c.all == (c.resource != "" || c.identity != "") {
		return nil, errors.New("say which claims are meant: with --resource or --identity-hash, or with --all")
	}
	resource, err := parseClaim(c.resource)
	if c.resource != "" && err != nil {
		return nil, err
	}
	return func(claim apisv1alpha2.PermissionClaim) bool {
		return (c.resource == "" || claimedResource(claim) == resource) && (c.identity == "" || claim.IdentityHash == c.identity)
	}, nil
}
