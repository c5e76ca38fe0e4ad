package issuer

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	jose "gopkg.in/go-jose/go-jose.v2"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

func secret(t testing.TB, fill byte) Secret {
	t.Helper()
	s, err := NewSecret(bytes.Repeat([]byte{fill}, SecretSize))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ring(t testing.TB, fills ...byte) *Ring {
	t.Helper()
	var secrets []Secret
	for _, fill := range fills {
		secrets = append(secrets, secret(t, fill))
	}
	r, err := NewRing(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestDerivationIsForGood: a change of the derivation would make every token
// there is invalid. The values were taken from the first version (I1).
func TestDerivationIsForGood(t *testing.T) {
	keys, err := ring(t, 1).Keys("2xk8p9abcdefghij")
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(keys)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"keys":[{"use":"sig","kty":"EC","kid":"4715739dec88a8c4.2xk8p9abcdefghij","crv":"P-256","alg":"ES256","x":"D6pEuE5TO-U5sxorn_z68txiiuSVCPgRvQVqt5lCbKk","y":"sBvYNqIdmzfJM9_oVqp4v0pyTrD3AvKvR3INfcmIgc0"}]}`
	if diff := cmp.Diff(want, string(encoded)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func sign(t testing.TB, r *Ring, workspace logicalcluster.Name) (kid, token string) {
	t.Helper()
	signer, err := r.Signer(workspace)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign([]byte(`{"iss":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	token, err = signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jose.ParseSigned(token)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Signatures[0].Header.KeyID, token
}

// TestWorkspacesHaveNothingInCommon holds I2 and I3.
func TestWorkspacesHaveNothingInCommon(t *testing.T) {
	r := ring(t, 1, 2)
	seen := map[string]string{}
	for _, workspace := range []logicalcluster.Name{"a", "aa", "b", "root", "system:admin", "system-admin", "admin"} {
		keys, err := r.Keys(workspace)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range keys.Keys {
			public, err := json.Marshal(key)
			if err != nil {
				t.Fatal(err)
			}
			if other, ok := seen[string(public)]; ok {
				t.Errorf("%s and %s share a key", other, workspace)
			}
			seen[string(public)] = workspace.String()
			if _, ok := r.Public(workspace, key.KeyID); !ok {
				t.Errorf("key %s of %s is published and not known", key.KeyID, workspace)
			}
			if _, ok := r.Public("neighbour", key.KeyID); ok {
				t.Errorf("key %s of %s is one of a neighbour", key.KeyID, workspace)
			}
		}
	}
}

func TestRotation(t *testing.T) {
	before, during, after := ring(t, 1), ring(t, 1, 2), ring(t, 2)
	old, _ := sign(t, before, "a")
	current, _ := sign(t, during, "a")
	for name, c := range map[string]struct {
		ring *Ring
		kid  string
		want bool
	}{
		"old token, before":     {before, old, true},
		"old token, during":     {during, old, true},
		"old token, after":      {after, old, false},
		"new token, before":     {before, current, false},
		"new token, during":     {during, current, true},
		"new token, after":      {after, current, true},
		"a token without an ID": {during, "", false},
	} {
		if _, ok := c.ring.Public("a", c.kid); ok != c.want {
			t.Errorf("%s: known=%v, expected %v", name, ok, c.want)
		}
	}
	if old == current {
		t.Error("the newest secret does not sign")
	}
}

func TestRingsThatCannotBe(t *testing.T) {
	if _, err := NewRing(); err == nil {
		t.Error("a ring without secrets")
	}
	if _, err := NewRing(secret(t, 1), secret(t, 1)); err == nil {
		t.Error("a secret twice")
	}
	if _, err := NewSecret([]byte("short")); err == nil {
		t.Error("a short secret")
	}
}

func TestDocument(t *testing.T) {
	type read struct {
		Workspace logicalcluster.Name
		Document  string
	}
	for path, want := range map[string]read{
		"/clusters/root/.well-known/openid-configuration":         {"root", ConfigurationPath},
		"/clusters/2xk8p9/openid/v1/jwks":                         {"2xk8p9", KeysPath},
		"/clusters/system:admin/openid/v1/jwks":                   {"system:admin", KeysPath},
		"/clusters/root:org/openid/v1/jwks":                       {},
		"/clusters/*/openid/v1/jwks":                              {},
		"/clusters/Root/openid/v1/jwks":                           {},
		"/clusters//openid/v1/jwks":                               {},
		"/clusters/root/openid/v1/jwks/":                          {},
		"/clusters/root/openid/v1":                                {},
		"/clusters/root":                                          {},
		"/openid/v1/jwks":                                         {},
		"/clusters/root/clusters/root/openid/v1/jwks":             {},
		"/services/x/clusters/root/openid/v1/jwks":                {},
		"/clusters/root/api/../.well-known/openid-configuration":  {},
		"/clusters/root/.well-known/openid-configuration/../jwks": {},
	} {
		workspace, document, ok := Document(path)
		if !ok {
			workspace, document = "", ""
		}
		if diff := cmp.Diff(want, read{workspace, document}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

func TestWorkspace(t *testing.T) {
	const base = "https://hub:6443"
	for url, want := range map[string]logicalcluster.Name{
		URL(base, "root"):                 "root",
		URL(base, "system:admin"):         "system:admin",
		URL(base, "root") + "/":           "",
		URL(base, "root:org"):             "",
		URL(base, "*"):                    "",
		URL(base, ""):                     "",
		"https://hub:64433/clusters/root": "",
		"https://other/clusters/root":     "",
		base:                              "",
		"kubernetes/serviceaccount":       "",
	} {
		name, ok := Workspace(base, url)
		if ok != (want != "") || ok && name != want {
			t.Errorf("%s: %q, %v; expected %q", url, name, ok, want)
		}
	}
}

func TestPeek(t *testing.T) {
	_, token := sign(t, ring(t, 1), "a")
	if claims, ok := Peek(token); !ok || claims.Issuer != "x" {
		t.Errorf("a token: %+v, %v", claims, ok)
	}
	wrongType := "e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"kubernetes.io/serviceaccount/secret.name":1,"iss":"x"}`)) + ".x"
	if claims, ok := Peek(wrongType); !ok || claims.Issuer != "x" {
		t.Errorf("a claim of the wrong type makes it no JWT: %+v, %v", claims, ok)
	}
	for _, text := range []string{"", "static-token", "a.b", "a.b.c", "a.b.c.d", "..", token + ".x", `{"payload":"x"}`} {
		if claims, ok := Peek(text); ok {
			t.Errorf("%q is read as a JWT: %+v", text, claims)
		}
	}
}

func BenchmarkPublic(b *testing.B) {
	r := ring(b, 1, 2, 3)
	kid, _ := sign(b, r, "2xk8p9abcdefghij")
	for b.Loop() {
		if _, ok := r.Public("2xk8p9abcdefghij", kid); !ok {
			b.Fatal("unknown key")
		}
	}
}

func BenchmarkSigner(b *testing.B) {
	r := ring(b, 1, 2, 3)
	for b.Loop() {
		if _, err := r.Signer("2xk8p9abcdefghij"); err != nil {
			b.Fatal(err)
		}
	}
}
