package authentication

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"slices"
	"sync/atomic"

	"gopkg.in/go-jose/go-jose.v2/jwt"
	"k8s.io/kubernetes/pkg/serviceaccount"
	"k8s.io/utils/lru"

	"github.com/atriumhub/atrium/pkg/identity/issuer"
	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// rememberedKeys bounds how many derived keys are kept (A3). One is 200 bytes,
// and deriving it again takes as long as checking a signature.
const rememberedKeys = 2048

// Issuers are the workspaces of a hub as issuers of tokens.
type Issuers struct {
	baseURL string
	keys    atomic.Pointer[keys]
}

// keys is a ring and what was derived from it.
type keys struct {
	*issuer.Ring
	derived *lru.Cache
}

var _ serviceaccount.TokenGenerator = &Issuers{}

// NewIssuers returns the issuers of the hub that clients reach at baseURL.
func NewIssuers(baseURL string, ring *issuer.Ring) *Issuers {
	i := &Issuers{baseURL: baseURL}
	i.Use(ring)
	return i
}

// Use makes ring the one that signs and verifies from now on. It tells whether
// that is another one than before.
func (i *Issuers) Use(ring *issuer.Ring) bool {
	if before := i.keys.Load(); before != nil && slices.Equal(before.IDs(), ring.IDs()) {
		return false
	}
	i.keys.Store(&keys{ring, lru.New(rememberedKeys)})
	return true
}

// Hub is the audience that stands for the API of the hub.
func (i *Issuers) Hub() string { return i.baseURL }

// URL is how a workspace calls itself in its tokens.
func (i *Issuers) URL(workspace logicalcluster.Name) string {
	return issuer.URL(i.baseURL, workspace)
}

// GenerateToken signs a token for a service account in the workspace that ctx is
// about.
func (i *Issuers) GenerateToken(ctx context.Context, claims *jwt.Claims, private any) (string, error) {
	scope, _ := keyspace.ScopeFrom(ctx)
	workspace, ok := scope.Workspace()
	if !ok {
		return "", fmt.Errorf("a token is for a service account of one workspace, not of %s", scope)
	}
	return i.Sign(workspace, claims, private)
}

// Sign signs a token in the name of a workspace.
func (i *Issuers) Sign(workspace logicalcluster.Name, claims *jwt.Claims, private any) (string, error) {
	signer, err := i.keys.Load().Signer(workspace)
	if err != nil {
		return "", err
	}
	return serviceaccount.GenerateToken(signer, i.URL(workspace), claims, private)
}

// public finds the key of a workspace with the given ID.
func (k *keys) public(workspace logicalcluster.Name, keyID string) (*ecdsa.PublicKey, bool) {
	id := keyName{workspace, keyID}
	if found, ok := k.derived.Get(id); ok {
		return found.(*ecdsa.PublicKey), true
	}
	key, ok := k.Public(workspace, keyID)
	if ok {
		k.derived.Add(id, key)
	}
	return key, ok
}

// keyName is what a derived key is remembered by.
type keyName struct {
	workspace logicalcluster.Name
	keyID     string
}

// workspaceKeys are the keys of one workspace, for upstream's authenticator.
type workspaceKeys struct {
	keys      *keys
	workspace logicalcluster.Name
}

var _ serviceaccount.PublicKeysGetter = workspaceKeys{}

// AddListener does nothing: keys are looked up for each token.
func (workspaceKeys) AddListener(serviceaccount.Listener) {}

// GetCacheAgeMaxSeconds is how long what GetPublicKeys returned may be kept.
func (workspaceKeys) GetCacheAgeMaxSeconds() int { return maxAge }

// GetPublicKeys returns the key with the given ID. A token that names none was
// not made here.
func (w workspaceKeys) GetPublicKeys(_ context.Context, keyID string) []serviceaccount.PublicKey {
	key, ok := w.keys.public(w.workspace, keyID)
	if !ok {
		return nil
	}
	return []serviceaccount.PublicKey{{KeyID: keyID, PublicKey: key}}
}

// noKeys is for upstream's authenticator of service accounts, which knows one
// issuer: it is to accept nobody.
type noKeys struct{ workspaceKeys }

// NoKeys returns a getter without keys.
func NoKeys() serviceaccount.PublicKeysGetter { return noKeys{} }

// GetPublicKeys returns none.
func (noKeys) GetPublicKeys(context.Context, string) []serviceaccount.PublicKey { return nil }

// Signed tells whether a workspace has signed a token, with a key it still has.
// It does not look at what the token says.
func (i *Issuers) Signed(workspace logicalcluster.Name, token string) bool {
	parsed, err := jwt.ParseSigned(token)
	if err != nil || len(parsed.Headers) != 1 {
		return false
	}
	key, ok := i.keys.Load().public(workspace, parsed.Headers[0].KeyID)
	return ok && parsed.Claims(key) == nil
}
