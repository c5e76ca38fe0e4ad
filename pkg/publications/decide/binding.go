package decide

import (
	"crypto/sha256"
	"math/big"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// nameHash is how many digits of a hash end the name of a binding.
const nameHash = 6

// bindingName is the name of the binding to an export, or, in later attempts, those
// to take when tenants have taken it for something else.
func bindingName(export logicalcluster.Key, attempt int) string {
	sum := sha256.Sum224([]byte("publication|" + export.Workspace.String() + "|" + export.Name + "|" + strconv.Itoa(attempt)))
	name := export.Name
	if longest := validation.DNS1123SubdomainMaxLength - 1 - nameHash; len(name) > longest {
		name = name[:longest]
	}
	return name + "-" + strings.ToLower(new(big.Int).SetBytes(sum[:]).Text(62)[:nameHash])
}

// freeName is the first name that no binding has. That of a try before, which is
// not seen yet, is found again.
func freeName(export logicalcluster.Key, taken sets.Set[string]) string {
	for attempt := 0; ; attempt++ {
		if name := bindingName(export, attempt); !taken.Has(name) {
			return name
		}
	}
}

// newBinding is complete: it is stored as it is.
func (p *Publication) newBinding(path logicalcluster.Path, taken sets.Set[string]) *apisv1alpha2.APIBinding {
	binding := &apisv1alpha2.APIBinding{
		ObjectMeta: metav1.ObjectMeta{
			Name:        freeName(p.Export(), taken),
			Generation:  1,
			Finalizers:  []string{apisv1alpha2.APIBindingFinalizer},
			Annotations: map[string]string{corev1alpha1.PathAnnotationKey: path.String()},
		},
		Spec: apisv1alpha2.APIBindingSpec{
			Reference: apisv1alpha2.BindingReference{
				Export: &apisv1alpha2.ExportBindingReference{Path: p.Home.String(), Name: p.Spec.Export.Name},
			},
			PermissionClaims: p.claims(),
		},
	}
	p.mark(binding)
	return binding
}

// Mark returns the ID of the publication that a binding was made by, or "".
func Mark(binding *apisv1alpha2.APIBinding) string {
	return binding.Labels[publicationv1alpha1.PublicationIDLabel]
}

// mark writes to a binding whose it is.
func (p *Publication) mark(binding *apisv1alpha2.APIBinding) {
	metav1.SetMetaDataLabel(&binding.ObjectMeta, publicationv1alpha1.PublicationIDLabel, p.ID)
	metav1.SetMetaDataAnnotation(&binding.ObjectMeta, publicationv1alpha1.PublicationAnnotationKey, p.Name())
}

// unmarked is the binding as one that the workspace has of its own.
func unmarked(binding *apisv1alpha2.APIBinding) *apisv1alpha2.APIBinding {
	binding = binding.DeepCopy()
	delete(binding.Labels, publicationv1alpha1.PublicationIDLabel)
	delete(binding.Annotations, publicationv1alpha1.PublicationAnnotationKey)
	return binding
}

// stateOf says how far a binding is, and why it is no further.
func stateOf(binding *apisv1alpha2.APIBinding) (publicationv1alpha1.PublicationState, string) {
	conditions := binding.Status.Conditions
	for _, t := range []conditionsv1alpha1.ConditionType{apisv1alpha2.BindingUpToDate, apisv1alpha2.InitialBindingCompleted} {
		if c := conditionsv1alpha1.Get(conditions, t); c != nil && c.Reason == apisv1alpha2.NamingConflictsReason {
			return publicationv1alpha1.PublicationConflicting, about(binding, c.Message)
		}
	}
	valid := conditionsv1alpha1.Get(conditions, apisv1alpha2.APIExportValid)
	// What was bound to the export of that name before is not this one. One that is
	// gone keeps what it has.
	if valid != nil && valid.Reason == apisv1alpha2.APIExportInvalidReferenceReason {
		return publicationv1alpha1.PublicationFailed, about(binding, valid.Message)
	}
	if binding.Status.Phase == apisv1alpha2.APIBindingPhaseBound {
		return publicationv1alpha1.PublicationBound, ""
	}
	for _, t := range []conditionsv1alpha1.ConditionType{apisv1alpha2.APIExportValid, apisv1alpha2.InitialBindingCompleted} {
		c := conditionsv1alpha1.Get(conditions, t)
		switch {
		case c == nil || !conditionsv1alpha1.IsFalse(conditions, t):
		case c.Severity == conditionsv1alpha1.ConditionSeverityError:
			return publicationv1alpha1.PublicationFailed, about(binding, c.Message)
		case c.Message != "":
			return publicationv1alpha1.PublicationPending, about(binding, c.Message)
		}
	}
	return publicationv1alpha1.PublicationPending, ""
}

func about(binding *apisv1alpha2.APIBinding, message string) string {
	return "APIBinding " + binding.Name + ": " + message
}
