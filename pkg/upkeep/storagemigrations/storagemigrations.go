package storagemigrations

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
	svmv1 "k8s.io/api/storagemigration/v1"
	"k8s.io/apiextensions-apiserver/pkg/apihelpers"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/atriumhub/atrium/pkg/catalog"
	"github.com/atriumhub/atrium/pkg/inflight"
	"github.com/atriumhub/atrium/pkg/informers"
	"github.com/atriumhub/atrium/pkg/loop"
	"github.com/atriumhub/atrium/pkg/partition"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const (
	// workers is how many workspaces are worked on at a time. One worker can be held
	// by a conversion webhook for as long as that may take.
	workers = 2
	// turn is how long one workspace is worked on while others wait, nextTurn when it
	// goes on if nobody does.
	turn, nextTurn = time.Second, time.Millisecond
	// page is how many objects are looked at at a time. They are read whole.
	page = 20
	// writesRetry is how often it is looked whether writes have ended, lookAgain when
	// one looks for what an event should have told.
	writesRetry, lookAgain = 100 * time.Millisecond, 5 * time.Second
	// attempts is how often an object is tried that cannot be rewritten, and
	// attemptRetry when again.
	attempts, attemptRetry = 3, 15 * time.Second
	// slowTurn is after how long a turn had a webhook to wait for. The workspace waits
	// then, from attemptRetry on twice as long each time, up to maxPause, until it was
	// not slow for as long as that.
	slowTurn, maxPause = 5 * time.Second, 10 * time.Minute
)

// Config is what New needs.
type Config struct {
	// Hub writes status, of migrations and definitions.
	Hub *client.Hub
	// Migrations and Definitions are those of all workspaces. Definitions must feed
	// Catalog before they feed the Migrator.
	Migrations  *informers.Informer[*svmv1.StorageVersionMigration]
	Definitions *informers.Informer[*apiextensionsv1.CustomResourceDefinition]
	Catalog     *catalog.Catalog
	// Stored returns up to limit of the objects that are stored by a definition, after
	// a place.
	Stored func(ctx context.Context, workspace logicalcluster.Name, resource schema.GroupResource, after string, limit int) ([]partition.Stored, error)
	// Rewrite stores an object once more, as it is by then, in a version. That it is
	// gone is no error. It counts as a write that is under way.
	Rewrite func(ctx context.Context, workspace logicalcluster.Name, resource schema.GroupVersionResource, namespace, name string) error
	// Writes is the account of writes.
	Writes *inflight.Writes
	// Rate is how many objects are rewritten, and migrations gone through, in a second.
	Rate *rate.Limiter
	// Clock is the real one when nil.
	Clock clock.WithTicker
}

// Migrator is the loop. Make it with New.
type Migrator struct {
	*loop.Loop
	Config

	mu         sync.Mutex
	workspaces map[logicalcluster.Name]*progress
}

// progress is what is remembered of a workspace that has migrations to do. Whoever
// reconciles the workspace has it.
type progress struct {
	pass
	// again is when objects are rewritten again after one could not be, or took too
	// long; pause is how long that was after the last turn that took too long.
	again time.Time
	pause time.Duration
	// ended is the last migration that was brought to its end.
	ended types.UID
}

// pass is one look at all objects.
type pass struct {
	target
	// since is when it began; after is the last object that lies as it should.
	since inflight.Mark
	after string
	// failures is how often the next object could not be rewritten.
	failures int
}

// target is a migration, the resourceVersion of the definition, and the version that
// it stores. A pass with another one begins anew.
type target struct {
	migration         types.UID
	revision, version string
}

// New returns a Migrator that listens from now on and acts once it runs.
func New(config Config) *Migrator {
	if config.Clock == nil {
		config.Clock = clock.RealClock{}
	}
	m := &Migrator{Config: config, workspaces: map[logicalcluster.Name]*progress{}}
	m.Loop = loop.New(loop.Config{Name: "storageversionmigrations", Workers: workers, Clock: config.Clock, Reconcile: m.reconcile})
	config.Migrations.OnChange(func(_, _ *svmv1.StorageVersionMigration, key logicalcluster.Key) {
		m.Enqueue(logicalcluster.Key{Workspace: key.Workspace})
	})
	config.Definitions.OnChange(func(_, _ *apiextensionsv1.CustomResourceDefinition, key logicalcluster.Key) {
		if m.busy(key.Workspace) {
			m.Enqueue(logicalcluster.Key{Workspace: key.Workspace})
		}
	})
	return m
}

func (m *Migrator) busy(workspace logicalcluster.Name) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.workspaces[workspace] != nil
}

func (m *Migrator) progressOf(workspace logicalcluster.Name) *progress {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.workspaces[workspace] == nil {
		m.workspaces[workspace] = &progress{}
	}
	return m.workspaces[workspace]
}

// forget forgets a workspace that has nothing to do, or returns when it may: who has
// failed or was slow waits, also if he takes his migration away and makes another one.
func (m *Migrator) forget(workspace logicalcluster.Name) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.workspaces[workspace]; p != nil {
		until := p.again
		if p.pause > 0 {
			until = until.Add(maxPause)
		}
		if wait := until.Sub(m.Clock.Now()); wait > 0 {
			return wait
		}
	}
	delete(m.workspaces, workspace)
	return 0
}

// job is a migration that is worked on.
type job struct {
	workspace logicalcluster.Name
	resource  schema.GroupResource
	facts
	*progress
}

// reconcile goes on with one migration of a workspace.
func (m *Migrator) reconcile(ctx context.Context, key logicalcluster.Key) (loop.Result, error) {
	migration := next(m.Migrations.In(key.Workspace))
	if migration == nil {
		return loop.Result{After: m.forget(key.Workspace)}, nil
	}
	j := &job{workspace: key.Workspace, resource: schema.GroupResource(migration.Spec.Resource), progress: m.progressOf(key.Workspace)}
	if migration.UID == j.ended {
		return loop.Result{}, nil // the event will come, and with it the next one
	}
	j.facts = facts{migration: migration, builtin: m.Catalog.Reserved(j.resource), now: m.Clock.Now()}
	j.definition, _ = m.Definitions.Get(logicalcluster.Key{Workspace: j.workspace, Name: j.resource.String()})
	j.api, _ = m.Catalog.Lookup(j.workspace, j.resource) // after the definition: it is at most one event behind
	switch step, why := judge(j.facts); step {
	case succeed, fail:
		if err := m.Rate.Wait(ctx); err != nil {
			return loop.Result{}, err
		}
		return loop.Result{After: lookAgain}, m.end(ctx, j, why)
	case migrate:
		return m.migrate(ctx, j)
	}
	return loop.Result{After: lookAgain}, nil
}

// migrate goes on with a definition's objects until all are rewritten or the turn is
// over.
func (m *Migrator) migrate(ctx context.Context, j *job) (loop.Result, error) {
	if begun, err := m.begin(ctx, j); err != nil || !begun {
		return loop.Result{After: lookAgain}, err // what was written comes back as an event
	}
	version, err := apihelpers.GetCRDStorageVersion(j.definition)
	if err != nil {
		return loop.Result{}, loop.Terminal(err)
	}
	if want := (target{j.migration.UID, j.definition.ResourceVersion, version}); j.target != want {
		if served, err := apihelpers.GetCRDStorageVersion(j.api.CRD); err != nil || served != version {
			return loop.Result{After: writesRetry}, nil
		}
		j.pass = pass{target: want, since: m.Writes.Mark()}
	}
	if wait := j.again.Sub(m.Clock.Now()); wait > 0 {
		return loop.Result{After: wait}, nil
	}
	if !m.Writes.Over(j.since, j.workspace, j.resource) {
		return loop.Result{After: writesRetry}, nil
	}
	began := m.Clock.Now()
	whole, failed, err := m.rewrite(ctx, j, began.Add(turn))
	j.took(m.Clock.Since(began), m.Clock.Now())
	switch {
	case err != nil:
		return loop.Result{}, fmt.Errorf("failed to rewrite the %s of workspace %s: %w", j.resource, j.workspace, err)
	case failed != "":
		return m.failed(ctx, j, failed)
	case !whole:
		return loop.Result{After: nextTurn}, nil
	}
	return loop.Result{After: writesRetry}, m.finish(ctx, j, "")
}

// took notes how long a turn was.
func (p *progress) took(turn time.Duration, now time.Time) {
	if turn < slowTurn {
		return
	}
	if now.Sub(p.again) > maxPause {
		p.pause = 0
	}
	p.pause = min(max(attemptRetry, 2*p.pause), maxPause)
	p.again = now.Add(p.pause)
}

// rewrite looks at objects, and reports whether it is through. failed says which one
// could not be rewritten, and why.
func (m *Migrator) rewrite(ctx context.Context, j *job, until time.Time) (whole bool, failed string, err error) {
	want := schema.GroupVersion{Group: j.resource.Group, Version: j.version}.String()
	for {
		objects, err := m.Stored(ctx, j.workspace, j.resource, j.after, page)
		if err != nil {
			return false, "", err
		}
		for _, o := range objects {
			if o.APIVersion != want {
				if err := m.Rate.Wait(ctx); err != nil {
					return false, "", err
				}
				if err := m.Rewrite(ctx, j.workspace, j.resource.WithVersion(j.version), o.Namespace, o.Name); ctx.Err() != nil {
					return false, "", ctx.Err()
				} else if err != nil {
					return false, told(strings.TrimPrefix(o.Namespace+"/"+o.Name, "/"), err), nil
				}
				j.failures = 0
			}
			if j.after = o.Place; !m.Clock.Now().Before(until) {
				return false, "", nil
			}
		}
		if len(objects) < page {
			return true, "", nil
		}
	}
}

// failed comes back to an object that could not be rewritten, or gives up. If the
// definition has changed meanwhile, the next pass has attempts of its own.
func (m *Migrator) failed(ctx context.Context, j *job, why string) (loop.Result, error) {
	if retry := m.Clock.Now().Add(attemptRetry); j.again.Before(retry) {
		j.again = retry
	}
	if j.failures++; j.failures >= attempts {
		return loop.Result{After: attemptRetry}, m.finish(ctx, j, why)
	}
	return loop.Result{After: attemptRetry}, m.tell(ctx, j, running(why))
}

// maxTold is how many bytes of an error are told: tenants choose what is in it.
const maxTold = 512

func told(object string, err error) string {
	message := fmt.Sprintf("%s: %v", object, err)
	if len(message) > maxTold {
		message = strings.ToValidUTF8(message[:maxTold], "") + "…"
	}
	return message
}
