package schemas

import (
	"fmt"

	"k8s.io/apiextensions-apiserver/pkg/apihelpers"
	apiextensionsinternal "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	certutil "k8s.io/client-go/util/cert"
)

// Status returns the status that crd should have now, given the names taken
// around it. It is reached in two steps on purpose: first NamesAccepted, from
// which moment the resource is served, then, when the caller has seen that
// status come back, Established. now stamps the conditions that change.
// The conditions Terminating and those unknown here are left alone.
func Status(crd *apiextensionsv1.CustomResourceDefinition, claims []Claim, now metav1.Time) apiextensionsv1.CustomResourceDefinitionStatus {
	status := *crd.Status.DeepCopy()
	names, accepted := Accept(crd, claims)
	set(&status, accepted, now)
	// Established is decided on what was observed, not on what is decided here.
	set(&status, Established(crd, accepted), now)
	status.AcceptedNames = names
	setOrRemove(&status, apiextensionsv1.NonStructuralSchema, NonStructural(crd), now)
	if approval := Approval(crd); approval != nil {
		set(&status, *approval, now)
	}
	return status
}

// SameStatus reports whether a write from one to the other would change
// anything but timestamps.
func SameStatus(a, b *apiextensionsv1.CustomResourceDefinitionStatus) bool {
	if len(a.Conditions) != len(b.Conditions) || !equality.Semantic.DeepEqual(a.AcceptedNames, b.AcceptedNames) ||
		!equality.Semantic.DeepEqual(a.StoredVersions, b.StoredVersions) {
		return false
	}
	for i := range a.Conditions {
		if !apihelpers.IsCRDConditionEquivalent(&a.Conditions[i], find(b, a.Conditions[i].Type)) {
			return false
		}
	}
	return true
}

// Established returns the Established condition of crd when its names get the
// condition accepted. Once true it stays true: a definition that loses a name
// goes on being served under the names it had.
func Established(crd *apiextensionsv1.CustomResourceDefinition, accepted apiextensionsv1.CustomResourceDefinitionCondition) apiextensionsv1.CustomResourceDefinitionCondition {
	old := apihelpers.FindCRDCondition(crd, apiextensionsv1.Established)
	switch {
	case old != nil && old.Status == apiextensionsv1.ConditionTrue:
		return *old
	case accepted.Status != apiextensionsv1.ConditionTrue && old != nil:
		return *old
	case accepted.Status != apiextensionsv1.ConditionTrue:
		return notEstablished("NotAccepted", "not all names are accepted")
	case !apihelpers.IsCRDConditionTrue(crd, apiextensionsv1.NamesAccepted):
		return notEstablished("Installing", "the initial names have been accepted")
	case !conversionTrusted(crd):
		return notEstablished("InvalidCABundle", "The conversion webhook CABundle is invalid: put PEM certificates in spec.conversion.webhook.clientConfig.caBundle")
	}
	return apiextensionsv1.CustomResourceDefinitionCondition{
		Type: apiextensionsv1.Established, Status: apiextensionsv1.ConditionTrue,
		Reason: "InitialNamesAccepted", Message: "the initial names have been accepted",
	}
}

func notEstablished(reason, message string) apiextensionsv1.CustomResourceDefinitionCondition {
	return apiextensionsv1.CustomResourceDefinitionCondition{
		Type: apiextensionsv1.Established, Status: apiextensionsv1.ConditionFalse, Reason: reason, Message: message,
	}
}

// conversionTrusted reports whether the CA bundle of a conversion webhook, if
// there is one, can be read.
func conversionTrusted(crd *apiextensionsv1.CustomResourceDefinition) bool {
	conversion := crd.Spec.Conversion
	if conversion == nil || conversion.Webhook == nil || conversion.Webhook.ClientConfig == nil {
		return true
	}
	bundle := conversion.Webhook.ClientConfig.CABundle
	if len(bundle) == 0 {
		return true
	}
	_, err := certutil.ParseCertsPEM(bundle)
	return err == nil
}

// NonStructural returns the NonStructuralSchema condition, or nil when every
// schema of crd is structural. Only definitions from before
// apiextensions.k8s.io/v1 can have it.
func NonStructural(crd *apiextensionsv1.CustomResourceDefinition) *apiextensionsv1.CustomResourceDefinitionCondition {
	var violations field.ErrorList
	if crd.Spec.PreserveUnknownFields {
		violations = append(violations, field.Invalid(field.NewPath("spec", "preserveUnknownFields"), true, "must be false"))
	}
	for i := range crd.Spec.Versions {
		path := field.NewPath("spec", "versions").Index(i).Child("schema", "openAPIV3Schema")
		structural, err := structuralOf(&crd.Spec.Versions[i])
		if err != nil {
			return &apiextensionsv1.CustomResourceDefinitionCondition{
				Type: apiextensionsv1.NonStructuralSchema, Status: apiextensionsv1.ConditionUnknown, Reason: "StructuralError",
				Message: fmt.Sprintf("failed to check validation schema for version %s: %v", crd.Spec.Versions[i].Name, err),
			}
		}
		if structural != nil {
			violations = append(violations, structuralschema.ValidateStructural(path, structural)...)
		}
	}
	if len(violations) == 0 {
		return nil
	}
	return &apiextensionsv1.CustomResourceDefinitionCondition{
		Type: apiextensionsv1.NonStructuralSchema, Status: apiextensionsv1.ConditionTrue,
		Reason: "Violations", Message: violations.ToAggregate().Error(),
	}
}

// structuralOf returns the structural form of the schema of a version, nil when
// it has none.
func structuralOf(v *apiextensionsv1.CustomResourceDefinitionVersion) (*structuralschema.Structural, error) {
	if v.Schema == nil || v.Schema.OpenAPIV3Schema == nil {
		return nil, nil
	}
	internal := &apiextensionsinternal.CustomResourceValidation{}
	if err := apiextensionsv1.Convert_v1_CustomResourceValidation_To_apiextensions_CustomResourceValidation(v.Schema, internal, nil); err != nil {
		return nil, fmt.Errorf("convert schema: %w", err)
	}
	return structuralschema.NewStructural(internal.OpenAPIV3Schema)
}

// Approval returns the KubernetesAPIApprovalPolicyConformant condition, which
// only definitions in protected groups (*.k8s.io, *.kubernetes.io) have.
func Approval(crd *apiextensionsv1.CustomResourceDefinition) *apiextensionsv1.CustomResourceDefinitionCondition {
	if !apihelpers.IsProtectedCommunityGroup(crd.Spec.Group) {
		return nil
	}
	state, message := apihelpers.GetAPIApprovalState(crd.Annotations)
	result := &apiextensionsv1.CustomResourceDefinitionCondition{
		Type: apiextensionsv1.KubernetesAPIApprovalPolicyConformant, Status: apiextensionsv1.ConditionFalse, Message: message,
	}
	switch state {
	case apihelpers.APIApproved:
		result.Status, result.Reason = apiextensionsv1.ConditionTrue, "ApprovedAnnotation"
	case apihelpers.APIApprovalBypassed:
		result.Reason = "UnapprovedAnnotation"
	case apihelpers.APIApprovalMissing:
		result.Reason = "MissingAnnotation"
	default:
		result.Reason = "InvalidAnnotation"
	}
	return result
}

// set puts wanted into status. The transition time moves only when the status
// of the condition does.
func set(status *apiextensionsv1.CustomResourceDefinitionStatus, wanted apiextensionsv1.CustomResourceDefinitionCondition, now metav1.Time) {
	old := find(status, wanted.Type)
	if old == nil {
		wanted.LastTransitionTime = now
		status.Conditions = append(status.Conditions, wanted)
		return
	}
	wanted.LastTransitionTime = old.LastTransitionTime
	if old.Status != wanted.Status || old.LastTransitionTime.IsZero() {
		wanted.LastTransitionTime = now
	}
	*old = wanted
}

// setOrRemove is set, or removes the condition when wanted is nil.
func setOrRemove(status *apiextensionsv1.CustomResourceDefinitionStatus, kind apiextensionsv1.CustomResourceDefinitionConditionType, wanted *apiextensionsv1.CustomResourceDefinitionCondition, now metav1.Time) {
	if wanted != nil {
		set(status, *wanted, now)
		return
	}
	kept := status.Conditions[:0]
	for _, c := range status.Conditions {
		if c.Type != kind {
			kept = append(kept, c)
		}
	}
	status.Conditions = kept
}

func find(status *apiextensionsv1.CustomResourceDefinitionStatus, kind apiextensionsv1.CustomResourceDefinitionConditionType) *apiextensionsv1.CustomResourceDefinitionCondition {
	for i := range status.Conditions {
		if status.Conditions[i].Type == kind {
			return &status.Conditions[i]
		}
	}
	return nil
}

// TerminatingStatus returns crd's status with the Terminating condition set.
func TerminatingStatus(crd *apiextensionsv1.CustomResourceDefinition, status apiextensionsv1.ConditionStatus, reason, message string, now metav1.Time) apiextensionsv1.CustomResourceDefinitionStatus {
	out := *crd.Status.DeepCopy()
	set(&out, apiextensionsv1.CustomResourceDefinitionCondition{
		Type: apiextensionsv1.Terminating, Status: status, Reason: reason, Message: message,
	}, now)
	return out
}
