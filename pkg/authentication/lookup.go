package authentication

import (
	"context"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	kubeinformers "k8s.io/client-go/informers"
	"k8s.io/kubernetes/pkg/serviceaccount"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// tokenGetter looks what a token speaks of up in the workspace that the token is
// from. Whether it is from there was checked before, by its signature.
type tokenGetter struct {
	accounts func(logicalcluster.Key) (*corev1.ServiceAccount, bool)
	secrets  func(ctx context.Context, workspace logicalcluster.Name, namespace, name string) (*corev1.Secret, error)
}

// NewTokenGetter returns the lookups behind service account tokens. accounts
// answers from memory; only metadata is looked at. secrets is
// asked only for tokens bound to a Secret, and may go to storage.
func NewTokenGetter(accounts func(logicalcluster.Key) (*corev1.ServiceAccount, bool), secrets func(ctx context.Context, workspace logicalcluster.Name, namespace, name string) (*corev1.Secret, error)) serviceaccount.ServiceAccountTokenGetter {
	return tokenGetter{accounts: accounts, secrets: secrets}
}

// GetServiceAccount returns the account from memory.
func (g tokenGetter) GetServiceAccount(ctx context.Context, namespace, name string) (*corev1.ServiceAccount, error) {
	account, ok := g.accounts(logicalcluster.Key{Workspace: homeOf(ctx), Namespace: namespace, Name: name})
	if !ok {
		return nil, apierrors.NewNotFound(corev1.Resource("serviceaccounts"), name)
	}
	return account, nil
}

// GetSecret returns the Secret a token is bound to.
func (g tokenGetter) GetSecret(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	return g.secrets(ctx, homeOf(ctx), namespace, name)
}

// GetPod finds nothing: the hub binds no tokens to pods.
func (g tokenGetter) GetPod(_ context.Context, _, name string) (*corev1.Pod, error) {
	return nil, apierrors.NewNotFound(corev1.Resource("pods"), name)
}

// GetNode finds nothing: the hub has no nodes.
func (g tokenGetter) GetNode(_ context.Context, name string) (*corev1.Node, error) {
	return nil, apierrors.NewNotFound(corev1.Resource("nodes"), name)
}

// GetValidatingWebhookConfiguration finds nothing: no tokens are bound to it.
func (g tokenGetter) GetValidatingWebhookConfiguration(_ context.Context, name string) (*admissionregistrationv1.ValidatingWebhookConfiguration, error) {
	return nil, apierrors.NewNotFound(admissionregistrationv1.Resource("validatingwebhookconfigurations"), name)
}

// GetMutatingWebhookConfiguration finds nothing: no tokens are bound to it.
func (g tokenGetter) GetMutatingWebhookConfiguration(_ context.Context, name string) (*admissionregistrationv1.MutatingWebhookConfiguration, error) {
	return nil, apierrors.NewNotFound(admissionregistrationv1.Resource("mutatingwebhookconfigurations"), name)
}

// NoTokens is the lookup of upstream's own authenticator of service accounts,
// which is to accept nobody.
func NoTokens(kubeinformers.SharedInformerFactory) serviceaccount.ServiceAccountTokenGetter {
	return tokenGetter{
		accounts: func(logicalcluster.Key) (*corev1.ServiceAccount, bool) { return nil, false },
		secrets: func(_ context.Context, _ logicalcluster.Name, _, name string) (*corev1.Secret, error) {
			return nil, apierrors.NewNotFound(corev1.Resource("secrets"), name)
		},
	}
}
