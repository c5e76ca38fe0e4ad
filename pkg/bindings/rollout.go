package bindings

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/informers"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// aim is which schema of a resource a workspace is meant to have. It follows from
// the export, the rollout and the workspace alone: what was there before does not
// matter, so that to take a change back is to write what was written before.
type aim struct {
	// schema is the name of the schema, in the workspace of the export.
	schema string
	// held leaves those who have bound the resource with what they have.
	held bool
}

// rolling is what a SchemaRollout says of one resource.
type rolling struct {
	rollout *publicationv1alpha1.SchemaRollout
	*publicationv1alpha1.ResourceRollout
	// trouble says why it cannot be rolled out, or is "".
	trouble string
}

// aimOf returns what a workspace, which has labels, is meant to have of a resource
// that r may be about. A rollout that cannot be carried out moves nobody, in no
// direction: that is most likely a slip of the pen.
func aimOf(resource *apisv1alpha2.ResourceSchema, r *rolling, workspace logicalcluster.Name, labels labels.Set) aim {
	if r == nil {
		return aim{schema: resource.Schema}
	}
	held := r.rollout.Spec.Paused || r.trouble != ""
	if held || !r.chooses(workspace, labels) {
		return aim{schema: resource.Schema, held: held}
	}
	return aim{schema: r.Schema}
}

// chooses reports whether a workspace gets what is rolled out.
func (r *rolling) chooses(workspace logicalcluster.Name, has labels.Set) bool {
	selector, err := selectorOf(r.ResourceRollout)
	return err == nil && selector.Matches(has) && within(percentOf(r.ResourceRollout), workspace, resourceText(r.Group, r.Resource))
}

func selectorOf(r *publicationv1alpha1.ResourceRollout) (labels.Selector, error) {
	if r.WorkspaceSelector == nil {
		return labels.Everything(), nil
	}
	return metav1.LabelSelectorAsSelector(r.WorkspaceSelector)
}

func percentOf(r *publicationv1alpha1.ResourceRollout) int32 {
	if r.Percent == nil {
		return 100
	}
	return *r.Percent
}

// within reports whether a workspace is among the first percent of all workspaces,
// in an order that is another one for each resource and never changes: 10 % are a
// part of 20 %.
func within(percent int32, workspace logicalcluster.Name, resource string) bool {
	sum := sha256.Sum256([]byte(workspace.String() + "|" + resource))
	return binary.BigEndian.Uint32(sum[:])%100 < uint32(max(percent, 0))
}

// leaders returns what is said of each resource by the rollouts of its export: by the
// oldest that is about it. An export may have a thousand resources, which is too many
// to look for each in all rollouts.
func leaders(rollouts []*publicationv1alpha1.SchemaRollout) map[schema.GroupResource]*rolling {
	out := map[schema.GroupResource]*rolling{}
	for _, rollout := range rollouts {
		for i := range rollout.Spec.Resources {
			r := &rollout.Spec.Resources[i]
			if at := (schema.GroupResource{Group: r.Group, Resource: r.Resource}); out[at] == nil {
				out[at] = &rolling{rollout: rollout, ResourceRollout: r}
			}
		}
	}
	return out
}

// ofExport returns those of rollouts that are about an export, in the order in
// which they count.
func ofExport(rollouts []*publicationv1alpha1.SchemaRollout, export string) []*publicationv1alpha1.SchemaRollout {
	var out []*publicationv1alpha1.SchemaRollout
	for _, rollout := range rollouts {
		if rollout.Spec.Export.Name == export && rollout.DeletionTimestamp == nil {
			out = append(out, rollout)
		}
	}
	slices.SortFunc(out, informers.ByAge)
	return out
}

// RolledOut returns the name of the schema that rollouts, which are those of the
// workspace of an export, roll out of one of its resources, or "".
func RolledOut(rollouts []*publicationv1alpha1.SchemaRollout, export string, resource *apisv1alpha2.ResourceSchema) string {
	for _, rollout := range ofExport(rollouts, export) {
		for _, r := range rollout.Spec.Resources {
			if r.Group == resource.Group && r.Resource == resource.Name {
				return r.Schema
			}
		}
	}
	return ""
}

// rollings returns what rollouts say of each resource of an export; nil where they
// say nothing.
func (k *keeper) rollings(where Workspace, export *apisv1alpha2.APIExport) []*rolling {
	return k.rollingsOf(where, export, k.Rollouts.In(where.Name))
}

// rollingsOf is rollings with other rollouts.
func (k *keeper) rollingsOf(where Workspace, export *apisv1alpha2.APIExport, rollouts []*publicationv1alpha1.SchemaRollout) []*rolling {
	out, lead := make([]*rolling, 0, len(export.Spec.Resources)), leaders(ofExport(rollouts, export.Name))
	for _, resource := range export.Spec.Resources {
		r := lead[schema.GroupResource{Group: resource.Group, Resource: resource.Name}]
		if r != nil {
			r.trouble = k.troubleOf(where, resource, r)
		}
		out = append(out, r)
	}
	return out
}

// troubleOf says why r cannot be carried out, or is "".
func (k *keeper) troubleOf(where Workspace, resource apisv1alpha2.ResourceSchema, r *rolling) string {
	if _, err := selectorOf(r.ResourceRollout); err != nil {
		return fmt.Sprintf("workspaceSelector: %v", err)
	}
	resource.Schema = r.Schema
	return k.offerFrom(where, resource).trouble
}
