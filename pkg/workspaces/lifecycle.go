package workspaces

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/utils/clock"

	"github.com/atriumhub/atrium/pkg/directory"
	"github.com/atriumhub/atrium/pkg/informers"
	"github.com/atriumhub/atrium/pkg/loop"
	"github.com/atriumhub/atrium/pkg/partition"
	"github.com/atriumhub/atrium/pkg/workspaces/prepare"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const (
	// workers is how many workspaces are worked on at a time. Most of that time
	// is spent waiting for etcd to reach the disk, and waiting together is what
	// makes etcd fast.
	workers = 32
	// patience is how long furnishing may fail before users are told, and how long
	// roles may lag before Ready is said without them: most troubles are over by
	// then.
	patience = 2 * time.Second
	// drain is how long those who watch objects may read of their end before the
	// definition of these goes, too.
	drain = time.Second
	// grace is how long a LogicalCluster may outlive what is known of its
	// Workspace before that is looked into: the two are watched separately. It is
	// also when the last requests to a workspace that is gone are looked for.
	grace = 5 * time.Second
)

// Config is what New needs. All fields are required but for Content, Watched,
// Published, Forget, Clock and Random.
type Config struct {
	// Hub writes as the hub itself.
	Hub *client.Hub
	// Workspaces, LogicalClusters and WorkspaceTypes watch all workspaces. The
	// directory must follow the first two already.
	Workspaces      *informers.Informer[*tenancyv1alpha1.Workspace]
	LogicalClusters *informers.Informer[*corev1alpha1.LogicalCluster]
	WorkspaceTypes  *informers.Informer[*tenancyv1alpha1.WorkspaceType]
	// ClusterRoleBindings is what requests are judged by.
	ClusterRoleBindings *informers.Informer[*rbacv1.ClusterRoleBinding]
	// Directory knows the paths.
	Directory *directory.Directory
	// Natives and CustomResources are where the objects of all workspaces are
	// stored.
	Natives, CustomResources *partition.Getter
	// Content counts and removes what is stored: Natives, when nil.
	Content Content
	// Resources says what is served in a workspace.
	Resources Resources
	// Watched reports whether anybody watches in a workspace. Nil is nobody.
	Watched func(logicalcluster.Name) bool
	// Published reports whether a workspace that is made in parent, with these labels,
	// is to wait until what is published to it is bound. Nil is never.
	Published func(parent logicalcluster.Name, labels map[string]string) bool
	// Forget is called with the ID of every workspace that is gone.
	Forget []func(logicalcluster.Name)
	// BaseURL is how users reach the hub: "https://host:6443".
	BaseURL string
	// RootCA is the certificate, in PEM, that clients trust the hub by.
	RootCA []byte
	// Clock is the real one when nil.
	Clock clock.WithTicker
	// Random is where IDs come from: crypto/rand.Reader when nil.
	Random io.Reader
}

// Lifecycle leads all workspaces of the hub through their lives. Make it with
// New, and run its Loops.
type Lifecycle struct {
	door    door
	read    reader
	sweeper sweeper
	forget  []func(logicalcluster.Name)
	// published is Config.Published.
	published func(logicalcluster.Name, map[string]string) bool
	baseURL   string
	rootCA    []byte
	clock     clock.WithTicker
	random    io.Reader

	lives   *loop.Loop
	orphans *loop.Loop
	// wake and wakeOrphan enqueue in the two loops.
	wake, wakeOrphan func(logicalcluster.Key)

	// refused holds the keys of Workspaces that wait for their type.
	refused sync.Map
	// unadmitted holds the keys of Workspaces whose creators the roles do not know
	// yet, by ID.
	unadmitted sync.Map
	// awaited holds the keys of Workspaces that wait for terminators, and for
	// which.
	awaited sync.Map
}

// reader is what the lifecycle looks up in memory.
type reader struct {
	workspace func(logicalcluster.Key) (*tenancyv1alpha1.Workspace, bool)
	children  func(logicalcluster.Name) []*tenancyv1alpha1.Workspace
	cluster   func(logicalcluster.Name) (*corev1alpha1.LogicalCluster, bool)
	// admits reports whether the roles of a workspace know its creator.
	admits    func(logicalcluster.Name) bool
	directory *directory.Directory
	types     prepare.TypeLookup
}

// New returns the Lifecycle and listens to the informers. Nothing runs yet.
func New(config Config) (*Lifecycle, error) {
	door, err := openDoor(config)
	if err != nil {
		return nil, err
	}
	if config.Content == nil {
		config.Content = config.Natives
	}
	config.Content = failingContent{config.Content}
	l := newLifecycle(config, failing{door}, readerOf(config))
	config.Workspaces.OnChange(l.workspaceChanged)
	config.LogicalClusters.OnChange(l.clusterChanged)
	config.WorkspaceTypes.OnChange(l.typeChanged)
	config.ClusterRoleBindings.OnChange(l.bindingChanged)
	return l, nil
}

func openDoor(config Config) (door, error) {
	clerk, err := newStorageClerk(config.Natives, config.CustomResources)
	if err != nil {
		return nil, err
	}
	return struct {
		*storageClerk
		hubRemover
	}{clerk, hubRemover{config.Hub}}, nil
}

func newLifecycle(config Config, door door, read reader) *Lifecycle {
	if config.Clock == nil {
		config.Clock = clock.RealClock{}
	}
	if config.Published == nil {
		config.Published = func(logicalcluster.Name, map[string]string) bool { return false }
	}
	if config.Random == nil {
		config.Random = rand.Reader
	}
	l := &Lifecycle{
		door:      door,
		read:      read,
		sweeper:   sweeper{door: door, content: config.Content, resources: config.Resources, watched: config.Watched},
		forget:    config.Forget,
		published: config.Published,
		baseURL:   config.BaseURL,
		rootCA:    config.RootCA,
		clock:     config.Clock,
		random:    config.Random,
	}
	l.lives = loop.New(loop.Config{Name: "workspaces", Workers: workers, Clock: config.Clock, Reconcile: l.reconcile})
	l.orphans = loop.New(loop.Config{Name: "workspaces-orphans", Clock: config.Clock, Reconcile: l.reconcileOrphan})
	l.wake = l.lives.Enqueue
	l.wakeOrphan = func(key logicalcluster.Key) { l.orphans.EnqueueAfter(key, grace) }
	return l
}

func readerOf(config Config) reader {
	return reader{
		workspace: config.Workspaces.Get,
		children:  config.Workspaces.In,
		cluster: func(name logicalcluster.Name) (*corev1alpha1.LogicalCluster, bool) {
			return config.LogicalClusters.Get(clusterKey(name))
		},
		admits: func(name logicalcluster.Name) bool {
			_, ok := config.ClusterRoleBindings.Get(logicalcluster.Key{Workspace: name, Name: prepare.AdminBindingName})
			return ok
		},
		directory: config.Directory,
		types:     config.Directory.Types(config.WorkspaceTypes),
	}
}

// Loops returns what has to run.
func (l *Lifecycle) Loops() []loop.Controller { return []loop.Controller{l.lives, l.orphans} }

// LookForStragglers removes what is stored under the ID of a workspace that is
// gone, a while after this. It does nothing to a workspace that is there.
func (l *Lifecycle) LookForStragglers(id logicalcluster.Name) { l.wakeOrphan(clusterKey(id)) }

func clusterKey(name logicalcluster.Name) logicalcluster.Key {
	return logicalcluster.Key{Workspace: name, Name: corev1alpha1.LogicalClusterName}
}

// workspaceChanged wakes the Workspace itself. When one is gone, its parent may
// be waiting for that, and what it left behind is an orphan.
func (l *Lifecycle) workspaceChanged(old, workspace *tenancyv1alpha1.Workspace, key logicalcluster.Key) {
	if workspace != nil {
		l.wake(key)
		return
	}
	l.refused.Delete(key)
	l.awaited.Delete(key)
	if parent, ok := l.read.directory.Owner(key.Workspace); ok {
		l.wake(parent)
	}
	if old == nil || old.Spec.Cluster == "" {
		return
	}
	gone := logicalcluster.Name(old.Spec.Cluster)
	l.unadmitted.Delete(gone)
	if _, others := l.read.directory.Owner(gone); others {
		return
	}
	l.wakeOrphan(clusterKey(gone))
	for _, forget := range l.forget {
		forget(gone)
	}
}

func (l *Lifecycle) clusterChanged(old, cluster *corev1alpha1.LogicalCluster, key logicalcluster.Key) {
	if cluster == nil {
		l.clusterLost(old)
		return
	}
	if cluster.Spec.Owner == nil {
		return
	}
	l.wake(ownerKey(cluster.Spec.Owner))
	if old == nil {
		l.wakeOrphan(key)
	}
}

// clusterLost wakes a Workspace whose inside went without it. Usually the two go
// together, and nothing is left to do.
func (l *Lifecycle) clusterLost(cluster *corev1alpha1.LogicalCluster) {
	if cluster == nil || cluster.Spec.Owner == nil {
		return
	}
	key := ownerKey(cluster.Spec.Owner)
	if workspace, ok := l.read.workspace(key); ok && workspace.UID == cluster.Spec.Owner.UID && workspace.DeletionTimestamp == nil {
		l.wake(key)
	}
}

func ownerKey(owner *corev1alpha1.LogicalClusterOwner) logicalcluster.Key {
	return logicalcluster.Key{Workspace: logicalcluster.Name(owner.Cluster), Name: owner.Name}
}

// typeChanged wakes who waits for a type, and who waits for the terminator of one
// that came or went.
func (l *Lifecycle) typeChanged(old, kind *tenancyv1alpha1.WorkspaceType, typeKey logicalcluster.Key) {
	if old == nil || kind == nil {
		terminator := corev1alpha1.TerminatorOf(typeKey.Workspace, typeKey.Name)
		l.awaited.Range(func(key, awaited any) bool {
			if slices.Contains(awaited.([]corev1alpha1.LogicalClusterTerminator), terminator) {
				l.wake(key.(logicalcluster.Key))
			}
			return true
		})
	}
	if kind == nil {
		return
	}
	l.refused.Range(func(key, _ any) bool {
		l.wake(key.(logicalcluster.Key))
		return true
	})
}

// bindingChanged wakes a Workspace that waits for the roles to know its creator.
func (l *Lifecycle) bindingChanged(_, binding *rbacv1.ClusterRoleBinding, key logicalcluster.Key) {
	if binding == nil || key.Name != prepare.AdminBindingName {
		return
	}
	if waiting, ok := l.unadmitted.LoadAndDelete(key.Workspace); ok {
		l.wake(waiting.(logicalcluster.Key))
	}
}

// awaitAdmin lets bindingChanged wake the Workspace. Should the creator have
// taken the binding away already, there is nothing to wait for.
func (l *Lifecycle) awaitAdmin(key logicalcluster.Key, id logicalcluster.Name) loop.Result {
	l.unadmitted.Store(id, key)
	if l.read.admits(id) {
		l.wake(key)
	}
	return loop.Result{After: patience}
}

// reconcile does the next step for one Workspace. What it changes comes back as
// an event, and with it the step after that.
func (l *Lifecycle) reconcile(ctx context.Context, key logicalcluster.Key) (loop.Result, error) {
	workspace, ok := l.read.workspace(key)
	if !ok {
		return loop.Result{}, nil
	}
	f := l.facts(key, workspace)
	switch next(f) {
	case stepAssign:
		return loop.Result{}, l.assign(ctx, key, workspace)
	case stepRefuseType:
		return loop.Result{}, l.refuseType(ctx, key, workspace, f.typeTrouble)
	case stepRefuseID:
		return loop.Result{}, l.say(ctx, key, workspace, workspace.Status.Phase, refusedID())
	case stepFurnish:
		return loop.Result{}, l.furnishOrSay(ctx, key, workspace)
	case stepRestore:
		return loop.Result{}, l.restore(ctx, key, workspace)
	case stepSettle:
		return loop.Result{}, l.settle(ctx, workspace)
	case stepFollow:
		return loop.Result{}, l.follow(ctx, key, workspace)
	case stepAwaitAdmin:
		return l.awaitAdmin(key, logicalcluster.Name(workspace.Spec.Cluster)), nil
	case stepReport:
		return loop.Result{}, l.report(ctx, key, workspace, f.cluster)
	case stepRemove:
		return l.remove(ctx, key, f)
	}
	return loop.Result{}, nil
}

func (l *Lifecycle) facts(key logicalcluster.Key, workspace *tenancyv1alpha1.Workspace) facts {
	f := facts{workspace: workspace}
	id := logicalcluster.Name(workspace.Spec.Cluster)
	if cluster, ok := l.read.cluster(id); ok {
		f.cluster, f.owned = cluster, prepare.Owns(workspace, key.Workspace, cluster)
		_, somebodys := prepare.Owner(workspace)
		f.ownerless = l.ownerlessOf(key, f)
		f.unadmitted = somebodys && !l.read.admits(id) && l.clock.Since(cluster.CreationTimestamp.Time) < patience
		return f
	}
	owner, ok := l.read.directory.Owner(id)
	f.owned = ok && owner == key
	parent, _ := l.read.directory.ByName(key.Workspace)
	_, f.typeTrouble = prepare.ResolvedType(workspace, parent.Path, parent.Type, l.read.types)
	return f
}

// ownerlessOf returns which terminators a Workspace that is being deleted waits for
// in vain, and lets typeChanged wake it from now on.
func (l *Lifecycle) ownerlessOf(key logicalcluster.Key, f facts) []corev1alpha1.LogicalClusterTerminator {
	if f.workspace.DeletionTimestamp == nil || len(f.cluster.Status.Terminators) == 0 {
		l.awaited.Delete(key)
		return nil
	}
	l.awaited.Store(key, f.cluster.Status.Terminators)
	return l.ownerless(f.cluster.Status.Terminators)
}

// ownerless returns those of terminators whose types are gone. Who works for a
// type that is not there is let in nowhere.
func (l *Lifecycle) ownerless(terminators []corev1alpha1.LogicalClusterTerminator) []corev1alpha1.LogicalClusterTerminator {
	var gone []corev1alpha1.LogicalClusterTerminator
	for _, terminator := range terminators {
		home, name, ok := terminator.Type()
		if !ok {
			continue // no type's
		}
		if _, there := l.read.types(home, tenancyv1alpha1.WorkspaceTypeName(name)); !there {
			gone = append(gone, terminator)
		}
	}
	return gone
}

// assign does what admission does for Workspaces that passed it.
func (l *Lifecycle) assign(ctx context.Context, key logicalcluster.Key, workspace *tenancyv1alpha1.Workspace) error {
	parent, ok := l.read.directory.ByName(key.Workspace)
	if !ok {
		return fmt.Errorf("failed to find the workspace %s that %s lives in", key.Workspace, key.Name)
	}
	around := prepare.Surroundings{BaseURL: l.baseURL, ParentPath: parent.Path, ParentType: parent.Type, Types: l.read.types, Random: l.random}
	hub := &user.DefaultInfo{Groups: []string{user.SystemPrivilegedGroup}}
	return l.amend(ctx, key, workspace, "assign an ID", func(w *tenancyv1alpha1.Workspace) error {
		return prepare.Create(w, hub, around)
	})
}

func (l *Lifecycle) refuseType(ctx context.Context, key logicalcluster.Key, workspace *tenancyv1alpha1.Workspace, trouble error) error {
	l.refused.Store(key, nil)
	return l.say(ctx, key, workspace, workspace.Status.Phase, refusedType(trouble))
}

// report writes the phase of cluster to the Workspace, and what belongs to the
// phase to its metadata.
func (l *Lifecycle) report(ctx context.Context, key logicalcluster.Key, workspace *tenancyv1alpha1.Workspace, cluster *corev1alpha1.LogicalCluster) error {
	l.refused.Delete(key)
	return l.amend(ctx, key, workspace, "report the phase", func(w *tenancyv1alpha1.Workspace) error {
		w.Status = reportedStatus(w.Status, cluster, l.clock.Now())
		label(w)
		return nil
	})
}

// say writes phase and conditions to the Workspace unless they are there, and
// makes the label follow.
func (l *Lifecycle) say(ctx context.Context, key logicalcluster.Key, workspace *tenancyv1alpha1.Workspace, phase corev1alpha1.LogicalClusterPhaseType, conditions ...conditionsv1alpha1.Condition) error {
	if workspace.Status.Phase == phase && conditionsv1alpha1.Says(workspace.Status.Conditions, conditions...) {
		return nil
	}
	return l.amend(ctx, key, workspace, fmt.Sprintf("report %s", conditions[0].Type), func(w *tenancyv1alpha1.Workspace) error {
		w.Status.Phase = phase
		if phase == corev1alpha1.LogicalClusterPhaseDeleting {
			w.Status.Initializers, w.Status.Terminators = nil, nil // nobody is waited for any more
		}
		w.Status.Conditions = conditionsv1alpha1.Set(w.Status.Conditions, l.clock.Now(), conditions...)
		label(w)
		return nil
	})
}

func (l *Lifecycle) amend(ctx context.Context, key logicalcluster.Key, workspace *tenancyv1alpha1.Workspace, what string, change func(*tenancyv1alpha1.Workspace) error) error {
	if err := l.door.AmendWorkspace(ctx, key.Workspace, workspace.Name, workspace.UID, change); err != nil {
		return fmt.Errorf("failed to %s: %w", what, err)
	}
	return nil
}
