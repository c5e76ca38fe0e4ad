package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	jose "gopkg.in/go-jose/go-jose.v2"
	authenticationv1 "k8s.io/api/authentication/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// provider is an OpenID provider at an address that tenants may have the hub
// call.
type provider struct {
	*httptest.Server
	key   *ecdsa.PrivateKey
	asked atomic.Int32
	// says is what it answers at the place of its configuration.
	says func() any
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{}
	var err error
	if p.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(allowedAddress, "0"))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := shared.hub.authority.Serving("test-provider", []string{allowedAddress})
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		p.asked.Add(1)
		_ = json.NewEncoder(w).Encode(p.says())
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &p.key.PublicKey, KeyID: "1", Algorithm: "ES256", Use: "sig"}}})
	})
	p.Server = &httptest.Server{Listener: listener, Config: &http.Server{Handler: mux}, TLS: &tls.Config{Certificates: []tls.Certificate{certificate}}}
	p.StartTLS()
	t.Cleanup(p.Close)
	p.says = func() any { return map[string]any{"issuer": p.URL, "jwks_uri": p.URL + "/keys"} }
	return p
}

// token signs claims; nil takes one away.
func (p *provider) token(t *testing.T, changes map[string]any) string {
	t.Helper()
	claims := map[string]any{"iss": p.URL, "aud": "atrium", "sub": "ann", "groups": []string{"devs", "system:masters"}, "exp": time.Now().Add(time.Hour).Unix()}
	for key, value := range changes {
		claims[key] = value
	}
	return forge(t, jose.ES256, p.key, "1", claims)
}

func (p *provider) trusted() tenancyv1alpha1.JWTAuthenticator {
	prefix := ""
	return tenancyv1alpha1.JWTAuthenticator{
		Issuer: tenancyv1alpha1.Issuer{URL: p.URL, Audiences: []string{"atrium"}, CertificateAuthority: string(shared.hub.authority.PEM())},
		ClaimMappings: tenancyv1alpha1.ClaimMappings{
			Username: tenancyv1alpha1.PrefixedClaimOrExpression{Claim: "sub", Prefix: &prefix},
			Groups:   tenancyv1alpha1.PrefixedClaimOrExpression{Claim: "groups", Prefix: &prefix},
		},
	}
}

// newTrusting makes a workspace of a type with a configuration, which lets in
// everybody in it who logs in there. It returns where the type lives as well.
func newTrusting(t *testing.T, jwt ...tenancyv1alpha1.JWTAuthenticator) (path, platform logicalcluster.Path, ID logicalcluster.Name) {
	t.Helper()
	platform, _ = newWorkspace(t)
	alice, ctx := withToken(t, "alice-token"), minute(t)
	configuration := &tenancyv1alpha1.WorkspaceAuthenticationConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "company"}, Spec: tenancyv1alpha1.WorkspaceAuthenticationConfigurationSpec{JWT: jwt}}
	if _, err := client.WorkspaceAuthenticationConfigurations(alice, platform).Create(ctx, configuration, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	base := &tenancyv1alpha1.WorkspaceType{ObjectMeta: metav1.ObjectMeta{Name: "base"}, Spec: tenancyv1alpha1.WorkspaceTypeSpec{
		AuthenticationConfigurations: []tenancyv1alpha1.AuthenticationConfigurationReference{{Name: "company"}},
	}}
	kind := &tenancyv1alpha1.WorkspaceType{ObjectMeta: metav1.ObjectMeta{Name: "company"}, Spec: tenancyv1alpha1.WorkspaceTypeSpec{
		Extend: tenancyv1alpha1.WorkspaceTypeExtension{With: []tenancyv1alpha1.WorkspaceTypeReference{{Path: platform.String(), Name: "base"}, {Path: "root", Name: "universal"}}},
	}}
	for _, each := range []*tenancyv1alpha1.WorkspaceType{base, kind} {
		await(ctx, t, "the type is stored", func() error {
			_, err := client.WorkspaceTypes(alice, platform).Create(ctx, each, metav1.CreateOptions{})
			return err
		})
	}
	var made *tenancyv1alpha1.Workspace
	await(ctx, t, "the type is known", func() (err error) {
		made, err = client.Workspaces(alice, platform).Create(ctx, newTyped("team", tenancyv1alpha1.WorkspaceTypeReference{Path: platform.String(), Name: "company"}), metav1.CreateOptions{})
		return err
	})
	path = platform.Join("team")
	await(ctx, t, "the workspace is ready", func() error {
		ready, err := client.Workspaces(alice, platform).Get(ctx, made.Name, metav1.GetOptions{})
		if err == nil && ready.Status.Phase != "Ready" {
			err = fmt.Errorf("in phase %s", ready.Status.Phase)
		}
		if err == nil {
			ID = logicalcluster.Name(ready.Spec.Cluster)
		}
		return err
	})
	letIn(t, path, "system:cluster:"+ID.String())
	return path, platform, ID
}

func TestTenantsIssuers(t *testing.T) {
	p := newProvider(t)
	path, platform, ID := newTrusting(t, p.trusted())
	ctx := minute(t)
	if asked := p.asked.Load(); asked != 0 {
		t.Errorf("the provider was asked %d times before anybody logged in", asked)
	}
	good := p.token(t, nil)
	var user authenticationv1.UserInfo
	await(ctx, t, "ann is let in", func() (err error) { user, err = whoami(ctx, t, good, path); return err })
	want := authenticationv1.UserInfo{
		Username: "ann", Groups: []string{"devs", "system:authenticated", "system:cluster:" + ID.String()},
		Extra: map[string]authenticationv1.ExtraValue{
			"authentication.kcp.io/cluster-name": {ID.String()}, "authentication.kcp.io/scopes": {"cluster:" + ID.String()},
		},
	}
	delete(user.Extra, "authentication.kubernetes.io/credential-id")
	if diff := cmp.Diff(want, user); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, where := range []logicalcluster.Path{platform, "root", logicalcluster.SystemAdmin.Path(), "root:no-such"} {
		if user, err := whoami(ctx, t, good, where); !apierrors.IsUnauthorized(err) {
			t.Errorf("in %s: %v, %v; expected unauthorized", where, user, err)
		}
	}
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"of the system":       p.token(t, map[string]any{"sub": "system:admin"}),
		"a service account":   p.token(t, map[string]any{"sub": "system:serviceaccount:default:default"}),
		"nobody":              p.token(t, map[string]any{"sub": ""}),
		"for others":          p.token(t, map[string]any{"aud": "others"}),
		"expired":             p.token(t, map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}),
		"claims elsewhere":    p.token(t, map[string]any{"_claim_names": map[string]string{"groups": "x"}, "_claim_sources": map[string]any{"x": map[string]string{"endpoint": p.URL}}}),
		"another key":         forge(t, jose.ES256, stranger, "1", map[string]any{"iss": p.URL, "aud": "atrium", "sub": "ann", "exp": time.Now().Add(time.Hour).Unix()}),
		"another key, new ID": forge(t, jose.ES256, stranger, "2", map[string]any{"iss": p.URL, "aud": "atrium", "sub": "ann", "exp": time.Now().Add(time.Hour).Unix()}),
		"another issuer":      p.token(t, map[string]any{"iss": "https://issuer.example.com"}),
		"shared secret":       forge(t, jose.HS256, []byte("0123456789abcdef0123456789abcdef"), "1", map[string]any{"iss": p.URL, "aud": "atrium", "sub": "ann"}),
	} {
		if user, err := whoami(ctx, t, token, path); !apierrors.IsUnauthorized(err) {
			t.Errorf("%s: %v, %v; expected unauthorized", name, user, err)
		}
	}
	if _, err := whoami(ctx, t, good, path); err != nil {
		t.Errorf("after all this the good one: %v", err)
	}

	// A change of the configuration counts at once, and so does its deletion.
	configurations := client.WorkspaceAuthenticationConfigurations(withToken(t, "alice-token"), platform)
	if err := configurations.Delete(ctx, "company", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	await(ctx, t, "ann is not known any more", func() error {
		if _, err := whoami(ctx, t, good, path); !apierrors.IsUnauthorized(err) {
			return fmt.Errorf("expected unauthorized, got %v", err)
		}
		return nil
	})
}

// TestATenantsUserIsNobodyElsewhere: an issuer of one workspace calls its users
// what it likes. What was granted to that name by others is not for them.
func TestATenantsUserIsNobodyElsewhere(t *testing.T) {
	p := newProvider(t)
	path, _, _ := newTrusting(t, p.trusted())
	platform := newPlatform(t, tenancyv1alpha1.WorkspaceTypeSpec{}) // whose type bob may use
	ctx := minute(t)
	grant(t, as(t, "base"), path, "bob", []rbacv1.PolicyRule{{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}},
		rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "bob"})
	create := func(token string) error {
		_, err := client.Workspaces(withToken(t, token), path).Create(ctx, newTyped("child", tenancyv1alpha1.WorkspaceTypeReference{Path: platform.path.String(), Name: "prepared"}), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	}
	grant(t, as(t, "base"), path, "enter-bob", []rbacv1.PolicyRule{{NonResourceURLs: []string{"/"}, Verbs: []string{"access"}}}, rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "bob"})
	await(ctx, t, "bob himself may", func() error { return create("bob-token") })
	if err := create(p.token(t, map[string]any{"sub": "bob"})); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "no permission to use workspace type") {
		t.Errorf("whom the tenant calls bob: %v, expected forbidden", err)
	}
}

// TestTrustingOneWorkspace: a workspace accepts the accounts of another one, by
// what that publishes, and not those of its neighbour.
func TestTrustingOneWorkspace(t *testing.T) {
	mine, home := newWorkspace(t)
	neighbour, _ := newWorkspace(t)
	// The hub itself listens where tenants may not have it call, so that somebody
	// else hands out what it publishes.
	p := newProvider(t)
	published := "/clusters/" + home.Spec.Cluster
	keys, err := documentOf(t, published+"/openid/v1/jwks")
	if err != nil {
		t.Fatal(err)
	}
	mirror := http.NewServeMux()
	mirror.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, keys) })
	mirror.HandleFunc("/", p.Config.Handler.ServeHTTP)
	p.Config.Handler = mirror
	p.says = func() any {
		return map[string]any{"issuer": shared.hub.URL() + published, "jwks_uri": p.URL + "/keys"}
	}
	trusted := p.trusted()
	trusted.Issuer.URL, trusted.Issuer.DiscoveryURL = shared.hub.URL()+published, p.URL+"/.well-known/openid-configuration"
	trusted.ClaimMappings = tenancyv1alpha1.ClaimMappings{Username: tenancyv1alpha1.PrefixedClaimOrExpression{
		Expression: `"builder:" + claims["kubernetes.io"].serviceaccount.name`,
	}}
	path, _, _ := newTrusting(t, trusted)
	ctx, spec := minute(t), authenticationv1.TokenRequestSpec{Audiences: []string{"atrium"}}
	var user authenticationv1.UserInfo
	token := newToken(t, mine, spec).Token
	await(ctx, t, "the trusted workspace's account is let in", func() (err error) { user, err = whoami(ctx, t, token, path); return err })
	if user.Username != "builder:default" {
		t.Errorf("it is %v", user)
	}
	if user, err := whoami(ctx, t, newToken(t, neighbour, spec).Token, path); !apierrors.IsUnauthorized(err) {
		t.Errorf("its neighbour: %v, %v; expected unauthorized", user, err)
	}
}

// TestATenantsIssuerThatFails: others log in as before, and the hub does not call
// where it may not.
func TestATenantsIssuerThatFails(t *testing.T) {
	p := newProvider(t)
	p.says = func() any { return map[string]any{"issuer": "https://other.example.com", "jwks_uri": p.URL + "/keys"} }
	inside := p.trusted()
	inside.Issuer.URL = "https://127.0.0.1:1"
	silent := p.trusted()
	silent.Issuer.URL = "https://" + net.JoinHostPort(allowedAddress, "1")
	path, _, _ := newTrusting(t, p.trusted(), inside, silent)
	ctx := minute(t)
	for name, c := range map[string]struct{ issuer, says string }{
		"says it is another": {p.URL, "says that it is the issuer"},
		"inside the hub":     {inside.Issuer.URL, "--tenant-egress-allow"},
		"nobody listens":     {silent.Issuer.URL, "it does not answer"},
	} {
		token := p.token(t, map[string]any{"iss": c.issuer})
		var status authenticationv1.TokenReviewStatus
		review, err := as(t, "base").Kubernetes(path).AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if status = review.Status; status.Authenticated || !strings.Contains(status.Error, c.says) {
			t.Errorf("%s: %+v; expected an error that says %q", name, status, c.says)
		}
		if strings.Contains(status.Error, "dial") || strings.Contains(status.Error, "refused") {
			t.Errorf("%s: %q tells what happened in the hub's network", name, status.Error)
		}
	}
	if _, err := as(t, "base").Kubernetes(path).CoreV1().Namespaces().List(ctx, metav1.ListOptions{}); err != nil {
		t.Errorf("the hub's own user meanwhile: %v", err)
	}
}

func TestConfigurationsThatCannotBe(t *testing.T) {
	path, _ := newWorkspace(t)
	for name, c := range map[string]struct {
		change func(*tenancyv1alpha1.JWTAuthenticator)
		says   string
	}{
		"not https":   {func(j *tenancyv1alpha1.JWTAuthenticator) { j.Issuer.URL = "http://example.com" }, "spec.jwt[0].issuer.url"},
		"no audience": {func(j *tenancyv1alpha1.JWTAuthenticator) { j.Issuer.Audiences = nil }, "spec.jwt[0].issuer.audiences"},
		"no CEL": {func(j *tenancyv1alpha1.JWTAuthenticator) {
			j.ClaimMappings.Username = tenancyv1alpha1.PrefixedClaimOrExpression{Expression: "claims."}
		}, "spec.jwt[0].claimMappings.username.expression"},
		"no certificate": {func(j *tenancyv1alpha1.JWTAuthenticator) { j.Issuer.CertificateAuthority = "x" }, "spec.jwt[0].issuer.certificateAuthority"},
		"reserved extra": {func(j *tenancyv1alpha1.JWTAuthenticator) {
			j.ClaimMappings.Extra = []tenancyv1alpha1.ExtraMapping{{Key: "kubernetes.io/x", ValueExpression: "'a'"}}
		}, "spec.jwt[0].claimMappings.extra[0].key"},
		"too many rules": {func(j *tenancyv1alpha1.JWTAuthenticator) {
			for range 65 {
				j.UserValidationRules = append(j.UserValidationRules, tenancyv1alpha1.UserValidationRule{Expression: "true", Message: "x"})
			}
		}, "at most 64"},
	} {
		t.Run(name, func(t *testing.T) {
			prefix := ""
			jwt := tenancyv1alpha1.JWTAuthenticator{
				Issuer:        tenancyv1alpha1.Issuer{URL: "https://issuer.example.com", Audiences: []string{"atrium"}},
				ClaimMappings: tenancyv1alpha1.ClaimMappings{Username: tenancyv1alpha1.PrefixedClaimOrExpression{Claim: "sub", Prefix: &prefix}},
			}
			c.change(&jwt)
			configuration := &tenancyv1alpha1.WorkspaceAuthenticationConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: tenancyv1alpha1.WorkspaceAuthenticationConfigurationSpec{JWT: []tenancyv1alpha1.JWTAuthenticator{jwt}}}
			_, err := client.WorkspaceAuthenticationConfigurations(withToken(t, "alice-token"), path).Create(t.Context(), configuration, metav1.CreateOptions{})
			if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v; expected invalid, saying %q", err, c.says)
			}
		})
	}
}
