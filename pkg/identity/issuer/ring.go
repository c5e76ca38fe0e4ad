package issuer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	jose "gopkg.in/go-jose/go-jose.v2"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// SecretSize is the length of a master secret in bytes.
const SecretSize = 32

// What keys and IDs are derived for. The version changes when the derivation
// does.
const (
	keyPurpose = "atrium/v1/service-account-token/ES256/"
	idPurpose  = "atrium/v1/secret-id"
)

// Secret is a master secret.
type Secret struct {
	id  string
	key []byte
}

// NewSecret returns the secret with the given SecretSize bytes.
func NewSecret(key []byte) (Secret, error) {
	if len(key) != SecretSize {
		return Secret{}, fmt.Errorf("a secret has %d bytes, not %d", SecretSize, len(key))
	}
	id, err := hkdf.Key(sha256.New, key, nil, idPurpose, 8)
	if err != nil {
		return Secret{}, err
	}
	return Secret{id: hex.EncodeToString(id), key: key}, nil
}

// ID names the secret. It tells nothing about it.
func (s Secret) ID() string { return s.id }

// Ring is a set of master secrets. It is immutable.
type Ring struct{ secrets []Secret }

// NewRing returns the ring of the given secrets, the oldest first.
func NewRing(secrets ...Secret) (*Ring, error) {
	if len(secrets) == 0 {
		return nil, fmt.Errorf("there is no secret to sign with")
	}
	seen := map[string]bool{}
	for _, secret := range secrets {
		if seen[secret.id] {
			return nil, fmt.Errorf("secret %s is there twice", secret.id)
		}
		seen[secret.id] = true
	}
	return &Ring{secrets}, nil
}

// IDs names the secrets, the oldest first.
func (r *Ring) IDs() []string {
	ids := make([]string, 0, len(r.secrets))
	for _, secret := range r.secrets {
		ids = append(ids, secret.id)
	}
	return ids
}

// Signer returns what signs the tokens of a workspace.
func (r *Ring) Signer(workspace logicalcluster.Name) (jose.Signer, error) {
	newest := r.secrets[len(r.secrets)-1]
	key, err := newest.derive(workspace)
	if err != nil {
		return nil, err
	}
	private := jose.JSONWebKey{Algorithm: string(jose.ES256), Key: key, KeyID: newest.keyID(workspace), Use: "sig"}
	return jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: private}, nil)
}

// Public returns the key of a workspace with the given ID, and false when the
// workspace has, or no longer has, such a key.
func (r *Ring) Public(workspace logicalcluster.Name, keyID string) (*ecdsa.PublicKey, bool) {
	for _, secret := range r.secrets {
		if keyID != secret.keyID(workspace) {
			continue
		}
		key, err := secret.derive(workspace)
		if err != nil {
			return nil, false
		}
		return &key.PublicKey, true
	}
	return nil, false
}

// Keys returns all keys that tokens of a workspace are checked with, as they are
// published.
func (r *Ring) Keys(workspace logicalcluster.Name) (jose.JSONWebKeySet, error) {
	var set jose.JSONWebKeySet
	for _, secret := range r.secrets {
		key, err := secret.derive(workspace)
		if err != nil {
			return set, err
		}
		set.Keys = append(set.Keys, jose.JSONWebKey{Algorithm: string(jose.ES256), Key: &key.PublicKey, KeyID: secret.keyID(workspace), Use: "sig"})
	}
	return set, nil
}

func (s Secret) keyID(workspace logicalcluster.Name) string {
	return s.id + "." + strings.ReplaceAll(workspace.String(), ":", ".")
}

// derive returns the key of a workspace. A number that is no key, which one in
// 2^32 is, is passed over.
func (s Secret) derive(workspace logicalcluster.Name) (*ecdsa.PrivateKey, error) {
	for attempt := range byte(8) {
		raw, err := hkdf.Key(sha256.New, s.key, nil, keyPurpose+workspace.String()+"\x00"+string(rune(attempt)), 32)
		if err != nil {
			return nil, fmt.Errorf("failed to derive the key of workspace %s: %w", workspace, err)
		}
		if key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw); err == nil {
			return key, nil
		}
	}
	return nil, fmt.Errorf("failed to derive the key of workspace %s", workspace)
}
