package cliatrium

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
	"github.com/atriumhub/atrium/sdk/client"
)

// bindExportCommand is "kubectl atrium bind apiexport".
type bindExportCommand struct {
	env     environment
	options cli.Options

	name    string
	timeout time.Duration
	answers answers
}

func (c *bindExportCommand) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	c.options.BindFlags(flags)
	c.options.BindWorkspaceFlag(flags)
	flags.StringVar(&c.name, "name", "", "Name of the APIBinding. The default is that of the APIExport")
	flags.DurationVar(&c.timeout, "timeout", 30*time.Second, "How long to wait until the APIs are served")
	c.answers.bindAccept(flags)
	c.answers.bindReject(flags)
}

func newBindExport(env environment) *cobra.Command {
	c := &bindExportCommand{env: env}
	cmd := &cobra.Command{
		Use:   "apiexport <workspace>:<name>",
		Short: "Make the APIs of an APIExport available in the current workspace",
		Long: `Make the APIs of an APIExport available in the current workspace (or that of
--workspace): create an APIBinding, and wait until the APIs are served. It takes
the permission "bind" on the APIExport.

An APIExport may claim permissions for its provider on other objects of the
workspace. What is not answered here waits for an answer, and grants nothing: see
'kubectl atrium claims --help'. A claim that is accepted is accepted for the verbs
and objects that the APIExport asks for.`,
		Example: `  # use the databases that root:platform offers
  kubectl atrium bind apiexport root:platform:databases

  # and let its provider use secrets here, but not services
  kubectl atrium bind apiexport root:platform:databases --accept-permission-claim secrets.core --reject-permission-claim services.core`,
		Args:         cli.Args(1, 1, "one APIExport"),
		SilenceUsage: true,
		RunE:         func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args[0]) },
	}
	c.bind(cmd)
	cmd.ValidArgsFunction = completeFirst(&c.options, exportPaths)
	return cmd
}

func (c *bindExportCommand) run(ctx context.Context, typed string) error {
	path, name, err := parseExport(typed)
	if err != nil {
		return err
	}
	if problems := validation.IsDNS1123Subdomain(c.name); c.name != "" && len(problems) > 0 {
		return fmt.Errorf("invalid APIBinding name %q: %s", c.name, strings.Join(problems, "; "))
	}
	if err := c.answers.parse(); err != nil {
		return err
	}
	s, err := open(ctx, c.env, &c.options)
	if err != nil {
		return err
	}
	return s.explain(c.bindTo(ctx, s, export{path, name}))
}

func (c *bindExportCommand) bindTo(ctx context.Context, s *session, e export) error {
	claims, known, err := s.claimsOf(ctx, e)
	if err != nil {
		return err
	}
	binding := e.binding()
	binding.Name = cmp.Or(c.name, e.name)
	if known {
		if binding.Spec.PermissionClaims, err = c.answers.apply(claims, nil); err != nil {
			return err
		}
	}
	bindings := client.APIBindings(s.hub, s.path)
	did, err := c.create(ctx, bindings, binding, e)
	if err != nil {
		return err
	}
	bound, err := c.await(ctx, bindings, binding.Name)
	if err != nil && c.answers.given() && !known {
		err = fmt.Errorf("%w. The claims are not answered yet: run this again when it is bound", err)
	}
	if err != nil {
		return err
	}
	// Who may not read the APIExport learns from the binding what it claims. Who
	// answers for a binding that was there changes the answers.
	if c.answers.given() {
		if bound, err = c.answer(ctx, bindings, bound); err != nil {
			return err
		}
	}
	if known {
		bound.Status.ExportPermissionClaims = claims // The hub may not have noted them yet.
	}
	fmt.Fprintf(c.env.streams.Out, "%s %s.\n", binding.Name, did)
	warnings := cli.ClaimWarnings([]apisv1alpha2.APIBinding{*bound})
	for _, warning := range warnings {
		fmt.Fprintln(c.env.streams.ErrOut, warning)
	}
	if len(warnings) > 0 {
		fmt.Fprintf(c.env.streams.ErrOut, "'kubectl atrium claims get apibinding %s' shows the claims, 'kubectl atrium claims accept|reject %s' answers them.\n", bound.Name, bound.Name)
	}
	return nil
}

// claimsOf reads what an export claims, if the user may.
func (s *session) claimsOf(ctx context.Context, e export) (claims []apisv1alpha2.PermissionClaim, known bool, err error) {
	found, err := client.APIExports(s.hub, e.path).Get(ctx, e.name, metav1.GetOptions{})
	switch {
	case apierrors.IsForbidden(err):
		return nil, false, nil
	case apierrors.IsNotFound(err):
		return nil, false, fmt.Errorf("APIExport %q not found in workspace %q: 'kubectl get apiexports' lists those there are, after 'kubectl ws :%s'", e.name, e.path, e.path)
	case err != nil:
		return nil, false, err
	}
	return found.Spec.PermissionClaims, true, nil
}

// create makes the binding unless there is one to the same export. It returns
// what to say in the end.
func (c *bindExportCommand) create(ctx context.Context, bindings *client.APIBindingClient, binding *apisv1alpha2.APIBinding, e export) (did string, err error) {
	_, err = bindings.Create(ctx, binding, metav1.CreateOptions{})
	if err == nil {
		fmt.Fprintf(c.env.streams.Out, "apibinding %s created. Waiting to successfully bind ...\n", binding.Name)
		return "created and bound", nil
	}
	if !apierrors.IsAlreadyExists(err) {
		return "", fmt.Errorf("binding APIExport %q: %w", e, err)
	}
	existing, err := bindings.Get(ctx, binding.Name, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	if bindingTo([]apisv1alpha2.APIBinding{*existing}, e) == nil {
		return "", fmt.Errorf("apibinding %q exists and is to another APIExport: choose another --name, or 'kubectl get apibinding %s -o yaml' to look at it", binding.Name, binding.Name)
	}
	fmt.Fprintf(c.env.streams.Out, "apibinding %s already exists. Waiting to successfully bind ...\n", binding.Name)
	return "is bound", nil
}

// await waits until the APIs are served.
func (c *bindExportCommand) await(ctx context.Context, bindings *client.APIBindingClient, name string) (*apisv1alpha2.APIBinding, error) {
	bound := &apisv1alpha2.APIBinding{}
	why, err := waiting[*apisv1alpha2.APIBinding, *apisv1alpha2.APIBindingList]{
		objects: bindings, name: name, deadline: c.env.after(c.timeout), after: c.env.after,
		judge: func(b *apisv1alpha2.APIBinding) (bool, string) {
			bound = b
			return judgeBinding(b)
		},
		slow: printSlow(c.env.streams.ErrOut, fmt.Sprintf("APIBinding %q", name)),
		left: fmt.Sprintf("APIBinding %q is there and goes on by itself; 'kubectl delete apibinding %s' takes it away", name, name),
	}.wait(ctx)
	if errors.Is(err, errTimeout) {
		return nil, fmt.Errorf("could not bind %s within %s: %s; it is bound by itself when this is mended, or delete it with 'kubectl delete apibinding %s'", name, c.timeout, why, name)
	}
	return bound, err
}

// answer writes answers into a binding that is bound.
func (c *bindExportCommand) answer(ctx context.Context, bindings *client.APIBindingClient, bound *apisv1alpha2.APIBinding) (*apisv1alpha2.APIBinding, error) {
	return updateClaims(ctx, bindings, bound.Name, func(b *apisv1alpha2.APIBinding) ([]apisv1alpha2.AcceptablePermissionClaim, error) {
		return c.answers.apply(allClaims(b), b.Spec.PermissionClaims)
	})
}

// allClaims are those that a binding knows of.
func allClaims(b *apisv1alpha2.APIBinding) []apisv1alpha2.PermissionClaim {
	claims := append([]apisv1alpha2.PermissionClaim{}, b.Status.ExportPermissionClaims...)
	for _, answer := range b.Spec.PermissionClaims {
		if !isAmong(claims, answer.PermissionClaim) {
			claims = append(claims, answer.PermissionClaim)
		}
	}
	return claims
}

func isAmong(claims []apisv1alpha2.PermissionClaim, claim apisv1alpha2.PermissionClaim) bool {
	for _, c := range claims {
		if c.GroupResource == claim.GroupResource && c.IdentityHash == claim.IdentityHash {
			return true
		}
	}
	return false
}

// updateClaims changes the answers of a binding, again if somebody else changes
// it meanwhile.
func updateClaims(ctx context.Context, bindings *client.APIBindingClient, name string,
	decide func(*apisv1alpha2.APIBinding) ([]apisv1alpha2.AcceptablePermissionClaim, error),
) (updated *apisv1alpha2.APIBinding, err error) {
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		if updated, err = bindings.Get(ctx, name, metav1.GetOptions{}); err != nil {
			return err
		}
		before := updated.DeepCopy()
		if updated.Spec.PermissionClaims, err = decide(updated); err != nil {
			return err
		}
		if equality.Semantic.DeepEqual(before.Spec, updated.Spec) {
			return nil
		}
		updated, err = bindings.Update(ctx, updated, metav1.UpdateOptions{})
		return err
	})
	return updated, err
}
