package cli

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Session is a kubeconfig together with the choices of the command line.
type Session struct {
	// Kubeconfig is what was read. Its current context is the one to start from.
	Kubeconfig clientcmdapi.Config
	// Host is the address to start from.
	Host string
	// Base is the address of the hub. It is Host when that is not a workspace.
	Base string
	// Current is the workspace to start from. It is empty when Host is not the
	// address of one.
	Current logicalcluster.Path

	config    *rest.Config
	rules     *clientcmd.ClientConfigLoadingRules
	workspace string
}

func newSession(raw clientcmdapi.Config, config *rest.Config, rules *clientcmd.ClientConfigLoadingRules, workspace string) *Session {
	s := &Session{Kubeconfig: raw, Host: config.Host, config: config, rules: rules, workspace: workspace}
	base, path, ok := client.SplitURL(config.Host)
	if !ok {
		base, path = config.Host, ""
	}
	s.Base, s.Current = base, path
	return s
}

// checkContext makes sure that the current context can be used.
func checkContext(config *clientcmdapi.Config, files []string) error {
	if config.CurrentContext == "" {
		return fmt.Errorf("no current context in the kubeconfig (%s): name a hub's kubeconfig with --kubeconfig or $KUBECONFIG, or a context with --context", strings.Join(files, ", "))
	}
	current, ok := config.Contexts[config.CurrentContext]
	if !ok {
		return fmt.Errorf("current %q context not found in the kubeconfig: 'kubectl config get-contexts' lists those there are", config.CurrentContext)
	}
	if _, ok := config.Clusters[current.Cluster]; !ok {
		return fmt.Errorf("cluster %q not found in kubeconfig, though context %q refers to it", current.Cluster, config.CurrentContext)
	}
	return nil
}

// Hub returns a client for the hub.
func (s *Session) Hub() (*client.Hub, error) {
	config := rest.CopyConfig(s.config)
	config.Host = s.Base
	return client.New(config)
}

// Config returns the configuration to start from, with Host as its address.
func (s *Session) Config() *rest.Config { return rest.CopyConfig(s.config) }

// Save writes what differs between the kubeconfig that was read and the given
// one to the files, and switches to the current context of it if asked to. What
// others changed in the files meanwhile stays.
func (s *Session) Save(config *clientcmdapi.Config, switched bool) error {
	if err := save(s.rules, &s.Kubeconfig, config, switched); err != nil {
		return fmt.Errorf("updating kubeconfig: %w", err)
	}
	return nil
}

// Workspace returns the path of the workspace to work in: that of the
// --workspace flag, or else the current one.
func (s *Session) Workspace(ctx context.Context) (logicalcluster.Path, error) {
	typed := s.workspace
	if typed == "" {
		typed = "."
	}
	userHome, err := os.UserHomeDir()
	if err != nil {
		userHome = "" // Then no shell can have put it in place of "~".
	}
	d := ParseDestination(typed, userHome)
	if d.Where == ToPrevious {
		return "", fmt.Errorf("--workspace %s: the previous workspace can only be entered, with 'kubectl ws -'", typed)
	}
	if d.Where == ToCurrent {
		d = Destination{typed: typed}
	}
	return s.Resolve(ctx, d)
}

// Below returns the path of a workspace that was named as an argument: relative
// to the workspace to work in, or absolute. userHome is as in ParseDestination.
func (s *Session) Below(ctx context.Context, typed, userHome string) (logicalcluster.Path, error) {
	d := ParseDestination(typed, userHome)
	if d.Where == ToPrevious {
		return "", fmt.Errorf("%q is not a workspace here: the previous workspace can only be entered, with 'kubectl ws -'", typed)
	}
	if d.Where == ToHome || d.Absolute {
		return s.Resolve(ctx, d)
	}
	from, err := s.Workspace(ctx)
	if err != nil {
		return "", err
	}
	if d.Where == ToCurrent {
		return from, nil
	}
	return d.Path(from, "")
}

// Resolve returns the absolute path of a destination that is a path or at home.
func (s *Session) Resolve(ctx context.Context, d Destination) (logicalcluster.Path, error) {
	if d.Where == ToPath && !d.Absolute && s.Current == "" {
		return "", s.NotAWorkspace()
	}
	var home logicalcluster.Path
	if d.Where == ToHome {
		var err error
		if home, err = s.home(ctx); err != nil {
			return "", err
		}
	}
	return d.Path(s.Current, home)
}

// NotAWorkspace is the error for a session that does not start in a workspace.
func (s *Session) NotAWorkspace() error {
	return fmt.Errorf("current URL %q does not point to a workspace: enter one with 'kubectl ws :root', or use another kubeconfig or context", s.Host)
}

// home asks the hub for the home workspace of the user. It appears in the root
// workspace under the name "~".
func (s *Session) home(ctx context.Context) (logicalcluster.Path, error) {
	hub, err := s.Hub()
	if err != nil {
		return "", err
	}
	home, err := awaitHome(ctx, client.Workspaces(hub, logicalcluster.Root.Path()))
	if noHome(err) {
		return "", fmt.Errorf("the hub at %s has no home workspace for you (%w): name a workspace, such as 'kubectl ws :root'; 'kubectl ws .' prints the current one", s.Base, err)
	}
	if err != nil {
		return "", Explain(err, s.Base)
	}
	_, path, ok := client.SplitURL(home.Spec.URL)
	if !ok {
		return "", fmt.Errorf("invalid home workspace URL %q: it does not point to a workspace", home.Spec.URL)
	}
	return path, nil
}

const (
	// homePatience is how long the hub may take to make a home workspace, which it
	// does when it is asked for one for the first time.
	homePatience = time.Minute
	// homeRetry is how often to ask.
	homeRetry = 250 * time.Millisecond
)

// awaitHome asks for the home workspace until it is ready.
func awaitHome(ctx context.Context, workspaces *client.WorkspaceClient) (home *tenancyv1alpha1.Workspace, err error) {
	err = wait.PollUntilContextTimeout(ctx, homeRetry, homePatience, true, func(ctx context.Context) (bool, error) {
		home, err = workspaces.Get(ctx, "~", metav1.GetOptions{})
		if apierrors.IsServiceUnavailable(err) {
			return false, nil
		}
		return err == nil && canBeEntered(home.Status.Phase), err
	})
	if wait.Interrupted(err) && ctx.Err() == nil {
		return nil, fmt.Errorf("your home workspace is not ready after %s: try again a little later, or name another workspace, such as 'kubectl ws :root'", homePatience)
	}
	return home, err
}

// canBeEntered reports whether there is nothing to wait for. A hub may leave the phase of
// what it makes up to us; what was put to rest is woken from inside.
func canBeEntered(phase corev1alpha1.LogicalClusterPhaseType) bool {
	switch phase {
	case "", corev1alpha1.LogicalClusterPhaseReady, corev1alpha1.LogicalClusterPhaseInactive:
		return true
	}
	return false
}

// noHome reports whether the hub refused a request because it has no home
// workspaces, or none for this user.
func noHome(err error) bool {
	return apierrors.IsNotFound(err) || apierrors.IsForbidden(err) || apierrors.IsBadRequest(err) || apierrors.IsInvalid(err)
}
