package authentication

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	gooidc "github.com/coreos/go-oidc"
	"golang.org/x/time/rate"
	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"github.com/atriumhub/atrium/pkg/egress"
	"github.com/atriumhub/atrium/pkg/identity/issuer"
)

const (
	// rememberFailure is how long an issuer that could not be asked is not asked
	// again.
	rememberFailure = 10 * time.Second
	// An issuer is asked for its keys whenever a token names a key that is not
	// known, which strangers can make up.
	fetchEvery = 2 * time.Second
	fetchBurst = 5
)

// remoteKeys are the keys of an issuer, which it is asked for when the first
// token comes.
type remoteKeys struct {
	client    *http.Client
	issuer    string
	discovery string
	clock     clock.PassiveClock

	mu     sync.Mutex
	keys   gooidc.KeySet
	failed time.Time
	err    error
}

var _ gooidc.KeySet = &remoteKeys{}

func newRemoteKeys(client *http.Client, configured apiserver.Issuer, now clock.PassiveClock) *remoteKeys {
	return &remoteKeys{client: client, issuer: configured.URL, discovery: discoveryURL(configured), clock: now}
}

// VerifySignature returns the content of a token that the issuer has signed.
func (r *remoteKeys) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	keys, err := r.find()
	if err != nil {
		return nil, err
	}
	return keys.VerifySignature(ctx, token)
}

// find asks the issuer where its keys are. Who comes meanwhile waits for the
// same answer; the number of those is bounded by the caller, the time by the
// client.
func (r *remoteKeys) find() (gooidc.KeySet, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keys != nil {
		return r.keys, nil
	}
	if r.err != nil && r.clock.Since(r.failed) < rememberFailure {
		return nil, r.err
	}
	url, err := r.discover()
	if err != nil {
		r.failed, r.err = r.clock.Now(), fmt.Errorf("the issuer %s cannot be asked for its keys: %w", r.issuer, err)
		return nil, r.err
	}
	r.keys = gooidc.NewRemoteKeySet(gooidc.ClientContext(context.Background(), r.client), url)
	return r.keys, nil
}

func (r *remoteKeys) discover() (string, error) {
	response, err := r.client.Get(r.discovery)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answered %s", r.discovery, response.Status)
	}
	var said issuer.Configuration
	if err := json.NewDecoder(response.Body).Decode(&said); err != nil {
		return "", fmt.Errorf("%s does not answer with an OpenID configuration: %w", r.discovery, err)
	}
	switch {
	case said.Issuer != r.issuer:
		return "", fmt.Errorf("%s says that it is the issuer %q", r.discovery, said.Issuer)
	case !strings.HasPrefix(said.KeysURL, "https://"):
		return "", fmt.Errorf("%s says that its keys are at %q, which is not https", r.discovery, said.KeysURL)
	}
	return said.KeysURL, nil
}

var errTooOften = errors.New("the issuer was asked for its keys too often lately")

// rateLimited bounds how often an issuer is asked.
type rateLimited struct {
	http.RoundTripper
	limit *rate.Limiter
}

func newRateLimited(inner http.RoundTripper) http.RoundTripper {
	return &rateLimited{inner, rate.NewLimiter(rate.Every(fetchEvery), fetchBurst)}
}

// RoundTrip implements http.RoundTripper.
func (l *rateLimited) RoundTrip(req *http.Request) (*http.Response, error) {
	if !l.limit.Allow() {
		return nil, errTooOften
	}
	response, err := l.RoundTripper.RoundTrip(req)
	if err != nil {
		klog.FromContext(req.Context()).V(2).Info("The issuer of a tenant failed", "host", req.URL.Host, "err", err)
		return nil, told(err)
	}
	return response, nil
}

// told is what a tenant is told of a connection that failed. What exactly happened,
// and to which address, is for operators: whoever chose the name could look
// around in the hub's network by it.
func told(err error) error {
	var refused *egress.RefusedError
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &refused):
		return fmt.Errorf("it has %s, which the hub does not call for a tenant; its operator can allow that with %s", refused.What, egress.Flag)
	case errors.As(err, &untrusted):
		return fmt.Errorf("its certificate is not trusted (%v)", untrusted.Err)
	}
	return errors.New("it does not answer")
}

// CloseIdleConnections lets http.Client close what is behind l.
func (l *rateLimited) CloseIdleConnections() {
	if inner, ok := l.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		inner.CloseIdleConnections()
	}
}
