package issuer

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const (
	clusters = "/clusters/"
	// ConfigurationPath and KeysPath are where, below its URL, an issuer says who
	// it is and which keys it has.
	ConfigurationPath = "/.well-known/openid-configuration"
	KeysPath          = "/openid/v1/jwks"
)

// URL is how a workspace calls itself in its tokens.
func URL(baseURL string, workspace logicalcluster.Name) string {
	return baseURL + clusters + workspace.String()
}

// Workspace returns the workspace whose issuer has the given URL. It says
// nothing about whether there is one.
func Workspace(baseURL, url string) (logicalcluster.Name, bool) {
	rest, ok := strings.CutPrefix(url, baseURL+clusters)
	name := logicalcluster.Name(rest)
	return name, ok && name.IsValid()
}

// Document reads the path of a request for one of the two documents of an
// issuer: "/clusters/<ID>" and one of the paths above. What is not the ID of a
// workspace, a path of names for one, is not.
func Document(path string) (workspace logicalcluster.Name, document string, ok bool) {
	rest, ok := strings.CutPrefix(path, clusters)
	if !ok {
		return "", "", false
	}
	at := strings.IndexByte(rest, '/')
	if at < 0 {
		return "", "", false
	}
	workspace, document = logicalcluster.Name(rest[:at]), rest[at:]
	return workspace, document, IsDocument(document) && workspace.IsValid()
}

// IsDocument tells whether path, below an issuer's URL, is one of its documents.
func IsDocument(path string) bool { return path == ConfigurationPath || path == KeysPath }

// Configuration is the document at ConfigurationPath.
type Configuration struct {
	Issuer        string   `json:"issuer"`
	KeysURL       string   `json:"jwks_uri"`
	ResponseTypes []string `json:"response_types_supported"`
	SubjectTypes  []string `json:"subject_types_supported"`
	SigningAlgs   []string `json:"id_token_signing_alg_values_supported"`
}

// ConfigurationOf returns what a workspace says about itself as an issuer.
func ConfigurationOf(baseURL string, workspace logicalcluster.Name) Configuration {
	url := URL(baseURL, workspace)
	return Configuration{
		Issuer: url, KeysURL: url + KeysPath,
		ResponseTypes: []string{"id_token"}, SubjectTypes: []string{"public"}, SigningAlgs: []string{"ES256"},
	}
}

// Claims is what an unverified token says about itself. Nothing of it may be
// believed. But for the issuer, a claim may be of any type: a token whose issuer
// others can read is never one that is not a token here.
type Claims struct {
	Issuer string `json:"iss"`
	// LegacySecret, the name of a Secret, is set in tokens without an expiry that
	// lie in one.
	LegacySecret json.RawMessage `json:"kubernetes.io/serviceaccount/secret.name"`
	// Distributed is set when some claims are kept elsewhere.
	Distributed json.RawMessage `json:"_claim_names"`
	// Kubernetes is what tokens of TokenRequest say, LegacyUID what those say that
	// lie in a Secret. AccountUID is for both.
	Kubernetes struct {
		ServiceAccount struct {
			UID types.UID `json:"uid"`
		} `json:"serviceaccount"`
	} `json:"kubernetes.io"`
	LegacyUID types.UID `json:"kubernetes.io/serviceaccount/service-account.uid"`
}

// AccountUID is the UID of the service account that the token says it is of, or
// empty.
func (c Claims) AccountUID() types.UID {
	if c.LegacySecret != nil {
		return c.LegacyUID
	}
	return c.Kubernetes.ServiceAccount.UID
}

// Peek reads the claims of a token without verifying anything, and returns false
// for what is not a JWT with an issuer.
func Peek(token string) (Claims, bool) {
	var claims Claims
	_, rest, ok := strings.Cut(token, ".")
	payload, signature, both := strings.Cut(rest, ".")
	if !ok || !both || strings.Contains(signature, ".") {
		return claims, false
	}
	decoded, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return claims, false
	}
	// A claim of the wrong type is left out, as by others who read the token: that
	// must not make it no JWT.
	var wrongType *json.UnmarshalTypeError
	if err := json.Unmarshal(decoded, &claims); err != nil && !errors.As(err, &wrongType) {
		return Claims{}, false
	}
	return claims, claims.Issuer != ""
}
