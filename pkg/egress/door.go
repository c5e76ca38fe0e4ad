package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"k8s.io/client-go/rest"
)

const (
	dialTimeout      = 5 * time.Second
	handshakeTimeout = 5 * time.Second
	// headerTimeout is how long the other side may think before it answers.
	headerTimeout  = 30 * time.Second
	idleTimeout    = 30 * time.Second
	maxHeaderBytes = 64 << 10
	maxIdle        = 32
	// fetchTimeout bounds a whole fetch, its redirects included.
	fetchTimeout = 10 * time.Second
	maxRedirects = 3
)

// ErrTooLarge is the error of reading more of an answer than the Client's limit.
var ErrTooLarge = errors.New("the answer is too large")

// Door makes connections to where a policy allows. It holds no state: whoever
// makes a Transport closes its idle connections when done.
type Door struct {
	policy Policy
	dialer net.Dialer
}

// New returns a Door.
func New(policy Policy) *Door {
	return &Door{policy, net.Dialer{
		Timeout: dialTimeout,
		// Called with the resolved address, for each that is tried (E1).
		ControlContext: func(_ context.Context, network, address string, _ syscall.RawConn) error {
			return policy.check(network, address)
		},
	}}
}

// Check says what connecting to addr would say: a *RefusedError, or nil.
func (d *Door) Check(addr netip.Addr) error { return d.policy.Check(addr) }

func (p Policy) check(network, address string) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || (network != "tcp4" && network != "tcp6") {
		return fmt.Errorf("the hub makes no connection to %q over %s for a tenant", address, network)
	}
	return p.Check(at.Addr())
}

// DialContext connects to host:port over TCP. An address that may not be called
// is a *RefusedError. Of a host with several addresses one that may be called
// is enough.
func (d *Door) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return d.dialer.DialContext(ctx, network, address)
}

// Transport returns a new transport behind the door, for proxying and streams.
// config may be nil, which trusts what the machine trusts.
func (d *Door) Transport(config *tls.Config) *http.Transport {
	return &http.Transport{
		DialContext:            d.DialContext,
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    handshakeTimeout,
		ResponseHeaderTimeout:  headerTimeout,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConns:           maxIdle,
		MaxResponseHeaderBytes: maxHeaderBytes,
		ForceAttemptHTTP2:      true,
	}
}

// RESTConfig is for client-go, which makes its own transports: without credentials
// of the hub, and behind the door.
func (d *Door) RESTConfig(userAgent string, timeout time.Duration) *rest.Config {
	return &rest.Config{
		UserAgent: userAgent,
		Timeout:   timeout,
		Dial:      d.DialContext,
		// Not nil: that would be a proxy from the environment, which connects in
		// the hub's stead (E2).
		Proxy: func(*http.Request) (*url.URL, error) { return nil, nil },
	}
}

// Client returns a client that fetches small documents: an answer larger than
// limit bytes fails with ErrTooLarge, all of it is over within seconds, and it
// does not leave TLS.
func (d *Door) Client(config *tls.Config, limit int64) *http.Client {
	return &http.Client{
		Transport:     limited{d.Transport(config), limit},
		Timeout:       fetchTimeout,
		CheckRedirect: checkRedirect,
	}
}

func checkRedirect(req *http.Request, via []*http.Request) error {
	switch {
	case req.URL.Scheme != "https":
		return fmt.Errorf("refusing to be redirected to %s, which is not https", req.URL.Redacted())
	case len(via) > maxRedirects:
		return fmt.Errorf("redirected more than %d times", maxRedirects)
	}
	return nil
}

// limited fails when an answer is longer than limit.
type limited struct {
	*http.Transport
	limit int64
}

// RoundTrip implements http.RoundTripper.
func (l limited) RoundTrip(req *http.Request) (*http.Response, error) {
	response, err := l.Transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	response.Body = &limitedBody{response.Body, l.limit}
	return response, nil
}

type limitedBody struct {
	io.ReadCloser
	left int64
}

// Read reads up to one byte more than is allowed, which tells a long answer from
// one that just fits.
func (b *limitedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, ErrTooLarge
	}
	return n, err
}
