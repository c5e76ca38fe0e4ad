package prepare

import (
	"encoding/json"

	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// MeantWorkspaces returns, by path, the IDs of the workspaces that a type refers
// to, as they were when the references were authorized. A path can come to mean
// the workspace of somebody else; what that one has there was never agreed to.
func MeantWorkspaces(kind *tenancyv1alpha1.WorkspaceType) map[string]logicalcluster.Name {
	value, ok := kind.Annotations[tenancyv1alpha1.MeantAnnotationKey]
	if !ok {
		return nil
	}
	var meant map[string]logicalcluster.Name
	if json.Unmarshal([]byte(value), &meant) != nil {
		return nil
	}
	return meant
}

// TypeOf returns the type of a workspace from its inside. The path in it is the
// ID of the type's workspace where that was noted down.
func TypeOf(cluster *corev1alpha1.LogicalCluster) (tenancyv1alpha1.WorkspaceTypeReference, bool) {
	value, ok := cluster.Annotations[tenancyv1alpha1.TypeIDAnnotationKey]
	if !ok {
		value = cluster.Annotations[tenancyv1alpha1.TypeAnnotationKey]
	}
	path, name := logicalcluster.Path(value).Split()
	return tenancyv1alpha1.WorkspaceTypeReference{Path: path.String(), Name: tenancyv1alpha1.WorkspaceTypeName(name)}, path != "" && name != ""
}
