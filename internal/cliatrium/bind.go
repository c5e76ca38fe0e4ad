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

	"github.com/atriumhub/atrium/internal/cli"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	schedulingv1alpha1 "github.com/atriumhub/atrium/sdk/apis/scheduling/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// bindCommand is "kubectl atrium bind compute".
type bindCommand struct {
	env     environment
	options cli.Options

	name              string
	exports           []string
	namespaceSelector string
	locationSelectors []string
	timeout           time.Duration
}

func (c *bindCommand) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	c.options.BindFlags(flags)
	c.options.BindWorkspaceFlag(flags)
	flags.StringVar(&c.name, "name", "", "Name of the placement. The default is made of what the placement asks for")
	flags.StringSliceVar(&c.exports, "apiexports", []string{defaultExport}, "APIExports to bind, as <path>:<name>")
	flags.StringVar(&c.namespaceSelector, "namespace-selector", "", "Label selector for the namespaces to place. The default is all")
	flags.StringSliceVar(&c.locationSelectors, "location-selectors", []string{""}, "Label selectors for the locations to place them in, such as region=eu. Commas separate alternatives. The default is all")
	flags.DurationVar(&c.timeout, "timeout", 30*time.Second, "How long to wait until workloads can be placed")
}

// export is one APIExport to bind.
type export struct {
	path logicalcluster.Path
	name string
}

// String is how people write it.
func (e export) String() string { return e.path.Join(e.name).String() }

// binding is the APIBinding to create. Its name tells bindings of equally named
// exports apart.
func (e export) binding() *apisv1alpha2.APIBinding {
	const room = validation.DNS1123SubdomainMaxLength - 1 - hashLength
	return &apisv1alpha2.APIBinding{
		ObjectMeta: metav1.ObjectMeta{Name: e.name[:min(len(e.name), room)] + "-" + shortHash(e.path.RequestPath())},
		Spec: apisv1alpha2.APIBindingSpec{Reference: apisv1alpha2.BindingReference{
			Export: &apisv1alpha2.ExportBindingReference{Path: e.path.String(), Name: e.name},
		}},
	}
}

func (c *bindCommand) run(ctx context.Context, typed string) error {
	placement, err := c.placement()
	if err != nil {
		return err
	}
	exports, err := parseExports(c.exports)
	if err != nil {
		return err
	}
	s, err := open(ctx, c.env, &c.options)
	if err != nil {
		return err
	}
	location, err := s.locationWorkspace(ctx, typed)
	if err != nil {
		return err
	}
	placement.Spec.LocationWorkspace = location.String()
	placement.Name = cmp.Or(c.name, c.defaultName(location))
	deadline := c.env.after(c.timeout)
	if err := c.bindExports(ctx, s, exports, deadline); err != nil {
		return s.explain(err)
	}
	if err := c.place(ctx, s, placement, deadline); err != nil {
		return s.explain(err)
	}
	return nil
}

// locationWorkspace is where the clusters are, as typed: absolute with or without
// a leading colon if it starts at the root, relative otherwise.
func (s *session) locationWorkspace(ctx context.Context, typed string) (logicalcluster.Path, error) {
	destination := cli.ParseDestination(typed, "")
	switch destination.Where {
	case cli.ToCurrent:
		return s.path, nil
	case cli.ToPrevious:
		return "", fmt.Errorf("invalid location workspace %q: write its path", typed)
	}
	path, err := s.Resolve(ctx, destination)
	if err != nil {
		return "", fmt.Errorf("invalid location workspace %q: %w", typed, err)
	}
	return path, nil
}

// placement is what the flags ask for, without name and location workspace.
func (c *bindCommand) placement() (*schedulingv1alpha1.Placement, error) {
	p := &schedulingv1alpha1.Placement{Spec: schedulingv1alpha1.PlacementSpec{LocationResource: schedulingv1alpha1.SyncTargetResource}}
	if problems := validation.IsDNS1123Subdomain(c.name); c.name != "" && len(problems) > 0 {
		return nil, fmt.Errorf("invalid placement name %q: %s", c.name, strings.Join(problems, "; "))
	}
	var err error
	if p.Spec.NamespaceSelector, err = metav1.ParseToLabelSelector(c.namespaceSelector); err != nil {
		return nil, fmt.Errorf("invalid namespace selector %q: %w; write it like tier=web", c.namespaceSelector, err)
	}
	for _, typed := range c.locationSelectors {
		selector, err := metav1.ParseToLabelSelector(typed)
		if err != nil {
			return nil, fmt.Errorf("invalid location selector %q: %w; write it like region=eu", typed, err)
		}
		p.Spec.LocationSelectors = append(p.Spec.LocationSelectors, *selector)
	}
	return p, nil
}

func (c *bindCommand) defaultName(location logicalcluster.Path) string {
	return "placement-" + shortHash(c.namespaceSelector+strings.Join(c.locationSelectors, ",")+location.String())
}

func parseExports(typed []string) ([]export, error) {
	var out []export
	for _, word := range typed {
		path, name, err := parseExport(word)
		if err != nil {
			return nil, err
		}
		out = append(out, export{path, name})
	}
	return out, nil
}

// bindExports binds the exports that are not bound yet and waits for all.
func (c *bindCommand) bindExports(ctx context.Context, s *session, exports []export, deadline <-chan time.Time) error {
	bindings := client.APIBindings(s.hub, s.path)
	existing, err := bindings.List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, e := range exports {
		binding := bindingTo(existing.Items, e)
		if binding == nil {
			fmt.Fprintf(c.env.streams.ErrOut, "Binding APIExport %q.\n", e)
			binding = e.binding()
			_, err := bindings.Create(ctx, binding, metav1.CreateOptions{})
			if err := ignoreExisting(err); err != nil {
				return fmt.Errorf("binding APIExport %q: %w", e, err)
			}
		}
		if done, _ := judgeBinding(binding); done {
			continue
		}
		if err := c.awaitBinding(ctx, bindings, binding.Name, e, deadline); err != nil {
			return err
		}
	}
	return nil
}

// bindingTo returns the binding to an export, or nil.
func bindingTo(bindings []apisv1alpha2.APIBinding, e export) *apisv1alpha2.APIBinding {
	for i := range bindings {
		reference := bindings[i].Spec.Reference.Export
		if reference != nil && reference.Name == e.name && reference.Path == e.path.String() {
			return &bindings[i]
		}
	}
	return nil
}

func (c *bindCommand) awaitBinding(ctx context.Context, bindings *client.APIBindingClient, name string, e export, deadline <-chan time.Time) error {
	why, err := waiting[*apisv1alpha2.APIBinding, *apisv1alpha2.APIBindingList]{
		objects: bindings, name: name, judge: judgeBinding, deadline: deadline, after: c.env.after,
		slow: printSlow(c.env.streams.ErrOut, fmt.Sprintf("APIBinding %q", name)),
		left: fmt.Sprintf("APIBinding %q is there and goes on by itself; run this again for the placement, or 'kubectl delete apibinding %s' takes it away", name, name),
	}.wait(ctx)
	if errors.Is(err, errTimeout) {
		return fmt.Errorf("APIBinding %s is not bound to APIExport %q yet: %s", name, e, why)
	}
	return err
}

func judgeBinding(b *apisv1alpha2.APIBinding) (bool, string) {
	if b.Status.Phase == apisv1alpha2.APIBindingPhaseBound {
		return true, ""
	}
	return false, firstProblem(b.Status.Conditions, conditionsv1alpha1.ReadyCondition, apisv1alpha2.InitialBindingCompleted, apisv1alpha2.APIExportValid)
}

// place creates the placement and waits until it has a sync target.
func (c *bindCommand) place(ctx context.Context, s *session, wanted *schedulingv1alpha1.Placement, deadline <-chan time.Time) error {
	placements := client.Placements(s.hub, s.path)
	_, err := placements.Create(ctx, wanted, metav1.CreateOptions{})
	switch {
	case err == nil:
		fmt.Fprintf(c.env.streams.Out, "placement %s created.\n", wanted.Name)
	case apierrors.IsAlreadyExists(err):
		existing, err := placements.Get(ctx, wanted.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if !equality.Semantic.DeepEqual(existing.Spec, wanted.Spec) {
			return fmt.Errorf("placement %q exists and asks for something else: choose another --name, or change it with 'kubectl edit placement %s'", wanted.Name, wanted.Name)
		}
		fmt.Fprintf(c.env.streams.Out, "placement %s already exists.\n", wanted.Name)
	default:
		return err
	}
	why, err := waiting[*schedulingv1alpha1.Placement, *schedulingv1alpha1.PlacementList]{
		objects: placements, name: wanted.Name, judge: judgePlacement, deadline: deadline, after: c.env.after,
		slow: printSlow(c.env.streams.ErrOut, fmt.Sprintf("Placement %q", wanted.Name)),
		left: fmt.Sprintf("placement %q is there and goes on by itself; 'kubectl delete placement %s' takes it away", wanted.Name, wanted.Name),
	}.wait(ctx)
	if errors.Is(err, errTimeout) {
		return fmt.Errorf("placement %q not ready: %s; it becomes ready by itself when this is mended, or delete it with 'kubectl delete placement %s'", wanted.Name, why, wanted.Name)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(c.env.streams.ErrOut, "Placement %q is ready.\n", wanted.Name)
	return nil
}

func judgePlacement(p *schedulingv1alpha1.Placement) (bool, string) {
	if conditionsv1alpha1.IsTrue(p.Status.Conditions, schedulingv1alpha1.PlacementReady) &&
		conditionsv1alpha1.IsTrue(p.Status.Conditions, schedulingv1alpha1.PlacementScheduled) {
		return true, ""
	}
	return false, firstProblem(p.Status.Conditions, schedulingv1alpha1.PlacementReady, schedulingv1alpha1.PlacementScheduled)
}

// firstProblem is the message of the first of the given conditions that does not
// hold.
func firstProblem(conditions conditionsv1alpha1.Conditions, types ...conditionsv1alpha1.ConditionType) string {
	for _, t := range types {
		if c := conditionsv1alpha1.Get(conditions, t); c != nil && !conditionsv1alpha1.IsTrue(conditions, t) && c.Message != "" {
			return c.Message
		}
	}
	return "the hub has not looked at it yet"
}
