package cliatrium

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/atriumhub/atrium/internal/cli"
	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const (
	// defaultExport is the export that makes a workspace able to hold workloads.
	defaultExport = "root:compute:kubernetes"
	// defaultTokenDuration is how long the token of an agent is asked to last.
	defaultTokenDuration = 365 * 24 * time.Hour
	// minTokenDuration is the shortest that can be asked for.
	minTokenDuration = 10 * time.Minute
)

// syncCommand is "kubectl atrium sync".
type syncCommand struct {
	env     environment
	options cli.Options
	cmd     *cobra.Command

	labels    []string
	exports   []string
	allowed   []string
	output    string
	locations bool
	duration  time.Duration
}

func (c *syncCommand) bind(cmd *cobra.Command) {
	c.cmd = cmd
	flags := cmd.Flags()
	c.options.BindFlags(flags)
	c.options.BindWorkspaceFlag(flags)
	flags.Lookup("namespace").Usage = "Namespace of the hub for the agent's service account. The default is \"default\""
	flags.StringVar(&c.options.Namespace, "kcp-namespace", "", "The same as --namespace")
	_ = flags.MarkHidden("kcp-namespace")
	flags.StringSliceVar(&c.labels, "labels", nil, "Labels of the child cluster, as key=value, by which locations select it")
	flags.StringSliceVar(&c.exports, "apiexports", []string{defaultExport}, "APIExports whose resources the child cluster can run, as <path>:<name>")
	flags.StringSliceVar(&c.allowed, "allow-workspaces", nil, "Absolute paths of the workspaces that may use the child cluster, each with those below it; * is all. By default those below its own may, and those that have bound a compute export of it")
	flags.StringVarP(&c.output, "output-file", "o", "", "File for the agent's kubeconfig, or - for the output. The default is atrium-syncer-<name>.kubeconfig")
	flags.BoolVar(&c.locations, "location", true, "Create a location with the labels of the child cluster, unless there is one")
	flags.DurationVar(&c.duration, "token-duration", defaultTokenDuration, "How long the agent's token is to last; the hub may give a shorter one")
}

func (c *syncCommand) run(ctx context.Context, name string) error {
	request, err := parseRegistration(name, c.labels, c.allowed, c.cmd.Flags().Changed("allow-workspaces"), c.exports)
	if err != nil {
		return err
	}
	if c.duration < minTokenDuration {
		return fmt.Errorf("--token-duration %s is too short: use at least %s", c.duration, minTokenDuration)
	}
	output := cmp.Or(c.output, "atrium-syncer-"+name+".kubeconfig")
	if err := checkOutput(output); err != nil {
		return err
	}
	s, err := open(ctx, c.env, &c.options)
	if err != nil {
		return err
	}
	r := &registrar{session: s, say: c.say, namespace: cmp.Or(c.options.Namespace, metav1.NamespaceDefault)}
	agent, err := r.register(ctx, request, c.locations, c.duration)
	if err != nil {
		return s.explain(err)
	}
	return c.hand(s, agent, output)
}

func (c *syncCommand) say(format string, args ...any) {
	fmt.Fprintf(c.env.streams.ErrOut, format+"\n", args...)
}

// hand writes what the agent needs and says how to start it.
func (c *syncCommand) hand(s *session, a *agent, output string) error {
	context := s.Kubeconfig.Contexts[s.Kubeconfig.CurrentContext]
	server := client.WorkspaceURL(s.Base, a.cluster.Path())
	config, err := agentKubeconfig(s.Kubeconfig.Clusters[context.Cluster], server, a.id, a.token, a.namespace)
	if err != nil {
		return err
	}
	if err := writeKubeconfig(config, output, c.env.streams.Out); err != nil {
		return err
	}
	file, where := output, "to "+output
	if output == toStdout {
		file, where = "<this output, saved>", "to the output"
	}
	c.say("\nWrote the hub kubeconfig of the agent %s. Its token expires at %s; run this command again before, to renew it.",
		where, a.expires.UTC().Format(time.RFC3339))
	c.say("\nRun the agent with a kubeconfig of the cluster that synctarget %q stands for:\n", a.target.Name)
	c.say("  %s", strings.Join([]string{
		"atrium-syncer", "--hub-kubeconfig", quote(file), "--child-kubeconfig", "<kubeconfig of that cluster>",
		"--sync-target", a.target.Name, "--sync-target-uid", string(a.target.UID),
	}, " "))
	return nil
}

// quote makes a file name safe to paste into a shell.
func quote(file string) string {
	if strings.ContainsAny(file, " '\"$&;|*?()") && !strings.HasPrefix(file, "<") {
		return "'" + strings.ReplaceAll(file, "'", `'\''`) + "'"
	}
	return file
}

// agent is what the hub knows of an agent.
type agent struct {
	id        string
	target    *workloadv1alpha1.SyncTarget
	cluster   logicalcluster.Name
	namespace string
	token     string
	expires   time.Time
}

// registrar does the writing of "sync". Every step leaves alone what is already
// there, so that a run that failed half way can be repeated.
type registrar struct {
	*session
	say       func(format string, args ...any)
	namespace string
}

func (r *registrar) register(ctx context.Context, request registration, locations bool, duration time.Duration) (*agent, error) {
	target, err := r.applySyncTarget(ctx, request)
	if err != nil {
		return nil, err
	}
	a := &agent{id: syncerID(target), target: target, cluster: logicalcluster.From(target), namespace: r.namespace}
	if !a.cluster.IsValid() {
		return nil, fmt.Errorf("synctarget %q carries no annotation %s: is the server at %s a hub?", target.Name, logicalcluster.AnnotationKey, r.Base)
	}
	if locations {
		if err := r.applyLocation(ctx, request); err != nil {
			return nil, err
		}
	}
	workspace := r.hub.Kubernetes(r.path)
	if err := r.applyAccount(ctx, workspace, a); err != nil {
		return nil, err
	}
	return a, r.requestToken(ctx, workspace, a, duration)
}

func (r *registrar) applySyncTarget(ctx context.Context, request registration) (*workloadv1alpha1.SyncTarget, error) {
	targets := client.SyncTargets(r.hub, r.path)
	existing, err := targets.Get(ctx, request.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		r.say("Creating synctarget %q", request.name)
		return targets.Create(ctx, request.syncTarget(), metav1.CreateOptions{})
	}
	if err != nil {
		return nil, err
	}
	update := request.update(existing)
	if update == nil {
		return existing, nil
	}
	r.say("Updating synctarget %q", request.name)
	patch, err := json.Marshal(update)
	if err != nil {
		return nil, err
	}
	return targets.Patch(ctx, request.name, types.MergePatchType, patch, metav1.PatchOptions{})
}

func (r *registrar) applyLocation(ctx context.Context, request registration) error {
	locations := client.Locations(r.hub, r.path)
	existing, err := locations.List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	location := request.location(existing.Items)
	if location == nil {
		return nil
	}
	r.say("Creating location %q (%s)", location.Name, labels.Set(location.Labels))
	_, err = locations.Create(ctx, location, metav1.CreateOptions{})
	return ignoreExisting(err)
}

func (r *registrar) applyAccount(ctx context.Context, workspace kubernetes.Interface, a *agent) error {
	r.say("Creating service account %q", a.id)
	_, err := workspace.CoreV1().ServiceAccounts(a.namespace).Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: a.id}}, metav1.CreateOptions{})
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("namespace %q not found in workspace %q: create it with 'kubectl create namespace %s', or choose another with --namespace", a.namespace, r.path, a.namespace)
	}
	if err := ignoreExisting(err); err != nil {
		return err
	}
	r.say("Creating cluster role %q to let it see and report on synctarget %q, and sync its objects", a.id, a.target.Name)
	if err := applyRole(ctx, workspace, a); err != nil {
		return err
	}
	r.say("Creating or updating cluster role binding %q to bind service account %q to cluster role %q", a.id, a.id, a.id)
	return applyRoleBinding(ctx, workspace, a)
}

func applyRole(ctx context.Context, workspace kubernetes.Interface, a *agent) error {
	roles, wanted := workspace.RbacV1().ClusterRoles(), agentRole(a.id, a.target.Name)
	_, err := roles.Create(ctx, wanted, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	existing, err := roles.Get(ctx, a.id, metav1.GetOptions{})
	if err != nil || equality.Semantic.DeepEqual(existing.Rules, wanted.Rules) {
		return err
	}
	existing.Rules = wanted.Rules
	_, err = roles.Update(ctx, existing, metav1.UpdateOptions{})
	return err
}

func applyRoleBinding(ctx context.Context, workspace kubernetes.Interface, a *agent) error {
	bindings, wanted := workspace.RbacV1().ClusterRoleBindings(), agentBinding(a.id, a.namespace)
	_, err := bindings.Create(ctx, wanted, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	existing, err := bindings.Get(ctx, a.id, metav1.GetOptions{})
	if err != nil || equality.Semantic.DeepEqual(existing.Subjects, wanted.Subjects) {
		return err
	}
	existing.Subjects = wanted.Subjects
	_, err = bindings.Update(ctx, existing, metav1.UpdateOptions{})
	return err
}

func (r *registrar) requestToken(ctx context.Context, workspace kubernetes.Interface, a *agent, duration time.Duration) error {
	seconds := int64(duration / time.Second)
	answer, err := workspace.CoreV1().ServiceAccounts(a.namespace).CreateToken(ctx, a.id, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("requesting a token for service account %q: %w", a.id, err)
	}
	a.token, a.expires = answer.Status.Token, answer.Status.ExpirationTimestamp.Time
	return nil
}

func ignoreExisting(err error) error {
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}
