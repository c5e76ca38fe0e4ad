package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Streams are where a command reads and writes.
type Streams struct {
	In          io.Reader
	Out, ErrOut io.Writer
}

// StandardStreams are those of the process.
func StandardStreams() Streams { return Streams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr} }

// Options choose a hub, a user and a workspace. The zero value means the
// kubeconfig that kubectl would use, as it is.
type Options struct {
	// Kubeconfig is the path of the only file to use.
	Kubeconfig string
	// Context is the name of a context in the kubeconfig.
	Context string
	// Server is an address to use instead of that of the context.
	Server string
	// Token is a bearer token to use instead of the context's user.
	Token string
	// User is the name of a user in the kubeconfig.
	User string
	// Namespace to use instead of that of the context.
	Namespace string
	// Connection holds what else can be said about the way to the hub.
	Connection clientcmd.ConfigOverrides
	// WorkspacePath is what was typed for the workspace to work in.
	WorkspacePath string
}

// BindFlags adds the flags that choose a hub and a user.
func (o *Options) BindFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.Kubeconfig, "kubeconfig", o.Kubeconfig, "Path to the kubeconfig file to use instead of those in $KUBECONFIG or ~/.kube/config")
	flags.StringVar(&o.Context, "context", o.Context, "Name of the kubeconfig context to start from instead of the current one")
	flags.StringVarP(&o.Server, "server", "s", o.Server, "Address of the workspace to start from, such as https://hub:6443/clusters/root")
	flags.StringVar(&o.Token, "token", o.Token, "Bearer token to use instead of the user of the context")
	flags.StringVar(&o.User, "user", o.User, "Name of the kubeconfig user to use instead of the user of the context")
	flags.StringVarP(&o.Namespace, "namespace", "n", o.Namespace, "Namespace to use instead of that of the context")
	o.bindConnection(flags)
}

// bindConnection adds the rest of kubectl's flags that kcp's plugins have.
func (o *Options) bindConnection(flags *pflag.FlagSet) {
	cluster, user := &o.Connection.ClusterInfo, &o.Connection.AuthInfo
	flags.BoolVar(&cluster.InsecureSkipTLSVerify, "insecure-skip-tls-verify", false, "Do not check the hub's certificate; anybody in between can read and change everything then")
	flags.StringVar(&cluster.CertificateAuthority, "certificate-authority", "", "Path to the certificate authority of the hub")
	flags.StringVar(&cluster.TLSServerName, "tls-server-name", "", "Name to expect in the hub's certificate instead of that in its address")
	flags.StringVar(&cluster.ProxyURL, "proxy-url", "", "Proxy to reach the hub through")
	flags.BoolVar(&cluster.DisableCompression, "disable-compression", false, "Ask the hub not to compress its answers")
	flags.StringVar(&user.Username, "username", "", "User name for basic authentication")
	flags.StringVar(&user.Password, "password", "", "Password for basic authentication")
	for _, name := range []string{"tls-server-name", "proxy-url", "disable-compression", "username", "password"} {
		// Rarely needed: they would hide the flags of the command in its help.
		_ = flags.MarkHidden(name)
	}
}

// BindWorkspaceFlag adds the flag that chooses the workspace to work in.
func (o *Options) BindWorkspaceFlag(flags *pflag.FlagSet) {
	flags.StringVarP(&o.WorkspacePath, "workspace", "w", o.WorkspacePath, "Workspace to work in instead of the current one: relative to it, or absolute with a leading colon, such as :root:org")
}

// Load reads the kubeconfig. Warnings of the hub go to streams.ErrOut. No
// request is made.
func (o *Options) Load(streams Streams) (*Session, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = o.Kubeconfig
	// A warning for each missing file of $KUBECONFIG helps nobody here.
	rules.WarnIfAllMissing = false

	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, o.overrides())
	raw, err := loader.RawConfig()
	if err != nil {
		return nil, fmt.Errorf("reading kubeconfig: %w", err)
	}
	if o.Context != "" {
		raw.CurrentContext = o.Context
	}
	files := rules.GetLoadingPrecedence()
	if !slices.ContainsFunc(files, exists) {
		return nil, fmt.Errorf("no kubeconfig at %s: name a hub's with --kubeconfig or $KUBECONFIG", strings.Join(files, ", "))
	}
	if err := checkContext(&raw, files); err != nil {
		return nil, err
	}
	config, err := loader.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("using context %q of the kubeconfig: %w", raw.CurrentContext, err)
	}
	config = client.Unthrottled(config)
	config.WarningHandler = rest.NewWarningWriter(streams.ErrOut, rest.WarningWriterOptions{Deduplicate: true})
	return newSession(raw, config, rules, o.WorkspacePath), nil
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// Open is Load together with a client for the hub.
func (o *Options) Open(streams Streams) (*Session, *client.Hub, error) {
	session, err := o.Load(streams)
	if err != nil {
		return nil, nil, err
	}
	hub, err := session.Hub()
	return session, hub, err
}

// OpenWorkspace is Open together with the workspace to work in.
func (o *Options) OpenWorkspace(ctx context.Context, streams Streams) (*Session, *client.Hub, logicalcluster.Path, error) {
	session, hub, err := o.Open(streams)
	if err != nil {
		return nil, nil, "", err
	}
	path, err := session.Workspace(ctx)
	return session, hub, path, err
}

func (o *Options) overrides() *clientcmd.ConfigOverrides {
	overrides := o.Connection
	overrides.CurrentContext = o.Context
	overrides.Context.AuthInfo = o.User
	overrides.Context.Namespace = o.Namespace
	overrides.ClusterInfo.Server = o.Server
	overrides.AuthInfo.Token = o.Token
	return &overrides
}

// ContextNames are the names of the contexts there are, none when the kubeconfig
// cannot be read.
func (o *Options) ContextNames() []string {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = o.Kubeconfig
	config, err := rules.Load()
	if err != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(config.Contexts))
}
