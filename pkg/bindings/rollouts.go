package bindings

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/loop"
	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var rolloutsGVR = publicationv1alpha1.SchemeGroupVersion.WithResource("schemarollouts")

// surveyPause is how long the owner of an export waits at most to be told what has
// become of bindings, so that he is told once a second and not ten thousand times.
// Where there are few bindings it is surveyPace for each, in the status of the export
// and of each rollout.
const surveyPause, surveyPace = time.Second, 10 * time.Millisecond

// listenForEvolution wakes those who may be meant to have another schema, and those
// who tell of it.
func (k *keeper) listenForEvolution() {
	k.Rollouts.OnChange(func(before, after *publicationv1alpha1.SchemaRollout, key logicalcluster.Key) {
		if after != nil {
			k.rollouts.Enqueue(key)
		}
		if before != nil && after != nil && equality.Semantic.DeepEqual(before.Spec, after.Spec) && before.DeletionTimestamp.Equal(after.DeletionTimestamp) {
			return
		}
		for _, rollout := range []*publicationv1alpha1.SchemaRollout{before, after} {
			if rollout != nil {
				k.wakeBindingsTo(logicalcluster.Key{Workspace: key.Workspace, Name: rollout.Spec.Export.Name})
				k.tellOwner(logicalcluster.Key{Workspace: key.Workspace, Name: rollout.Spec.Export.Name})
			}
		}
	})
	k.APIExports.OnChange(func(before, after *apisv1alpha2.APIExport, key logicalcluster.Key) {
		k.tellRollouts(key)
		const accept = publicationv1alpha1.AcceptIncompatibleAnnotationKey
		if before != nil && after != nil && before.Annotations[accept] != after.Annotations[accept] {
			k.wakeBindingsTo(key)
		}
	})
	k.Schemas.OnChange(func(before, after *apisv1alpha1.APIResourceSchema, key logicalcluster.Key) {
		if key.Workspace != logicalcluster.SystemBoundCRDs && (before == nil || after == nil) {
			k.wakeRolloutsOf(key)
		}
	})
	k.APIBindings.OnChange(func(before, after *apisv1alpha2.APIBinding, key logicalcluster.Key) {
		if after == nil || before != nil && !equality.Semantic.DeepEqual(before.Status.BoundResources, after.Status.BoundResources) {
			k.migrations.drop(key)
		}
		if export, known := k.index.to(key); known && !sameStanding(before, after) {
			k.tellOwner(export)
		}
	})
	k.Workspaces.OnChange(func(before, after *tenancyv1alpha1.Workspace, _ logicalcluster.Key) {
		if before != nil && after != nil && !maps.Equal(before.Labels, after.Labels) {
			k.wakeChosen(logicalcluster.Name(after.Spec.Cluster))
		}
	})
}

// sameStanding reports whether two states of a binding are the same to the owner of
// the export.
func sameStanding(before, after *apisv1alpha2.APIBinding) bool {
	if before == nil || after == nil {
		return false
	}
	conditions := func(b *apisv1alpha2.APIBinding) *conditionsv1alpha1.Condition {
		return conditionsv1alpha1.Get(b.Status.Conditions, apisv1alpha2.BindingUpToDate)
	}
	return before.Status.Phase == after.Status.Phase && equality.Semantic.DeepEqual(before.Status.BoundResources, after.Status.BoundResources) &&
		equality.Semantic.DeepEqual(conditions(before), conditions(after)) && before.DeletionTimestamp.Equal(after.DeletionTimestamp)
}

// wakeRolloutsOf enqueues what depends on rollouts that name a schema.
func (k *keeper) wakeRolloutsOf(schema logicalcluster.Key) {
	for _, rollout := range k.Rollouts.In(schema.Workspace) {
		if slices.ContainsFunc(rollout.Spec.Resources, func(r publicationv1alpha1.ResourceRollout) bool { return r.Schema == schema.Name }) {
			k.rollouts.Enqueue(client.KeyOf(rollout))
			k.wakeBindingsTo(logicalcluster.Key{Workspace: schema.Workspace, Name: rollout.Spec.Export.Name})
		}
	}
}

// wakeChosen enqueues the bindings of a workspace that rollouts choose by labels.
func (k *keeper) wakeChosen(workspace logicalcluster.Name) {
	for _, binding := range k.APIBindings.In(workspace) {
		key := client.KeyOf(binding)
		export, known := k.index.to(key)
		if known && len(ofExport(k.Rollouts.In(export.Workspace), export.Name)) > 0 {
			k.followers.Enqueue(key)
			k.tellOwner(export)
		}
	}
}

// tellOwner has the owner of an export told, in a while, how its bindings are.
func (k *keeper) tellOwner(export logicalcluster.Key) {
	k.exports.EnqueueAfter(export, k.tellRollouts(export))
}

// tellRollouts has those who look at the rollouts of an export told in the same way,
// and returns after which time.
func (k *keeper) tellRollouts(export logicalcluster.Key) time.Duration {
	rollouts := ofExport(k.Rollouts.In(export.Workspace), export.Name)
	pause := min(surveyPause, surveyPace*time.Duration(k.index.count(export)*(1+len(rollouts))))
	for _, rollout := range rollouts {
		k.rollouts.EnqueueAfter(client.KeyOf(rollout), pause)
	}
	return pause
}

func (k *keeper) pathOf(workspace logicalcluster.Name) string {
	if where, ok := k.Resolve(workspace.Path()); ok {
		return where.Path.String()
	}
	return workspace.String()
}

// reconcileRollout says how far a rollout is. That bindings follow it is for their
// own loops.
func (k *keeper) reconcileRollout(ctx context.Context, key logicalcluster.Key) (loop.Result, error) {
	rollout, found := k.Rollouts.Get(key)
	where, resolved := k.Resolve(key.Workspace.Path())
	if !found || rollout.DeletionTimestamp != nil || !resolved {
		return loop.Result{}, nil
	}
	status := k.rolloutStatus(where, rollout)
	if migratesAny(rollout) {
		k.migratorOf(rollout).Enqueue(key)
	}
	if equality.Semantic.DeepEqual(status, rollout.Status) {
		return loop.Result{}, nil
	}
	return loop.Result{}, k.patch(ctx, rolloutsGVR, key, map[string]any{
		"metadata": map[string]any{"resourceVersion": rollout.ResourceVersion},
		"status": map[string]any{
			"observedGeneration": status.ObservedGeneration, "percent": status.Percent, "total": status.Total, "updated": status.Updated,
			"lagging": status.Lagging, "resources": status.Resources, "conditions": status.Conditions,
		},
	}, "status")
}

func (k *keeper) rolloutStatus(where Workspace, rollout *publicationv1alpha1.SchemaRollout) publicationv1alpha1.SchemaRolloutStatus {
	status := publicationv1alpha1.SchemaRolloutStatus{ObservedGeneration: rollout.Generation}
	valid := conditionsv1alpha1.True(publicationv1alpha1.SchemaRolloutValid)
	if trouble := k.rolloutTroubles(where, rollout); len(trouble) > 0 {
		valid = conditionsv1alpha1.False(valid.Type, conditionsv1alpha1.ConditionSeverityError, publicationv1alpha1.SchemaRolloutInvalidReason,
			"until this is mended no workspace gets another schema of what it is about: %s", few(trouble))
	}
	if export, exists := k.APIExports.Get(logicalcluster.Key{Workspace: where.Name, Name: rollout.Spec.Export.Name}); exists {
		surveyed := k.survey(where, export)
		for i := range rollout.Spec.Resources {
			if r := &rollout.Spec.Resources[i]; offeredAt(export, r) >= 0 {
				standings := surveyed[offeredAt(export, r)]
				progress := progressOf(r, standings, k.pathOf)
				if r.MigrateStorage {
					progress.Migration = k.migrationOf(where, rollout, r, standings)
				}
				status.Resources = append(status.Resources, progress)
			}
		}
	}
	sumUp(&status, rollout.Spec.Resources)
	conditions, said := rollout.DeepCopy().Status.Conditions, []conditionsv1alpha1.Condition{valid, complete(&status, rollout.Spec.Paused)}
	if migratesAny(rollout) {
		said = append(said, migrated(&status, rollout.Spec.Paused))
	} else {
		conditions = conditionsv1alpha1.Remove(conditions, publicationv1alpha1.SchemaRolloutStorageMigrated)
	}
	for i := range said {
		if valid.Reason != "" {
			said[i] = because(valid, said[i].Type)
		}
	}
	conditions = conditionsv1alpha1.Set(conditions, k.Clock.Now(), said...)
	status.Conditions = conditionsv1alpha1.Set(conditions, k.Clock.Now(), conditionsv1alpha1.Summary(conditions, conditionsv1alpha1.ReadyCondition, valid.Type))
	return status
}

// offeredAt returns where in spec.resources of an export a resource is, or -1.
func offeredAt(export *apisv1alpha2.APIExport, r *publicationv1alpha1.ResourceRollout) int {
	return slices.IndexFunc(export.Spec.Resources, func(offered apisv1alpha2.ResourceSchema) bool {
		return offered.Group == r.Group && offered.Name == r.Resource
	})
}

// rolloutTroubles are why a rollout cannot be carried out as it is.
func (k *keeper) rolloutTroubles(where Workspace, rollout *publicationv1alpha1.SchemaRollout) []string {
	export, exists := k.APIExports.Get(logicalcluster.Key{Workspace: where.Name, Name: rollout.Spec.Export.Name})
	if !exists {
		return []string{fmt.Sprintf("spec.export: there is no APIExport %q in this workspace", rollout.Spec.Export.Name)}
	}
	var out []string
	lead := leaders(ofExport(k.Rollouts.In(where.Name), export.Name))
	for i := range rollout.Spec.Resources {
		r := &rollout.Spec.Resources[i]
		at, name := offeredAt(export, r), resourceText(r.Group, r.Resource)
		if at < 0 {
			out = append(out, fmt.Sprintf("spec.resources: APIExport %q does not offer %s", export.Name, name))
			continue
		}
		if first := lead[schema.GroupResource{Group: r.Group, Resource: r.Resource}]; first != nil && first.rollout.Name != rollout.Name {
			out = append(out, fmt.Sprintf("spec.resources: SchemaRollout %q is about %s as well, and older: it is the one that counts; delete one of them", first.rollout.Name, name))
			continue
		}
		if trouble := k.troubleOf(where, export.Spec.Resources[at], &rolling{rollout: rollout, ResourceRollout: r}); trouble != "" {
			out = append(out, fmt.Sprintf("spec.resources: %s: %s", name, trouble))
		}
	}
	return out
}
