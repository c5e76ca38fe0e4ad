package v1alpha1

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
)

// AcceptIncompatibleAnnotationKey on an APIExport names, separated by commas, the
// APIResourceSchemas that bindings move to although they are not compatible with
// what is bound. Objects stay; fields that the new schema does not know are
// dropped when an object is written next. A version in which objects are stored
// cannot be dropped even so.
const AcceptIncompatibleAnnotationKey = "apis.atrium.io/accept-incompatible"

// AcceptsIncompatible reports whether the owner of an export has accepted that
// bindings move to schema in any case.
func AcceptsIncompatible(export metav1.Object, schema string) bool {
	return slices.ContainsFunc(strings.Split(export.GetAnnotations()[AcceptIncompatibleAnnotationKey], ","), func(name string) bool {
		return strings.TrimSpace(name) == schema
	})
}

const (
	// ExportBindingsUpToDate, on an APIExport, tells whether all bindings have the
	// schemas that they are meant to have.
	ExportBindingsUpToDate conditionsv1alpha1.ConditionType = "BindingsUpToDate"
	// ExportSchemasValid, on an APIExport, tells whether its schemas are there and
	// describe the resources that it says they do.
	ExportSchemasValid conditionsv1alpha1.ConditionType = "SchemasValid"
	// ExportStorageValid, on an APIExport with spec.resources[].storage.virtual, tells
	// whether what that refers to can be read.
	ExportStorageValid conditionsv1alpha1.ConditionType = "StorageValid"
	// SchemaRolloutValid tells whether a SchemaRollout says what can be done.
	SchemaRolloutValid conditionsv1alpha1.ConditionType = "Valid"
	// SchemaRolloutComplete tells whether all workspaces that it chooses have what
	// is rolled out.
	SchemaRolloutComplete conditionsv1alpha1.ConditionType = "Complete"
	// SchemaRolloutStorageMigrated tells whether all objects are stored in the
	// version of what is rolled out. It is there while migrateStorage asks for it.
	SchemaRolloutStorageMigrated conditionsv1alpha1.ConditionType = "StorageMigrated"
)

const (
	// SchemaIncompatibleReason means that a binding stays at the schema it has,
	// because that of the export would hurt objects or clients.
	SchemaIncompatibleReason = "SchemaIncompatible"
	// BindingsLagReason means that bindings have not got yet what they are meant to
	// have.
	BindingsLagReason = "BindingsLag"
	// StorageInvalidReason means that requests for a resource are refused because its
	// export says wrongly where the objects are.
	StorageInvalidReason = "StorageInvalid"
	// SchemaPendingReason means that nothing is wrong but that it takes time.
	SchemaPendingReason = "Pending"
	// SchemaRolloutPausedReason means that a rollout is paused.
	SchemaRolloutPausedReason = "Paused"
	// StorageMigratingReason means that objects are being rewritten, or wait for it.
	StorageMigratingReason = "Migrating"
	// ObjectsNotRewrittenReason means that some objects cannot be rewritten.
	ObjectsNotRewrittenReason = "ObjectsNotRewritten"
	// SchemaRolloutInvalidReason means that a rollout says what cannot be done.
	SchemaRolloutInvalidReason = "Invalid"
)
