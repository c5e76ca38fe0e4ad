package defaults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"

	"github.com/atriumhub/atrium/pkg/directory"
	"github.com/atriumhub/atrium/pkg/informers"
	"github.com/atriumhub/atrium/pkg/loop"
	"github.com/atriumhub/atrium/pkg/workspaces/prepare"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const (
	workers = 4
	// moment is how long a change of types or exports waits for more of them,
	// before all workspaces are gone through.
	moment = 200 * time.Millisecond
	// retry is when a workspace that cannot be given its bindings is looked at
	// again: workspaces of exports do not announce themselves here.
	retry = 10 * time.Second
)

// everybody is the key that stands for all workspaces.
var everybody = logicalcluster.Key{}

// Config is what New needs. All fields are required but for Clock.
type Config struct {
	// Hub writes as the hub itself.
	Hub *client.Hub
	// LogicalClusters, WorkspaceTypes, APIBindings and APIExports watch all
	// workspaces.
	LogicalClusters *informers.Informer[*corev1alpha1.LogicalCluster]
	WorkspaceTypes  *informers.Informer[*tenancyv1alpha1.WorkspaceType]
	APIBindings     *informers.Informer[*apisv1alpha2.APIBinding]
	APIExports      *informers.Informer[*apisv1alpha2.APIExport]
	// Directory knows the paths.
	Directory *directory.Directory
	// Clock is the real one when nil.
	Clock clock.WithTicker
}

type binder struct {
	Config
	types prepare.TypeLookup
	loop  *loop.Loop
}

// New returns the loop and listens to the informers. Nothing runs yet.
func New(config Config) loop.Controller {
	if config.Clock == nil {
		config.Clock = clock.RealClock{}
	}
	b := &binder{Config: config, types: config.Directory.Types(config.WorkspaceTypes)}
	b.loop = loop.New(loop.Config{Name: "default-apibindings", Workers: workers, Clock: config.Clock, Reconcile: b.reconcile})
	b.listen()
	return b.loop
}

func (b *binder) listen() {
	b.LogicalClusters.OnChange(func(_, cluster *corev1alpha1.LogicalCluster, key logicalcluster.Key) {
		if cluster != nil && b.concerned(cluster, b.types) {
			b.loop.Enqueue(key)
		}
	})
	b.APIBindings.OnChange(func(_, _ *apisv1alpha2.APIBinding, key logicalcluster.Key) {
		clusterKey := logicalcluster.Key{Workspace: key.Workspace, Name: corev1alpha1.LogicalClusterName}
		if cluster, ok := b.LogicalClusters.Get(clusterKey); ok && b.concerned(cluster, b.types) {
			b.loop.Enqueue(clusterKey)
		}
	})
	b.WorkspaceTypes.OnChange(func(old, kind *tenancyv1alpha1.WorkspaceType, _ logicalcluster.Key) {
		if bindsOtherwise(old, kind) {
			b.loop.EnqueueAfter(everybody, moment)
		}
	})
	b.APIExports.OnChange(func(old, export *apisv1alpha2.APIExport, _ logicalcluster.Key) {
		if export != nil && (old == nil || !equality.Semantic.DeepEqual(old.Spec.PermissionClaims, export.Spec.PermissionClaims)) {
			b.loop.EnqueueAfter(everybody, moment)
		}
	})
}

// bindsOtherwise reports whether a change of a type can matter to workspaces.
func bindsOtherwise(old, kind *tenancyv1alpha1.WorkspaceType) bool {
	if old == nil || kind == nil {
		return kind != nil && (len(kind.Spec.DefaultAPIBindings) > 0 || len(kind.Spec.Extend.With) > 0)
	}
	return !equality.Semantic.DeepEqual(old.Spec.DefaultAPIBindings, kind.Spec.DefaultAPIBindings) ||
		!equality.Semantic.DeepEqual(old.Spec.DefaultAPIBindingLifecycle, kind.Spec.DefaultAPIBindingLifecycle) ||
		!equality.Semantic.DeepEqual(old.Spec.Extend, kind.Spec.Extend) ||
		old.Annotations[tenancyv1alpha1.MeantAnnotationKey] != kind.Annotations[tenancyv1alpha1.MeantAnnotationKey]
}

// concerned reports whether there can be something to do for a workspace: it
// waits for its bindings, or its type keeps some up.
func (b *binder) concerned(cluster *corev1alpha1.LogicalCluster, types prepare.TypeLookup) bool {
	if waits(cluster) {
		return true
	}
	ref, ok := prepare.TypeOf(cluster)
	return ok && keepsUp(ref, types)
}

func keepsUp(ref tenancyv1alpha1.WorkspaceTypeReference, types prepare.TypeLookup) bool {
	resolved, _ := prepare.Resolve(ref, types)
	return slices.ContainsFunc(resolved.Bindings, func(binding prepare.DefaultBinding) bool { return binding.Maintain })
}

func waits(cluster *corev1alpha1.LogicalCluster) bool {
	return slices.Contains(cluster.Status.Initializers, corev1alpha1.APIBindingsInitializer)
}

// wakeEverybody goes through all workspaces, and resolves each type once.
func (b *binder) wakeEverybody() {
	known := map[tenancyv1alpha1.WorkspaceTypeReference]bool{}
	for _, cluster := range b.LogicalClusters.All() {
		ref, _ := prepare.TypeOf(cluster)
		keeps, asked := known[ref]
		if !asked {
			keeps = keepsUp(ref, b.types)
			known[ref] = keeps
		}
		if keeps || waits(cluster) {
			b.loop.Enqueue(client.KeyOf(cluster))
		}
	}
}

func (b *binder) reconcile(ctx context.Context, key logicalcluster.Key) (loop.Result, error) {
	if key == everybody {
		b.wakeEverybody()
		return loop.Result{}, nil
	}
	cluster, ok := b.LogicalClusters.Get(key)
	if !ok || !b.alive(cluster, key.Workspace) {
		return loop.Result{}, nil
	}
	ref, ok := prepare.TypeOf(cluster)
	if !ok && !waits(cluster) {
		return loop.Result{}, nil
	}
	p := decide(b.facts(key.Workspace, cluster, ref))
	if err := b.do(ctx, key.Workspace, cluster, p); err != nil {
		return loop.Result{}, err
	}
	if p.condition != nil && p.condition.Reason != "" {
		return loop.Result{After: retry}, nil
	}
	return loop.Result{}, nil
}

// alive is false for workspaces that are being deleted or rest: nothing is put
// into them.
func (b *binder) alive(cluster *corev1alpha1.LogicalCluster, id logicalcluster.Name) bool {
	entry, ok := b.Directory.ByName(id)
	return ok && cluster.DeletionTimestamp == nil &&
		(entry.Phase == corev1alpha1.LogicalClusterPhaseInitializing || entry.Phase == corev1alpha1.LogicalClusterPhaseReady)
}

func (b *binder) facts(id logicalcluster.Name, cluster *corev1alpha1.LogicalCluster, ref tenancyv1alpha1.WorkspaceTypeReference) facts {
	f := facts{
		id: id, initializing: waits(cluster),
		bindings: b.APIBindings.In(id), export: b.APIExports.Get,
		resolve: func(path logicalcluster.Path) (logicalcluster.Name, bool) {
			entry, ok := b.Directory.Resolve(path)
			return entry.Name, ok
		},
		shown: func(path logicalcluster.Path) logicalcluster.Path {
			if entry, ok := b.Directory.Resolve(path); ok {
				return entry.Path
			}
			return path
		},
	}
	f.resolved, f.trouble = prepare.Resolve(ref, b.types)
	return f
}

func (b *binder) do(ctx context.Context, id logicalcluster.Name, cluster *corev1alpha1.LogicalCluster, p plan) error {
	bindings := client.APIBindings(b.Hub, id.Path())
	var errs []error
	for _, binding := range p.create {
		if _, err := bindings.Create(ctx, binding, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			errs = append(errs, fmt.Errorf("failed to create APIBinding %s: %w", binding.Name, err))
		}
	}
	for _, binding := range p.amend {
		if _, err := bindings.Update(ctx, binding, metav1.UpdateOptions{}); err != nil {
			errs = append(errs, fmt.Errorf("failed to update APIBinding %s: %w", binding.Name, err))
		}
	}
	if len(errs) > 0 {
		failed := *say(p.condition.Type, conditionsv1alpha1.ConditionSeverityError, reasonErrors, errors.Join(errs...).Error())
		errs = append(errs, b.report(ctx, id, cluster, failed, false))
		return errors.Join(errs...)
	}
	if p.condition == nil {
		return nil
	}
	return b.report(ctx, id, cluster, *p.condition, p.done)
}

// report writes what this package has to say, on the object it was decided on
// (D1).
func (b *binder) report(ctx context.Context, id logicalcluster.Name, cluster *corev1alpha1.LogicalCluster, condition conditionsv1alpha1.Condition, done bool) error {
	changed := cluster.DeepCopy()
	changed.Status.Conditions = conditionsv1alpha1.Set(changed.Status.Conditions, b.Clock.Now(), condition)
	if done {
		changed.Status.Initializers = without(changed.Status.Initializers)
	}
	if equality.Semantic.DeepEqual(changed.Status, cluster.Status) {
		return nil
	}
	if _, err := client.LogicalClusters(b.Hub, id.Path()).UpdateStatus(ctx, changed, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("failed to report the default bindings of workspace %s: %w", id, err)
	}
	return nil
}
