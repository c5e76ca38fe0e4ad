package syncer

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/klog/v2"

	"github.com/atriumhub/atrium/pkg/loop"
	"github.com/atriumhub/atrium/pkg/syncer/copy"
	"github.com/atriumhub/atrium/pkg/syncer/remote"
	"github.com/atriumhub/atrium/pkg/syncer/transform"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// stepTimeout bounds the few requests of one step, so that a server that neither
// answers nor hangs up does not hold a worker for ever.
const stepTimeout = 30 * time.Second

// pipeline copies one resource.
type pipeline struct {
	resource   remote.Resource
	target     transform.Target
	hub        *remote.Mirror
	child      *remote.Mirror
	namespaces *namespaces
	copier     *copy.Copier
	loop       *loop.Loop
	// alsoWake is called with every hub object that changed.
	alsoWake func(hubKey logicalcluster.Key)
}

// parts are what all pipelines share.
type parts struct {
	target     transform.Target
	hub, child *remote.Server
	namespaces *namespaces
	scalers    *scalers
	workers    int
	onError    func(resource remote.Resource, side string) func(error)
}

func newPipeline(p parts, resource remote.Resource) *pipeline {
	group := resource.GroupResource()
	l := &pipeline{resource: resource, target: p.target, namespaces: p.namespaces, alsoWake: p.scalers.changed(group)}
	l.hub = remote.NewMirror(remote.Collection{
		Server: p.hub, Prefix: viewPrefix(p.target, logicalcluster.Wildcard), Resource: resource,
	}, l.hubChanged, p.onError(resource, "hub"))
	l.child = remote.NewMirror(remote.Collection{
		Server: p.child, Resource: resource, LabelSelector: childSelector(p.target),
	}, l.childChanged, p.onError(resource, "child"))
	l.copier = copy.New(
		rules{target: p.target, key: p.target.Key(), resource: group, hints: p.scalers.hints(resource)},
		hubSide{target: p.target, mirror: l.hub},
		childSide{target: p.target, mirror: l.child, namespaces: p.namespaces},
	)
	l.loop = loop.New(loop.Config{Name: "syncer-" + group.String(), Workers: p.workers, Reconcile: l.reconcile})
	return l
}

// Run copies until ctx ends. Nothing is written before both sides and the
// namespaces have been seen completely.
func (l *pipeline) Run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { l.hub.Run(ctx) })
	running.Go(func() { l.child.Run(ctx) })
	if await(ctx, l.namespaces.hub.Synced(), l.namespaces.child.Synced(), l.hub.Synced(), l.child.Synced()) {
		klog.FromContext(ctx).V(1).Info("Copying", "resource", l.resource.GroupResource(), "version", l.resource.Version, "hub", l.hub.Len(), "child", l.child.Len())
		l.wakeAll()
		l.loop.Run(ctx)
	}
	running.Wait()
}

// await waits for all channels to be closed, and is false if ctx ends before.
func await(ctx context.Context, all ...<-chan struct{}) bool {
	for _, done := range all {
		select {
		case <-done:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// synced reports whether both sides have been seen completely.
func (l *pipeline) synced() bool { return l.hub.HasSynced() && l.child.HasSynced() }

// hubChanged looks again at a hub object.
func (l *pipeline) hubChanged(key logicalcluster.Key) {
	l.loop.Enqueue(key)
	l.alsoWake(key)
	if !l.hub.Any(key.Workspace, key.Namespace) {
		l.namespaces.check(l.target.Locate(key.Workspace, key.Namespace))
	}
}

// childChanged looks again at the hub object of a child object. What lies in a
// namespace that is not this target's is none of its business.
func (l *pipeline) childChanged(key logicalcluster.Key) {
	locator, ok := l.namespaces.owner(key.Namespace)
	if !ok {
		return
	}
	l.loop.Enqueue(l.hubKey(locator, key))
	if !l.child.Any("", key.Namespace) {
		l.namespaces.check(locator)
	}
}

func (l *pipeline) hubKey(locator transform.Locator, childKey logicalcluster.Key) logicalcluster.Key {
	return logicalcluster.Key{
		Workspace: locator.Workspace,
		Namespace: locator.Namespace,
		Name:      transform.HubName(l.resource.GroupResource(), childKey.Name),
	}
}

// wake looks again at everything in a namespace, on both sides.
func (l *pipeline) wake(locator transform.Locator) {
	for _, key := range l.child.In("", locator.ChildNamespace()) {
		l.loop.Enqueue(l.hubKey(locator, key))
	}
	for _, key := range l.hub.In(locator.Workspace, locator.Namespace) {
		l.loop.Enqueue(key)
	}
}

// wakeAll looks at every child object once the owners of all namespaces are
// known. Hub objects have been enqueued as they came.
func (l *pipeline) wakeAll() {
	for _, locator := range l.namespaces.all() {
		l.wake(locator)
	}
}

// used reports whether there is anything in a namespace, on either side.
func (l *pipeline) used(locator transform.Locator) bool {
	return !l.synced() || l.hub.Any(locator.Workspace, locator.Namespace) || l.child.Any("", locator.ChildNamespace())
}

func (l *pipeline) reconcile(ctx context.Context, key logicalcluster.Key) (loop.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	step, err := l.copier.Reconcile(ctx, key)
	count(l.resource, step, err)
	if err != nil {
		return loop.Result{}, fmt.Errorf("%s %s: %w", l.resource.GroupResource(), key, err)
	}
	if step != copy.Nothing {
		klog.FromContext(ctx).V(2).Info("Step", "resource", l.resource.GroupResource(), "key", key, "step", step)
	}
	return loop.Result{After: secondLook(step)}, nil
}

// secondLook says when to look again at what a write has led to. The event that
// the write causes comes long before; but an object that is made and unmade
// while a watch is cut causes none.
func secondLook(step copy.Step) time.Duration {
	switch step {
	case copy.Applied, copy.Deleted, copy.Waiting:
		return 10 * time.Second
	default:
		return 0
	}
}
