package authentication

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	authenticationcel "k8s.io/apiserver/pkg/authentication/cel"
	"k8s.io/apiserver/plugin/pkg/authenticator/token/oidc"
	"k8s.io/utils/clock"

	"github.com/atriumhub/atrium/pkg/identity"
	"github.com/atriumhub/atrium/pkg/identity/issuer"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const (
	// maxOpen bounds how many issuers of tenants are kept ready (A3).
	maxOpen = 256
	// maxIdle is how long one is kept ready without a login.
	maxIdle = 10 * time.Minute
	// maxLogins is how many logins may wait for one issuer at a time (A4).
	maxLogins = 16
	// maxDocument bounds what an issuer may say of itself, in bytes.
	maxDocument = 1 << 20
)

// TenantsConfig is what NewTenants needs.
type TenantsConfig struct {
	// Accepted are the configurations whose issuers a workspace accepts. It
	// answers from memory.
	Accepted func(workspace logicalcluster.Name) []*tenancyv1alpha1.WorkspaceAuthenticationConfiguration
	// Client fetches small documents from addresses that tenants chose.
	Client func(config *tls.Config, limit int64) *http.Client
	// Audience is that of the hub's API.
	Audience string
	// Clock is the real one when nil.
	Clock clock.WithDelayedExecution
}

// Tenants are the issuers that tenants named. Each is made ready for the first
// login with one of its tokens, and forgotten when nobody logs in any more or
// its configuration changes. One that is ready holds no goroutine.
type Tenants struct {
	config   TenantsConfig
	compiler func() authenticationcel.Compiler

	mu   sync.Mutex
	open map[place]*tenant
	// sweeping is set while a timer is going to look for idle ones.
	sweeping bool
}

// place is where an issuer was named: the version of a configuration, and the
// position in it.
type place struct {
	logicalcluster.Key
	version string
	at      int
}

// NewTenants returns tenants' issuers.
func NewTenants(config TenantsConfig) *Tenants {
	if config.Clock == nil {
		config.Clock = clock.RealClock{}
	}
	return &Tenants{
		config: config, open: map[place]*tenant{},
		// Compilers are expensive, and need the feature gates to be set.
		compiler: sync.OnceValue(authenticationcel.NewDefaultCompiler),
	}
}

// For returns what checks the tokens of an issuer that a workspace accepts, and
// false when it does not. Nothing is asked over the network until a token is
// checked.
func (t *Tenants) For(workspace logicalcluster.Name, issuerURL string) (authenticator.Token, bool) {
	if workspace.Empty() {
		return nil, false
	}
	var found []*tenant
	for _, configuration := range t.config.Accepted(workspace) {
		for at := range configuration.Spec.JWT {
			if configuration.Spec.JWT[at].Issuer.URL == issuerURL {
				found = append(found, t.tenant(configuration, at))
			}
		}
	}
	return authenticator.TokenFunc(func(ctx context.Context, token string) (*authenticator.Response, bool, error) {
		return t.login(ctx, workspace, found, token)
	}), len(found) > 0
}

// login asks one after the other.
func (t *Tenants) login(ctx context.Context, workspace logicalcluster.Name, tenants []*tenant, token string) (*authenticator.Response, bool, error) {
	var errs []error
	for _, tenant := range tenants {
		response, ok, err := tenant.login(ctx, token)
		if err == nil && ok {
			if response.User, err = identity.Local(response.User, workspace); err == nil {
				return response, true, nil
			}
		}
		errs = append(errs, fmt.Errorf("workspaceauthenticationconfiguration %s, spec.jwt[%d]: %w", tenant.place.Key, tenant.place.at, err))
	}
	return nil, false, errors.Join(errs...)
}

// Forget drops what was made of a configuration.
func (t *Tenants) Forget(key logicalcluster.Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for place, tenant := range t.open {
		if place.Key == key {
			t.drop(tenant)
		}
	}
}

// Open is how many are ready, for tests.
func (t *Tenants) Open() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.open)
}

func (t *Tenants) tenant(configuration *tenancyv1alpha1.WorkspaceAuthenticationConfiguration, at int) *tenant {
	where := place{
		Key:     logicalcluster.Key{Workspace: logicalcluster.From(configuration), Name: configuration.Name},
		version: string(configuration.UID) + "/" + configuration.ResourceVersion, at: at,
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	known, ok := t.open[where]
	if !ok {
		known = &tenant{place: where, logins: make(chan struct{}, maxLogins)}
		known.prepare = sync.OnceValues(func() (authenticator.Token, error) { return t.prepare(known, configuration.Spec.JWT[at]) })
		t.makeRoom()
		t.open[where] = known
		t.sweepLater()
	}
	known.used = t.config.Clock.Now()
	return known
}

// makeRoom drops the one that was not used for longest when there are too many.
func (t *Tenants) makeRoom() {
	if len(t.open) < maxOpen {
		return
	}
	var oldest *tenant
	for _, tenant := range t.open {
		if oldest == nil || tenant.used.Before(oldest.used) {
			oldest = tenant
		}
	}
	t.drop(oldest)
}

func (t *Tenants) sweepLater() {
	if t.sweeping {
		return
	}
	t.sweeping = true
	t.config.Clock.AfterFunc(maxIdle, func() { go t.sweep() }) // a fake clock calls with its lock held
}

// sweep drops those nobody logs in with, and comes again as long as there are
// others.
func (t *Tenants) sweep() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweeping = false
	for _, tenant := range t.open {
		if t.config.Clock.Since(tenant.used) >= maxIdle {
			t.drop(tenant)
		}
	}
	if len(t.open) > 0 {
		t.sweepLater()
	}
}

// drop forgets one. Logins that are under way end as they may.
func (t *Tenants) drop(tenant *tenant) {
	delete(t.open, tenant.place)
	if tenant.client != nil {
		tenant.client.CloseIdleConnections()
	}
}

// tenant is one issuer.
type tenant struct {
	place place
	used  time.Time
	// logins has room for those who may wait for the issuer.
	logins  chan struct{}
	prepare func() (authenticator.Token, error)
	client  *http.Client
}

func (t *tenant) login(ctx context.Context, token string) (*authenticator.Response, bool, error) {
	if claims, _ := issuer.Peek(token); claims.Distributed != nil {
		return nil, false, errors.New("claims that are kept elsewhere (_claim_names) are not looked up")
	}
	select {
	case t.logins <- struct{}{}:
		defer func() { <-t.logins }()
	default:
		return nil, false, fmt.Errorf("%d logins with tokens of this issuer are under way already", maxLogins)
	}
	verify, err := t.prepare()
	if err != nil {
		return nil, false, err
	}
	return verify.AuthenticateToken(ctx, token)
}

// prepare compiles what was configured. It asks nobody: keys are fetched for the
// first token.
func (t *Tenants) prepare(tenant *tenant, configured tenancyv1alpha1.JWTAuthenticator) (authenticator.Token, error) {
	internal, err := toInternal([]tenancyv1alpha1.JWTAuthenticator{configured})
	if err != nil {
		return nil, err
	}
	trusted, err := authorities(configured.Issuer.CertificateAuthority)
	if err != nil {
		return nil, err
	}
	client := t.config.Client(&tls.Config{RootCAs: trusted}, maxDocument)
	client.Transport = newRateLimited(client.Transport)
	t.mu.Lock()
	tenant.client = client
	t.mu.Unlock()
	jwt := internal.JWT[0]
	keys := newRemoteKeys(client, jwt.Issuer, t.config.Clock)
	jwt.Issuer.DiscoveryURL = "" // the keys know
	verify, err := oidc.New(context.Background(), oidc.Options{
		JWTAuthenticator: jwt, KeySet: keys, Client: client, Compiler: t.compiler(),
		SupportedSigningAlgs: oidc.AllValidSigningAlgorithms(),
	})
	if err != nil {
		return nil, err
	}
	return authenticator.WrapAudienceAgnosticToken(authenticator.Audiences{t.config.Audience}, verify), nil
}

// authorities returns what a server is trusted by, or nil for what the machine
// trusts.
func authorities(encoded string) (*x509.CertPool, error) {
	if encoded == "" {
		return nil, nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(encoded)) {
		return nil, errors.New("issuer.certificateAuthority holds no certificate")
	}
	return pool, nil
}

// discoveryURL is where the configuration of an issuer is.
func discoveryURL(configured apiserver.Issuer) string {
	if configured.DiscoveryURL != "" {
		return configured.DiscoveryURL
	}
	return strings.TrimSuffix(configured.URL, "/") + issuer.ConfigurationPath
}
