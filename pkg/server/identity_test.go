package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	jose "gopkg.in/go-jose/go-jose.v2"
	"gopkg.in/go-jose/go-jose.v2/jwt"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// whoami asks a workspace who the bearer of a token is.
func whoami(ctx context.Context, t *testing.T, token string, path logicalcluster.Path) (authenticationv1.UserInfo, error) {
	t.Helper()
	review, err := withToken(t, token).Kubernetes(path).AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return authenticationv1.UserInfo{}, err
	}
	return review.Status.UserInfo, nil
}

// newToken makes a token of the default service account in the name of alice.
func newToken(t *testing.T, path logicalcluster.Path, spec authenticationv1.TokenRequestSpec) authenticationv1.TokenRequestStatus {
	t.Helper()
	request, err := withToken(t, "alice-token").Kubernetes(path).CoreV1().ServiceAccounts("default").
		CreateToken(t.Context(), "default", &authenticationv1.TokenRequest{Spec: spec}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return request.Status
}

// letIn lets everybody who logged in, and the group of another workspace's
// users, enter a workspace.
func letIn(t *testing.T, path logicalcluster.Path, groups ...string) {
	t.Helper()
	rbac, ctx := as(t, "base").Kubernetes(path).RbacV1(), t.Context()
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "enter"}, Rules: []rbacv1.PolicyRule{{NonResourceURLs: []string{"/"}, Verbs: []string{"access"}}}}
	if _, err := rbac.ClusterRoles().Create(ctx, role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "enter"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "enter"}}
	for _, group := range groups {
		binding.Subjects = append(binding.Subjects, rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: group})
	}
	if _, err := rbac.ClusterRoleBindings().Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// TestTokensAreGoodAtOnce: nobody waits for the hub to notice an account, and one
// that was made again has tokens of its own.
func TestTokensAreGoodAtOnce(t *testing.T) {
	path, _ := newWorkspace(t)
	accounts := withToken(t, "alice-token").Kubernetes(path).CoreV1().ServiceAccounts("default")
	ctx := minute(t)
	for i := range 20 {
		name := fmt.Sprint("bot-", i/2) // each is made twice
		if _, err := accounts.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		token, err := accounts.CreateToken(ctx, name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := whoami(ctx, t, token.Status.Token, path); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := accounts.Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

func minute(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestATokenIsAForeignerElsewhere(t *testing.T) {
	mine, home := newWorkspace(t)
	theirs, _ := newWorkspace(t)
	ID := home.Spec.Cluster
	letIn(t, theirs, "system:cluster:"+ID)
	token := newToken(t, mine, authenticationv1.TokenRequestSpec{}).Token
	atHome, err := whoami(t.Context(), t, token, mine)
	if err != nil {
		t.Fatal(err)
	}
	extra := authenticationv1.ExtraValue{ID}
	if atHome.Username != "system:serviceaccount:default:default" || !cmp.Equal(atHome.Extra["authentication.kcp.io/cluster-name"], extra) {
		t.Errorf("at home: %+v", atHome)
	}
	if want := []string{"system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"}; !cmp.Equal(atHome.Groups, want) {
		t.Errorf("groups at home: %v", atHome.Groups)
	}
	var abroad authenticationv1.UserInfo
	ctx := minute(t)
	await(ctx, t, "the group of its workspace may enter", func() (err error) {
		abroad, err = whoami(ctx, t, token, theirs)
		return err
	})
	if abroad.Username != "system:kcp:serviceaccount:"+ID+":default:default" || !cmp.Equal(abroad.Extra["authentication.kcp.io/cluster-name"], extra) {
		t.Errorf("abroad: %+v", abroad)
	}
	if want := []string{"system:authenticated", "system:cluster:" + ID}; !cmp.Equal(abroad.Groups, want) {
		t.Errorf("groups abroad: %v", abroad.Groups)
	}
	if _, err := withToken(t, token).Kubernetes(theirs).CoreV1().Secrets("default").List(ctx, metav1.ListOptions{}); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), abroad.Username) {
		t.Errorf("its namesake's rights: %v", err)
	}
}

// forge signs claims with a key.
func forge(t *testing.T, alg jose.SignatureAlgorithm, key any, keyID string, claims ...any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: keyID}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	builder := jwt.Signed(signer)
	for _, claim := range claims {
		builder = builder.Claims(claim)
	}
	token, err := builder.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// parts reads a token without verifying it.
func parts(t *testing.T, token string) (keyID string, claims map[string]any) {
	t.Helper()
	parsed, err := jwt.ParseSigned(token)
	if err != nil {
		t.Fatal(err)
	}
	if err := parsed.UnsafeClaimsWithoutVerification(&claims); err != nil {
		t.Fatal(err)
	}
	return parsed.Headers[0].KeyID, claims
}

// TestTokensThatAreNotGood tries, at home and abroad, what somebody might do who
// has a good token, and a workspace of his own.
func TestTokensThatAreNotGood(t *testing.T) {
	mine, home := newWorkspace(t)
	theirs, neighbour := newWorkspace(t)
	ctx := t.Context()
	good := newToken(t, mine, authenticationv1.TokenRequestSpec{}).Token
	keyID, claims := parts(t, good)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	published, err := documentOf(t, "/clusters/"+home.Spec.Cluster+"/openid/v1/jwks")
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	header, payload, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(payload, ".")
	unsigned := encode([]byte(`{"alg":"none","kid":"`+keyID+`"}`)) + "." + payload + "."
	with := func(key string, value any) map[string]any {
		changed := map[string]any{}
		for k, v := range claims {
			changed[k] = v
		}
		changed[key] = value
		return changed
	}
	// A neighbour signs with his own workspace's key, which a service account of
	// his has for him, and says it is from here.
	theirToken := newToken(t, theirs, authenticationv1.TokenRequestSpec{}).Token
	theirHeader, theirRest, _ := strings.Cut(theirToken, ".")
	_, theirSignature, _ := strings.Cut(theirRest, ".")
	var deleted string
	{
		core := as(t, "base").Kubernetes(mine).CoreV1()
		if _, err := core.ServiceAccounts("default").Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "gone"}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		request, err := core.ServiceAccounts("default").CreateToken(ctx, "gone", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		deleted = request.Status.Token
		waiting := minute(t)
		if _, err := whoami(waiting, t, deleted, mine); err != nil {
			t.Fatal(err)
		}
		if err := core.ServiceAccounts("default").Delete(ctx, "gone", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		await(waiting, t, "the account is gone", func() error {
			if _, err := whoami(waiting, t, deleted, mine); !apierrors.IsUnauthorized(err) {
				return fmt.Errorf("expected unauthorized, got %v", err)
			}
			return nil
		})
		// One of the same name is another one.
		if _, err := core.ServiceAccounts("default").Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "gone"}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	hub := shared.hub.URL()
	for name, token := range map[string]string{
		"signed with another key":              forge(t, jose.ES256, key, keyID, claims),
		"signed with another key, other ID":    forge(t, jose.ES256, key, "x", claims),
		"signed with the public key as secret": forge(t, jose.HS256, []byte(published), keyID, claims),
		"not signed":                           unsigned,
		"signature cut off":                    header + "." + payload + ".",
		"signature of another token":           header + "." + payload + "." + theirSignature,
		"header and signature of a neighbour":  theirHeader + "." + payload + "." + theirSignature,
		"claims changed":                       header + "." + encode([]byte(strings.Replace(decoded(t, payload), `"default"`, `"deployer"`, 1))) + "." + signature,
		"issuer of a neighbour, own signature": header + "." + encode([]byte(strings.Replace(decoded(t, payload), home.Spec.Cluster, neighbour.Spec.Cluster, 1))) + "." + signature,
		"an issuer that does not exist":        forge(t, jose.ES256, key, keyID, with("iss", hub+"/clusters/0000000000000000")),
		"an issuer that is a path":             forge(t, jose.ES256, key, keyID, with("iss", hub+mine.RequestPath())),
		"the hub as issuer":                    forge(t, jose.ES256, key, keyID, with("iss", hub)),
		"upstream's issuer":                    forge(t, jose.ES256, key, keyID, with("iss", "https://kubernetes.default.svc")),
		"upstream's issuer of secrets":         forge(t, jose.ES256, key, keyID, with("iss", "kubernetes/serviceaccount")),
		"of a deleted account":                 deleted,
		"for another audience":                 newToken(t, mine, authenticationv1.TokenRequestSpec{Audiences: []string{"vault"}}).Token,
		"for the API of the neighbour's child": newToken(t, mine, authenticationv1.TokenRequestSpec{Audiences: []string{hub + "/clusters/0000000000000000"}}).Token,
	} {
		for where, path := range map[string]logicalcluster.Path{"at home": mine, "abroad": theirs, "nowhere": "root:no-such", "outside": logicalcluster.SystemAdmin.Path()} {
			if user, err := whoami(ctx, t, token, path); !apierrors.IsUnauthorized(err) {
				t.Errorf("%s, %s: %v %v, expected unauthorized", name, where, user, err)
			}
		}
	}
	if _, err := whoami(ctx, t, good, mine); err != nil {
		t.Errorf("after all this the good one: %v", err)
	}
	if _, err := whoami(ctx, t, good, "root:no-such"); !apierrors.IsForbidden(err) {
		t.Errorf("a good one where nothing is: %v, expected what everybody hears", err)
	}
}

func decoded(t *testing.T, payload string) string {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestExpiry signs with the workspace's own key what the API would not give.
func TestExpiry(t *testing.T) {
	mine, home := newWorkspace(t)
	_, claims := parts(t, newToken(t, mine, authenticationv1.TokenRequestSpec{}).Token)
	sign := func(from, to time.Duration) string {
		now := time.Now()
		token, err := shared.hub.issuers.Sign(logicalcluster.Name(home.Spec.Cluster), &jwt.Claims{
			Subject: "system:serviceaccount:default:default", Audience: jwt.Audience{shared.hub.URL()},
			NotBefore: jwt.NewNumericDate(now.Add(from)), Expiry: jwt.NewNumericDate(now.Add(to)),
		}, map[string]any{"kubernetes.io": claims["kubernetes.io"]})
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	for name, c := range map[string]struct {
		token string
		good  bool
	}{
		"now": {sign(-time.Hour, time.Hour), true}, "before": {sign(-2*time.Hour, -time.Hour), false}, "later": {sign(time.Hour, 2*time.Hour), false},
	} {
		if _, err := whoami(t.Context(), t, c.token, mine); (err == nil) != c.good || err != nil && !apierrors.IsUnauthorized(err) {
			t.Errorf("%s: %v, expected good=%v", name, err, c.good)
		}
	}
}

// TestAudienceOfAWorkspace: a token for the API of one workspace, by its URL, is
// good there and where its account lives it is not.
func TestAudienceOfAWorkspace(t *testing.T) {
	mine, home := newWorkspace(t)
	theirs, neighbour := newWorkspace(t)
	letIn(t, theirs, "system:cluster:"+home.Spec.Cluster)
	hub := shared.hub.URL()
	token := newToken(t, mine, authenticationv1.TokenRequestSpec{Audiences: []string{hub + "/clusters/" + neighbour.Spec.Cluster}}).Token
	ctx := minute(t)
	await(ctx, t, "it is good there", func() error { _, err := whoami(ctx, t, token, theirs); return err })
	if _, err := whoami(ctx, t, token, mine); !apierrors.IsUnauthorized(err) {
		t.Errorf("at home: %v, expected unauthorized", err)
	}
}

func TestReviewsOfTokens(t *testing.T) {
	mine, home := newWorkspace(t)
	theirs, neighbour := newWorkspace(t)
	hub, ID := shared.hub.URL(), home.Spec.Cluster
	issuer := hub + "/clusters/" + ID
	token := newToken(t, mine, authenticationv1.TokenRequestSpec{}).Token
	vault := newToken(t, mine, authenticationv1.TokenRequestSpec{Audiences: []string{"vault"}}).Token
	if _, claims := parts(t, token); claims["iss"] != issuer || !cmp.Equal(claims["aud"], []any{issuer}) {
		t.Errorf("a token says it is from %v for %v, expected %s", claims["iss"], claims["aud"], issuer)
	}
	for name, c := range map[string]struct {
		path      logicalcluster.Path
		token     string
		audiences []string
		user      string
		answered  []string
	}{
		"at home":                          {mine, token, nil, "system:serviceaccount:default:default", []string{hub}},
		"at home, for its URL":             {mine, token, []string{issuer}, "system:serviceaccount:default:default", []string{issuer}},
		"abroad":                           {theirs, token, nil, "system:kcp:serviceaccount:" + ID + ":default:default", []string{hub}},
		"abroad, for its URL":              {theirs, token, []string{hub + "/clusters/" + neighbour.Spec.Cluster}, "system:kcp:serviceaccount:" + ID + ":default:default", []string{hub + "/clusters/" + neighbour.Spec.Cluster}},
		"for somebody else":                {mine, vault, []string{"vault", "other"}, "system:serviceaccount:default:default", []string{"vault"}},
		"not for us":                       {mine, vault, nil, "", nil},
		"not for them":                     {mine, token, []string{"vault"}, "", nil},
		"a user of the hub":                {mine, "bob-token", nil, "bob", []string{hub}},
		"a user of the hub, for its URL":   {mine, "bob-token", []string{issuer}, "bob", []string{issuer}},
		"a user of the hub, not for vault": {mine, "bob-token", []string{"vault"}, "", nil},
		"nobody":                           {mine, "nonsense", nil, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			review, err := withToken(t, "alice-token").Kubernetes(c.path).AuthenticationV1().TokenReviews().Create(t.Context(),
				&authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: c.token, Audiences: c.audiences}}, metav1.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if review.Status.User.Username != c.user || review.Status.Authenticated != (c.user != "") {
				t.Errorf("%+v, expected %q", review.Status, c.user)
			}
			if diff := cmp.Diff(c.answered, review.Status.Audiences); diff != "" {
				t.Errorf("audiences (-want +got):\n%s", diff)
			}
		})
	}
}

// documentOf asks the hub as nobody.
func documentOf(t *testing.T, path string) (string, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, shared.hub.URL()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := withToken(t, "").HTTPClient().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%d %s", response.StatusCode, body)
	}
	return string(body), err
}

// TestDocumentsOfIssuers: with nothing but them somebody outside can verify a
// token of one workspace and of no other.
func TestDocumentsOfIssuers(t *testing.T) {
	mine, home := newWorkspace(t)
	theirs, _ := newWorkspace(t)
	issuer := "/clusters/" + home.Spec.Cluster
	configuration, err := documentOf(t, issuer+"/.well-known/openid-configuration")
	if err != nil {
		t.Fatal(err)
	}
	var said struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal([]byte(configuration), &said); err != nil || said.Issuer != shared.hub.URL()+issuer || said.Keys != said.Issuer+"/openid/v1/jwks" {
		t.Errorf("%s, %v", configuration, err)
	}
	published, err := documentOf(t, strings.TrimPrefix(said.Keys, shared.hub.URL()))
	if err != nil {
		t.Fatal(err)
	}
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(published), &keys); err != nil {
		t.Fatal(err)
	}
	verify := func(path logicalcluster.Path) error {
		token, err := jwt.ParseSigned(newToken(t, path, authenticationv1.TokenRequestSpec{Audiences: []string{"cloud"}}).Token)
		if err != nil {
			t.Fatal(err)
		}
		var claims jwt.Claims
		found := keys.Key(token.Headers[0].KeyID)
		if len(found) != 1 {
			return errors.New("no such key")
		}
		return errors.Join(token.Claims(found[0], &claims), claims.Validate(jwt.Expected{Issuer: said.Issuer, Audience: jwt.Audience{"cloud"}, Time: time.Now()}))
	}
	if err := verify(mine); err != nil {
		t.Errorf("a token of the workspace: %v", err)
	}
	if err := verify(theirs); err == nil {
		t.Error("a token of a neighbour is good")
	}

	// Who has access finds them by path as well.
	raw, err := withToken(t, "alice-token").Kubernetes(mine).Discovery().RESTClient().Get().AbsPath("/.well-known/openid-configuration").DoRaw(t.Context())
	if err != nil || string(raw) != configuration {
		t.Errorf("by path: %s, %v", raw, err)
	}
	// Who has not learns nothing: not from paths, and IDs look all the same.
	if _, err := documentOf(t, mine.RequestPath()+"/.well-known/openid-configuration"); err == nil || !strings.HasPrefix(err.Error(), "403") {
		t.Errorf("by path, as nobody: %v, expected 403", err)
	}
	unknown, err := documentOf(t, "/clusters/0000000000000000/.well-known/openid-configuration")
	if err != nil || strings.ReplaceAll(unknown, "0000000000000000", home.Spec.Cluster) != configuration {
		t.Errorf("of a workspace that is not there: %s, %v", unknown, err)
	}
}

// TestAWorkspaceOfTheSameName: tokens of a workspace that is gone are not good in
// the one that has its name now.
func TestAWorkspaceOfTheSameName(t *testing.T) {
	path, workspace := newWorkspace(t)
	ctx := minute(t)
	token := newToken(t, path, authenticationv1.TokenRequestSpec{}).Token
	workspaces := client.Workspaces(as(t, "base"), "root")
	if err := workspaces.Delete(ctx, workspace.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, workspace.Name)
	again := &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: workspace.Name}}
	if _, err := workspaces.Create(ctx, again, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitReady(ctx, t, as(t, "base"), workspace.Name)
	for _, where := range []logicalcluster.Path{path, "root", logicalcluster.SystemAdmin.Path()} {
		if user, err := whoami(ctx, t, token, where); !apierrors.IsUnauthorized(err) {
			t.Errorf("in %s: %v, %v, expected unauthorized", where, user, err)
		}
	}
}

// TestRotation rotates the secrets of the running hub.
func TestRotation(t *testing.T) {
	mine, home := newWorkspace(t)
	ctx := minute(t)
	secrets := shared.hub.tokenSecrets()
	before, err := secrets.List()
	if err != nil {
		t.Fatal(err)
	}
	old := newToken(t, mine, authenticationv1.TokenRequestSpec{}).Token
	added, err := secrets.Add(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var current string
	await(ctx, t, "the new secret signs", func() error {
		current = newToken(t, mine, authenticationv1.TokenRequestSpec{}).Token
		if keyID, _ := parts(t, current); !strings.HasPrefix(keyID, added.ID) {
			return fmt.Errorf("signed with %s", keyID)
		}
		return nil
	})
	for name, token := range map[string]string{"old": old, "new": current} {
		if _, err := whoami(ctx, t, token, mine); err != nil {
			t.Errorf("the %s token: %v", name, err)
		}
	}
	published, err := documentOf(t, "/clusters/"+home.Spec.Cluster+"/openid/v1/jwks")
	if err != nil || !strings.Contains(published, before[len(before)-1].ID) || !strings.Contains(published, added.ID) {
		t.Errorf("published are %s, %v; expected both keys", published, err)
	}
	for _, file := range before {
		if err := secrets.Remove(file.ID); err != nil {
			t.Fatal(err)
		}
	}
	await(ctx, t, "the old secret is retired", func() error {
		if _, err := whoami(ctx, t, old, mine); !apierrors.IsUnauthorized(err) {
			return fmt.Errorf("expected unauthorized, got %v", err)
		}
		return nil
	})
	if _, err := whoami(ctx, t, current, mine); err != nil {
		t.Errorf("the new token after the old secret was retired: %v", err)
	}
}
