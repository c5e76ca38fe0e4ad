package prepare

import (
	"errors"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/atriumhub/atrium/pkg/identity"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
)

// ErrLogicalCluster says that a tenant tried to write a LogicalCluster.
var ErrLogicalCluster = errors.New("a LogicalCluster is managed by the hub: only the annotation " + corev1alpha1.InactiveAnnotationKey +
	" can be changed; to delete the workspace, delete the Workspace object in its parent")

// LogicalCluster judges a write to a LogicalCluster. old is nil when it is
// created, new when it is deleted. Open to tenants are the deletion of one that
// says so, and to put the workspace to rest and wake it up again; open to
// administrators of the hub are the groups that one has to be in to enter it.
func LogicalCluster(new, old *corev1alpha1.LogicalCluster, writer user.Info) error {
	switch {
	case identity.IsHub(writer):
		return nil
	case new == nil && old != nil && old.Spec.DirectlyDeletable:
		return nil
	case new != nil && old != nil && sameBut(new, old, corev1alpha1.InactiveAnnotationKey):
		return nil
	case new != nil && old != nil && Administers(writer) && sameBut(new, old, corev1alpha1.InactiveAnnotationKey, corev1alpha1.RequiredGroupsAnnotationKey):
		return nil
	}
	return ErrLogicalCluster
}

// sameBut reports whether new differs from old in nothing but some annotations,
// and in what every write changes.
func sameBut(new, old *corev1alpha1.LogicalCluster, annotations ...string) bool {
	return equality.Semantic.DeepEqual(without(new, annotations), without(old, annotations))
}

func without(cluster *corev1alpha1.LogicalCluster, annotations []string) *corev1alpha1.LogicalCluster {
	cluster = cluster.DeepCopy()
	for _, key := range annotations {
		delete(cluster.Annotations, key)
	}
	cluster.TypeMeta.Kind, cluster.TypeMeta.APIVersion = "", ""
	cluster.ManagedFields, cluster.ResourceVersion, cluster.Generation = nil, "", 0
	return cluster
}
