package authentication

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	jose "gopkg.in/go-jose/go-jose.v2"
	"gopkg.in/go-jose/go-jose.v2/jwt"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/atriumhub/atrium/pkg/identity/issuer"
	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/target"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const hub = "https://hub:6443"

func newRing(t testing.TB, fill byte) *issuer.Ring {
	t.Helper()
	secret, err := issuer.NewSecret(bytes.Repeat([]byte{fill}, issuer.SecretSize))
	if err != nil {
		t.Fatal(err)
	}
	ring, err := issuer.NewRing(secret)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// in returns a context of a request to a workspace.
func in(ctx context.Context, workspace logicalcluster.Name) context.Context {
	return keyspace.WithScope(target.With(ctx, target.Target{Identity: workspace}), keyspace.In(workspace))
}

// newAccounts returns the accounts of workspaces that have one, default/default
// with the UID "uid", each.
func newAccounts(t testing.TB, issuers *Issuers) *Accounts {
	t.Helper()
	accounts, err := NewAccounts(issuers, NewTokenGetter(Lookups{Account: func(key logicalcluster.Key) (*corev1.ServiceAccount, bool) {
		return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, UID: "uid"}}, true
	}}))
	if err != nil {
		t.Fatal(err)
	}
	return accounts
}

func signed(t testing.TB, issuers *Issuers, home logicalcluster.Name) string {
	t.Helper()
	token, err := issuers.GenerateToken(in(t.Context(), home), &jwt.Claims{
		Subject: "system:serviceaccount:default:default", Audience: jwt.Audience{issuers.URL(home)}, Expiry: jwt.NewNumericDate(time.Now().Add(time.Hour)),
	}, map[string]any{"kubernetes.io": map[string]any{"namespace": "default", "serviceaccount": map[string]any{"name": "default", "uid": "uid"}}})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestAccountsThatMemoryDoesNotHave: storage is read for them, until it has said
// once that one is gone.
func TestAccountsThatMemoryDoesNotHave(t *testing.T) {
	account := func(uid types.UID) *corev1.ServiceAccount {
		return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "default", UID: uid}}
	}
	for name, c := range map[string]struct {
		remembered, stored *corev1.ServiceAccount
		down               bool
		good               bool
		reads              int
	}{
		"as everywhere":              {account("uid"), account("uid"), false, true, 0},
		"made just now":              {nil, account("uid"), false, true, 3},
		"made again just now":        {account("old"), account("uid"), false, true, 3},
		"gone":                       {nil, nil, false, false, 1},
		"another one of that name":   {account("new"), account("new"), false, false, 1},
		"storage that cannot answer": {nil, nil, true, false, 3},
	} {
		t.Run(name, func(t *testing.T) {
			reads := 0
			issuers := NewIssuers(hub, newRing(t, 1))
			accounts, err := NewAccounts(issuers, NewTokenGetter(Lookups{
				Account: func(logicalcluster.Key) (*corev1.ServiceAccount, bool) { return c.remembered, c.remembered != nil },
				StoredAccount: func(_ context.Context, key logicalcluster.Key) (*corev1.ServiceAccount, error) {
					if reads++; key != (logicalcluster.Key{Workspace: "a", Namespace: "default", Name: "default"}) {
						t.Errorf("asked for %v", key)
					}
					switch {
					case c.down:
						return nil, apierrors.NewServiceUnavailable("no")
					case c.stored == nil:
						return nil, apierrors.NewNotFound(corev1.Resource("serviceaccounts"), key.Name)
					}
					return c.stored, nil
				},
			}))
			if err != nil {
				t.Fatal(err)
			}
			token := signed(t, issuers, "a")
			for range 3 {
				if _, ok, err := accounts.AuthenticateToken(in(t.Context(), "b"), token); ok != c.good {
					t.Errorf("%v, %v", ok, err)
				}
			}
			if _, ok, _ := accounts.AuthenticateToken(in(t.Context(), "b"), token[:len(token)-8]+"AAAAAAAA"); ok {
				t.Error("a token that nobody signed is good")
			}
			if reads != c.reads {
				t.Errorf("storage was read %d times, expected %d", reads, c.reads)
			}
		})
	}
}

func TestGenerateTokenNeedsOneWorkspace(t *testing.T) {
	issuers := NewIssuers(hub, newRing(t, 1))
	for name, scope := range map[string]keyspace.Scope{"everywhere": keyspace.Everywhere(), "nowhere": keyspace.Nowhere()} {
		if _, err := issuers.GenerateToken(keyspace.WithScope(t.Context(), scope), &jwt.Claims{}, nil); err == nil {
			t.Errorf("a token of %s", name)
		}
	}
}

func TestUse(t *testing.T) {
	issuers := NewIssuers(hub, newRing(t, 1))
	old := signed(t, issuers, "a")
	if issuers.Use(newRing(t, 1)) || !issuers.Signed("a", old) {
		t.Error("the same ring is another one")
	}
	if issuers.Signed("b", old) || issuers.Signed("a", old+"x") || issuers.Signed("a", "") {
		t.Error("a token is one that it is not")
	}
	if !issuers.Use(newRing(t, 2)) || issuers.Signed("a", old) {
		t.Error("another ring changes nothing")
	}
}

func TestAudiences(t *testing.T) {
	a := audiences{hub: "hub", home: "home", judge: "judge"}
	for name, c := range map[string]struct{ requested, matched, accepted, answered []string }{
		"the hub":               {[]string{"hub"}, []string{"home"}, []string{"hub", "hub", "home", "judge"}, []string{"hub"}},
		"the judge":             {[]string{"judge"}, []string{"home"}, []string{"judge", "hub", "home", "judge"}, []string{"judge"}},
		"both":                  {[]string{"hub", "judge"}, []string{"hub"}, []string{"hub", "judge", "hub", "home", "judge"}, []string{"hub", "judge"}},
		"somebody else":         {[]string{"vault"}, []string{"vault"}, []string{"vault"}, []string{"vault"}},
		"its home, from abroad": {[]string{"home"}, []string{"home"}, []string{"home"}, []string{"home"}},
		"vault or the hub":      {[]string{"vault", "hub"}, []string{"vault"}, []string{"vault", "hub", "hub", "home", "judge"}, []string{"vault"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(authenticator.Audiences(c.accepted), a.accepted(c.requested)); diff != "" {
				t.Errorf("accepted (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(authenticator.Audiences(c.answered), a.answered(c.requested, c.matched)); diff != "" {
				t.Errorf("answered (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBounded(t *testing.T) {
	got, err := bounded(&user.DefaultInfo{
		Name: "ann", UID: "1", Groups: []string{"devs", "system:masters", "system:authenticated", "system:cluster:a", "system:kcp:admin"},
		Extra: map[string][]string{"example.com/a": {"1"}, "kcp.io/x": {"1"}, "authorization.kcp.io/warrant": {"{}"}, "Authentication.KCP.io/scopes": {"x"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &user.DefaultInfo{Name: "ann", UID: "1", Groups: []string{"devs", "system:authenticated"}, Extra: map[string][]string{"example.com/a": {"1"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := bounded(&user.DefaultInfo{Name: "system:admin"}); err == nil || !strings.Contains(err.Error(), "system:admin") {
		t.Errorf("one of the system: %v", err)
	}
}

// TestOrder holds A1, and that certificates come first.
func TestOrder(t *testing.T) {
	issuers := NewIssuers(hub, newRing(t, 1))
	foreign := strings.Join([]string{"e30", "eyJpc3MiOiJodHRwczovL3RlbmFudCJ9", "x"}, ".")
	own := signed(t, issuers, "a")
	for name, c := range map[string]struct {
		token         string
		certificate   bool
		upstreamKnows bool
		asked         []string
	}{
		"nobody":                        {"", false, true, []string{"upstream"}},
		"a static token":                {"static", false, true, []string{"upstream"}},
		"a static token, unknown":       {"static", false, false, []string{"upstream"}},
		"of an issuer upstream knows":   {foreign, false, true, []string{"upstream"}},
		"of an issuer of tenants":       {foreign, false, false, []string{"upstream", "tenants"}},
		"of a workspace":                {own, false, false, []string{"accounts", "upstream", "tenants"}},
		"of a workspace, with a cert":   {own, true, true, []string{"upstream"}},
		"of a workspace, unknown certs": {own, true, false, []string{"upstream", "accounts", "tenants"}},
	} {
		t.Run(name, func(t *testing.T) {
			var asked []string
			tokens := func(who string) authenticator.Token {
				return authenticator.TokenFunc(func(context.Context, string) (*authenticator.Response, bool, error) {
					asked = append(asked, who)
					return nil, false, fmt.Errorf("not one of %s", who)
				})
			}
			requests := New(Config{
				Upstream: authenticator.RequestFunc(func(*http.Request) (*authenticator.Response, bool, error) {
					asked = append(asked, "upstream")
					return &authenticator.Response{User: &user.DefaultInfo{Name: "ann"}}, c.upstreamKnows, nil
				}),
				Issuers: issuers, Accounts: tokens("accounts"),
				Tenants: func(logicalcluster.Name, string) (authenticator.Token, bool) { return tokens("tenants"), true },
			})
			req := httptest.NewRequestWithContext(in(t.Context(), "a"), http.MethodGet, "/api", nil)
			req.TLS = &tls.ConnectionState{}
			if c.certificate {
				req.TLS.PeerCertificates = append(req.TLS.PeerCertificates, nil)
			}
			if c.token != "" {
				req.Header.Set("Authorization", "Bearer "+c.token)
			}
			_, ok, _ := requests.AuthenticateRequest(req)
			if diff := cmp.Diff(c.asked, asked); diff != "" || ok != c.upstreamKnows {
				t.Errorf("ok=%v (-want +got):\n%s", ok, diff)
			}
		})
	}
}

// TestClaimsAreBounded holds A2 wherever a token is, and whatever it claims
// besides: upstream looks in two places, and reads nothing but the issuer.
func TestClaimsAreBounded(t *testing.T) {
	jwtOf := func(claims string) string {
		return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".x"
	}
	plain := jwtOf(`{"iss":"https://operators"}`)
	for name, c := range map[string]struct{ authorization, websocket string }{
		"in the header":                      {"Bearer " + plain, ""},
		"in a websocket":                     {"", plain},
		"in a websocket, after a password":   {"Basic YTpi", plain},
		"in a websocket, after another":      {"Bearer static", plain},
		"with the claim of a token Secret":   {"Bearer " + jwtOf(`{"iss":"https://operators","kubernetes.io/serviceaccount/secret.name":1}`), ""},
		"with claims that are kept anywhere": {"Bearer " + jwtOf(`{"iss":"https://operators","_claim_names":1}`), ""},
	} {
		t.Run(name, func(t *testing.T) {
			requests := New(Config{
				Upstream: authenticator.RequestFunc(func(*http.Request) (*authenticator.Response, bool, error) {
					return &authenticator.Response{User: &user.DefaultInfo{Name: "ann", Groups: []string{user.SystemPrivilegedGroup}}}, true, nil
				}),
				Issuers: NewIssuers(hub, newRing(t, 1)),
				Tenants: func(logicalcluster.Name, string) (authenticator.Token, bool) { return nil, false },
			})
			req := httptest.NewRequestWithContext(in(t.Context(), "a"), http.MethodGet, "/api", nil)
			if c.authorization != "" {
				req.Header.Set("Authorization", c.authorization)
			}
			if c.websocket != "" {
				req.Header.Set("Connection", "Upgrade")
				req.Header.Set("Upgrade", "websocket")
				req.Header.Set("Sec-WebSocket-Protocol", "base64url.bearer.authorization.k8s.io."+base64.RawURLEncoding.EncodeToString([]byte(c.websocket))+", v5.channel.k8s.io")
			}
			response, ok, err := requests.AuthenticateRequest(req)
			if err != nil || !ok || len(response.User.GetGroups()) > 0 {
				t.Errorf("%+v, %v, %v; expected ann without the group of the hub", response, ok, err)
			}
		})
	}
}

// world is a provider and the configurations that name it.
type world struct {
	*testing.T
	*Tenants
	server         *httptest.Server
	clock          *clocktesting.FakeClock
	configurations []*tenancyv1alpha1.WorkspaceAuthenticationConfiguration
	key            *ecdsa.PrivateKey
	fetched        atomic.Int32
	hold           chan struct{}
	down           atomic.Bool
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, clock: clocktesting.NewFakeClock(time.Unix(1_800_000_000, 0))}
	var err error
	if w.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	w.server = httptest.NewTLSServer(http.HandlerFunc(w.serve))
	t.Cleanup(w.server.Close)
	w.Tenants = NewTenants(TenantsConfig{
		Accepted: func(logicalcluster.Name) []*tenancyv1alpha1.WorkspaceAuthenticationConfiguration {
			return w.configurations
		},
		Client: func(config *tls.Config, _ int64) *http.Client {
			return &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
		},
		Audience: hub, Clock: w.clock,
	})
	w.configure("a", "1")
	return w
}

func (w *world) serve(rw http.ResponseWriter, req *http.Request) {
	w.fetched.Add(1)
	if w.hold != nil {
		<-w.hold
	}
	switch {
	case w.down.Load():
		http.Error(rw, "down", http.StatusBadGateway)
	case req.URL.Path == issuer.ConfigurationPath:
		_ = json.NewEncoder(rw).Encode(issuer.Configuration{Issuer: w.server.URL, KeysURL: w.server.URL + "/keys"})
	default:
		_ = json.NewEncoder(rw).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &w.key.PublicKey, KeyID: "1", Algorithm: "ES256", Use: "sig"}}})
	}
}

// configure replaces the configurations by one.
func (w *world) configure(name, version string) {
	empty := ""
	w.configurations = []*tenancyv1alpha1.WorkspaceAuthenticationConfiguration{{
		ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: version, Annotations: map[string]string{logicalcluster.AnnotationKey: "platform"}},
		Spec: tenancyv1alpha1.WorkspaceAuthenticationConfigurationSpec{JWT: []tenancyv1alpha1.JWTAuthenticator{{
			Issuer: tenancyv1alpha1.Issuer{
				URL: w.server.URL, Audiences: []string{"me"},
				CertificateAuthority: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.server.Certificate().Raw})),
			},
			ClaimMappings: tenancyv1alpha1.ClaimMappings{Username: tenancyv1alpha1.PrefixedClaimOrExpression{Claim: "sub", Prefix: &empty}},
		}}},
	}}
}

func (w *world) token(keyID string) string {
	w.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: w.key, KeyID: keyID}}, nil)
	if err != nil {
		w.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(jwt.Claims{Issuer: w.server.URL, Subject: "ann", Audience: jwt.Audience{"me"}, Expiry: jwt.NewNumericDate(time.Now().Add(time.Hour))}).CompactSerialize()
	if err != nil {
		w.Fatal(err)
	}
	return token
}

func (w *world) login(token string) error {
	w.Helper()
	check, ok := w.For("team", w.server.URL)
	if !ok {
		w.Fatal("the issuer is not known")
	}
	response, ok, err := check.AuthenticateToken(authenticator.WithAudiences(w.Context(), authenticator.Audiences{hub}), token)
	if err == nil && (!ok || response.User.GetName() != "ann") {
		w.Fatalf("%v, %v", response, ok)
	}
	return err
}

func TestTenantsAreMadeReadyOnce(t *testing.T) {
	w := newWorld(t)
	if _, ok := w.For("team", "https://other.example.com"); ok {
		t.Error("an issuer that nobody named")
	}
	if _, ok := w.For("", w.server.URL); ok {
		t.Error("where no workspace is")
	}
	if w.Open() != 0 {
		t.Errorf("%d are ready that nobody needs", w.Open())
	}
	for range 3 {
		if err := w.login(w.token("1")); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.fetched.Load(); got != 2 || w.Open() != 1 {
		t.Errorf("%d fetches, %d ready; expected 2 and 1", got, w.Open())
	}
	w.configure("a", "2")
	if err := w.login(w.token("1")); err != nil || w.fetched.Load() != 4 {
		t.Errorf("a changed configuration: %v, %d fetches", err, w.fetched.Load())
	}
	w.Forget(logicalcluster.Key{Workspace: "platform", Name: "a"})
	if w.Open() != 0 {
		t.Errorf("%d are ready after they were forgotten", w.Open())
	}
}

func TestIdleTenantsAreForgotten(t *testing.T) {
	w := newWorld(t)
	for i := range maxOpen + 10 {
		w.configure(fmt.Sprintf("c%d", i), "1")
		w.For("team", w.server.URL)
		w.clock.Step(time.Millisecond)
	}
	if w.Open() != maxOpen {
		t.Errorf("%d are ready, expected %d", w.Open(), maxOpen)
	}
	if _, ok := w.open[place{logicalcluster.Key{Workspace: "platform", Name: "c9"}, "/1", 0}]; ok {
		t.Error("the one that was not used for longest is still there")
	}
	w.clock.Step(maxIdle)
	late := time.After(10 * time.Second)
	for w.Open() > 0 { // the sweep is a goroutine, which says nothing when it ends
		select {
		case <-late:
			t.Fatalf("%d are ready that nobody uses", w.Open())
		case <-time.After(time.Millisecond):
		}
	}
}

// TestUnknownKeys: strangers cannot make the hub ask an issuer again and again.
func TestUnknownKeys(t *testing.T) {
	w := newWorld(t)
	for i := range 50 {
		if err := w.login(w.token(fmt.Sprintf("unknown-%d", i))); err == nil {
			t.Fatal("a key that is not there")
		}
	}
	if got := w.fetched.Load(); got > fetchBurst+1 {
		t.Errorf("50 logins made %d fetches", got)
	}
	if err := w.login(w.token("1")); err != nil {
		t.Errorf("a known key after that: %v", err)
	}
}

func TestAnIssuerThatIsDownIsNotAskedAgainAtOnce(t *testing.T) {
	w := newWorld(t)
	w.down.Store(true)
	for range 5 {
		if err := w.login(w.token("1")); err == nil || !strings.Contains(err.Error(), "502") {
			t.Fatalf("%v, expected what it answered", err)
		}
	}
	if got := w.fetched.Load(); got != 1 {
		t.Errorf("5 logins made %d fetches", got)
	}
	w.down.Store(false)
	w.clock.Step(rememberFailure)
	if err := w.login(w.token("1")); err != nil {
		t.Errorf("when it is back: %v", err)
	}
}

// TestAnIssuerThatHangs holds A4: those who wait for it are few, and others are
// served.
func TestAnIssuerThatHangs(t *testing.T) {
	w := newWorld(t)
	w.hold = make(chan struct{})
	check, _ := w.For("team", w.server.URL)
	token := w.token("1")
	ask := func() error {
		_, _, err := check.AuthenticateToken(authenticator.WithAudiences(t.Context(), authenticator.Audiences{hub}), token)
		return err
	}
	var waiting sync.WaitGroup
	refused := make(chan error, 3*maxLogins)
	for range 3 * maxLogins {
		waiting.Go(func() {
			if err := ask(); err != nil {
				refused <- err
			}
		})
	}
	for range 2 * maxLogins {
		select {
		case err := <-refused:
			if !strings.Contains(err.Error(), "under way already") {
				t.Errorf("%v", err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("more wait than may")
		}
	}
	close(w.hold)
	waiting.Wait()
	if len(refused) > 0 {
		t.Errorf("of those who waited one was refused: %v", <-refused)
	}
	if err := ask(); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func BenchmarkAccount(b *testing.B) {
	issuers := NewIssuers(hub, newRing(b, 1))
	accounts := newAccounts(b, issuers)
	for name, each := range map[string]func(int) logicalcluster.Name{
		"one workspace":    func(int) logicalcluster.Name { return "a" },
		"10000 workspaces": func(i int) logicalcluster.Name { return logicalcluster.Name(fmt.Sprintf("w%d", i%10000)) },
	} {
		b.Run(name, func(b *testing.B) {
			tokens := map[logicalcluster.Name]string{}
			for i := range min(b.N, 10000) {
				if home := each(i); tokens[home] == "" {
					tokens[home] = signed(b, issuers, home)
				}
			}
			b.ResetTimer()
			for i := range b.N {
				home := each(i)
				if _, ok, err := accounts.AuthenticateToken(in(b.Context(), home), tokens[home]); !ok || err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
