package bindings

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/failpoint"
	"github.com/atriumhub/atrium/pkg/loop"
	"github.com/atriumhub/atrium/pkg/partition"
	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const (
	// migrationPage is how many objects are looked at at a time. They are read whole.
	migrationPage = 20
	// migrationRetry is when the objects of a binding are looked at again of which
	// some could not be rewritten.
	migrationRetry = 15 * time.Second
	// slowTurn is a turn that took others too much of theirs, as a conversion webhook
	// that hangs makes it. Then the workspace of the rollout waits before its next one:
	// migrationRetry, and twice as long each time, up to slowRetry. It begins anew for
	// who has had no such turn for as long.
	slowTurn, slowRetry = 5 * time.Second, 10 * time.Minute
	// beginRetry is when it is looked again whether objects can be rewritten.
	beginRetry = time.Second
	// maxReason is how many bytes of a reason are told: tenants choose what is in it.
	maxReason = 512
)

// ErrStoresOtherwise says that an object was not rewritten because its workspace
// stores such objects in another version than was asked for, or takes no writes.
var ErrStoresOtherwise = errors.New("the workspace does not store objects in this version")

// Migration is what the loops need to have objects stored in another version (B11).
type Migration struct {
	// Rate is how many objects are rewritten in a second.
	Rate *rate.Limiter
	// StoresIn returns the version in which a workspace stores what is written of a
	// resource that it has by exports of an identity, or "" when it takes no writes.
	// It answers from memory.
	StoresIn func(workspace logicalcluster.Name, resource schema.GroupResource, identity string) string
	// Stored returns up to limit of the objects that are stored of it, after a place.
	Stored func(ctx context.Context, workspace logicalcluster.Name, resource schema.GroupResource, identity, after string, limit int) ([]partition.Stored, error)
	// Rewrite stores an object once more, as it is by then, in a version. That it is
	// gone is no error; another one is ErrStoresOtherwise. It counts as a write that
	// is under way.
	Rewrite func(ctx context.Context, workspace logicalcluster.Name, resource schema.GroupVersionResource, identity, namespace, name string) error
}

// migrant is a resource of a binding whose objects are to be stored in one version.
type migrant struct {
	passKey
	passTarget
	identity string
	// told is who is told how far it is.
	told migrationKey
}

// migratorOf is the queue for a rollout.
func (k *keeper) migratorOf(rollout *publicationv1alpha1.SchemaRollout) queue {
	if k.callsOut(rollout) {
		return k.callingOut
	}
	return k.migrating
}

// callsOut reports whether a webhook converts objects that a rollout has rewritten.
func (k *keeper) callsOut(rollout *publicationv1alpha1.SchemaRollout) bool {
	return slices.ContainsFunc(rollout.Spec.Resources, func(r publicationv1alpha1.ResourceRollout) bool {
		found, exists := k.Schemas.Get(logicalcluster.Key{Workspace: logicalcluster.From(rollout), Name: r.Schema})
		return r.MigrateStorage && exists && found.Spec.Conversion != nil && found.Spec.Conversion.Strategy == apisv1alpha1.ConversionStrategyWebhook
	})
}

// migrator reconciles the rollouts that call out, or those that do not, which so
// never wait for a webhook.
func (k *keeper) migrator(callsOut bool) func(context.Context, logicalcluster.Key) (loop.Result, error) {
	return func(ctx context.Context, key logicalcluster.Key) (loop.Result, error) {
		rollout, found := k.Rollouts.Get(key)
		if !found || k.callsOut(rollout) != callsOut {
			return loop.Result{}, nil
		}
		if wait := k.migrations.slowFor(key.Workspace, k.Clock.Now()); wait > 0 {
			return loop.Result{After: wait}, nil
		}
		began := k.Clock.Now()
		result, err := k.migrateFor(ctx, rollout)
		k.migrations.took(key.Workspace, k.Clock.Since(began), k.Clock.Now())
		return result, err
	}
}

// migrateFor rewrites objects for one SchemaRollout, until there are none left or the
// turn is over: there may be other rollouts.
func (k *keeper) migrateFor(ctx context.Context, rollout *publicationv1alpha1.SchemaRollout) (loop.Result, error) {
	until := k.Clock.Now().Add(turn)
	var result loop.Result
	var failed error
	for _, m := range k.migrants(rollout) {
		wait, err := k.migrate(ctx, m, until)
		if err != nil && failed == nil {
			failed = fmt.Errorf("failed to rewrite the %s of workspace %s: %w", m.resource, m.binding.Workspace, err)
		}
		if !k.Clock.Now().Before(until) {
			result.After = nextTurn
			break
		}
		if result.After == 0 || wait < result.After {
			result.After = wait
		}
	}
	return result, failed
}

// migrants are what is left to do for a rollout, in the order of workspaces.
func (k *keeper) migrants(rollout *publicationv1alpha1.SchemaRollout) []migrant {
	where, resolved := k.Resolve(logicalcluster.From(rollout).Path())
	export, exists := k.APIExports.Get(logicalcluster.Key{Workspace: where.Name, Name: rollout.Spec.Export.Name})
	if !resolved || !exists {
		return nil
	}
	var out []migrant
	for i, r := range k.rollings(where, export) {
		if r == nil || r.rollout.Name != rollout.Name || !r.migrates() {
			continue
		}
		uid, version := k.storedIn(where, r.Schema)
		for _, binding := range k.boundTo(client.KeyOf(export)) {
			bound := boundAt(binding, export.Spec.Resources[i].Group, export.Spec.Resources[i].Name)
			if bound == nil || bound.Schema.UID != uid || storedOnlyIn(bound, version) {
				continue
			}
			out = append(out, migrant{
				passKey:    passKey{client.KeyOf(binding), schema.GroupResource{Group: bound.Group, Resource: bound.Resource}},
				passTarget: passTarget{binding.UID, uid, version}, identity: bound.Schema.IdentityHash, told: migrationKeyOf(rollout, r.ResourceRollout),
			})
		}
	}
	slices.SortFunc(out, func(a, b migrant) int { return cmp.Compare(a.binding.Workspace, b.binding.Workspace) })
	return out
}

// migrates reports whether objects are to be rewritten now.
func (r *rolling) migrates() bool {
	return r.MigrateStorage && r.trouble == "" && !r.rollout.Spec.Paused && r.rollout.DeletionTimestamp == nil
}

// storedIn returns the UID of a schema, and the version that it stores objects in.
func (k *keeper) storedIn(where Workspace, name string) (uid, version string) {
	found, exists := k.Schemas.Get(logicalcluster.Key{Workspace: where.Name, Name: name})
	if !exists {
		return "", ""
	}
	return string(found.UID), k.definitionOf(found).storage
}

// storedOnlyIn reports whether all objects of a bound resource are stored in a
// version, if there are any in the workspace.
func storedOnlyIn(bound *apisv1alpha2.BoundAPIResource, version string) bool {
	return bound.Virtual != nil || slices.Equal(bound.StorageVersions, []string{version})
}

// migrate goes on with one migrant until it is done or the turn is over. It returns
// when to look at it again.
func (k *keeper) migrate(ctx context.Context, m migrant, until time.Time) (time.Duration, error) {
	p, begun := k.migrations.of(m.passKey)
	if !begun || p.passTarget != m.passTarget {
		if p, begun = k.beginPass(m); !begun {
			return beginRetry, nil
		}
	}
	if wait := p.again.Sub(k.Clock.Now()); wait > 0 {
		return wait, nil
	}
	if !k.Permissions.Writes.Over(p.since, m.binding.Workspace, m.resource) {
		return writesRetry, nil
	}
	whole, err := k.rewrite(ctx, m, &p, until)
	k.rollouts.EnqueueAfter(m.told.rollout, surveyPause)
	switch {
	case errors.Is(err, ErrStoresOtherwise):
		k.migrations.drop(m.binding)
		return writesRetry, nil
	case err != nil || !whole:
		k.migrations.put(m.passKey, p)
		return nextTurn, err
	case p.failing.objects > 0:
		p.failed, p.failing, p.after, p.again = p.failing, failures{}, "", k.Clock.Now().Add(migrationRetry)
		k.migrations.put(m.passKey, p)
		return migrationRetry, nil
	}
	p.failed = failures{}
	k.migrations.put(m.passKey, p)
	return turnRetry, k.endPass(ctx, m, p)
}

// rewrite goes on with a pass over all objects, and reports whether it is through.
func (k *keeper) rewrite(ctx context.Context, m migrant, p *pass, until time.Time) (whole bool, err error) {
	want := schema.GroupVersion{Group: m.resource.Group, Version: m.version}.String()
	for {
		objects, err := k.Migration.Stored(ctx, m.binding.Workspace, m.resource, m.identity, p.after, migrationPage)
		if err != nil {
			return false, err
		}
		for _, o := range objects {
			if o.APIVersion != want {
				if err := k.rewriteOne(ctx, m, p, o); err != nil {
					return false, err
				}
			}
			if p.after = o.Place; !k.Clock.Now().Before(until) {
				return false, nil
			}
		}
		if len(objects) < migrationPage {
			return true, nil
		}
	}
}

// rewriteOne rewrites an object. One with which that fails does not keep it from
// the others.
func (k *keeper) rewriteOne(ctx context.Context, m migrant, p *pass, o partition.Stored) error {
	if err := k.Migration.Rate.Wait(ctx); err != nil {
		return err
	}
	err := failpoint.Around(failpoint.RewriteObject, o.Name, func() error {
		return k.Migration.Rewrite(ctx, m.binding.Workspace, m.resource.WithVersion(m.version), m.identity, o.Namespace, o.Name)
	})
	switch {
	case err == nil:
		k.migrations.count(m.told)
	case ctx.Err() != nil || errors.Is(err, ErrStoresOtherwise):
		return err
	default:
		p.failing.add(strings.TrimPrefix(o.Namespace+"/"+o.Name, "/"), err)
	}
	return nil
}

// beginPass begins a pass when nobody can begin any more to write in another
// version. While it lasts nobody changes that: whoever does ends it, in writeStatus.
func (k *keeper) beginPass(m migrant) (pass, bool) {
	unlock, ok := k.judging.try(m.binding.Workspace)
	if !ok {
		return pass{}, false
	}
	defer unlock()
	binding, found := k.APIBindings.Get(m.binding)
	if !found || !m.is(binding) || !m.is(k.ahead.latest(binding)) || k.isAdopting(m) ||
		k.Migration.StoresIn(m.binding.Workspace, m.resource, m.identity) != m.version {
		return pass{}, false
	}
	p := pass{passTarget: m.passTarget, since: k.Permissions.Writes.Mark()}
	k.migrations.begin(m.passKey, p)
	return p, true
}

// is reports whether binding has what m is about.
func (m *migrant) is(binding *apisv1alpha2.APIBinding) bool {
	bound := boundAt(binding, m.resource.Group, m.resource.Resource)
	return binding.UID == m.uid && binding.DeletionTimestamp == nil && bound != nil && bound.Schema.UID == m.schema
}

// isAdopting reports whether objects of a definition are still taken over, in
// whatever version they are.
func (k *keeper) isAdopting(m migrant) bool {
	crd, found := k.CustomResourceDefinitions.Get(logicalcluster.Key{Workspace: m.binding.Workspace, Name: m.resource.Resource + "." + m.resource.Group})
	if !found {
		return false
	}
	by, _ := adopter(crd)
	return by == m.binding.Name
}

// endPass notes in the status of a binding that all objects are stored in one
// version. If somebody else has written to the binding meanwhile, the next turn
// comes here again.
func (k *keeper) endPass(ctx context.Context, m migrant, p pass) error {
	unlock, ok := k.judging.try(m.binding.Workspace)
	if !ok {
		return nil
	}
	defer unlock()
	binding, found := k.APIBindings.Get(m.binding)
	if !k.migrations.lasts(m.passKey, p) || !found || !m.is(binding) {
		return nil
	}
	status := *binding.Status.DeepCopy()
	at := slices.IndexFunc(status.BoundResources, func(b apisv1alpha2.BoundAPIResource) bool {
		return b.Group == m.resource.Group && b.Resource == m.resource.Resource
	})
	status.BoundResources[at].StorageVersions = []string{m.version}
	return failpoint.Around(failpoint.AmendStorageVersions, m.binding.Workspace.String(), func() error {
		return k.writeStatus(ctx, m.binding, binding, status)
	})
}

// migrationLost reports whether objects may be written in another version by what
// after says.
func migrationLost(before, after *apisv1alpha2.APIBindingStatus) bool {
	return !slices.EqualFunc(before.BoundResources, after.BoundResources, func(a, b apisv1alpha2.BoundAPIResource) bool {
		return a.Group == b.Group && a.Resource == b.Resource && a.Schema == b.Schema
	})
}

// migratesAny reports whether a rollout says of a resource that it is to be migrated.
func migratesAny(rollout *publicationv1alpha1.SchemaRollout) bool {
	return slices.ContainsFunc(rollout.Spec.Resources, func(r publicationv1alpha1.ResourceRollout) bool { return r.MigrateStorage })
}

// rewriteErr makes of an error of storage what is told the owner of an export.
func rewriteErr(err error) string {
	message := err.Error()
	if status := apierrors.APIStatus(nil); errors.As(err, &status) {
		message = status.Status().Message
	}
	if len(message) > maxReason {
		message = strings.ToValidUTF8(message[:maxReason], "") + "…"
	}
	return message
}
