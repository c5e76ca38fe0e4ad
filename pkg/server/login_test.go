package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

func TestLoginFlags(t *testing.T) {
	file := func(name, content string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const header = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n"
	const noUser = header + "jwt:\n- issuer: {url: https://a.example.com, audiences: [a]}\n"
	for name, c := range map[string]struct {
		args []string
		says []string
	}{
		"nothing":           {nil, nil},
		"an issuer":         {[]string{"--oidc-issuer-url=https://a.example.com", "--oidc-client-id=a"}, nil},
		"an issuer alone":   {[]string{"--oidc-issuer-url=https://a.example.com"}, []string{"oidc-client-id"}},
		"an issuer, http":   {[]string{"--oidc-issuer-url=http://a.example.com", "--oidc-client-id=a"}, []string{"--oidc-", "issuer.url", "https"}},
		"no file":           {[]string{"--authentication-config=/nowhere"}, []string{"--authentication-config /nowhere", "no such file"}},
		"an empty file":     {[]string{"--authentication-config=" + file("e", "")}, []string{"--authentication-config"}},
		"another kind":      {[]string{"--authentication-config=" + file("k", "apiVersion: v1\nkind: Secret\n")}, []string{"--authentication-config"}},
		"an unknown field":  {[]string{"--authentication-config=" + file("f", header+"jwts: []\n")}, []string{"--authentication-config", "jwts"}},
		"no user":           {[]string{"--authentication-config=" + file("u", noUser)}, []string{"jwt[0].claimMappings.username"}},
		"both":              {[]string{"--oidc-issuer-url=https://a.example.com", "--oidc-client-id=a", "--authentication-config=" + file("b", header)}, []string{"mutually exclusive"}},
		"no tokens":         {[]string{"--token-auth-file=/nowhere"}, []string{"--token-auth-file", "no such file"}},
		"a token of nobody": {[]string{"--token-auth-file=" + file("t", "token,user\n")}, []string{"--token-auth-file", "3 columns"}},
		"no authority":      {[]string{"--client-ca-file=/nowhere"}, []string{"--client-ca-file", "no such file"}},
		"not an authority":  {[]string{"--client-ca-file=" + file("c", "x")}, []string{"--client-ca-file"}},
		"no network":        {[]string{"--tenant-egress-allow=localhost"}, []string{"--tenant-egress-allow", "localhost"}},
		"two networks":      {[]string{"--tenant-egress-allow=10.0.0.0/8,fd00::1"}, nil},
		"a whole other one": {[]string{"--authentication-config=" + file("w", header+"jwt: []\n")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			options, flags := NewOptions(), pflag.NewFlagSet("atrium", pflag.ContinueOnError)
			flags.SetOutput(io.Discard)
			options.AddFlags(flags)
			if err := flags.Parse(c.args); err != nil {
				t.Fatal(err)
			}
			err := options.Validate()
			if (err != nil) != (c.says != nil) {
				t.Fatalf("%v", err)
			}
			for _, word := range c.says {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%v; does not say %q", err, word)
				}
			}
		})
	}
}

// configure writes the shared hub's authentication configuration.
func configure(t *testing.T, jwt ...tenancyv1alpha1.JWTAuthenticator) {
	t.Helper()
	content, err := json.Marshal(map[string]any{"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": jwt})
	if err != nil {
		t.Fatal(err)
	}
	file := shared.hub.options.Login.AuthenticationConfigFile
	if err := os.WriteFile(file+".next", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".next", file); err != nil {
		t.Fatal(err)
	}
}

// TestIssuersOfTheOperator: users of the hub's issuers are the same everywhere,
// and no claim makes them more.
func TestIssuersOfTheOperator(t *testing.T) {
	p := newProvider(t)
	path, _ := newWorkspace(t)
	letIn(t, path, "devs")
	trusted := p.trusted()
	trusted.ClaimMappings.Extra = []tenancyv1alpha1.ExtraMapping{
		{Key: "example.com/team", ValueExpression: "'blue'"},
		{Key: "authentication.kcp.io/scopes", ValueExpression: "'cluster:root'"},
		{Key: "authorization.kcp.io/warrant", ValueExpression: `'{"groups":["system:masters"]}'`},
	}
	configure(t, trusted)
	t.Cleanup(func() { configure(t) })
	ctx := minute(t)
	var user authenticationv1.UserInfo
	await(ctx, t, "the configuration is read again", func() (err error) { user, err = whoami(ctx, t, p.token(t, nil), path); return err })
	delete(user.Extra, "authentication.kubernetes.io/credential-id")
	want := authenticationv1.UserInfo{Username: "ann", Groups: []string{"devs", "system:authenticated"}, Extra: map[string]authenticationv1.ExtraValue{"example.com/team": {"blue"}}}
	if diff := cmp.Diff(want, user); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := withToken(t, p.token(t, nil)).Kubernetes(client.Everywhere).CoreV1().Secrets("").List(ctx, metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("with the claim system:masters: %v, expected forbidden", err)
	}
	for _, name := range []string{"system:admin", "system:serviceaccount:default:default", "system:kcp:serviceaccount:root:default:default"} {
		if user, err := whoami(ctx, t, p.token(t, map[string]any{"sub": name}), path); !apierrors.IsUnauthorized(err) {
			t.Errorf("%s: %v, %v; expected unauthorized", name, user, err)
		}
	}
}

// websocketHeaders are those of a request that is to become a websocket, with a
// token in the place that browsers have for it.
func websocketHeaders(authorization, token string) map[string]string {
	return map[string]string{
		"Authorization": authorization, "Connection": "Upgrade", "Upgrade": "websocket",
		"Sec-Websocket-Version": "13", "Sec-Websocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
		"Sec-Websocket-Protocol": "base64url.bearer.authorization.k8s.io." + base64.RawURLEncoding.EncodeToString([]byte(token)) + ", v4.channel.k8s.io",
	}
}

// TestClaimsAreBoundedWhereverTheTokenIs: a token that is looked for in one place,
// and found by Kubernetes in another, was a way around the bounds of claims.
func TestClaimsAreBoundedWhereverTheTokenIs(t *testing.T) {
	p := newProvider(t)
	path, _ := newWorkspace(t)
	letIn(t, path, "devs")
	configure(t, p.trusted())
	t.Cleanup(func() { configure(t) })
	ctx := minute(t)
	await(ctx, t, "the configuration is read again", func() error { _, err := whoami(ctx, t, p.token(t, nil), path); return err })
	for _, authorization := range []string{"", "Basic eDp5", "Bearer garbage", "Bearer a.b.c"} {
		t.Run(authorization, func(t *testing.T) {
			header := websocketHeaders(authorization, p.token(t, nil))
			// The token grants what the group devs may, and system:masters nothing.
			if code, answer := send(ctx, t, "", http.MethodGet, "/clusters/*/api/v1/configmaps?limit=1", nil, header); code != http.StatusForbidden && code != http.StatusUnauthorized {
				t.Errorf("all workspaces: %d, %s", code, answer)
			}
		})
	}
}

// TestAuthoritiesOfTheOperator: certificates of --client-ca-file are good, and so
// are the hub's own.
func TestAuthoritiesOfTheOperator(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	encodedKey, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "dora", Organization: []string{"devs"}},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, shared.operator.Leaf, &key.PublicKey, shared.operator.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	config := rest.AnonymousClientConfig(restConfig(t, "base"))
	config.CertData = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	config.KeyData = pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: encodedKey})
	dora, err := client.New(config)
	if err != nil {
		t.Fatal(err)
	}
	review, err := dora.Kubernetes(logicalcluster.Root.Path()).AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil || review.Status.UserInfo.Username != "dora" {
		t.Errorf("%v, %v; expected dora", review, err)
	}
	if _, err := as(t, "base").Kubernetes(logicalcluster.Root.Path()).CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Errorf("the hub's own: %v", err)
	}
}

// newOperator makes an authority of the operator, in a file.
func newOperator(file string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "operator"}, NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, authority, authority, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		return tls.Certificate{}, fmt.Errorf("failed to write the authority: %w", err)
	}
	parsed, err := x509.ParseCertificate(der)
	return tls.Certificate{Leaf: parsed, PrivateKey: key}, err
}

// withLogins adds to the options of the shared hub what the tests of logins need.
func withLogins(options *Options, dir string) error {
	options.Login.AuthenticationConfigFile = filepath.Join(dir, "authentication.json")
	if err := os.WriteFile(options.Login.AuthenticationConfigFile, []byte(`{"apiVersion":"apiserver.config.k8s.io/v1","kind":"AuthenticationConfiguration"}`), 0o600); err != nil {
		return err
	}
	options.ClientCAFile = filepath.Join(dir, "operator.crt")
	var err error
	shared.operator, err = newOperator(options.ClientCAFile)
	return err
}
