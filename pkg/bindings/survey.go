package bindings

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// standing is how one binding is with one resource of its export.
type standing struct {
	workspace logicalcluster.Name
	binding   logicalcluster.Key
	bound     *apisv1alpha2.BoundAPIResource
	// has and meant are names of schemas.
	has, meant string
	// lags says that it is meant to have another schema than it has: reason and
	// message say why it does not.
	lags            bool
	reason, message string
}

// survey looks at all bindings of an export. The result goes with the resources of
// the export. It is made anew each time, from memory: what is never remembered is
// never wrong, and 10 000 bindings take some milliseconds, a second apart.
func (k *keeper) survey(where Workspace, export *apisv1alpha2.APIExport) [][]standing {
	rollings := k.rollings(where, export)
	out := make([][]standing, len(export.Spec.Resources))
	uids, places := map[string]string{}, placesIn(export) // UIDs of schemas are by name
	for _, binding := range k.boundTo(logicalcluster.Key{Workspace: where.Name, Name: export.Name}) {
		workspace := logicalcluster.From(binding)
		for j := range binding.Status.BoundResources {
			bound := &binding.Status.BoundResources[j]
			if i, offered := places[resourceOf(bound)]; offered {
				aim := aimOf(&export.Spec.Resources[i], rollings[i], workspace, k.labelsOf(workspace, rollings[i]))
				out[i] = append(out[i], standingOf(binding, bound, aim, k.uidOf(where, aim.schema, uids)))
			}
		}
	}
	return out
}

// placesIn says where in the spec of an export a resource is: both have a thousand
// at most, which is too many to look for each in all.
func placesIn(export *apisv1alpha2.APIExport) map[schema.GroupResource]int {
	places := make(map[schema.GroupResource]int, len(export.Spec.Resources))
	for i, resource := range export.Spec.Resources {
		places[schema.GroupResource{Group: resource.Group, Resource: resource.Name}] = i
	}
	return places
}

func resourceOf(bound *apisv1alpha2.BoundAPIResource) schema.GroupResource {
	return schema.GroupResource{Group: bound.Group, Resource: bound.Resource}
}

func (k *keeper) uidOf(where Workspace, schema string, known map[string]string) string {
	uid, ok := known[schema]
	if !ok {
		if found, exists := k.Schemas.Get(logicalcluster.Key{Workspace: where.Name, Name: schema}); exists {
			uid = string(found.UID)
		}
		known[schema] = uid
	}
	return uid
}

// standingOf compares what a binding has with what it is meant to have, which has
// the given UID, or none while there is no such schema.
func standingOf(binding *apisv1alpha2.APIBinding, bound *apisv1alpha2.BoundAPIResource, aim aim, uid string) standing {
	s := standing{workspace: logicalcluster.From(binding), binding: client.KeyOf(binding), bound: bound, has: bound.Schema.Name, meant: aim.schema}
	if s.lags = !aim.held && bound.Schema.UID != uid; !s.lags {
		return s
	}
	s.reason, s.message = publicationv1alpha1.SchemaPendingReason, "it is not this binding's turn yet"
	if c := conditionsv1alpha1.Get(binding.Status.Conditions, apisv1alpha2.BindingUpToDate); c != nil && c.Reason != "" {
		s.reason = c.Reason
		// What is said of the export has more readers than the objects have.
		s.message, _, _ = strings.Cut(c.Message, inTheWay)
	}
	return s
}

// lagging returns those that lag, in the order of their workspaces, with those
// first that do not only wait for their turn.
func lagging(all []standing) []standing {
	var out []standing
	for _, s := range all {
		if s.lags {
			out = append(out, s)
		}
	}
	pending := func(s standing) int {
		if s.reason == publicationv1alpha1.SchemaPendingReason {
			return 1
		}
		return 0
	}
	slices.SortFunc(out, func(a, b standing) int {
		return cmp.Or(pending(a)-pending(b), cmp.Compare(a.workspace, b.workspace))
	})
	return out
}

// upToDate is what the owner of an export is told of all who bind it.
func upToDate(surveyed [][]standing, pathOf func(logicalcluster.Name) string) conditionsv1alpha1.Condition {
	bindings, lag := map[logicalcluster.Name]bool{}, map[logicalcluster.Name]bool{}
	var late []standing
	for _, all := range surveyed {
		for _, s := range all {
			bindings[s.workspace] = true
			if s.lags {
				lag[s.workspace] = true
			}
		}
		late = append(late, lagging(all)...)
	}
	if len(late) == 0 {
		return conditionsv1alpha1.True(publicationv1alpha1.ExportBindingsUpToDate)
	}
	severity, first := conditionsv1alpha1.ConditionSeverityWarning, lagging(late)[0]
	if first.reason == publicationv1alpha1.SchemaPendingReason {
		severity = conditionsv1alpha1.ConditionSeverityInfo
	}
	return conditionsv1alpha1.False(publicationv1alpha1.ExportBindingsUpToDate, severity, publicationv1alpha1.BindingsLagReason,
		"%d of %d bindings lag, for example in workspace %s: %s: %s", len(lag), len(bindings), pathOf(first.workspace), first.reason, first.message)
}

// progressOf is what the status of a rollout says of one resource.
func progressOf(r *publicationv1alpha1.ResourceRollout, all []standing, pathOf func(logicalcluster.Name) string) publicationv1alpha1.ResourceRolloutStatus {
	out := publicationv1alpha1.ResourceRolloutStatus{Group: r.Group, Resource: r.Resource}
	from := map[string]int64{}
	for _, s := range all {
		from[s.has]++
		if s.has == r.Schema && !s.lags {
			out.Updated++
		}
	}
	for _, schema := range slices.Sorted(maps.Keys(from)) {
		out.From = append(out.From, publicationv1alpha1.SchemaCount{Schema: schema, Bindings: from[schema]})
	}
	for _, s := range lagging(all) {
		if s.meant != r.Schema && s.has != r.Schema {
			continue // it is no matter of this rollout
		}
		out.Lagging++
		if s.reason == publicationv1alpha1.SchemaIncompatibleReason {
			out.Incompatible++
		}
		if len(out.Examples) < publicationv1alpha1.MaxRolloutExamples {
			out.Examples = append(out.Examples, publicationv1alpha1.RolloutExample{Workspace: pathOf(s.workspace), Reason: s.reason, Message: s.message})
		}
	}
	return out
}

// migrationOf is what the status of a rollout says of a resource whose objects are
// rewritten. It is counted anew each time, but for the objects that were.
func (k *keeper) migrationOf(where Workspace, rollout *publicationv1alpha1.SchemaRollout, r *publicationv1alpha1.ResourceRollout, all []standing) *publicationv1alpha1.StorageMigrationStatus {
	uid, version := k.storedIn(where, r.Schema)
	out := &publicationv1alpha1.StorageMigrationStatus{Version: version}
	var before int64
	for _, said := range rollout.Status.Resources {
		if said.Group == r.Group && said.Resource == r.Resource && said.Migration != nil && said.Migration.Version == version {
			before = said.Migration.Objects
		}
	}
	out.Objects = k.migrations.counted(migrationKeyOf(rollout, r), before)
	for _, s := range all {
		if s.bound.Schema.UID == uid && storedOnlyIn(s.bound, version) {
			out.Migrated++
			continue
		}
		out.Remaining++
		p, _ := k.migrations.of(passKey{s.binding, schema.GroupResource{Group: r.Group, Resource: r.Resource}})
		out.Failed += p.failed.objects
		for _, f := range p.failed.examples {
			if len(out.Examples) < publicationv1alpha1.MaxRolloutExamples {
				out.Examples = append(out.Examples, publicationv1alpha1.MigrationExample{Workspace: k.pathOf(s.workspace), Object: f.object, Message: f.message})
			}
		}
	}
	return out
}

// sumUp adds up what the status says of resources, for those who look at it in one
// line.
func sumUp(status *publicationv1alpha1.SchemaRolloutStatus, resources []publicationv1alpha1.ResourceRollout) {
	status.Percent = 100
	for i := range resources {
		status.Percent = min(status.Percent, percentOf(&resources[i]))
	}
	for _, r := range status.Resources {
		status.Updated += r.Updated
		status.Lagging += r.Lagging
		for _, from := range r.From {
			status.Total += from.Bindings
		}
	}
}

// migrated says how far the objects are that are being rewritten.
func migrated(status *publicationv1alpha1.SchemaRolloutStatus, paused bool) conditionsv1alpha1.Condition {
	severity, reason := conditionsv1alpha1.ConditionSeverityInfo, publicationv1alpha1.StorageMigratingReason
	var parts []string
	for _, r := range status.Resources {
		m := r.Migration
		if m == nil || m.Remaining == 0 {
			continue
		}
		part := fmt.Sprintf("%s: the objects of %d of %d bindings may not be stored in %s", resourceText(r.Group, r.Resource), m.Remaining, m.Remaining+m.Migrated, m.Version)
		if m.Failed > 0 {
			severity, reason = conditionsv1alpha1.ConditionSeverityWarning, publicationv1alpha1.ObjectsNotRewrittenReason
			part += fmt.Sprintf("; %d objects cannot be rewritten, for example %s in workspace %s: %s", m.Failed, m.Examples[0].Object, m.Examples[0].Workspace, m.Examples[0].Message)
		}
		parts = append(parts, part)
	}
	switch {
	case len(parts) == 0:
		return conditionsv1alpha1.True(publicationv1alpha1.SchemaRolloutStorageMigrated)
	case paused:
		return conditionsv1alpha1.False(publicationv1alpha1.SchemaRolloutStorageMigrated, conditionsv1alpha1.ConditionSeverityInfo,
			publicationv1alpha1.SchemaRolloutPausedReason, "spec.paused: nothing is rewritten")
	}
	return conditionsv1alpha1.False(publicationv1alpha1.SchemaRolloutStorageMigrated, severity, reason, "%s", strings.Join(parts, "; "))
}

// complete says how far a rollout is in one sentence.
func complete(status *publicationv1alpha1.SchemaRolloutStatus, paused bool) conditionsv1alpha1.Condition {
	severity, reason := conditionsv1alpha1.ConditionSeverityInfo, publicationv1alpha1.SchemaPendingReason
	var parts []string
	for _, r := range status.Resources {
		if r.Lagging > 0 {
			parts = append(parts, fmt.Sprintf("%s: %d lag, %d of them incompatible", resourceText(r.Group, r.Resource), r.Lagging, r.Incompatible))
		}
		if r.Incompatible > 0 {
			severity, reason = conditionsv1alpha1.ConditionSeverityWarning, publicationv1alpha1.SchemaIncompatibleReason
		}
	}
	switch {
	case paused:
		return conditionsv1alpha1.False(publicationv1alpha1.SchemaRolloutComplete, conditionsv1alpha1.ConditionSeverityInfo,
			publicationv1alpha1.SchemaRolloutPausedReason, "spec.paused: no workspace gets another schema")
	case len(parts) > 0:
		return conditionsv1alpha1.False(publicationv1alpha1.SchemaRolloutComplete, severity, reason, "%s", strings.Join(parts, "; "))
	}
	return conditionsv1alpha1.True(publicationv1alpha1.SchemaRolloutComplete)
}
