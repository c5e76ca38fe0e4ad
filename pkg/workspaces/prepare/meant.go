package prepare

import (
	"encoding/json"
	"fmt"

	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// MeantKey is the key under which MeantWorkspaces has the workspace of a type
// that another one extends: the path, or the name when there is no path.
func MeantKey(ref tenancyv1alpha1.WorkspaceTypeReference) string {
	if ref.Path == "" {
		return ":" + string(ref.Name)
	}
	return ref.Path
}

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

// SetMeant notes down, in a type that is about to be stored, what the paths in it
// mean.
func SetMeant(kind *tenancyv1alpha1.WorkspaceType, meant map[string]logicalcluster.Name) error {
	delete(kind.Annotations, tenancyv1alpha1.MeantAnnotationKey)
	if len(meant) == 0 {
		return nil
	}
	value, err := json.Marshal(meant)
	if err != nil {
		return fmt.Errorf("failed to note down the workspaces: %w", err)
	}
	if kind.Annotations == nil {
		kind.Annotations = map[string]string{}
	}
	kind.Annotations[tenancyv1alpha1.MeantAnnotationKey] = string(value)
	return nil
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
