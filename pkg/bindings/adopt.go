package bindings

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/atriumhub/atrium/pkg/failpoint"
	"github.com/atriumhub/atrium/pkg/inflight"
	"github.com/atriumhub/atrium/pkg/loop"
	"github.com/atriumhub/atrium/pkg/schemas"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Adoption takes over the objects of a definition of the workspace. Each step
// follows from what is stored, so a hub that dies goes on where it was:
//
//	marked   the definition says who adopts it; requests for its objects wait
//	moved    one object after the other lies under the identity of the export
//	bound    the status of the binding says so; the objects are served again
//	swept    what requests under way still wrote is moved, too
//	removed  the definition goes; that there are no objects of it is known
//
// A binding that is deleted before it is bound gives everything back.
const (
	// drain is how long watches and requests get to end before objects move.
	drain = time.Second
	// sweepRetry is how often it is looked for what requests under way wrote, which
	// had been let through before the definition was marked.
	sweepRetry = time.Second
	// adoptAtOnce is how many objects move before progress is told.
	adoptAtOnce = 1000

	// reasonAdopting is the reason of a binding that takes over objects.
	reasonAdopting = "AdoptingCustomResourceDefinition"
)

var definitionsGVR = apiextensionsv1.SchemeGroupVersion.WithResource("customresourcedefinitions")

// adoptions remembers since when definitions are marked, as far as this process
// has seen, and how many objects it has moved.
type adoptions struct {
	mu     sync.Mutex
	marked map[logicalcluster.Key]*adoption
}

type adoption struct {
	uid   types.UID // of the definition
	since time.Time
	moved int
	// bound is when no write could begin any more that goes to the definition.
	bound *inflight.Mark
}

func (a *adoptions) of(crd *apiextensionsv1.CustomResourceDefinition, now time.Time) *adoption {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.marked == nil {
		a.marked = map[logicalcluster.Key]*adoption{}
	}
	definition := client.KeyOf(crd)
	if known := a.marked[definition]; known == nil || known.uid != crd.UID {
		a.marked[definition] = &adoption{uid: crd.UID, since: now}
	}
	return a.marked[definition]
}

func (a *adoptions) forget(definition logicalcluster.Key) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.marked, definition)
}

// gone turns "not found" into success.
func gone(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// adopter returns which binding, of which identity, a definition is marked for.
func adopter(crd *apiextensionsv1.CustomResourceDefinition) (binding, identity string) {
	binding, identity, _ = strings.Cut(crd.Annotations[apisv1alpha2.AdoptedByAnnotationKey], "/")
	return binding, identity
}

// withAdoption adds to an offer the definition that is in its way, if the binding
// is to adopt that and can, or why it cannot.
func (k *keeper) withAdoption(o *offer, f *facts) {
	if o.schema == nil {
		return
	}
	crd, found := k.CustomResourceDefinitions.Get(logicalcluster.Key{
		Workspace: logicalcluster.From(f.binding), Name: o.resource.Name + "." + o.resource.Group,
	})
	if !found {
		return
	}
	by, identity := adopter(crd)
	switch {
	case by == f.binding.Name && identity == f.export.Status.IdentityHash:
		o.adopting = crd
	case by == f.binding.Name:
		// Some may have moved, and must not be torn from the others.
		o.unfit = fmt.Sprintf("they were being taken over for another identity of the export: delete APIBinding %q to have them all back", by)
	case by != "" || f.binding.Annotations[apisv1alpha2.AdoptCRDAnnotationKey] != "true" || o.held.Plural != "" || crd.DeletionTimestamp != nil:
		return
	default:
		if o.unfit = unfit(crd, o); o.unfit == "" {
			o.adopting = crd
		}
	}
}

// unfit says why the objects of crd could not go on under the schema of o.
func unfit(crd *apiextensionsv1.CustomResourceDefinition, o *offer) string {
	offered, err := schemas.FromSchema(o.schema)
	if err != nil {
		return err.Error()
	}
	var reasons []string
	for _, reason := range schemas.Incompatibilities(crd, offered, crd.Status.StoredVersions) {
		reasons = append(reasons, reason.String())
	}
	return few(reasons)
}

// adopting returns the offers whose objects are still with a definition.
func adopting(f facts) []*offer {
	var out []*offer
	for i := range f.offers {
		if o := &f.offers[i]; o.adopting != nil {
			out = append(out, o)
		}
	}
	return out
}

// adopt brings the adoption of definitions a step further. status is what the
// binding gets when their objects have moved.
func (k *keeper) adopt(ctx context.Context, key logicalcluster.Key, f facts, status apisv1alpha2.APIBindingStatus) (loop.Result, error) {
	for _, o := range adopting(f) {
		moved, wait, err := k.take(ctx, key, o, f.export.Status.IdentityHash)
		if err != nil || wait > 0 {
			return loop.Result{After: wait}, errors.Join(err, k.writeStatus(ctx, key, f.binding, k.whileAdopting(f, o, moved, err)))
		}
	}
	return loop.Result{After: sweepRetry}, failpoint.Around(failpoint.BindAdopted, key.Workspace.String(), func() error {
		return k.writeStatus(ctx, key, f.binding, status)
	})
}

// take marks a definition, and moves its objects when those who use them have been
// told. It returns how many have moved, and when to go on; 0 when all have moved.
func (k *keeper) take(ctx context.Context, key logicalcluster.Key, o *offer, identity string) (moved int, wait time.Duration, err error) {
	definition := client.KeyOf(o.adopting)
	if by, _ := adopter(o.adopting); by == "" {
		mark := map[string]any{apisv1alpha2.AdoptedByAnnotationKey: key.Name + "/" + identity}
		return 0, drain, failpoint.Around(failpoint.MarkAdopted, key.Workspace.String(), func() error {
			return k.patch(ctx, definitionsGVR, definition, map[string]any{"metadata": map[string]any{
				"resourceVersion": o.adopting.ResourceVersion, "annotations": mark,
			}})
		})
	}
	a := k.adoptions.of(o.adopting, k.Clock.Now())
	if since := k.Clock.Since(a.since); since < drain {
		return a.moved, drain - since, nil
	}
	var n int
	err = failpoint.Around(failpoint.MoveAdopted, key.Workspace.String(), func() (err error) {
		n, err = k.Move(ctx, key.Workspace, o.groupResource(), identity, false, adoptAtOnce)
		return err
	})
	a.moved += n
	if n > 0 {
		return a.moved, turnRetry, err
	}
	return a.moved, 0, err
}

// whileAdopting is the status of a binding whose objects are on their way.
func (k *keeper) whileAdopting(f facts, o *offer, moved int, trouble error) apisv1alpha2.APIBindingStatus {
	status := *f.binding.Status.DeepCopy()
	if status.Phase == "" {
		status.Phase = apisv1alpha2.APIBindingPhaseBinding
	}
	severity, why := conditionsv1alpha1.ConditionSeverityInfo, "requests for them are answered with 503 meanwhile"
	if trouble != nil {
		severity, why = conditionsv1alpha1.ConditionSeverityError, fmt.Sprintf("it is tried again, after %v; to give up, delete this binding", trouble)
	}
	upToDate := conditionsv1alpha1.False(apisv1alpha2.BindingUpToDate, severity, reasonAdopting,
		"taking over the objects of CustomResourceDefinition %q: %d have moved; %s", o.adopting.Name, moved, why)
	completed := because(upToDate, apisv1alpha2.InitialBindingCompleted)
	if status.Phase == apisv1alpha2.APIBindingPhaseBound {
		completed = conditionsv1alpha1.True(completed.Type)
	}
	now := k.Clock.Now()
	status.Conditions = conditionsv1alpha1.Set(status.Conditions, now, conditionsv1alpha1.True(apisv1alpha2.APIExportValid), completed, upToDate)
	status.Conditions = conditionsv1alpha1.Set(status.Conditions, now,
		conditionsv1alpha1.Summary(status.Conditions, conditionsv1alpha1.ReadyCondition, completed.Type))
	return status
}

// sweep moves what requests under way wrote after the binding was bound, and
// removes the definitions that have been adopted. It reports whether some are left.
func (k *keeper) sweep(ctx context.Context, key logicalcluster.Key, f facts) (left bool, err error) {
	for _, o := range adopting(f) {
		definition := client.KeyOf(o.adopting)
		_, identity := adopter(o.adopting)
		left = true
		over := k.writesOver(key.Workspace, o, identity)
		moved, err := k.Move(ctx, key.Workspace, o.groupResource(), identity, false, adoptAtOnce)
		if err != nil {
			return left, fmt.Errorf("failed to move what came late: %w", err)
		}
		if !over || moved > 0 || o.adopting.DeletionTimestamp != nil {
			continue
		}
		err = failpoint.Around(failpoint.RemoveAdopted, key.Workspace.String(), func() error {
			return gone(k.hub.Remove(ctx, definitionsGVR, definition, o.adopting.UID))
		})
		if err != nil {
			return left, fmt.Errorf("failed to remove the adopted definition %s: %w", definition, err)
		}
	}
	return left, nil
}

// writesOver reports whether no request is under way any more that may write to where
// the definition has its objects. Those of a hub that died have ended with it.
func (k *keeper) writesOver(workspace logicalcluster.Name, o *offer, identity string) bool {
	a := k.adoptions.of(o.adopting, k.Clock.Now())
	if a.bound == nil {
		if k.Migration.StoresIn(workspace, o.groupResource(), identity) == "" {
			return false // it is not served by the binding yet
		}
		a.bound = ptr.To(k.Permissions.Writes.Mark())
	}
	return k.Permissions.Writes.Over(*a.bound, workspace, o.groupResource())
}

// endAdoptions gives back what a binding that is being deleted has not got yet, and
// removes the definitions whose objects were its own. It returns how many
// definitions it waits for.
func (k *keeper) endAdoptions(ctx context.Context, key logicalcluster.Key, binding *apisv1alpha2.APIBinding) (int, error) {
	left := 0
	for _, crd := range k.CustomResourceDefinitions.In(key.Workspace) {
		by, identity := adopter(crd)
		if by != key.Name {
			continue
		}
		left++
		if boundAt(binding, crd.Spec.Group, crd.Spec.Names.Plural) != nil {
			if err := gone(k.hub.Remove(ctx, definitionsGVR, client.KeyOf(crd), crd.UID)); err != nil {
				return left, fmt.Errorf("failed to remove the adopted definition %s: %w", crd.Name, err)
			}
			continue
		}
		if err := k.giveBack(ctx, key, crd, identity); err != nil {
			return left, err
		}
	}
	return left, nil
}

// giveBack moves objects back to their definition, and opens that again.
func (k *keeper) giveBack(ctx context.Context, key logicalcluster.Key, crd *apiextensionsv1.CustomResourceDefinition, identity string) error {
	resource := schema.GroupResource{Group: crd.Spec.Group, Resource: crd.Spec.Names.Plural}
	for {
		n, err := k.Move(ctx, key.Workspace, resource, identity, true, adoptAtOnce)
		if err != nil {
			return fmt.Errorf("failed to give the objects of %s back: %w", crd.Name, err)
		}
		if n == 0 {
			break
		}
	}
	k.adoptions.forget(client.KeyOf(crd))
	return k.patch(ctx, definitionsGVR, client.KeyOf(crd), map[string]any{"metadata": map[string]any{
		"resourceVersion": crd.ResourceVersion, "annotations": map[string]any{apisv1alpha2.AdoptedByAnnotationKey: nil},
	}})
}
