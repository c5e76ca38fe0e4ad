package admission

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/warning"

	"github.com/atriumhub/atrium/pkg/identity"
	"github.com/atriumhub/atrium/pkg/target"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// forecast says what would become of those who have bound an export.
type forecast interface {
	OfExport(logicalcluster.Name, *apisv1alpha2.APIExport) []string
	OfRollout(logicalcluster.Name, *publicationv1alpha1.SchemaRollout) []string
	RolloutsOf(logicalcluster.Key) int
	BindingsOf(logicalcluster.Key) int
}

// Evolution warns the owner of an export whose bindings would lag behind what he is
// about to write, which it does not refuse: those who lag are served as before. So are those
// whose export he deletes. It refuses more rollouts than anybody needs.
type Evolution struct {
	*admission.Handler
	forecast forecast
}

var _ admission.ValidationInterface = &Evolution{}

// NewEvolution returns the plugin.
func NewEvolution(forecast forecast) *Evolution {
	return &Evolution{admission.NewHandler(admission.Create, admission.Update, admission.Delete), forecast}
}

// Validate warns, also of what is only tried (a dry run).
func (p *Evolution) Validate(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	if a.GetSubresource() != "" || identity.IsHub(a.GetUserInfo()) {
		return nil
	}
	here, _ := target.From(ctx)
	if err := p.tooMany(here.Identity, a); err != nil {
		return admission.NewForbidden(a, err)
	}
	for _, text := range p.warnings(here.Identity, a) {
		warning.AddWarning(ctx, "", text)
	}
	return nil
}

func (p *Evolution) tooMany(workspace logicalcluster.Name, a admission.Attributes) error {
	if a.GetResource().GroupResource() != rolloutsResource || a.GetOperation() != admission.Create {
		return nil
	}
	rollout, err := typed[publicationv1alpha1.SchemaRollout](a.GetObject())
	if err != nil || p.forecast.RolloutsOf(logicalcluster.Key{Workspace: workspace, Name: rollout.Spec.Export.Name}) < maxRollouts {
		return nil
	}
	return fmt.Errorf("APIExport %q has %d SchemaRollouts, and can have no more: delete those that are done", rollout.Spec.Export.Name, maxRollouts)
}

func (p *Evolution) warnings(workspace logicalcluster.Name, a admission.Attributes) []string {
	if a.GetOperation() == admission.Delete {
		return p.farewell(workspace, a)
	}
	switch a.GetResource().GroupResource() {
	case exportsResource:
		export, err := typed[apisv1alpha2.APIExport](a.GetObject())
		if err != nil || a.GetOldObject() == nil {
			return nil
		}
		const accept = publicationv1alpha1.AcceptIncompatibleAnnotationKey
		old, err := typed[apisv1alpha2.APIExport](a.GetOldObject())
		if err != nil || equality.Semantic.DeepEqual(old.Spec.Resources, export.Spec.Resources) && old.Annotations[accept] == export.Annotations[accept] {
			return nil
		}
		return p.forecast.OfExport(workspace, export)
	case rolloutsResource:
		rollout, err := typed[publicationv1alpha1.SchemaRollout](a.GetObject())
		if err != nil {
			return nil
		}
		if a.GetOperation() == admission.Update {
			if old, err := typed[publicationv1alpha1.SchemaRollout](a.GetOldObject()); err == nil && equality.Semantic.DeepEqual(old.Spec, rollout.Spec) {
				return nil
			}
		}
		return p.forecast.OfRollout(workspace, rollout)
	}
	return nil
}

// farewell says what becomes of those who have bound an export that is deleted.
func (p *Evolution) farewell(workspace logicalcluster.Name, a admission.Attributes) []string {
	if a.GetResource().GroupResource() != exportsResource || a.GetOldObject() == nil {
		return nil
	}
	export, err := typed[apisv1alpha2.APIExport](a.GetOldObject())
	if err != nil {
		return nil
	}
	bindings := p.forecast.BindingsOf(logicalcluster.Key{Workspace: workspace, Name: export.Name})
	if bindings == 0 {
		return nil
	}
	text := fmt.Sprintf("APIExport %q has %d bindings, which keep what they have but are out of reach of its controllers; made again, it has them back only with its old identity", export.Name, bindings)
	if own := export.Spec.Identity; own != nil && own.SecretRef != nil {
		text += fmt.Sprintf(": keep secret %s/%s", own.SecretRef.Namespace, own.SecretRef.Name)
	}
	return []string{text}
}
