package admission

import (
	"context"
	"fmt"

	"gopkg.in/go-jose/go-jose.v2/jwt"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/storage/names"
	"k8s.io/kubernetes/pkg/apis/authentication"
	"k8s.io/kubernetes/pkg/apis/core"
	"k8s.io/kubernetes/pkg/serviceaccount"

	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// TokensConfig is what NewTokens needs.
type TokensConfig struct {
	// IssuerURL is how a workspace calls itself in tokens.
	IssuerURL func(logicalcluster.Name) string
	// Sign signs a token in the name of a workspace, Signed tells whether it has
	// signed one with a key it still has.
	Sign   func(workspace logicalcluster.Name, claims *jwt.Claims, private any) (string, error)
	Signed func(workspace logicalcluster.Name, token string) bool
	// Account reads a service account from storage: one of the same name may
	// just have been made.
	Account func(ctx context.Context, key logicalcluster.Key) (*corev1.ServiceAccount, error)
	// RootCA is the certificate, in PEM, that clients trust the hub by.
	RootCA []byte
}

// Tokens completes requests for tokens of service accounts, and fills the
// Secrets that are to hold one. A controller does that upstream, after a while;
// here the token is there when the Secret is, and a Secret for nobody is
// refused.
type Tokens struct {
	*admission.Handler
	config TokensConfig
}

var _ admission.MutationInterface = &Tokens{}

// NewTokens returns the plugin.
func NewTokens(config TokensConfig) *Tokens {
	return &Tokens{Handler: admission.NewHandler(admission.Create, admission.Update), config: config}
}

// Admit completes TokenRequests and Secrets.
func (p *Tokens) Admit(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	scope, _ := keyspace.ScopeFrom(ctx)
	workspace, ok := scope.Workspace()
	if !ok {
		return nil // storage refuses writes without a workspace
	}
	switch object := a.GetObject().(type) {
	case *authentication.TokenRequest:
		if len(object.Spec.Audiences) == 0 {
			object.Spec.Audiences = []string{p.config.IssuerURL(workspace)}
		}
	case *core.Secret:
		if object.Type == core.SecretTypeServiceAccountToken && a.GetSubresource() == "" {
			old, _ := a.GetOldObject().(*core.Secret)
			return p.fill(ctx, workspace, object, old)
		}
	}
	return nil
}

// fill puts the token into a Secret. What cannot change is left alone, and so is
// one whose account has gone: it is about to be deleted.
func (p *Tokens) fill(ctx context.Context, workspace logicalcluster.Name, secret, old *core.Secret) error {
	if old != nil && old.Immutable != nil && *old.Immutable {
		return nil
	}
	same := old != nil && accountOf(old) == accountOf(secret)
	if same && p.config.Signed(workspace, string(secret.Data[core.ServiceAccountTokenKey])) {
		return nil
	}
	account, err := p.account(ctx, workspace, secret)
	if err != nil {
		if same {
			return nil
		}
		return err
	}
	return p.sign(workspace, secret, account)
}

// reference is which account a Secret is for.
type reference struct{ name, uid string }

func accountOf(secret *core.Secret) reference {
	return reference{secret.Annotations[core.ServiceAccountNameKey], secret.Annotations[core.ServiceAccountUIDKey]}
}

// account finds the account that a Secret is for, and refuses one that is for
// nobody.
func (p *Tokens) account(ctx context.Context, workspace logicalcluster.Name, secret *core.Secret) (*corev1.ServiceAccount, error) {
	wanted, annotations := accountOf(secret), field.NewPath("metadata", "annotations")
	if wanted.name == "" {
		return nil, refuse(secret, field.Required(annotations.Key(core.ServiceAccountNameKey), "a Secret of this type names the service account it is for"))
	}
	account, err := p.config.Account(ctx, logicalcluster.Key{Workspace: workspace, Namespace: secret.Namespace, Name: wanted.name})
	switch {
	case apierrors.IsNotFound(err) || err == nil && account.DeletionTimestamp != nil:
		return nil, refuse(secret, field.Invalid(annotations.Key(core.ServiceAccountNameKey), wanted.name,
			fmt.Sprintf("there is no such service account in namespace %q: create it first", secret.Namespace)))
	case err != nil:
		return nil, fmt.Errorf("failed to read service account %q: %w", wanted.name, err)
	case wanted.uid != "" && wanted.uid != string(account.UID):
		return nil, refuse(secret, field.Invalid(annotations.Key(core.ServiceAccountUIDKey), wanted.uid,
			fmt.Sprintf("service account %q has the UID %s; leave this annotation out", wanted.name, account.UID)))
	}
	return account, nil
}

func refuse(secret *core.Secret, err *field.Error) error {
	return apierrors.NewInvalid(core.Kind("Secret"), secret.Name, field.ErrorList{err})
}

func (p *Tokens) sign(workspace logicalcluster.Name, secret *core.Secret, account *corev1.ServiceAccount) error {
	if secret.Name == "" && secret.GenerateName != "" {
		// The token names its Secret, so that this cannot wait for storage.
		secret.Name = names.SimpleNameGenerator.GenerateName(secret.GenerateName)
	}
	named := corev1.Secret{}
	named.Name = secret.Name
	claims, private := serviceaccount.LegacyClaims(*account, named)
	token, err := p.config.Sign(workspace, claims, private)
	if err != nil {
		return fmt.Errorf("failed to sign the token of service account %q: %w", account.Name, err)
	}
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	secret.Annotations[core.ServiceAccountUIDKey] = string(account.UID)
	secret.Data[core.ServiceAccountTokenKey] = []byte(token)
	secret.Data[core.ServiceAccountNamespaceKey] = []byte(secret.Namespace)
	secret.Data[core.ServiceAccountRootCAKey] = p.config.RootCA
	return nil
}
