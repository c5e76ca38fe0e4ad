package tokensecrets

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"

	"github.com/atriumhub/atrium/pkg/informers"
	"github.com/atriumhub/atrium/pkg/loop"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const workers = 2

// Config is what New needs.
type Config struct {
	// Hub reads and deletes as the hub itself.
	Hub *client.Hub
	// Secrets and ServiceAccounts watch those of all workspaces.
	Secrets         *informers.Informer[*metav1.PartialObjectMetadata]
	ServiceAccounts *informers.Informer[*metav1.PartialObjectMetadata]
	// Clock is the real one when nil.
	Clock clock.WithTicker
}

// cleaner deletes token Secrets of accounts that are gone.
type cleaner struct {
	*loop.Loop
	config Config
}

// New returns the loop.
func New(config Config) loop.Controller {
	c := &cleaner{config: config}
	c.Loop = loop.New(loop.Config{Name: "tokensecrets", Workers: workers, Clock: config.Clock, Reconcile: c.reconcile})
	config.Secrets.OnChange(func(_, secret *metav1.PartialObjectMetadata, key logicalcluster.Key) {
		if secret != nil && c.orphan(key.Workspace, secret) {
			c.Enqueue(key)
		}
	})
	config.ServiceAccounts.OnChange(func(old, account *metav1.PartialObjectMetadata, key logicalcluster.Key) {
		if old != nil && (account == nil || account.UID != old.UID) {
			c.wake(key)
		}
	})
	return c
}

// wake looks at the Secrets of an account that went.
func (c *cleaner) wake(account logicalcluster.Key) {
	for _, secret := range c.config.Secrets.In(account.Workspace) {
		if secret.Namespace == account.Namespace && secret.Annotations[corev1.ServiceAccountNameKey] == account.Name {
			c.Enqueue(logicalcluster.Key{Workspace: account.Workspace, Namespace: secret.Namespace, Name: secret.Name})
		}
	}
}

// orphan tells whether a Secret says it is for an account that is not in memory.
// Others write these annotations as well, on Secrets of other types.
func (c *cleaner) orphan(workspace logicalcluster.Name, secret *metav1.PartialObjectMetadata) bool {
	name, uid := secret.Annotations[corev1.ServiceAccountNameKey], secret.Annotations[corev1.ServiceAccountUIDKey]
	if name == "" || uid == "" {
		return false
	}
	account, ok := c.config.ServiceAccounts.Get(logicalcluster.Key{Workspace: workspace, Namespace: secret.Namespace, Name: name})
	return !ok || string(account.UID) != uid
}

// reconcile asks storage before it deletes: memory may not have heard of the
// account yet.
func (c *cleaner) reconcile(ctx context.Context, key logicalcluster.Key) (loop.Result, error) {
	known, ok := c.config.Secrets.Get(key)
	if !ok || !c.orphan(key.Workspace, known) {
		return loop.Result{}, nil
	}
	core := c.config.Hub.Kubernetes(key.Workspace.Path()).CoreV1()
	secret, err := core.Secrets(key.Namespace).Get(ctx, key.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return loop.Result{}, nil
	}
	if err != nil {
		return loop.Result{}, fmt.Errorf("failed to read Secret %s: %w", key, err)
	}
	account, err := core.ServiceAccounts(key.Namespace).Get(ctx, secret.Annotations[corev1.ServiceAccountNameKey], metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return loop.Result{}, fmt.Errorf("failed to read the service account of Secret %s: %w", key, err)
	}
	if !outlived(secret, account, err == nil) {
		return loop.Result{}, nil
	}
	err = core.Secrets(key.Namespace).Delete(ctx, key.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &secret.UID, ResourceVersion: &secret.ResourceVersion}})
	if err != nil && !apierrors.IsNotFound(err) {
		return loop.Result{}, fmt.Errorf("failed to delete Secret %s of a service account that is gone: %w", key, err)
	}
	return loop.Result{}, nil
}

// outlived tells whether a Secret holds the token of an account that is gone, or
// was replaced by another of the same name.
func outlived(secret *corev1.Secret, account *corev1.ServiceAccount, exists bool) bool {
	uid := secret.Annotations[corev1.ServiceAccountUIDKey]
	return secret.Type == corev1.SecretTypeServiceAccountToken && uid != "" && secret.DeletionTimestamp == nil &&
		(!exists || string(account.UID) != uid)
}
