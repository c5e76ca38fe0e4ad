package namespaces

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/kubernetes/pkg/controller/namespace/deletion"
	"k8s.io/utils/clock"

	"github.com/atriumhub/atrium/pkg/informers"
	"github.com/atriumhub/atrium/pkg/loop"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// workers is how many namespaces are emptied at a time.
const workers = 4

// Resources returns what is served in a workspace, in the form of discovery.
type Resources func(ctx context.Context, workspace logicalcluster.Name) ([]*metav1.APIResourceList, error)

// Config is what New needs.
type Config struct {
	// Hub deletes as the hub itself.
	Hub *client.Hub
	// Namespaces watches the namespaces of all workspaces.
	Namespaces *informers.Informer[*corev1.Namespace]
	// Resources says what may be in a namespace.
	Resources Resources
	// Clock is the real one when nil.
	Clock clock.WithTicker
}

// Terminator finishes deleted namespaces.
type Terminator struct {
	*loop.Loop
	config Config
}

var _ loop.Controller = (*Terminator)(nil)

// New returns a Terminator that listens to config.Namespaces.
func New(config Config) *Terminator {
	if config.Clock == nil {
		config.Clock = clock.RealClock{}
	}
	t := &Terminator{config: config}
	t.Loop = loop.New(loop.Config{Name: "namespaces", Workers: workers, Clock: config.Clock, Reconcile: t.reconcile})
	config.Namespaces.OnChange(func(_, namespace *corev1.Namespace, key logicalcluster.Key) {
		if terminating(namespace) {
			t.Enqueue(key)
		}
	})
	return t
}

// terminating reports whether there is something to do for namespace.
func terminating(namespace *corev1.Namespace) bool {
	return namespace != nil && namespace.DeletionTimestamp != nil && len(namespace.Spec.Finalizers) > 0
}

func (t *Terminator) reconcile(ctx context.Context, key logicalcluster.Key) (loop.Result, error) {
	namespace, ok := t.config.Namespaces.Get(key)
	if !ok || !terminating(namespace) {
		return loop.Result{}, nil
	}
	lists, err := t.config.Resources(ctx, key.Workspace)
	if err != nil {
		return loop.Result{}, fmt.Errorf("failed to learn what is served: %w", err)
	}
	lists = contained(lists)
	if len(lists) == 0 {
		// The deleter would end the process over this.
		return loop.Result{}, errors.New("failed to learn what is served: the list is empty")
	}
	deleter, err := t.deleter(ctx, key.Workspace, lists)
	if err != nil {
		return loop.Result{}, err
	}
	err = deleter.Delete(ctx, namespace.Name)
	var remaining *deletion.ResourcesRemainingError
	if errors.As(err, &remaining) {
		return loop.Result{After: t.patience(namespace)}, nil
	}
	if err != nil {
		return loop.Result{}, fmt.Errorf("failed to empty the namespace: %w", err)
	}
	return loop.Result{}, nil
}

// patience grows with the age of the deletion: what holds a namespace for long
// seldom lets go soon.
func (t *Terminator) patience(namespace *corev1.Namespace) time.Duration {
	waited := t.config.Clock.Since(namespace.DeletionTimestamp.Time)
	return min(max(waited/3, 200*time.Millisecond), 15*time.Second)
}

func (t *Terminator) deleter(ctx context.Context, in logicalcluster.Name, lists []*metav1.APIResourceList) (deletion.NamespacedResourcesDeleterInterface, error) {
	config, httpClient := t.config.Hub.Config(in.Path()), t.config.Hub.HTTPClient()
	core, err := coreclient.NewForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, fmt.Errorf("failed to make a client: %w", err)
	}
	partial, err := metadata.NewForConfigAndClient(metadata.ConfigFor(config), httpClient)
	if err != nil {
		return nil, fmt.Errorf("failed to make a metadata client: %w", err)
	}
	discover := func() ([]*metav1.APIResourceList, error) { return lists, nil }
	return deletion.NewNamespacedResourcesDeleter(ctx, core.Namespaces(), partial, core, discover, corev1.FinalizerKubernetes), nil
}

// contained reduces lists to what lies in namespaces and can be deleted, each
// resource in the first version it is listed in.
func contained(lists []*metav1.APIResourceList) []*metav1.APIResourceList {
	type groupResource struct{ group, resource string }
	seen := map[groupResource]bool{}
	var kept []*metav1.APIResourceList
	for _, list := range lists {
		group, _, _ := strings.Cut(list.GroupVersion, "/")
		if group == list.GroupVersion {
			group = ""
		}
		reduced := &metav1.APIResourceList{TypeMeta: list.TypeMeta, GroupVersion: list.GroupVersion}
		for _, resource := range list.APIResources {
			id := groupResource{group, resource.Name}
			if !resource.Namespaced || strings.Contains(resource.Name, "/") || !slices.Contains(resource.Verbs, "delete") || seen[id] {
				continue
			}
			seen[id] = true
			reduced.APIResources = append(reduced.APIResources, resource)
		}
		if len(reduced.APIResources) > 0 {
			kept = append(kept, reduced)
		}
	}
	return kept
}
