package server

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"

	"github.com/atriumhub/atrium/internal/pki"
	hubadmission "github.com/atriumhub/atrium/pkg/admission"
	"github.com/atriumhub/atrium/pkg/authentication"
	"github.com/atriumhub/atrium/pkg/workspaces/prepare"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// openIssuers reads the secrets from which workspaces have their keys.
func (h *Hub) openIssuers() error {
	ring, err := h.tokenSecrets().Open(time.Now())
	if err != nil {
		return err
	}
	h.issuers = authentication.NewIssuers(h.baseURL, ring)
	return nil
}

func (h *Hub) tokenSecrets() pki.Secrets { return pki.TokenSecrets(h.options.file("pki")) }

// watchTokenSecrets takes up new secrets, and lets go of retired ones. Files that
// are not right change nothing: the hub goes on with what it has.
func (h *Hub) watchTokenSecrets(ctx context.Context) {
	secrets := h.tokenSecrets()
	err := secrets.Watch(ctx, func() {
		ring, err := secrets.Read()
		if err != nil {
			klog.ErrorS(err, "Token secrets stay as they were")
			return
		}
		if h.issuers.Use(ring) {
			klog.InfoS("Token secrets have changed; the last one signs", "secrets", ring.IDs())
		}
	})
	if err != nil {
		klog.ErrorS(err, "Changes of token secrets are not noticed until the hub is started again")
	}
}

// buildAuthentication puts the workspaces' and the tenants' issuers behind those
// that the operator configured.
func (h *Hub) buildAuthentication() error {
	accounts, err := authentication.NewAccounts(h.issuers, authentication.NewTokenGetter(authentication.Lookups{
		Account: h.serviceAccount, StoredAccount: h.storedAccount, StoredSecret: h.storedSecret,
	}))
	if err != nil {
		return err
	}
	authentication.LimitMetrics()
	tenants := authentication.NewTenants(authentication.TenantsConfig{Accepted: h.authenticationConfigurations, Client: h.egress.Client, Audience: h.baseURL})
	h.models.authentication.OnChange(func(_, _ *tenancyv1alpha1.WorkspaceAuthenticationConfiguration, key logicalcluster.Key) {
		tenants.Forget(key)
	})
	info := &h.upstream.config.Generic.Authentication
	info.Authenticator = authentication.New(authentication.Config{
		Upstream: info.Authenticator, Issuers: h.issuers, Accounts: accounts, Tenants: tenants.For,
	})
	return nil
}

// authenticationConfigurations are those that the type of a workspace, and the
// types it extends, refer to.
func (h *Hub) authenticationConfigurations(workspace logicalcluster.Name) []*tenancyv1alpha1.WorkspaceAuthenticationConfiguration {
	cluster, ok := h.models.logicalClusters.Get(logicalcluster.Key{Workspace: workspace, Name: corev1alpha1.LogicalClusterName})
	if !ok {
		return nil
	}
	kind, ok := prepare.TypeOf(cluster)
	if !ok {
		return nil
	}
	// A type that cannot be followed to its end counts as far as it can.
	resolved, _ := prepare.Resolve(kind, h.directory.Types(h.models.workspaceTypes))
	var found []*tenancyv1alpha1.WorkspaceAuthenticationConfiguration
	for _, key := range resolved.AuthenticationConfigurations {
		if configuration, ok := h.models.authentication.Get(key); ok {
			found = append(found, configuration)
		}
	}
	return found
}

// tokenAdmission completes what has to do with tokens.
func (h *Hub) tokenAdmission() []hubadmission.Named {
	return []hubadmission.Named{
		{Name: "AtriumTokens", Plugin: hubadmission.NewTokens(hubadmission.TokensConfig{
			IssuerURL: h.issuers.URL, Sign: h.issuers.Sign, Signed: h.issuers.Signed, Account: h.storedAccount, RootCA: h.authority.PEM(),
		})},
		{Name: "AtriumAuthentication", Plugin: hubadmission.NewAuthentication(authentication.Validate)},
	}
}

// serviceAccount finds the identity of a service account.
func (h *Hub) serviceAccount(key logicalcluster.Key) (*corev1.ServiceAccount, bool) {
	found, ok := h.models.serviceAccounts.Get(key)
	if !ok {
		return nil, false
	}
	return &corev1.ServiceAccount{ObjectMeta: found.ObjectMeta}, true
}

// storedAccount reads a service account from storage.
func (h *Hub) storedAccount(ctx context.Context, key logicalcluster.Key) (*corev1.ServiceAccount, error) {
	return h.hubClient.Kubernetes(key.Workspace.Path()).CoreV1().ServiceAccounts(key.Namespace).Get(ctx, key.Name, metav1.GetOptions{})
}

// storedSecret reads a Secret that a token is bound to.
func (h *Hub) storedSecret(ctx context.Context, key logicalcluster.Key) (*corev1.Secret, error) {
	found, err := h.hubClient.Kubernetes(key.Workspace.Path()).CoreV1().Secrets(key.Namespace).Get(ctx, key.Name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("failed to read Secret %s/%s of workspace %s: %w", key.Namespace, key.Name, key.Workspace, err)
	}
	return found, nil
}
