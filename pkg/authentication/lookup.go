package authentication

import (
	"context"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	kubeinformers "k8s.io/client-go/informers"
	"k8s.io/kubernetes/pkg/serviceaccount"
	"k8s.io/utils/lru"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// rememberedGone bounds how many accounts are known to be gone (A3).
const rememberedGone = 1024

// Lookups find what tokens speak of.
type Lookups struct {
	// Account answers from memory, where an account may come and go some
	// milliseconds late. Only metadata is looked at.
	Account func(logicalcluster.Key) (*corev1.ServiceAccount, bool)
	// StoredAccount reads storage. It is asked about accounts that memory does not
	// have, once for each that is gone.
	StoredAccount func(context.Context, logicalcluster.Key) (*corev1.ServiceAccount, error)
	// StoredSecret reads storage. It is asked only for tokens bound to a Secret.
	StoredSecret func(context.Context, logicalcluster.Key) (*corev1.Secret, error)
}

// tokenGetter looks what a token speaks of up in the workspace that the token is
// from. Whether it is from there was checked before, by its signature.
type tokenGetter struct {
	Lookups
	// gone has holders whose account storage did not have. A UID never comes back.
	gone *lru.Cache
}

// NewTokenGetter returns the lookups behind service account tokens.
func NewTokenGetter(l Lookups) serviceaccount.ServiceAccountTokenGetter {
	return tokenGetter{Lookups: l, gone: lru.New(rememberedGone)}
}

// GetServiceAccount returns the account that the token is of.
func (g tokenGetter) GetServiceAccount(ctx context.Context, namespace, name string) (*corev1.ServiceAccount, error) {
	holder := holderOf(ctx)
	key := logicalcluster.Key{Workspace: holder.home, Namespace: namespace, Name: name}
	if account, ok := g.Account(key); ok && account.UID == holder.uid {
		return account, nil
	}
	if _, ok := g.gone.Get(holder); ok {
		return nil, apierrors.NewNotFound(corev1.Resource("serviceaccounts"), name)
	}
	account, err := g.StoredAccount(ctx, key)
	if apierrors.IsNotFound(err) || err == nil && account.UID != holder.uid {
		g.gone.Add(holder, nil)
	}
	return account, err
}

// GetSecret returns the Secret a token is bound to.
func (g tokenGetter) GetSecret(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	return g.StoredSecret(ctx, logicalcluster.Key{Workspace: holderOf(ctx).home, Namespace: namespace, Name: name})
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
	return NewTokenGetter(Lookups{
		Account: func(logicalcluster.Key) (*corev1.ServiceAccount, bool) { return nil, false },
		StoredAccount: func(_ context.Context, key logicalcluster.Key) (*corev1.ServiceAccount, error) {
			return nil, apierrors.NewNotFound(corev1.Resource("serviceaccounts"), key.Name)
		},
		StoredSecret: func(_ context.Context, key logicalcluster.Key) (*corev1.Secret, error) {
			return nil, apierrors.NewNotFound(corev1.Resource("secrets"), key.Name)
		},
	})
}
