package bindings

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/atriumhub/atrium/pkg/schemas"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
)

// facts is what the status of a binding follows from.
type facts struct {
	binding *apisv1alpha2.APIBinding
	// where is the workspace of the export; found says whether there is one.
	where Workspace
	found bool
	// moved says that the path of the reference means another workspace now than
	// when the binding was bound.
	moved bool
	// export is nil when there is none of that name.
	export *apisv1alpha2.APIExport
	// native says whether the resources of the export are compiled in.
	native bool
	// offers are the resources of the export.
	offers []offer
	// taken are the names that others have in the workspace of the binding.
	taken []schemas.Claim
}

// judge returns the status a binding ought to have.
func judge(f facts, now time.Time) apisv1alpha2.APIBindingStatus {
	status := *f.binding.Status.DeepCopy()
	if status.Phase == "" {
		status.Phase = apisv1alpha2.APIBindingPhaseBinding
	}
	valid := exportValid(f)
	completed := conditionsv1alpha1.True(apisv1alpha2.InitialBindingCompleted)
	upToDate := conditionsv1alpha1.True(apisv1alpha2.BindingUpToDate)
	switch conflict := conflicts(f); {
	case valid.Status != corev1.ConditionTrue:
		completed, upToDate = because(valid, completed.Type), because(valid, upToDate.Type)
	case conflict != "":
		upToDate = conditionsv1alpha1.False(upToDate.Type, conditionsv1alpha1.ConditionSeverityError, apisv1alpha2.NamingConflictsReason, "%s", conflict)
		completed = because(upToDate, completed.Type)
	default:
		status.Phase = apisv1alpha2.APIBindingPhaseBound
		status.APIExportClusterName = f.where.Name.String()
		status.BoundResources = boundResources(f)
		if lag := lags(f.offers); len(lag) > 0 {
			upToDate = conditionsv1alpha1.False(upToDate.Type, conditionsv1alpha1.ConditionSeverityWarning, publicationv1alpha1.SchemaIncompatibleReason, "%s", few(lag)+misfits(f.offers))
		}
	}
	if status.Phase == apisv1alpha2.APIBindingPhaseBound {
		// B1: the initial binding stays completed whatever comes after it.
		completed = conditionsv1alpha1.True(completed.Type)
	}
	status.Conditions = conditionsv1alpha1.Set(status.Conditions, now, valid, completed, upToDate)
	// What is bound is ready, whatever becomes of its export.
	status.Conditions = conditionsv1alpha1.Set(status.Conditions, now, conditionsv1alpha1.Summary(status.Conditions,
		conditionsv1alpha1.ReadyCondition, completed.Type))
	return status
}

// inTheWay begins what a binding says of objects. It comes last, so that it can be
// left out where others than the workspace are told.
const inTheWay = ". In the way: "

// misfits says which objects keep a binding from the schemas that it should have.
func misfits(offers []offer) string {
	var out []string
	for i := range offers {
		if o := &offers[i]; o.misfits != "" {
			out = append(out, resourceText(o.resource.Group, o.resource.Name)+" "+o.misfits)
		}
	}
	if len(out) == 0 {
		return ""
	}
	return inTheWay + few(out)
}

// because is another condition that fails for the same reason.
func because(c conditionsv1alpha1.Condition, t conditionsv1alpha1.ConditionType) conditionsv1alpha1.Condition {
	c.Type = t
	return c
}

func exportValid(f facts) conditionsv1alpha1.Condition {
	t, severe := apisv1alpha2.APIExportValid, conditionsv1alpha1.ConditionSeverityError
	reference := f.binding.Spec.Reference.Export
	switch {
	case reference == nil || reference.Name == "":
		return conditionsv1alpha1.False(t, severe, apisv1alpha2.APIExportInvalidReferenceReason,
			"spec.reference.export is missing: delete this binding and create one that names an export")
	case f.moved:
		return conditionsv1alpha1.False(t, severe, apisv1alpha2.APIExportInvalidReferenceReason,
			"workspace %q is another one than when this was bound: delete this binding, and with it the objects of its APIs, to bind what is there now", referencePath(f.binding))
	case !f.found || f.export == nil:
		path := referencePath(f.binding)
		if f.found { // for a reference without a path is to the workspace itself
			path = f.where.Path
		}
		return conditionsv1alpha1.False(t, severe, apisv1alpha2.APIExportNotFoundReason,
			"APIExport %q not found in workspace %q: delete this binding and create one that names an existing export%s, or create the export there",
			reference.Name, path, workloadsHint(reference.Name))
	case f.export.Status.IdentityHash == "":
		return conditionsv1alpha1.False(t, conditionsv1alpha1.ConditionSeverityInfo, apisv1alpha2.WaitingForEstablishedReason,
			"APIExport %q of workspace %q has no identity yet", reference.Name, f.where.Path)
	}
	if was := otherIdentity(f); was != "" {
		return conditionsv1alpha1.False(t, severe, apisv1alpha2.APIExportInvalidReferenceReason,
			"APIExport %q of workspace %q was made again and has another identity (%.8s…) than when this was bound (%.8s…), to which the objects belong: "+
				"its owner can give it the old identity secret, or delete this binding and its objects, and bind again",
			reference.Name, f.where.Path, f.export.Status.IdentityHash, was)
	}
	if trouble := append(troubles(f.offers), moves(f)...); len(trouble) > 0 {
		return conditionsv1alpha1.False(t, severe, apisv1alpha2.APIResourceSchemaInvalidReason,
			"APIExport %q of workspace %q cannot be bound, which its owner has to mend: %s", reference.Name, f.where.Path, few(trouble))
	}
	return conditionsv1alpha1.True(t)
}

// moves names the resources whose objects are elsewhere now than when they were
// bound: those that are there would be lost.
func moves(f facts) []string {
	var out []string
	for i := range f.offers {
		o := &f.offers[i]
		for j := range f.binding.Status.BoundResources {
			if bound := &f.binding.Status.BoundResources[j]; o.kept == nil && o.is(bound) && (bound.Virtual == nil) != (o.virtual() == nil) {
				out = append(out, fmt.Sprintf("%s: spec.resources[].storage cannot become another kind of storage once it is bound; offer another resource", resourceText(bound.Group, bound.Resource)))
			}
		}
	}
	return out
}

// otherIdentity returns the identity that the binding was bound by, if that of the
// export is another one now. Compiled-in resources are not kept by identity.
func otherIdentity(f facts) string {
	for _, bound := range f.binding.Status.BoundResources {
		if !f.native && bound.Schema.IdentityHash != f.export.Status.IdentityHash {
			return bound.Schema.IdentityHash
		}
	}
	return ""
}

// workloadsHint helps who looks for the export of Kubernetes in the wrong place.
func workloadsHint(export string) string {
	if export != "kubernetes" {
		return ""
	}
	return ` (workloads need "kubernetes" of "root:compute")`
}

// conflicts names the names that others have in the workspace, or is "".
func conflicts(f facts) string {
	var taken []string
	for i := range f.offers {
		group := f.offers[i].resource.Group
		for _, of := range byOwner(schemas.Collisions(group, f.offers[i].wanted(), f.taken)) {
			taken = append(taken, conflictText(group, of))
		}
	}
	if len(taken) == 0 {
		return ""
	}
	return "names are taken in this workspace: " + few(taken)
}

// byOwner puts the names that have the same owner together, in order.
func byOwner(collisions []schemas.Collision) [][]schemas.Collision {
	var out [][]schemas.Collision
	for _, c := range collisions {
		i := slices.IndexFunc(out, func(of []schemas.Collision) bool { return of[0].Claim == c.Claim })
		if i < 0 {
			out = append(out, []schemas.Collision{c})
			continue
		}
		out[i] = append(out[i], c)
	}
	return out
}

// conflictText names what one owner has, and says once what can be done.
func conflictText(group string, of []schemas.Collision) string {
	in := fmt.Sprintf("group %q", group)
	if group == "" {
		in = "the core group"
	}
	first := of[0]
	text := fmt.Sprintf("%s %q in %s is the %s of %s", first.Field, first.Name, in, first.As, first.Claim.Owner)
	for i, c := range of[1:] {
		text += cmp.Or(map[int]string{0: ", which also has "}[i], ", ") + fmt.Sprintf("%s %q", c.Field, c.Name)
	}
	if first.Claim.Remedy != "" {
		text += ": " + first.Claim.Remedy
	}
	return text
}

// few joins the first of texts.
func few(texts []string) string {
	const shown = 4
	if len(texts) <= shown {
		return strings.Join(texts, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(texts[:shown], "; "), len(texts)-shown)
}

// boundResources returns what the binding has now: what the export offers, and
// what it offered once. Whoever uses that goes on using it (B1).
func boundResources(f facts) []apisv1alpha2.BoundAPIResource {
	var out []apisv1alpha2.BoundAPIResource
	for _, o := range f.offers {
		out = append(out, o.bound(f.export.Status.IdentityHash, f.binding.Status.BoundResources))
	}
	for _, before := range f.binding.Status.BoundResources {
		if !f.native && !slices.ContainsFunc(f.offers, func(o offer) bool { return o.is(&before) }) {
			out = append(out, before)
		}
	}
	return out
}

func resourceText(group, resource string) string {
	if group == "" {
		return resource
	}
	return resource + "." + group
}
