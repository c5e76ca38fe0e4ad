package v1alpha2

import (
	"crypto/sha256"
	"math/big"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const (
	// SkipEndpointSliceAnnotationKey on an APIExport, when present, keeps the hub
	// from creating an APIExportEndpointSlice for it.
	SkipEndpointSliceAnnotationKey = "apiexports.apis.kcp.io/skip-endpointslice"
	// APIExportPermissionClaimLabelPrefix starts the label that marks an object as
	// claimed by an export; it is completed by a hash of the export, and its value
	// is a hash of the claim.
	APIExportPermissionClaimLabelPrefix = "claimed.internal.apis.kcp.io/"
	// MaximalPermissionPolicyRBACUserGroupPrefix is put before users and groups
	// when they are checked against the policy of an export.
	MaximalPermissionPolicyRBACUserGroupPrefix = "apis.kcp.io:binding:"

	// APIBindingFinalizer keeps an APIBinding until the objects of its bound
	// resources are gone.
	APIBindingFinalizer = "apis.kcp.io/apibinding-finalizer"
	// InternalAPIBindingExportLabelKey on an APIBinding holds a hash of the export
	// it refers to.
	InternalAPIBindingExportLabelKey = "internal.apis.kcp.io/export"

	// AdoptCRDAnnotationKey on an APIBinding, when "true", makes it take over the
	// objects of a CustomResourceDefinition of its workspace that is in its way, if
	// that fits the schema of the export, and then remove the definition.
	AdoptCRDAnnotationKey = "apis.atrium.io/adopt-crd"
	// AdoptedByAnnotationKey on a CustomResourceDefinition is written by the hub: its
	// objects are being taken over, and requests for them have to wait. The value is
	// "<binding>/<identity hash>".
	AdoptedByAnnotationKey = "internal.apis.atrium.io/adopted-by"

	// UnboundedAnnotationPrefix starts the annotation by which the hub notes, on the
	// copy that it keeps of a schema, that an export of it has no maximal permission
	// policy; it is completed by the hash of BindingExportLabelValue. It means nothing
	// anywhere else.
	UnboundedAnnotationPrefix = "unbounded.internal.apis.atrium.io/"

	// BoundCRDAnnotationKey marks CRDs that exist because of a binding.
	BoundCRDAnnotationKey = "apis.kcp.io/bound-crd"
	// SchemaClusterAnnotationKey holds the ID of the workspace a bound CRD's
	// schema comes from.
	SchemaClusterAnnotationKey = "apis.kcp.io/schema-cluster"
	// SchemaNameAnnotationKey holds the name of that schema.
	SchemaNameAnnotationKey = "apis.kcp.io/schema-name"
	// IdentityAnnotationKey holds the identity hash of the export.
	IdentityAnnotationKey = "apis.kcp.io/identity"
)

const (
	// SecretKeyAPIExportIdentity is the key, in an identity secret, of the value
	// that the identity hash is made of.
	SecretKeyAPIExportIdentity = "key"
)

// BindingExportLabelValue returns what InternalAPIBindingExportLabelKey has as its
// value on bindings to an export: base62 of the SHA-224 of "<cluster>:<name>", where
// cluster is the ID of the workspace with the export.
func BindingExportLabelValue(cluster logicalcluster.Name, export string) string {
	sum := sha256.Sum224([]byte(cluster.Path().Join(export)))
	return new(big.Int).SetBytes(sum[:]).Text(62)
}
