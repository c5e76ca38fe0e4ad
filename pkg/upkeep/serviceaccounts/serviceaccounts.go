package serviceaccounts

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/utils/clock"

	"github.com/atriumhub/atrium/pkg/directory"
	"github.com/atriumhub/atrium/pkg/informers"
	"github.com/atriumhub/atrium/pkg/loop"
	"github.com/atriumhub/atrium/pkg/workspaces/prepare"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const (
	workers = 4
	// beginning is how long a new workspace is left to the lifecycle loop.
	beginning = 3 * time.Second
)

// Config is what New needs.
type Config struct {
	// Hub writes as the hub itself.
	Hub *client.Hub
	// Namespaces watches the namespaces of all workspaces.
	Namespaces *informers.Informer[*corev1.Namespace]
	// ServiceAccounts and ConfigMaps watch those of all workspaces, converted by
	// Trim.
	ServiceAccounts *informers.Informer[*metav1.PartialObjectMetadata]
	ConfigMaps      *informers.Informer[*metav1.PartialObjectMetadata]
	// Directory tells in which phase a workspace is.
	Directory *directory.Directory
	// RootCA is the certificate, in PEM, that clients trust the hub by.
	RootCA []byte
	// Clock is the real one when nil.
	Clock clock.WithTicker
}

// Keeper keeps service accounts and certificates where they belong.
type Keeper struct {
	*loop.Loop
	config Config
	digest string
}

var _ loop.Controller = (*Keeper)(nil)

// New returns a Keeper that listens to the informers.
func New(config Config) *Keeper {
	k := &Keeper{config: config, digest: digest(config.RootCA)}
	k.Loop = loop.New(loop.Config{Name: "serviceaccounts", Workers: workers, Clock: config.Clock, Reconcile: k.reconcile})
	config.Namespaces.OnChange(func(old, namespace *corev1.Namespace, key logicalcluster.Key) {
		if old == nil && namespace != nil {
			k.Enqueue(key)
		}
	})
	config.ServiceAccounts.OnChange(k.watch(prepare.DefaultServiceAccountName, k.accountChanged))
	config.ConfigMaps.OnChange(k.watch(prepare.RootCAName, k.certificateChanged))
	return k
}

// watch wakes the namespace of an object with the given name when changed says
// that this is needed.
func (k *Keeper) watch(name string, needed func(*metav1.PartialObjectMetadata) bool) func(old, small *metav1.PartialObjectMetadata, key logicalcluster.Key) {
	return func(_, small *metav1.PartialObjectMetadata, key logicalcluster.Key) {
		if key.Name == name && needed(small) {
			k.Enqueue(logicalcluster.Key{Workspace: key.Workspace, Name: key.Namespace})
		}
	}
}

func (k *Keeper) accountChanged(small *metav1.PartialObjectMetadata) bool { return small == nil }

func (k *Keeper) certificateChanged(small *metav1.PartialObjectMetadata) bool {
	return small == nil || small.Annotations[digestAnnotation] != k.digest
}

// need is what a namespace lacks.
type need struct{ account, createCA, updateCA bool }

func (n need) nothing() bool { return n == need{} }

func (k *Keeper) reconcile(ctx context.Context, key logicalcluster.Key) (loop.Result, error) {
	namespace, ok := k.config.Namespaces.Get(key)
	if !ok || namespace.DeletionTimestamp != nil {
		return loop.Result{}, nil
	}
	n := k.needs(key)
	if n.nothing() {
		return loop.Result{}, nil
	}
	home, ok := k.config.Directory.ByName(key.Workspace)
	if !ok || home.Ending() {
		return loop.Result{}, nil
	}
	if !home.Ready() {
		return loop.Result{After: beginning}, nil
	}
	return loop.Result{}, k.supply(ctx, key, n)
}

func (k *Keeper) needs(key logicalcluster.Key) need {
	at := logicalcluster.Key{Workspace: key.Workspace, Namespace: key.Name}
	at.Name = prepare.DefaultServiceAccountName
	_, hasAccount := k.config.ServiceAccounts.Get(at)
	at.Name = prepare.RootCAName
	certificate, _ := k.config.ConfigMaps.Get(at)
	return assess(hasAccount, certificate, k.digest)
}

// assess compares what there is with what there should be. The certificate is
// nil when there is none.
func assess(hasAccount bool, certificate *metav1.PartialObjectMetadata, want string) need {
	return need{
		account:  !hasAccount,
		createCA: certificate == nil,
		updateCA: certificate != nil && certificate.Annotations[digestAnnotation] != want,
	}
}

func (k *Keeper) supply(ctx context.Context, key logicalcluster.Key, n need) error {
	core, err := coreclient.NewForConfigAndClient(k.config.Hub.Config(key.Workspace.Path()), k.config.Hub.HTTPClient())
	if err != nil {
		return fmt.Errorf("failed to make a client: %w", err)
	}
	var errs []error
	if n.account {
		_, err := core.ServiceAccounts(key.Name).Create(ctx, prepare.NewServiceAccount(key.Name), metav1.CreateOptions{})
		errs = append(errs, harmless("failed to create the default service account", err))
	}
	if n.createCA {
		_, err := core.ConfigMaps(key.Name).Create(ctx, prepare.NewRootCA(key.Name, k.config.RootCA), metav1.CreateOptions{})
		errs = append(errs, harmless("failed to create the CA certificate", err))
	}
	if n.updateCA {
		_, err := core.ConfigMaps(key.Name).Update(ctx, prepare.NewRootCA(key.Name, k.config.RootCA), metav1.UpdateOptions{})
		errs = append(errs, harmless("failed to mend the CA certificate", err))
	}
	return errors.Join(errs...)
}

// harmless turns into success what says that the work was done meanwhile, or
// that there is none any more.
func harmless(what string, err error) error {
	terminating := apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
	if err == nil || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) || terminating {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
