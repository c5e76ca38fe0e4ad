package schemas

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"k8s.io/apiextensions-apiserver/pkg/apihelpers"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
)

// established is when every synthetic definition became Established. A server
// that sees a definition younger than two seconds delays creates to let other
// servers catch up; here the catalog has caught up before anybody is told.
var established = metav1.NewTime(time.Date(2001, time.January, 1, 0, 0, 0, 0, time.UTC))

// Shape returns a hash over everything in crd that matters for serving it: the
// spec with all versions, the accepted names, the stored versions, whether it
// is terminating, and the annotation by which protected groups are approved.
// Two definitions of one shape can share a handler, whichever workspaces they
// live in. The hash is 40 hexadecimal digits.
func Shape(crd *apiextensionsv1.CustomResourceDefinition) string {
	return digest(servingParts(crd)...)
}

// exportedShape is Shape for what an export offers. Objects lie apart by its
// identity, and what is said of the API, in messages and to policies, names the
// export: so equal definitions of two exports are two shapes.
func exportedShape(crd *apiextensionsv1.CustomResourceDefinition, provider Provider, export string) string {
	return digest(append(servingParts(crd), text(provider.Identity), text(provider.Workspace), text(export),
		text(provider.Virtual.Slice), text(provider.Virtual.Identity))...)
}

func servingParts(crd *apiextensionsv1.CustomResourceDefinition) []message {
	status := apiextensionsv1.CustomResourceDefinitionStatus{
		AcceptedNames:  crd.Status.AcceptedNames,
		StoredVersions: crd.Status.StoredVersions,
	}
	if Terminating(crd) {
		status.Conditions = []apiextensionsv1.CustomResourceDefinitionCondition{{Type: apiextensionsv1.Terminating}}
	}
	approved := apiextensionsv1.CustomResourceDefinitionCondition{Message: crd.Annotations[apiextensionsv1.KubeAPIApprovedAnnotation]}
	parts := []message{&crd.Spec, &status, &approved}
	if Closed(crd) {
		parts = append(parts, text("closed"))
	}
	return parts
}

// Closed reports whether requests for the objects of crd have to wait, because
// these are being taken over by a binding.
func Closed(crd *apiextensionsv1.CustomResourceDefinition) bool {
	return crd.Annotations[apisv1alpha2.AdoptedByAnnotationKey] != ""
}

// text is a message without structure.
type text string

// Marshal implements message.
func (t text) Marshal() ([]byte, error) { return []byte(t), nil }

// message is an API type with a protobuf form. That form is deterministic, and
// an order of magnitude cheaper than JSON.
type message interface{ Marshal() ([]byte, error) }

// digest returns the first 40 hexadecimal digits of the SHA-256 of parts.
func digest(parts ...message) string {
	hash := sha256.New()
	for _, part := range parts {
		data, err := part.Marshal()
		if err != nil {
			panic(fmt.Sprintf("marshal %T: %v", part, err)) // API types marshal.
		}
		// The length keeps parts apart.
		_ = binary.Write(hash, binary.BigEndian, int64(len(data)))
		_, _ = hash.Write(data)
	}
	return hex.EncodeToString(hash.Sum(nil)[:20])
}

// Terminating reports whether crd is being deleted: objects may still be read
// and deleted, but not created.
func Terminating(crd *apiextensionsv1.CustomResourceDefinition) bool {
	return !crd.DeletionTimestamp.IsZero() || apihelpers.IsCRDConditionTrue(crd, apiextensionsv1.Terminating)
}

// Servable reports whether requests for the resource of crd can be answered.
// That is so as soon as its names are accepted; Established follows when the
// hub has seen that, so whoever waits for Established never comes too early.
func Servable(crd *apiextensionsv1.CustomResourceDefinition) bool {
	names := crd.Status.AcceptedNames
	if names.Plural == "" || names.Singular == "" || names.Kind == "" || names.ListKind == "" {
		return false
	}
	return apihelpers.IsCRDConditionTrue(crd, apiextensionsv1.NamesAccepted) ||
		apihelpers.IsCRDConditionTrue(crd, apiextensionsv1.Established)
}

// Synthetic returns the definition that a handler of the given shape is built
// from. Its UID is the shape, it has been Established for years, and it says
// nothing of the workspace crd was in. Spec and names are shared with crd.
func Synthetic(crd *apiextensionsv1.CustomResourceDefinition, shape string) *apiextensionsv1.CustomResourceDefinition {
	synthetic := &apiextensionsv1.CustomResourceDefinition{
		TypeMeta: metav1.TypeMeta{
			APIVersion: apiextensionsv1.SchemeGroupVersion.String(),
			Kind:       "CustomResourceDefinition",
		},
		ObjectMeta: metav1.ObjectMeta{Name: crd.Name, UID: types.UID(shape), Generation: 1, CreationTimestamp: established},
		Spec:       crd.Spec,
		Status: apiextensionsv1.CustomResourceDefinitionStatus{
			AcceptedNames:  crd.Status.AcceptedNames,
			StoredVersions: crd.Status.StoredVersions,
			Conditions: []apiextensionsv1.CustomResourceDefinitionCondition{
				condition(apiextensionsv1.NamesAccepted, apiextensionsv1.ConditionTrue, "NoConflicts", "no conflicts found"),
				condition(apiextensionsv1.Established, apiextensionsv1.ConditionTrue, "InitialNamesAccepted", "the initial names have been accepted"),
			},
		},
	}
	if approved, ok := crd.Annotations[apiextensionsv1.KubeAPIApprovedAnnotation]; ok {
		synthetic.Annotations = map[string]string{apiextensionsv1.KubeAPIApprovedAnnotation: approved}
	}
	if Terminating(crd) {
		synthetic.Status.Conditions = append(synthetic.Status.Conditions,
			condition(apiextensionsv1.Terminating, apiextensionsv1.ConditionTrue, "InstanceDeletionInProgress", "CustomResource deletion is in progress"))
	}
	return synthetic
}

// Installed returns a copy of crd with all defaults applied and a status that
// says every name is accepted. It is for definitions that come with the hub
// and never pass through the store. The schemas are shared with crd.
func Installed(crd *apiextensionsv1.CustomResourceDefinition) *apiextensionsv1.CustomResourceDefinition {
	out := *crd
	out.Spec.Conversion = crd.Spec.Conversion.DeepCopy()
	apiextensionsv1.SetObjectDefaults_CustomResourceDefinition(&out)
	out.Status = apiextensionsv1.CustomResourceDefinitionStatus{
		AcceptedNames: out.Spec.Names,
		Conditions: []apiextensionsv1.CustomResourceDefinitionCondition{
			condition(apiextensionsv1.NamesAccepted, apiextensionsv1.ConditionTrue, "NoConflicts", "no conflicts found"),
			condition(apiextensionsv1.Established, apiextensionsv1.ConditionTrue, "InitialNamesAccepted", "the initial names have been accepted"),
		},
	}
	for i := range out.Spec.Versions {
		if out.Spec.Versions[i].Storage {
			out.Status.StoredVersions = []string{out.Spec.Versions[i].Name}
		}
	}
	return &out
}

// condition returns a condition that has held since the synthetic epoch.
func condition(kind apiextensionsv1.CustomResourceDefinitionConditionType, status apiextensionsv1.ConditionStatus, reason, message string) apiextensionsv1.CustomResourceDefinitionCondition {
	return apiextensionsv1.CustomResourceDefinitionCondition{
		Type: kind, Status: status, Reason: reason, Message: message, LastTransitionTime: established,
	}
}
