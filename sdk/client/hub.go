package client

import (
	"errors"
	"fmt"
	"net/http"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"

	"github.com/atriumhub/atrium/sdk/apis/scheme"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// ErrInvalidPath is what every call fails with that goes through a client made
// for something that is not the path of a workspace.
var ErrInvalidPath = errors.New("invalid workspace path")

// Hub is a connection to one hub, from which clients for its workspaces are
// made. It is safe for concurrent use.
type Hub struct {
	config *rest.Config
	http   *http.Client
}

// New returns the hub at cfg.Host, which is the address before "/clusters/…".
// cfg is copied; its rate limits hold for all clients of the hub together (see
// Unthrottled). No request is made.
func New(cfg *rest.Config) (*Hub, error) {
	if err := checkBase(cfg.Host); err != nil {
		return nil, err
	}
	cfg = rest.CopyConfig(cfg)
	if cfg.UserAgent == "" {
		cfg.UserAgent = rest.DefaultKubernetesUserAgent()
	}
	if cfg.RateLimiter == nil {
		cfg.RateLimiter = sharedLimiter(cfg)
	}
	httpClient, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("preparing the connection to %s: %w", cfg.Host, err)
	}
	hub := &Hub{config: cfg, http: httpClient}
	if _, err := restClient(cfg, httpClient, schema.GroupVersion{Version: "v1"}); err != nil {
		return nil, fmt.Errorf("preparing a client for %s: %w", cfg.Host, err)
	}
	return hub, nil
}

func checkBase(host string) error {
	if host == "" {
		return errors.New("no hub address: the host of the configuration is empty")
	}
	if _, path, ok := SplitURL(host); ok {
		return fmt.Errorf("hub address %q points to the workspace %s: leave out %q", host, path, path.RequestPath())
	}
	return nil
}

// sharedLimiter keeps the meaning of QPS and Burst in rest.Config, but counts
// over all workspaces: by default each new client would bring its own budget.
func sharedLimiter(cfg *rest.Config) flowcontrol.RateLimiter {
	qps, burst := cfg.QPS, cfg.Burst
	if qps < 0 {
		return nil
	}
	if qps == 0 {
		qps = rest.DefaultQPS
	}
	if burst == 0 {
		burst = rest.DefaultBurst
	}
	return flowcontrol.NewTokenBucketRateLimiter(qps, burst)
}

// Unthrottled returns a copy of cfg without a rate limit of its own, for
// programs that leave fairness to the hub.
func Unthrottled(cfg *rest.Config) *rest.Config {
	cfg = rest.CopyConfig(cfg)
	cfg.QPS, cfg.Burst, cfg.RateLimiter = -1, -1, nil
	return cfg
}

// Base returns the address of the hub, without "/clusters/…".
func (h *Hub) Base() string { return h.config.Host }

// Config returns a configuration whose Host is the given workspace, for
// libraries that make their own clients.
func (h *Hub) Config(path logicalcluster.Path) *rest.Config {
	if !reachable(path) {
		return &rest.Config{Host: h.config.Host, Transport: refusal{path}}
	}
	cfg := rest.CopyConfig(h.config)
	cfg.Host = WorkspaceURL(h.config.Host, path)
	return cfg
}

// HTTPClient returns the connection that all clients of the hub share. It
// authenticates; its requests need absolute addresses.
func (h *Hub) HTTPClient() *http.Client { return h.http }

// Dynamic returns a client for any resource of a workspace.
func (h *Hub) Dynamic(path logicalcluster.Path) dynamic.Interface {
	cfg, httpClient := h.at(path)
	return must(dynamic.NewForConfigAndClient(cfg, httpClient))
}

// Kubernetes returns a client for what a workspace has in common with a
// cluster.
func (h *Hub) Kubernetes(path logicalcluster.Path) kubernetes.Interface {
	cfg, httpClient := h.at(path)
	return must(kubernetes.NewForConfigAndClient(cfg, httpClient))
}

// REST returns a client for addresses outside workspaces, to be used with
// AbsPath: "/readyz", "/version", "/services/…".
func (h *Hub) REST() rest.Interface {
	return must(restClient(h.config, h.http, schema.GroupVersion{Version: "v1"}))
}

// RESTFor returns a client for one API version of a workspace. It knows the
// kinds of sdk/apis/scheme.
func (h *Hub) RESTFor(path logicalcluster.Path, gv schema.GroupVersion) rest.Interface {
	cfg, httpClient := h.at(path)
	return must(restClient(cfg, httpClient, gv))
}

func restClient(cfg *rest.Config, httpClient *http.Client, gv schema.GroupVersion) (rest.Interface, error) {
	cfg = rest.CopyConfig(cfg)
	cfg.GroupVersion = &gv
	cfg.APIPath = "/apis"
	if gv.Group == "" {
		cfg.APIPath = "/api"
	}
	cfg.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	// Custom resources have no protobuf form, whatever the caller prefers for
	// the built-in ones.
	cfg.ContentType, cfg.AcceptContentTypes = "application/json", "application/json"
	return rest.RESTClientForConfigAndClient(cfg, httpClient)
}

// at returns the configuration of a workspace and the connection to use.
func (h *Hub) at(path logicalcluster.Path) (*rest.Config, *http.Client) {
	cfg := h.Config(path)
	if !reachable(path) {
		return cfg, &http.Client{Transport: refusal{path}}
	}
	return cfg, h.http
}

// must is for constructors that fail only on a host that cannot be parsed,
// which New has ruled out.
func must[T any](client T, err error) T {
	if err != nil {
		panic(fmt.Sprintf("client: configuration was checked by New: %v", err))
	}
	return client
}

// refusal is the connection to a workspace that cannot exist.
type refusal struct{ path logicalcluster.Path }

// RoundTrip fails.
func (r refusal) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, fmt.Errorf("%w: %q", ErrInvalidPath, string(r.path))
}
