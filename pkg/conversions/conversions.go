package conversions

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"k8s.io/apiserver/pkg/util/webhook"
	"k8s.io/client-go/rest"

	"github.com/atriumhub/atrium/pkg/egress"
	"github.com/atriumhub/atrium/pkg/schemas"
)

// DefaultTimeout is for the zero value of Config.Timeout.
const DefaultTimeout = 10 * time.Second

// Config is what New needs.
type Config struct {
	// Door makes the connections to webhooks.
	Door *egress.Door
	// Timeout is how long a webhook may take to convert what it is given in one
	// call. Zero stands for the default.
	Timeout time.Duration
	// Reserved says which labels and annotations a webhook cannot change.
	Reserved func(key string) bool
}

// Conversions knows who converts.
type Conversions struct {
	config Config

	mu         sync.RWMutex
	registered map[string]schemas.Converter
}

// New returns Conversions with nothing registered.
func New(config Config) *Conversions {
	if config.Timeout == 0 {
		config.Timeout = DefaultTimeout
	}
	return &Conversions{config: config, registered: map[string]schemas.Converter{}}
}

// Register makes convert known as key, for definitions that
// schemas.ConvertInProcess gave that key. It is for the hub's own kinds: what
// comes and goes belongs into schemas.API.Converter.
func (c *Conversions) Register(key string, convert schemas.Converter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, taken := c.registered[key]; taken {
		panic(fmt.Sprintf("two converters are registered as %q", key))
	}
	c.registered[key] = convert
}

// For returns what the handler of api finds its webhook by.
func (c *Conversions) For(api *schemas.API) (webhook.ServiceResolver, webhook.AuthenticationInfoResolverWrapper) {
	return noServices{}, func(webhook.AuthenticationInfoResolver) webhook.AuthenticationInfoResolver {
		return resolver{c, api}
	}
}

// converter returns who converts for api under the given key (V5).
func (c *Conversions) converter(api *schemas.API, key string) (schemas.Converter, error) {
	convert := api.Converter
	if api.Origin == schemas.System {
		c.mu.RLock()
		defer c.mu.RUnlock()
		convert = c.registered[key]
	}
	switch {
	case convert != nil:
		return convert, nil
	case api.Origin == schemas.System:
		return nil, fmt.Errorf("the hub has no converter %q", key)
	default:
		return nil, fmt.Errorf("hosts in %s are the hub's own: give the webhook a URL with a host of yours", schemas.InProcessDomain)
	}
}

// resolver makes the configuration of the client of one definition's webhook.
type resolver struct {
	conversions *Conversions
	api         *schemas.API
}

// ClientConfigFor implements webhook.AuthenticationInfoResolver.
func (r resolver) ClientConfigFor(hostPort string) (*rest.Config, error) {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return failing(fmt.Errorf("read the host of the conversion webhook: %w", err)), nil
	}
	key, inProcess := schemas.InProcessKey(host)
	if !inProcess {
		return r.conversions.outside(), nil
	}
	convert, err := r.conversions.converter(r.api, key)
	if err != nil {
		return failing(err), nil
	}
	return &rest.Config{Transport: inside{convert}, Timeout: r.conversions.config.Timeout}, nil
}

// ClientConfigForService implements webhook.AuthenticationInfoResolver.
func (resolver) ClientConfigForService(name, namespace string, _ int) (*rest.Config, error) {
	return failing(errNoService(namespace, name)), nil
}

// failing is the configuration for what cannot be called. Of an error here
// nobody would hear but the log.
func failing(err error) *rest.Config {
	config := &rest.Config{}
	config.Wrap(func(http.RoundTripper) http.RoundTripper {
		return roundTripper(func(*http.Request) (*http.Response, error) { return nil, err })
	})
	return config
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// outside is the configuration for all webhooks of tenants. Upstream adds what
// certificate authorities the definition trusts; without any they are those of
// the machine.
func (c *Conversions) outside() *rest.Config {
	config := c.config.Door.RESTConfig("atrium-conversion", c.config.Timeout+time.Second) // outside is more exact, and says why
	config.Wrap(func(inner http.RoundTripper) http.RoundTripper { return outside{inner, c.config} })
	return config
}

// noServices is for webhooks that name a Service: in a hub there is nothing
// behind one.
type noServices struct{}

// ResolveEndpoint implements webhook.ServiceResolver.
func (noServices) ResolveEndpoint(namespace, name string, _ int32) (*url.URL, error) {
	return nil, errNoService(namespace, name)
}

func errNoService(namespace, name string) error {
	return fmt.Errorf("the webhook is the Service %s/%s, and in a hub there are no pods behind services: give it a URL", namespace, name)
}
