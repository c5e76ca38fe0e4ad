package server

import (
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"
	kubeoptions "k8s.io/kubernetes/pkg/kubeapiserver/options"

	"github.com/atriumhub/atrium/pkg/access"
	"github.com/atriumhub/atrium/pkg/egress"
	"github.com/atriumhub/atrium/pkg/scheduling"
)

// Options are what an operator can say on the command line.
type Options struct {
	// RootDir holds everything the hub keeps: data, keys, kubeconfig.
	RootDir string
	// BindAddress is the IP to listen on.
	BindAddress string
	// SecurePort is the port to listen on. 0 picks a free one.
	SecurePort int
	// ExternalHost is the name or IP under which clients reach the hub, used in
	// kubeconfigs, workspace URLs and the serving certificate. Empty means the
	// bind address, or 127.0.0.1 when that is unspecified.
	ExternalHost string
	// EtcdServers are URLs of an external etcd. Empty means the embedded one.
	EtcdServers []string
	// EtcdCAFile, EtcdCertFile and EtcdKeyFile secure the way to EtcdServers.
	EtcdCAFile, EtcdCertFile, EtcdKeyFile string
	// EtcdHistory is how long etcd keeps what was changed or deleted, at least.
	EtcdHistory time.Duration
	// TokenAuthFile is a CSV file of static tokens: token,user,uid,"groups".
	TokenAuthFile string
	// HomeWorkspaces gives every user a workspace, "~", when he first asks.
	HomeWorkspaces bool
	// MountCAFile holds certificate authorities that the targets of mounts may
	// have their certificates from, besides those the machine trusts.
	MountCAFile string
	// AlwaysAllowPaths are URL paths, outside of workspaces, that everybody may
	// read.
	AlwaysAllowPaths []string
	// AuthorizationWebhook is asked about what no role allows, if it has a File.
	AuthorizationWebhook access.WebhookConfig
	// Profiling serves Go's profiles under /debug/pprof, to system:masters.
	Profiling bool
	// ClientCAFile holds authorities, besides the hub's own, whose certificates
	// clients can log in with.
	ClientCAFile string
	// Login are Kubernetes' own options for OpenID Connect and for the structured
	// authentication configuration.
	Login *kubeoptions.BuiltInAuthenticationOptions
	// TenantEgressAllow are addresses and networks that the hub calls for tenants
	// although they are not public.
	TenantEgressAllow []string
	// HeartbeatThreshold is how long a syncer may be silent before its
	// SyncTarget is not ready.
	HeartbeatThreshold time.Duration
	// EvictionGrace is how long a SyncTarget may be not ready before the
	// objects placed there move away.
	EvictionGrace time.Duration
}

// NewOptions returns the defaults.
func NewOptions() *Options {
	return &Options{
		RootDir:          ".atrium",
		BindAddress:      "127.0.0.1",
		SecurePort:       6443,
		HomeWorkspaces:   true,
		AlwaysAllowPaths: []string{"/healthz", "/livez", "/readyz"},
		AuthorizationWebhook: access.WebhookConfig{
			Version: "v1", AuthorizedTTL: 5 * time.Minute, UnauthorizedTTL: 30 * time.Second,
		},
		EtcdHistory:        5 * time.Minute,
		Login:              kubeoptions.NewBuiltInAuthenticationOptions().WithOIDC(),
		HeartbeatThreshold: scheduling.DefaultHeartbeatThreshold,
		EvictionGrace:      scheduling.DefaultGrace,
	}
}

// AddFlags binds o to flags.
func (o *Options) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.RootDir, "root-dir", o.RootDir, "Directory for all the hub keeps: data, keys and admin.kubeconfig.")
	flags.StringVar(&o.BindAddress, "bind-address", o.BindAddress, "IP address to listen on.")
	flags.IntVar(&o.SecurePort, "secure-port", o.SecurePort, "Port to listen on with TLS. 0 picks a free port.")
	flags.StringVar(&o.ExternalHost, "external-hostname", o.ExternalHost, "Name or IP under which clients reach the hub. Defaults to the bind address.")
	flags.StringSliceVar(&o.EtcdServers, "etcd-servers", o.EtcdServers, "URLs of an external etcd cluster, comma separated. Without it the hub runs its own etcd.")
	flags.StringVar(&o.EtcdCAFile, "etcd-cafile", o.EtcdCAFile, "Certificate authority of the external etcd.")
	flags.StringVar(&o.EtcdCertFile, "etcd-certfile", o.EtcdCertFile, "Client certificate for the external etcd.")
	flags.StringVar(&o.EtcdKeyFile, "etcd-keyfile", o.EtcdKeyFile, "Client key for the external etcd.")
	flags.DurationVar(&o.EtcdHistory, "etcd-compaction-interval", o.EtcdHistory, "How long etcd keeps what was changed or deleted, for watches and lists to go on from there. What is older than twice that is thrown away, and its memory and disk space are free.")
	flags.StringVar(&o.TokenAuthFile, "token-auth-file", o.TokenAuthFile, `CSV file of static tokens, a line each: token,user,uid,"group1,group2".`)
	flags.BoolVar(&o.HomeWorkspaces, "home-workspaces", o.HomeWorkspaces, "Give every user a workspace of his own below root:users when he first asks for it with 'kubectl ws'.")
	flags.StringVar(&o.MountCAFile, "mount-ca-file", o.MountCAFile, "Certificate authorities, in PEM, that clusters mounted as workspaces may have their certificates from, besides those this machine trusts. They know the hub by <root-dir>/pki/front-proxy/ca.crt (their --requestheader-client-ca-file).")
	flags.StringSliceVar(&o.AlwaysAllowPaths, "authorization-always-allow-paths", o.AlwaysAllowPaths, "URL paths of the hub that everybody may read without logging in, comma separated; \"/x/*\" is all below /x/. They do not hold below /clusters/.")
	flags.StringVar(&o.AuthorizationWebhook.File, "authorization-webhook-config-file", o.AuthorizationWebhook.File, "Kubeconfig of a webhook that is asked about every request which no role allows. It learns the workspace's ID as the extra \"authorization.kubernetes.io/cluster-name\". While it does not answer, nothing more is allowed.")
	flags.StringVar(&o.AuthorizationWebhook.Version, "authorization-webhook-version", o.AuthorizationWebhook.Version, "API version of the SubjectAccessReview sent to the webhook: v1 or v1beta1.")
	flags.DurationVar(&o.AuthorizationWebhook.AuthorizedTTL, "authorization-webhook-cache-authorized-ttl", o.AuthorizationWebhook.AuthorizedTTL, "How long to remember what the webhook allowed.")
	flags.DurationVar(&o.AuthorizationWebhook.UnauthorizedTTL, "authorization-webhook-cache-unauthorized-ttl", o.AuthorizationWebhook.UnauthorizedTTL, "How long to remember what the webhook did not allow.")
	flags.BoolVar(&o.Profiling, "profiling", o.Profiling, "Serve Go profiles under /debug/pprof to system:masters (context shard-base).")
	o.addLoginFlags(flags)
	flags.StringSliceVar(&o.TenantEgressAllow, "tenant-egress-allow", o.TenantEgressAllow, "IP addresses and networks (10.1.2.3, 10.0.0.0/8) that tenants may let the hub call, as token issuers, mounts and webhooks, besides public ones. Private, loopback and link-local addresses are refused without it.")
	flags.DurationVar(&o.HeartbeatThreshold, "sync-target-heartbeat-threshold", o.HeartbeatThreshold, "How long a syncer may be silent before its SyncTarget counts as not ready.")
	flags.DurationVar(&o.EvictionGrace, "sync-target-eviction-grace", o.EvictionGrace, "How long a SyncTarget may be not ready before the objects placed there are moved.")
}

// Validate returns the first thing in o that cannot work.
func (o *Options) Validate() error {
	switch {
	case o.RootDir == "":
		return fmt.Errorf("--root-dir must not be empty")
	case net.ParseIP(o.BindAddress) == nil:
		return fmt.Errorf("--bind-address %q is not an IP address", o.BindAddress)
	case o.SecurePort < 0 || o.SecurePort > 65535:
		return fmt.Errorf("--secure-port %d is not a port: use 1 to 65535, or 0 to pick a free one", o.SecurePort)
	case o.ExternalHost != "" && net.ParseIP(o.ExternalHost) == nil && len(validation.IsDNS1123Subdomain(o.ExternalHost)) > 0:
		return fmt.Errorf("--external-hostname %q is neither a host name nor an IP address", o.ExternalHost)
	case slices.ContainsFunc(o.AlwaysAllowPaths, func(path string) bool { return !strings.HasPrefix(path, "/") }):
		return fmt.Errorf("--authorization-always-allow-paths has %q: every path begins with /", o.AlwaysAllowPaths)
	case len(o.EtcdServers) == 0 && (o.EtcdCAFile != "" || o.EtcdCertFile != "" || o.EtcdKeyFile != ""):
		return fmt.Errorf("--etcd-cafile, --etcd-certfile and --etcd-keyfile need --etcd-servers")
	case (o.EtcdCertFile == "") != (o.EtcdKeyFile == ""):
		return fmt.Errorf("--etcd-certfile and --etcd-keyfile go together")
	case o.AuthorizationWebhook.Version != "v1" && o.AuthorizationWebhook.Version != "v1beta1":
		return fmt.Errorf("--authorization-webhook-version %q is not known: use v1 or v1beta1", o.AuthorizationWebhook.Version)
	case o.AuthorizationWebhook.AuthorizedTTL < 0 || o.AuthorizationWebhook.UnauthorizedTTL < 0:
		return fmt.Errorf("--authorization-webhook-cache-authorized-ttl and --authorization-webhook-cache-unauthorized-ttl must not be negative")
	case o.EtcdHistory < 10*time.Second:
		return fmt.Errorf("--etcd-compaction-interval must be 10s or more: watches could not go on after a short cut")
	case o.HeartbeatThreshold <= 0:
		return fmt.Errorf("--sync-target-heartbeat-threshold must be more than 0")
	case o.EvictionGrace < 0:
		return fmt.Errorf("--sync-target-eviction-grace must not be negative")
	}
	if _, err := egress.ParsePolicy(o.TenantEgressAllow); err != nil {
		return err
	}
	return o.validateLogin()
}

// host is where clients find the hub.
func (o *Options) host() string {
	switch {
	case o.ExternalHost != "":
		return o.ExternalHost
	case net.ParseIP(o.BindAddress).IsUnspecified():
		return "127.0.0.1"
	default:
		return o.BindAddress
	}
}

// baseURL is the URL that /clusters/... is appended to, once the port is known.
func (o *Options) baseURL(port int) string {
	return "https://" + net.JoinHostPort(o.host(), strconv.Itoa(port))
}

func (o *Options) file(parts ...string) string {
	return filepath.Join(append([]string{o.RootDir}, parts...)...)
}
