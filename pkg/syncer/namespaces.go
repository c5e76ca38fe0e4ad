package syncer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/klog/v2"

	"github.com/atriumhub/atrium/pkg/loop"
	"github.com/atriumhub/atrium/pkg/syncer/remote"
	"github.com/atriumhub/atrium/pkg/syncer/transform"
	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// errCollision says that a namespace of the child has the name that one of this
// target should have, but is not this target's.
var errCollision = errors.New("the namespace belongs to somebody else")

var namespaceResource = remote.Resource{
	GroupVersionResource: corev1.SchemeGroupVersion.WithResource("namespaces"),
	Kind:                 "Namespace",
}

// contents is what namespaces asks of the pipelines.
type contents interface {
	// used reports whether a hub namespace or its child namespace still has
	// objects to do with this target. It is true while that is not known.
	used(locator transform.Locator) bool
	// wake looks again at everything in the namespace.
	wake(locator transform.Locator)
}

// namespaces makes child namespaces on demand and removes those that nothing
// wants. Its loop is keyed by the name of the child namespace.
type namespaces struct {
	target   transform.Target
	hub      *remote.Mirror
	child    *remote.Mirror
	contents contents
	loop     *loop.Loop

	mu sync.Mutex
	// owners are all child namespaces that were ever seen or wanted, until they
	// are gone with all they held. Events of child objects are translated by it.
	owners map[string]transform.Locator
	// made are namespaces that were created and have not shown up in the mirror.
	made map[string]bool
}

func newNamespaces(target transform.Target, hub, child *remote.Server, contents contents, onError func(side string) func(error)) *namespaces {
	n := &namespaces{
		target:   target,
		contents: contents,
		owners:   map[string]transform.Locator{},
		made:     map[string]bool{},
	}
	n.loop = loop.New(loop.Config{Name: "syncer-namespaces", Workers: 2, Reconcile: n.reconcile})
	n.hub = remote.NewMirror(remote.Collection{
		Server: hub, Prefix: viewPrefix(target, logicalcluster.Wildcard), Resource: namespaceResource,
	}, n.hubChanged, onError("hub"))
	n.child = remote.NewMirror(remote.Collection{
		Server: child, Resource: namespaceResource, LabelSelector: childSelector(target),
	}, n.childChanged, onError("child"))
	return n
}

// synced reports whether both sides have been seen completely.
func (n *namespaces) synced() bool { return n.hub.HasSynced() && n.child.HasSynced() }

// childSelector selects what agents of this target made in the child.
func childSelector(target transform.Target) string {
	return workloadv1alpha1.DownstreamClusterLabel + "=" + target.Key()
}

// hubChanged looks again at the child namespace of a hub namespace.
func (n *namespaces) hubChanged(key logicalcluster.Key) {
	n.check(n.target.Locate(key.Workspace, key.Name))
}

// check looks whether a namespace is still wanted.
func (n *namespaces) check(locator transform.Locator) {
	n.loop.Enqueue(logicalcluster.Key{Name: locator.ChildNamespace()})
}

// childChanged learns whose a child namespace is.
func (n *namespaces) childChanged(key logicalcluster.Key) {
	obj, err := n.child.Get(key)
	if err == nil && obj != nil {
		n.learn(obj)
	}
	n.loop.Enqueue(key)
	if locator, ok := n.owner(key.Name); ok {
		n.contents.wake(locator)
	}
}

func (n *namespaces) learn(obj *unstructured.Unstructured) {
	locator, err := transform.ParseLocator(obj.GetAnnotations()[workloadv1alpha1.NamespaceLocatorAnnotationKey])
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.made, obj.GetName())
	if err == nil && n.isOurs(locator, obj.GetName()) {
		n.owners[obj.GetName()] = locator
	}
}

// isOurs reports whether a namespace of that name with that locator was made for
// this very target.
func (n *namespaces) isOurs(locator transform.Locator, name string) bool {
	return locator == n.target.Locate(locator.Workspace, locator.Namespace) && locator.ChildNamespace() == name
}

// owner returns what a child namespace stands for.
func (n *namespaces) owner(childNamespace string) (transform.Locator, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	locator, ok := n.owners[childNamespace]
	return locator, ok
}

// all returns what all known child namespaces stand for.
func (n *namespaces) all() []transform.Locator {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Collect(maps.Values(n.owners))
}

func (n *namespaces) setOwner(locator transform.Locator) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.owners[locator.ChildNamespace()] = locator
}

// forget drops the belief that a namespace was made.
func (n *namespaces) forget(childNamespace string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.made, childNamespace)
}

// believe notes that a namespace was made, until it shows up in the mirror.
func (n *namespaces) believe(childNamespace string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.made[childNamespace] = true
}

func (n *namespaces) wasMade(childNamespace string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.made[childNamespace]
}

// ensure makes the child namespace of a locator be there.
func (n *namespaces) ensure(ctx context.Context, locator transform.Locator) error {
	n.setOwner(locator)
	name := locator.ChildNamespace()
	obj, err := n.child.Get(logicalcluster.Key{Name: name})
	if err != nil {
		return err
	}
	if obj != nil {
		return n.usable(obj, locator)
	}
	if n.wasMade(name) {
		return nil
	}
	err = n.child.Collection().Create(ctx, n.namespace(locator))
	if apierrors.IsAlreadyExists(err) {
		return n.verify(ctx, locator)
	}
	if err != nil {
		return fmt.Errorf("failed to create namespace %s for %s: %w", name, locator, err)
	}
	n.believe(name)
	klog.FromContext(ctx).Info("Created namespace in the child", "namespace", name, "workspace", locator.Workspace, "hubNamespace", locator.Namespace)
	return nil
}

// verify makes sure that the child namespace of a locator is this target's.
func (n *namespaces) verify(ctx context.Context, locator transform.Locator) error {
	name := locator.ChildNamespace()
	obj, err := n.child.Get(logicalcluster.Key{Name: name})
	if err == nil && obj == nil {
		obj, err = n.child.Collection().Get(ctx, "", name)
	}
	if err != nil {
		return fmt.Errorf("failed to look at namespace %s: %w", name, err)
	}
	return n.owned(obj, locator)
}

func (n *namespaces) owned(obj *unstructured.Unstructured, locator transform.Locator) error {
	got, err := transform.ParseLocator(obj.GetAnnotations()[workloadv1alpha1.NamespaceLocatorAnnotationKey])
	if err != nil || got != locator || !transform.Mine(obj, n.target.Key()) {
		return fmt.Errorf("%w: namespace %s of the child should be for %s, but its annotation %s says %q",
			errCollision, obj.GetName(), locator, workloadv1alpha1.NamespaceLocatorAnnotationKey,
			obj.GetAnnotations()[workloadv1alpha1.NamespaceLocatorAnnotationKey])
	}
	return nil
}

func (n *namespaces) usable(obj *unstructured.Unstructured, locator transform.Locator) error {
	if obj.GetDeletionTimestamp() != nil {
		return fmt.Errorf("namespace %s of the child is being deleted and will be made again afterwards", obj.GetName())
	}
	return n.owned(obj, locator)
}

// namespace is the child namespace of a locator.
func (n *namespaces) namespace(locator transform.Locator) *unstructured.Unstructured {
	obj := &unstructured.Unstructured{Object: map[string]any{}}
	obj.SetAPIVersion("v1")
	obj.SetKind("Namespace")
	obj.SetName(locator.ChildNamespace())
	obj.SetLabels(map[string]string{
		workloadv1alpha1.DownstreamClusterLabel: n.target.Key(),
		workloadv1alpha1.TenantIDLabel:          locator.TenantID(),
	})
	obj.SetAnnotations(map[string]string{workloadv1alpha1.NamespaceLocatorAnnotationKey: locator.String()})
	return obj
}

// reconcile removes a child namespace when it is not wanted and empty.
func (n *namespaces) reconcile(ctx context.Context, key logicalcluster.Key) (loop.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	obj, err := n.child.Get(key)
	if err != nil {
		return loop.Result{}, err
	}
	if obj == nil {
		n.prune(key.Name)
		return loop.Result{}, nil
	}
	if obj.GetDeletionTimestamp() != nil {
		return loop.Result{}, nil
	}
	reason, err := n.obsolete(obj)
	if err != nil || reason == "" {
		return loop.Result{}, err
	}
	klog.FromContext(ctx).Info("Deleting namespace in the child", "namespace", key.Name, "reason", reason)
	err = ignoreNotFound(n.child.Collection().Delete(ctx, "", key.Name, obj.GetUID()))
	return loop.Result{}, err
}

// obsolete says why a child namespace is to be deleted, or nothing.
func (n *namespaces) obsolete(obj *unstructured.Unstructured) (string, error) {
	locator, err := transform.ParseLocator(obj.GetAnnotations()[workloadv1alpha1.NamespaceLocatorAnnotationKey])
	switch {
	case err != nil:
		return "", nil // without a locator nobody knows whose it is
	case n.isPredecessors(locator, obj.GetName()):
		return "it was made for a sync target of the same name that does not exist any more", nil
	case !n.isOurs(locator, obj.GetName()):
		return "", nil
	}
	hubObj, err := n.hub.Get(logicalcluster.Key{Workspace: locator.Workspace, Name: locator.Namespace})
	if err != nil {
		return "", err
	}
	if wanted(hubObj, n.target.Key()) || n.contents.used(locator) {
		return "", nil
	}
	return "nothing is placed there any more", nil
}

func wanted(hubObj *unstructured.Unstructured, key string) bool {
	return hubObj != nil && !transform.DeletionAsked(hubObj, key)
}

// isPredecessors finds what an earlier SyncTarget of the same name left behind:
// no agent but this one ever will.
func (n *namespaces) isPredecessors(locator transform.Locator, name string) bool {
	former := n.target
	former.UID = locator.SyncTarget.UID
	return locator.SyncTarget.UID != n.target.UID &&
		locator == former.Locate(locator.Workspace, locator.Namespace) && locator.ChildNamespace() == name
}

// prune forgets a namespace that is gone with all it held.
func (n *namespaces) prune(childNamespace string) {
	locator, ok := n.owner(childNamespace)
	if !ok || n.contents.used(locator) {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.made[childNamespace] {
		delete(n.owners, childNamespace)
	}
}
