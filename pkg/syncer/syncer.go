package syncer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/atriumhub/atrium/pkg/syncer/remote"
	"github.com/atriumhub/atrium/pkg/syncer/transform"
	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const (
	// retryStart is how long to wait before another attempt to begin.
	retryStart = 2 * time.Second
	// rediscover is how often to look whether resources that could not be copied
	// can be by now. APIs come and go rarely, and nobody tells.
	rediscover = time.Minute
)

// Syncer is an agent. Make it with New.
type Syncer struct {
	config     Config
	workspace  logicalcluster.Path
	hub        *remote.Server
	child      *remote.Server
	hubLine    *lifeline
	childLine  *lifeline
	syncTarget *syncTarget
	log        klog.Logger
	// poke asks for a heartbeat now.
	poke chan struct{}

	mu         sync.RWMutex
	namespaces *namespaces
	pipelines  []*pipeline
	reports    []workloadv1alpha1.ResourceToSync
	beaten     time.Time
	complete   bool // all resources have been looked at
}

// New returns an agent that does nothing until Run.
func New(config Config) (*Syncer, error) {
	config = config.withDefaults()
	if err := errors.Join(config.validate(), checkNames(config.Resources)); err != nil {
		return nil, err
	}
	hubConfig, workspace, err := config.splitHub()
	if err != nil {
		return nil, err
	}
	s := &Syncer{config: config, workspace: workspace, log: klog.Background(), poke: make(chan struct{}, 1)}
	s.hubLine = s.lifeline(side{"hub", hubConfig.Host, "another hub or workspace", "get fresh ones with \"kubectl atrium sync " + config.SyncTarget + "\""})
	s.childLine = s.lifeline(side{"child", config.Child.Host, "another cluster", "get a fresh kubeconfig of the child cluster"})
	if s.hub, err = connect(hubConfig, s.hubLine); err != nil {
		return nil, fmt.Errorf("hub: %w", err)
	}
	if s.child, err = connect(config.Child, s.childLine); err != nil {
		return nil, fmt.Errorf("child: %w", err)
	}
	s.syncTarget = newSyncTarget(s.hub, workspace, config.SyncTarget, config.UID)
	return s, nil
}

func (s *Syncer) lifeline(end side) *lifeline {
	return &lifeline{side: end, clock: s.config.Clock, log: s.log}
}

func connect(config *rest.Config, line *lifeline) (*remote.Server, error) {
	config = rest.CopyConfig(config)
	if config.QPS == 0 { // client-go would take that for 5
		config.QPS = -1
	}
	config.Wrap(line.wrap)
	return remote.Connect(config)
}

// String says what the agent connects.
func (s *Syncer) String() string {
	return fmt.Sprintf("sync target %q (UID %s) of workspace %s at hub %s with child %s",
		s.config.SyncTarget, s.config.UID, s.workspace, s.hub.Host(), s.child.Host())
}

// Run works until ctx ends, and then returns nil once everything has stopped. It
// returns an error only if going on would be wrong: see ErrReplaced.
func (s *Syncer) Run(ctx context.Context) error {
	found, err := s.introduce(ctx)
	if err != nil {
		return ended(err)
	}
	target := toTarget(found)
	s.log.Info("Working for sync target", "name", target.Name, "workspace", target.Workspace, "key", target.Key())

	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	p := s.parts(target)
	var running sync.WaitGroup
	running.Go(func() { p.namespaces.hub.Run(ctx) })
	running.Go(func() { p.namespaces.child.Run(ctx) })
	running.Go(func() { s.runNamespaces(ctx, p.namespaces) })
	running.Go(func() { s.runPipelines(ctx, &running, p) })
	running.Go(func() { stop(s.beat(ctx, found)) })
	<-ctx.Done()
	running.Wait()
	return ended(context.Cause(ctx))
}

// ended turns the end of a context into success.
func ended(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// introduce reads the SyncTarget, however long that takes.
func (s *Syncer) introduce(ctx context.Context) (*workloadv1alpha1.SyncTarget, error) {
	var once logOnce
	for {
		attempt, cancel := context.WithTimeout(ctx, requestTimeout)
		found, err := s.syncTarget.read(attempt)
		cancel()
		if err == nil || errors.Is(err, ErrReplaced) {
			return found, err
		}
		if s.hubLine.trouble() == "" && ctx.Err() == nil { // otherwise it has been logged
			once.error(s.log, s.config.Clock.Now(), err, "Cannot start; trying again")
		}
		if !s.sleep(ctx, retryStart) {
			return nil, ctx.Err()
		}
	}
}

// sleep is false if ctx ended.
func (s *Syncer) sleep(ctx context.Context, d time.Duration) bool {
	timer := s.config.Clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
		return true
	case <-ctx.Done():
		return false
	}
}

// parts makes what the pipelines share.
func (s *Syncer) parts(target transform.Target) parts {
	p := parts{target: target, hub: s.hub, child: s.child, scalers: newScalers(), workers: s.config.Workers, onError: s.onError}
	p.namespaces = newNamespaces(target, s.hub, s.child, s, func(side string) func(error) { return s.onError(namespaceResource, side) })
	s.mu.Lock()
	s.namespaces = p.namespaces
	s.mu.Unlock()
	return p
}

// onError returns what a mirror calls when it cannot follow its server. Trouble
// with the whole server has been logged by the lifeline already.
func (s *Syncer) onError(resource remote.Resource, side string) func(error) {
	var once logOnce
	return func(err error) {
		var status apierrors.APIStatus
		if !errors.As(err, &status) || apierrors.IsUnauthorized(err) {
			return
		}
		message := "Cannot follow " + resource.GroupResource().String() + " of the " + side + "; trying again"
		if side == "child" && apierrors.IsForbidden(err) {
			message += "; \"atrium-syncer child-rbac\" prints the permissions the agent needs in the child"
		}
		once.error(s.log, s.config.Clock.Now(), err, message)
		if side == "hub" {
			s.beatNow()
		}
	}
}

// beatNow asks for a heartbeat, which also finds out whether the SyncTarget is
// still the same.
func (s *Syncer) beatNow() {
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

// runNamespaces removes unwanted namespaces once everything has been seen.
func (s *Syncer) runNamespaces(ctx context.Context, n *namespaces) {
	if await(ctx, n.hub.Synced(), n.child.Synced()) {
		n.loop.Run(ctx)
	}
}

// runPipelines starts a pipeline for each resource that both sides serve, and
// keeps looking for those that one of them does not serve yet.
func (s *Syncer) runPipelines(ctx context.Context, running *sync.WaitGroup, p parts) {
	var once logOnce
	for {
		wait := rediscover
		if err := s.negotiate(ctx, running, p); err != nil && ctx.Err() == nil {
			wait = retryStart
			if s.hubLine.trouble() == "" && s.childLine.trouble() == "" {
				once.error(s.log, s.config.Clock.Now(), err, "Cannot find out what to copy; trying again")
			}
		}
		if !s.sleep(ctx, wait) {
			return
		}
	}
}

// negotiate looks at all resources once and starts pipelines for new ones.
func (s *Syncer) negotiate(ctx context.Context, running *sync.WaitGroup, p parts) error {
	asked, cancel := context.WithTimeout(ctx, 3*requestTimeout)
	defer cancel()
	offered, refused, err := offers(asked, s.child, s.config.Resources)
	if err != nil {
		return err
	}
	view := remote.Collection{Server: s.hub, Prefix: viewPrefix(p.target, logicalcluster.Wildcard)}
	reports := make([]workloadv1alpha1.ResourceToSync, 0, len(offered))
	var forbidden error
	for _, o := range offered {
		reason, err := s.settle(ctx, asked, running, p, view, o)
		if err != nil && !apierrors.IsForbidden(err) {
			return err
		}
		if err != nil {
			forbidden, reason = err, err.Error()
		}
		if reason != "" {
			refused[o.String()] = reason
		}
		reports = append(reports, o.toReport(reason == ""))
	}
	if forbidden != nil && acceptedNames(reports) == "" {
		return forbidden
	}
	s.report(reports, refused)
	return nil
}

// settle makes sure that there is a pipeline for a resource if there can be one,
// or else says why not.
func (s *Syncer) settle(ctx, asked context.Context, running *sync.WaitGroup, p parts, view remote.Collection, o offer) (string, error) {
	if s.running(o) {
		return "", nil
	}
	resource, agreed, err := agree(asked, view, o)
	if err != nil {
		return "", err
	}
	if !agreed {
		return "the hub does not serve it", nil
	}
	s.start(ctx, running, p, resource)
	return "", nil
}

func (s *Syncer) running(o offer) bool {
	return slices.ContainsFunc(s.snapshot(), func(l *pipeline) bool { return l.resource.GroupResource() == o.GroupResource })
}

func (s *Syncer) snapshot() []*pipeline {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.pipelines
}

func (s *Syncer) start(ctx context.Context, running *sync.WaitGroup, p parts, resource remote.Resource) {
	l := newPipeline(p, resource)
	p.scalers.add(l)
	s.mu.Lock()
	s.pipelines = append(slices.Clip(s.pipelines), l)
	s.mu.Unlock()
	running.Go(func() { l.Run(ctx) })
}

// report notes what the next heartbeat will say, and asks for it if it is news.
func (s *Syncer) report(reports []workloadv1alpha1.ResourceToSync, refused map[string]string) {
	s.mu.Lock()
	first, changed := !s.complete, !slices.EqualFunc(s.reports, reports, sameReport)
	s.reports, s.complete = reports, true
	s.mu.Unlock()
	if !first && !changed {
		return
	}
	s.log.Info("Copying resources", "accepted", acceptedNames(reports))
	for name, reason := range refused {
		s.log.Info("Not copying resource", "resource", name, "reason", reason)
	}
	s.beatNow()
}

func sameReport(a, b workloadv1alpha1.ResourceToSync) bool {
	return a.GroupResource == b.GroupResource && a.State == b.State && slices.Equal(a.Versions, b.Versions)
}

func acceptedNames(reports []workloadv1alpha1.ResourceToSync) string {
	var names []string
	for _, r := range reports {
		if r.State == workloadv1alpha1.ResourceSchemaAcceptedState {
			names = append(names, strings.TrimSuffix(r.Resource+"."+r.Group, "."))
		}
	}
	return strings.Join(names, " ")
}

// used is whether any pipeline has anything in a namespace. Before all resources
// have been looked at, nobody knows.
func (s *Syncer) used(locator transform.Locator) bool {
	s.mu.RLock()
	complete := s.complete
	s.mu.RUnlock()
	return !complete || slices.ContainsFunc(s.snapshot(), func(l *pipeline) bool { return l.used(locator) })
}

// wake makes all pipelines look again at a namespace.
func (s *Syncer) wake(locator transform.Locator) {
	for _, l := range s.snapshot() {
		l.wake(locator)
	}
}

// beat sends heartbeats, once there is something to copy, and returns when going
// on would be wrong.
func (s *Syncer) beat(ctx context.Context, found *workloadv1alpha1.SyncTarget) error {
	h := &heart{
		syncTarget: s.syncTarget,
		hasStatus:  hasStatus(found),
		now:        s.config.Clock.Now,
	}
	ticker := s.config.Clock.NewTicker(s.config.HeartbeatInterval)
	defer ticker.Stop()
	var once logOnce
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C():
		case <-s.poke:
		}
		err := s.beatOnce(ctx, h)
		switch {
		case errors.Is(err, ErrReplaced):
			return err
		case err != nil && ctx.Err() == nil && s.hubLine.trouble() == "" && s.childLine.trouble() == "":
			once.error(s.log, s.config.Clock.Now(), err, "No heartbeat; trying again")
		}
	}
}

// beatOnce sends a heartbeat if the child answers: the hub shall place work only
// where it can be done.
func (s *Syncer) beatOnce(ctx context.Context, h *heart) error {
	if err := s.askChild(ctx); err != nil {
		heartbeats.WithLabelValues("error").Inc()
		return fmt.Errorf("the child does not answer: %w", err)
	}
	s.mu.RLock()
	reports, complete := s.reports, s.complete
	s.mu.RUnlock()
	if !complete {
		return nil
	}
	if err := h.beat(ctx, reports); err != nil {
		heartbeats.WithLabelValues("error").Inc()
		return err
	}
	heartbeats.WithLabelValues("ok").Inc()
	s.mu.Lock()
	s.beaten = h.last
	s.mu.Unlock()
	s.measure()
	return nil
}

func (s *Syncer) askChild(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, err := s.child.Get(ctx, "/version")
	return err
}

func (s *Syncer) measure() {
	for _, l := range s.snapshot() {
		name := l.resource.GroupResource().String()
		mirrored.WithLabelValues(name, "hub").Set(float64(l.hub.Len()))
		mirrored.WithLabelValues(name, "child").Set(float64(l.child.Len()))
	}
}

// Ready returns nil when the agent copies all it can and the hub knows it, or
// else what is missing.
func (s *Syncer) Ready() error {
	s.mu.RLock()
	complete, beaten, namespaces := s.complete, s.beaten, s.namespaces
	s.mu.RUnlock()
	if !complete {
		return errors.New("it is not known yet what to copy")
	}
	if !namespaces.synced() {
		return errors.New("namespaces have not been seen completely")
	}
	for _, l := range s.snapshot() {
		if !l.synced() {
			return fmt.Errorf("%s have not been seen completely", l.resource.GroupResource())
		}
	}
	if since := s.config.Clock.Now().Sub(beaten); since > 3*s.config.HeartbeatInterval {
		return fmt.Errorf("the last heartbeat that reached the hub was at %s", beaten.UTC().Format(time.RFC3339))
	}
	return nil
}
