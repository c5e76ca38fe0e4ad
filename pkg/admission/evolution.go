package admission

import (
	"context"

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
}

// Evolution warns the owner of an export whose bindings would lag behind what he is
// about to write. It refuses nothing: those who lag are served as before.
type Evolution struct {
	*admission.Handler
	forecast forecast
}

var _ admission.ValidationInterface = &Evolution{}

// NewEvolution returns the plugin.
func NewEvolution(forecast forecast) *Evolution {
	return &Evolution{admission.NewHandler(admission.Create, admission.Update), forecast}
}

// Validate warns, also of what is only tried (a dry run).
func (p *Evolution) Validate(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	if a.GetSubresource() != "" || identity.IsHub(a.GetUserInfo()) {
		return nil
	}
	here, _ := target.From(ctx)
	for _, text := range p.warnings(here.Identity, a) {
		warning.AddWarning(ctx, "", text)
	}
	return nil
}

func (p *Evolution) warnings(workspace logicalcluster.Name, a admission.Attributes) []string {
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
	case publicationv1alpha1.Resource("schemarollouts"):
		rollout, err := typed[publicationv1alpha1.SchemaRollout](a.GetObject())
		if err != nil {
			return nil
		}
		return p.forecast.OfRollout(workspace, rollout)
	}
	return nil
}
