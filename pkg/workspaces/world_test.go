package workspaces

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/atriumhub/atrium/pkg/directory"
	"github.com/atriumhub/atrium/pkg/workspaces/prepare"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// address names one stored object.
type address struct {
	in              logicalcluster.Name
	gvr             schema.GroupVersionResource
	namespace, name string
}

func (a address) String() string {
	name := a.name
	if a.namespace != "" {
		name = a.namespace + "/" + name
	}
	return fmt.Sprintf("%s %s %s", a.in, a.gvr.Resource, name)
}

// world is a hub small enough to hold in the hand: storage that treats
// finalizers, status and resource versions like the real one, and informers
// whose events arrive when the test says so.
type world struct {
	mu       sync.Mutex
	objects  map[address]object
	versions int
	births   map[address]int
	log      []string
	events   []address
	// writesLeft counts down to the moment the hub dies; negative is never.
	writesLeft int

	// rolesLag makes the roles know no creator.
	rolesLag bool

	clock     *clocktesting.FakeClock
	directory *directory.Directory
	// seen is what the informers have delivered.
	seen map[address]object
	// types are the WorkspaceTypes in root beyond the built-in ones.
	types map[string]*tenancyv1alpha1.WorkspaceType

	life  *Lifecycle
	queue []func(context.Context) error
}

// zeros makes IDs the same in every run.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

var (
	errDead = errors.New("the hub is dead")
	start   = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

func newWorld() *world {
	w := &world{
		objects:    map[address]object{},
		births:     map[address]int{},
		types:      map[string]*tenancyv1alpha1.WorkspaceType{},
		clock:      clocktesting.NewFakeClock(start),
		writesLeft: -1,
	}
	w.restart()
	return w
}

// restart begins a new process over the same storage.
func (w *world) restart() {
	w.mu.Lock()
	w.directory, w.seen, w.queue, w.events, w.writesLeft = directory.New(), map[address]object{}, nil, nil, -1
	for at := range w.objects {
		w.events = append(w.events, at)
	}
	slices.SortFunc(w.events, func(a, b address) int { return cmp.Compare(a.String(), b.String()) })
	w.mu.Unlock()
	config := Config{
		Directory: w.directory, Content: w, Resources: w.resources,
		BaseURL: "https://hub", RootCA: []byte("CA"), Clock: w.clock, Random: zeros{},
		Forget: []func(logicalcluster.Name){func(name logicalcluster.Name) { w.note("forget %s", name) }},
	}
	w.life = newLifecycle(config, w, reader{
		workspace: w.seenWorkspace, children: w.seenChildren, cluster: w.seenCluster,
		admits:    func(logicalcluster.Name) bool { return !w.rolesLag },
		directory: w.directory, types: w.lookupType,
	})
	w.life.wake = func(key logicalcluster.Key) { w.enqueue(key, w.life.reconcile2) }
	w.life.wakeOrphan = func(key logicalcluster.Key) { w.enqueue(key, w.life.reconcileOrphan2) }
}

func (l *Lifecycle) reconcile2(ctx context.Context, key logicalcluster.Key) error {
	_, err := l.reconcile(ctx, key)
	return err
}

func (l *Lifecycle) reconcileOrphan2(ctx context.Context, key logicalcluster.Key) error {
	_, err := l.reconcileOrphan(ctx, key)
	return err
}

func (w *world) enqueue(key logicalcluster.Key, work func(context.Context, logicalcluster.Key) error) {
	w.queue = append(w.queue, func(ctx context.Context) error { return work(ctx, key) })
}

// settle delivers events and reconciles until nothing happens any more. Errors
// that are lost races are retried, as the loop would. It is false when the hub
// died on the way.
func (w *world) settle() bool {
	for range 1000 {
		w.deliver()
		if len(w.queue) == 0 {
			return true
		}
		work := w.queue[0]
		w.queue = w.queue[1:]
		err := work(context.Background())
		if errors.Is(err, errDead) {
			return false
		}
		if err != nil && !apierrors.IsConflict(err) {
			w.note("error: %v", err)
			continue
		}
		if err != nil {
			w.queue = append(w.queue, work)
		}
	}
	panic("does not settle:\n" + strings.Join(w.log, "\n"))
}

func (w *world) deliver() {
	w.mu.Lock()
	events := w.events
	w.events = nil
	w.mu.Unlock()
	for _, at := range events {
		w.deliverOne(at)
	}
}

func (w *world) deliverOne(at address) {
	w.mu.Lock()
	old, now := w.seen[at], w.objects[at]
	if now == nil {
		delete(w.seen, at)
	} else {
		w.seen[at] = now
	}
	w.mu.Unlock()
	key := logicalcluster.Key{Workspace: at.in, Namespace: at.namespace, Name: at.name}
	switch at.gvr {
	case workspacesGVR:
		before, after := as[*tenancyv1alpha1.Workspace](old), as[*tenancyv1alpha1.Workspace](now)
		if after == nil {
			w.directory.DropWorkspace(at.in, at.name)
		} else {
			w.directory.SetWorkspace(at.in, after)
		}
		w.life.workspaceChanged(before, after, key)
	case logicalClustersGVR:
		before, after := as[*corev1alpha1.LogicalCluster](old), as[*corev1alpha1.LogicalCluster](now)
		if after == nil {
			w.directory.DropLogicalCluster(at.in)
		} else {
			w.directory.SetLogicalCluster(at.in, after)
		}
		w.life.clusterChanged(before, after, key)
	}
}

func as[T object](obj object) T {
	typed, _ := obj.(T)
	return typed
}

func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, fmt.Sprintf(format, args...))
}

// takeLog returns what was written since the last call. What one pass writes at
// the same time has no order, so neighbouring creations are sorted.
func (w *world) takeLog() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines := w.log
	w.log = nil
	for from := 0; from < len(lines); {
		to := from
		for to < len(lines) && concurrent(lines[to]) && verb(lines[to]) == verb(lines[from]) {
			to++
		}
		slices.Sort(lines[from:to])
		from = max(to, from+1)
	}
	return strings.Join(append(lines, ""), "\n")
}

func verb(line string) string { return strings.SplitN(line, " ", 2)[0] }

func concurrent(line string) bool {
	return slices.Contains([]string{"create", "purge", "delete"}, verb(line))
}

// write runs f as one write to storage, unless the hub dies first.
func (w *world) write(what string, at address, f func() error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.writesLeft == 0 {
		return errDead
	}
	if err := f(); err != nil {
		return err
	}
	if w.writesLeft > 0 {
		w.writesLeft--
	}
	w.wrote(what, at)
	return nil
}

func (w *world) wrote(what string, at address) {
	line := what + " " + at.String()
	if obj := w.objects[at]; obj != nil {
		line += describe(obj)
	} else if what == "amend" {
		line += " -> gone"
	}
	w.log = append(w.log, line)
	w.events = append(w.events, at)
}

func describe(obj object) string {
	switch o := obj.(type) {
	case *tenancyv1alpha1.Workspace:
		line := fmt.Sprintf(" phase=%s label=%s", o.Status.Phase, o.Labels[tenancyv1alpha1.PhaseLabel])
		if len(o.Status.Initializers)+len(o.Status.Terminators) > 0 {
			line += fmt.Sprintf(" initializers=%v terminators=%v", o.Status.Initializers, o.Status.Terminators)
		}
		for _, c := range o.Status.Conditions {
			line += fmt.Sprintf(" %s=%s", c.Type, c.Status)
			if c.Message != "" {
				line += fmt.Sprintf("(%s: %s)", c.Reason, c.Message)
			}
		}
		return line
	case *corev1alpha1.LogicalCluster:
		line := fmt.Sprintf(" phase=%s", o.Status.Phase)
		for _, key := range slices.Sorted(maps.Keys(o.Labels)) {
			switch {
			case key == tenancyv1alpha1.PhaseLabel && o.Labels[key] == string(o.Status.Phase):
			case strings.HasPrefix(key, corev1alpha1.InitializerLabelPrefix):
				line += " label=" + corev1alpha1.InitializerLabelPrefix + "…"
			case strings.HasPrefix(key, corev1alpha1.TerminatorLabelPrefix):
				line += " label=" + corev1alpha1.TerminatorLabelPrefix + "…"
			default:
				line += fmt.Sprintf(" label=%s=%s", key, o.Labels[key])
			}
		}
		if len(o.Status.Initializers)+len(o.Status.Terminators) > 0 {
			line += fmt.Sprintf(" initializers=%v terminators=%v", o.Status.Initializers, o.Status.Terminators)
		}
		return line
	}
	return ""
}

func (w *world) store(at address, obj object) {
	w.versions++
	obj.SetResourceVersion(strconv.Itoa(w.versions))
	w.objects[at] = obj.DeepCopyObject().(object)
}

func resourceOf(at address) schema.GroupResource { return at.gvr.GroupResource() }

// CreateMissing is one write, however many objects there are.
func (w *world) CreateMissing(_ context.Context, in logicalcluster.Name, items ...item) (existing []item, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.writesLeft == 0 {
		return nil, errDead
	}
	for _, it := range items {
		at := address{in: in, gvr: it.gvr, namespace: it.GetNamespace(), name: it.GetName()}
		if w.objects[at] != nil {
			existing = append(existing, it)
			continue
		}
		w.bear(at, it.object)
		w.wrote("create", at)
	}
	if w.writesLeft > 0 && len(existing) < len(items) {
		w.writesLeft--
	}
	return existing, nil
}

// Create stores obj for a test.
func (w *world) Create(ctx context.Context, in logicalcluster.Name, gvr schema.GroupVersionResource, obj object) error {
	existing, err := w.CreateMissing(ctx, in, item{gvr, obj})
	if err == nil && len(existing) > 0 {
		err = apierrors.NewAlreadyExists(gvr.GroupResource(), obj.GetName())
	}
	return err
}

func (w *world) bear(at address, obj object) {
	w.births[at]++
	obj.SetUID(types.UID(fmt.Sprintf("%s/%s#%d", at.in, at.name, w.births[at])))
	obj.SetCreationTimestamp(metav1.NewTime(w.clock.Now()))
	obj.SetAnnotations(stamped(obj.GetAnnotations(), at.in))
	w.store(at, obj)
}

func stamped(annotations map[string]string, in logicalcluster.Name) map[string]string {
	out := maps.Clone(annotations)
	if out == nil {
		out = map[string]string{}
	}
	out[logicalcluster.AnnotationKey] = in.String()
	return out
}

func (w *world) GetWorkspace(_ context.Context, in logicalcluster.Name, name string) (*tenancyv1alpha1.Workspace, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.writesLeft == 0 {
		return nil, errDead
	}
	obj := w.objects[address{in: in, gvr: workspacesGVR, name: name}]
	if obj == nil {
		return nil, apierrors.NewNotFound(workspacesGVR.GroupResource(), name)
	}
	return obj.DeepCopyObject().(*tenancyv1alpha1.Workspace), nil
}

func (w *world) AmendWorkspace(_ context.Context, in logicalcluster.Name, name string, uid types.UID, change func(*tenancyv1alpha1.Workspace) error) error {
	return amend(w, address{in: in, gvr: workspacesGVR, name: name}, uid, change)
}

func (w *world) AmendCluster(_ context.Context, in logicalcluster.Name, change func(*corev1alpha1.LogicalCluster) error) error {
	return amend(w, address{in: in, gvr: logicalClustersGVR, name: corev1alpha1.LogicalClusterName}, "", change)
}

func (w *world) ReleaseWorkspace(_ context.Context, in logicalcluster.Name, name string, uid types.UID, held func(*tenancyv1alpha1.Workspace)) error {
	return amend(w, address{in: in, gvr: workspacesGVR, name: name}, uid, func(workspace *tenancyv1alpha1.Workspace) error {
		workspace.Finalizers = slices.DeleteFunc(workspace.Finalizers, func(f string) bool { return !notOurs(f) })
		if len(workspace.Finalizers) > 0 {
			held(workspace)
		}
		return nil
	})
}

// amend replaces an object, or removes it when its last finalizer is gone.
func amend[T object](w *world, at address, uid types.UID, change func(T) error) error {
	return w.write("amend", at, func() error {
		old := w.objects[at]
		if old == nil {
			return apierrors.NewNotFound(resourceOf(at), at.name)
		}
		if uid != "" && old.GetUID() != uid {
			return apierrors.NewConflict(resourceOf(at), at.name, errors.New("it is another object"))
		}
		obj := old.DeepCopyObject().(T)
		if err := change(obj); err != nil {
			return err
		}
		if obj.GetDeletionTimestamp() != nil && len(obj.GetFinalizers()) == 0 {
			delete(w.objects, at)
			return nil
		}
		w.store(at, obj)
		return nil
	})
}

func (w *world) Delete(_ context.Context, in logicalcluster.Name, gvr schema.GroupVersionResource, namespace, name string, uid types.UID) error {
	at := address{in: in, gvr: gvr, namespace: namespace, name: name}
	return w.write("delete", at, func() error {
		obj := w.objects[at]
		if obj == nil {
			return apierrors.NewNotFound(resourceOf(at), name)
		}
		if uid != "" && obj.GetUID() != uid {
			return apierrors.NewConflict(resourceOf(at), name, errors.New("it is another object"))
		}
		if len(obj.GetFinalizers()) == 0 {
			delete(w.objects, at)
			return nil
		}
		obj = obj.DeepCopyObject().(object)
		now := metav1.NewTime(w.clock.Now())
		obj.SetDeletionTimestamp(&now)
		w.store(at, obj)
		return nil
	})
}

func (w *world) List(_ context.Context, in logicalcluster.Name, gvr schema.GroupVersionResource, _ metav1.ListOptions) (*metav1.PartialObjectMetadataList, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := &metav1.PartialObjectMetadataList{}
	for at, obj := range w.objects {
		if at.in == in && at.gvr == gvr {
			accessor, err := meta.Accessor(obj)
			if err != nil {
				return nil, err
			}
			list.Items = append(list.Items, *meta.AsPartialObjectMetadata(accessor))
		}
	}
	return list, nil
}

func (w *world) Counts(_ context.Context, in logicalcluster.Name) (map[schema.GroupResource]int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	counts := map[schema.GroupResource]int64{{Group: "never", Resource: "used"}: 0}
	for at := range w.objects {
		if at.in == in {
			counts[resourceOf(at)]++
		}
	}
	return counts, nil
}

func (w *world) Purge(_ context.Context, in logicalcluster.Name, resources ...schema.GroupResource) error {
	for _, resource := range resources {
		if err := w.purge(in, resource); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) purge(in logicalcluster.Name, resource schema.GroupResource) error {
	return w.write("purge", address{in: in, gvr: resource.WithVersion("")}, func() error {
		for at := range w.objects {
			if at.in == in && resourceOf(at) == resource {
				delete(w.objects, at)
				w.events = append(w.events, at)
			}
		}
		return nil
	})
}

func (w *world) resources(context.Context, logicalcluster.Name) ([]*metav1.APIResourceList, error) {
	verbs := metav1.Verbs{"list", "delete"}
	return []*metav1.APIResourceList{
		{GroupVersion: "v1", APIResources: []metav1.APIResource{{Name: "namespaces", Verbs: verbs}, {Name: "configmaps", Namespaced: true, Verbs: verbs}, {Name: "serviceaccounts", Namespaced: true, Verbs: verbs}, {Name: "namespaces/status", Verbs: verbs}}},
		{GroupVersion: tenancyv1alpha1.SchemeGroupVersion.String(), APIResources: []metav1.APIResource{{Name: "workspaces", Verbs: verbs}}},
		{GroupVersion: corev1alpha1.SchemeGroupVersion.String(), APIResources: []metav1.APIResource{{Name: "logicalclusters", Verbs: verbs}}},
	}, nil
}

func (w *world) seenWorkspace(key logicalcluster.Key) (*tenancyv1alpha1.Workspace, bool) {
	obj, ok := w.seen[address{in: key.Workspace, gvr: workspacesGVR, name: key.Name}]
	return as[*tenancyv1alpha1.Workspace](obj), ok
}

func (w *world) seenCluster(name logicalcluster.Name) (*corev1alpha1.LogicalCluster, bool) {
	obj, ok := w.seen[address{in: name, gvr: logicalClustersGVR, name: corev1alpha1.LogicalClusterName}]
	return as[*corev1alpha1.LogicalCluster](obj), ok
}

func (w *world) seenChildren(name logicalcluster.Name) []*tenancyv1alpha1.Workspace {
	var children []*tenancyv1alpha1.Workspace
	for at, obj := range w.seen {
		if at.in == name && at.gvr == workspacesGVR {
			children = append(children, obj.(*tenancyv1alpha1.Workspace))
		}
	}
	return children
}

func (w *world) lookupType(path logicalcluster.Path, name tenancyv1alpha1.WorkspaceTypeName) (*tenancyv1alpha1.WorkspaceType, bool) {
	kind, ok := w.types[path.Join(string(name)).String()]
	return kind, ok
}

// newConfigMap returns a ConfigMap with finalizers.
func newConfigMap(namespace, name string, finalizers ...string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Finalizers: finalizers}}
}

// state lists all that is stored, for comparison.
func (w *world) state() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var lines []string
	for at, obj := range w.objects {
		lines = append(lines, at.String()+describe(obj))
	}
	slices.Sort(lines)
	return lines
}

var _ door = (*world)(nil)
var _ Content = (*world)(nil)

// surroundings are those of a workspace made in parent.
func (w *world) surroundings(parent logicalcluster.Name) prepare.Surroundings {
	entry, _ := w.directory.ByName(parent)
	return prepare.Surroundings{BaseURL: "https://hub", ParentPath: entry.Path, ParentType: entry.Type, Types: w.lookupType}
}
