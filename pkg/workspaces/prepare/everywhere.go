package prepare

import (
	"crypto/sha256"
	"math/big"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// ExportsServedEverywhere are the APIExports of root that need no APIBinding:
// their APIs are the hub's own, which every workspace serves.
func ExportsServedEverywhere() []string {
	return []string{"tenancy.kcp.io", "topology.kcp.io", "shards.core.kcp.io"}
}

var servedEverywhere = ExportsServedEverywhere()

// ServedEverywhere reports whether every workspace serves what the export in the
// workspace at path offers, without an APIBinding.
func ServedEverywhere(path logicalcluster.Path, export string) bool {
	return path == logicalcluster.Root.Path() && slices.Contains(servedEverywhere, export)
}

// universalInitializer is done by the hub when it furnishes a workspace.
var universalInitializer = corev1alpha1.InitializerOf(logicalcluster.Root, string(tenancyv1alpha1.UniversalWorkspaceTypeName))

// PendingInitializers returns those of all the initializers of a workspace that
// are still to come when it has been furnished.
func PendingInitializers(all []corev1alpha1.LogicalClusterInitializer) []corev1alpha1.LogicalClusterInitializer {
	return slices.DeleteFunc(slices.Clone(all), func(i corev1alpha1.LogicalClusterInitializer) bool { return i == universalInitializer })
}

// bindingHash is how many digits of a hash tell default bindings apart.
const bindingHash = 5

// BindingName returns the name of the APIBinding that the hub makes, in the
// workspace with the ID id, for a default binding: the name of the export and a
// hash, as kcp writes it.
func BindingName(id logicalcluster.Name, path logicalcluster.Path, export string) string {
	sum := sha256.Sum224([]byte(id.String() + "|" + path.String() + "|" + export))
	if longest := validation.DNS1123SubdomainMaxLength - 1 - bindingHash; len(export) > longest {
		export = export[:longest]
	}
	return export + "-" + strings.ToLower(new(big.Int).SetBytes(sum[:]).Text(62)[:bindingHash])
}
