package bindings

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// facts is what the status of a binding follows from.
type facts struct {
	binding *apisv1alpha2.APIBinding
	// where is the workspace of the export; found says whether there is one.
	where Workspace
	found bool
	// export is nil when there is none of that name.
	export *apisv1alpha2.APIExport
	// others are the other bindings of the same workspace.
	others []*apisv1alpha2.APIBinding
	// native says whether the hub can serve the resources of the export.
	native bool
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
		status.BoundResources = boundResources(f.export)
	}
	if status.Phase == apisv1alpha2.APIBindingPhaseBound {
		// B1: the initial binding stays completed whatever comes after it.
		completed = conditionsv1alpha1.True(completed.Type)
	}
	status.Conditions = conditionsv1alpha1.Set(status.Conditions, now, valid, completed, upToDate)
	status.Conditions = conditionsv1alpha1.Set(status.Conditions, now, conditionsv1alpha1.Summary(status.Conditions,
		conditionsv1alpha1.ReadyCondition, valid.Type, completed.Type, upToDate.Type))
	return status
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
	case !f.found || f.export == nil:
		return conditionsv1alpha1.False(t, severe, apisv1alpha2.APIExportNotFoundReason,
			"APIExport %q not found in workspace %q: delete this binding and create one that names an existing export "+
				"(workloads need \"kubernetes\" of \"root:compute\"), or create the export there", reference.Name, referencePath(f.binding))
	case len(f.export.Spec.Resources) > 0 && !f.native:
		return conditionsv1alpha1.False(t, severe, apisv1alpha2.APIExportInvalidReferenceReason,
			"APIExport %q of workspace %q offers resources by schemas of its own (%s), which this version of the hub does not serve to other "+
				"workspaces: install them as CustomResourceDefinitions instead", reference.Name, f.where.Path, f.export.Spec.Resources[0].Schema)
	case f.export.Status.IdentityHash == "":
		return conditionsv1alpha1.False(t, conditionsv1alpha1.ConditionSeverityInfo, apisv1alpha2.WaitingForEstablishedReason,
			"APIExport %q of workspace %q has no identity yet", reference.Name, f.where.Path)
	}
	return conditionsv1alpha1.True(t)
}

// conflicts names the resources that an older binding of the workspace has, or
// is "".
func conflicts(f facts) string {
	if f.export == nil {
		return ""
	}
	var taken []string
	for _, r := range f.export.Spec.Resources {
		if owner := ownerOf(r.Group, r.Name, f); owner != "" {
			taken = append(taken, fmt.Sprintf("%s (APIBinding %s)", resourceText(r.Group, r.Name), owner))
		}
	}
	if len(taken) == 0 {
		return ""
	}
	return "already bound in this workspace: " + strings.Join(taken, ", ") + "; delete one of the bindings"
}

func ownerOf(group, resource string, f facts) string {
	for _, other := range f.others {
		if !older(other, f.binding) {
			continue
		}
		for _, bound := range other.Status.BoundResources {
			if bound.Group == group && bound.Resource == resource {
				return other.Name
			}
		}
	}
	return ""
}

// older orders bindings by age; the name decides between those of one second.
func older(a, b *apisv1alpha2.APIBinding) bool {
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return a.Name < b.Name
}

func boundResources(export *apisv1alpha2.APIExport) []apisv1alpha2.BoundAPIResource {
	var out []apisv1alpha2.BoundAPIResource
	for _, r := range export.Spec.Resources {
		out = append(out, apisv1alpha2.BoundAPIResource{
			Group:    r.Group,
			Resource: r.Name,
			Schema: apisv1alpha2.BoundAPIResourceSchema{
				Name: r.Schema, UID: schemaUID(logicalcluster.From(export), r.Schema), IdentityHash: export.Status.IdentityHash,
			},
			StorageVersions: []string{versionOf(r.Schema)},
		})
	}
	return out
}

// schemaUID stands in for the UID of a schema that is compiled in and therefore
// is no object. It is the same in every process.
func schemaUID(workspace logicalcluster.Name, schema string) string {
	sum := sha256.Sum256([]byte(workspace.String() + "|" + schema))
	return hex.EncodeToString(sum[:16])
}

func resourceText(group, resource string) string {
	if group == "" {
		return resource
	}
	return resource + "." + group
}
