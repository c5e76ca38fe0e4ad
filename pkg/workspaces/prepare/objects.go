package prepare

import (
	"encoding/json"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/atriumhub/atrium/pkg/identity"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const (
	// DefaultServiceAccountName exists in every namespace.
	DefaultServiceAccountName = "default"
	// RootCAName is the ConfigMap, in every namespace, with the certificate that
	// clients trust the hub by.
	RootCAName = "kube-root-ca.crt"
	// RootCAKey is the field of that ConfigMap.
	RootCAKey = "ca.crt"
	// AdminBindingName is the ClusterRoleBinding of the creator.
	AdminBindingName = "workspace-admin"
)

// Namespaces returns the names of the namespaces every workspace begins with.
func Namespaces() []string { return []string{metav1.NamespaceDefault, metav1.NamespaceSystem} }

// NewLogicalCluster returns the inside of workspace, which lives in parent and
// is reached under path. kind is its type.
func NewLogicalCluster(workspace *tenancyv1alpha1.Workspace, parent logicalcluster.Name, path logicalcluster.Path, kind Resolved) *corev1alpha1.LogicalCluster {
	cluster := &corev1alpha1.LogicalCluster{
		ObjectMeta: metav1.ObjectMeta{
			Name:       corev1alpha1.LogicalClusterName,
			Generation: 1,
			// It goes with the last of the content. Deleting it is a wish that the
			// lifecycle has to see.
			Finalizers: []string{corev1alpha1.LogicalClusterFinalizer},
			Annotations: map[string]string{
				corev1alpha1.PathAnnotationKey:    path.String(),
				tenancyv1alpha1.TypeAnnotationKey: workspace.Spec.Type.String(),
			},
		},
		Spec: corev1alpha1.LogicalClusterSpec{
			Owner: owner(workspace, parent), Initializers: kind.Initializers, Terminators: kind.Terminators,
		},
	}
	if len(kind.Lineage) > 0 {
		cluster.Annotations[tenancyv1alpha1.TypeIDAnnotationKey] = kind.Lineage[0].identity()
	}
	if groups, ok := workspace.Annotations[corev1alpha1.RequiredGroupsAnnotationKey]; ok {
		cluster.Annotations[corev1alpha1.RequiredGroupsAnnotationKey] = groups
	}
	if creator, ok := Owner(workspace); ok {
		cluster.Spec.CreatedBy = &creator
		cluster.Annotations[tenancyv1alpha1.OwnerAnnotationKey] = workspace.Annotations[tenancyv1alpha1.OwnerAnnotationKey]
	}
	return cluster
}

func owner(workspace *tenancyv1alpha1.Workspace, parent logicalcluster.Name) *corev1alpha1.LogicalClusterOwner {
	return &corev1alpha1.LogicalClusterOwner{
		APIVersion: tenancyv1alpha1.SchemeGroupVersion.String(),
		Resource:   "workspaces",
		Name:       workspace.Name,
		Cluster:    parent.String(),
		UID:        workspace.UID,
	}
}

// Owns reports whether cluster is the inside of workspace, which lives in
// parent: the same object, not one that had the name before.
func Owns(workspace *tenancyv1alpha1.Workspace, parent logicalcluster.Name, cluster *corev1alpha1.LogicalCluster) bool {
	return cluster.Spec.Owner != nil && *cluster.Spec.Owner == *owner(workspace, parent)
}

// NewNamespace returns a namespace, complete with what the API would add.
func NewNamespace(name string) *corev1.Namespace {
	return &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelMetadataName: name}},
		Spec:       corev1.NamespaceSpec{Finalizers: []corev1.FinalizerName{corev1.FinalizerKubernetes}},
		Status:     corev1.NamespaceStatus{Phase: corev1.NamespaceActive},
	}
}

// NewServiceAccount returns the default service account of a namespace.
func NewServiceAccount(namespace string) *corev1.ServiceAccount {
	return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: DefaultServiceAccountName}}
}

// NewRootCA returns the ConfigMap with the hub's CA certificate in PEM.
func NewRootCA(namespace string, caPEM []byte) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:   namespace,
			Name:        RootCAName,
			Annotations: map[string]string{"kubernetes.io/description": "The certificate by which clients know this hub. Maintained by the hub."},
		},
		Data: map[string]string{RootCAKey: string(caPEM)},
	}
}

// NewAdminBinding makes the creator of workspace its administrator. It is false
// for workspaces that the hub created for itself. The plain name of a service
// account means another account in each workspace, so that binding it would make
// a stranger the administrator.
func NewAdminBinding(workspace *tenancyv1alpha1.Workspace, parent logicalcluster.Name) (*rbacv1.ClusterRoleBinding, bool) {
	creator, ok := Owner(workspace)
	if !ok {
		return nil, false
	}
	return &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: AdminBindingName},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: identity.OutsideName(identity.From(identity.FromWire(creator), parent))}},
	}, true
}

// InUse reports whether users have been let into workspace before.
func InUse(workspace *tenancyv1alpha1.Workspace) bool {
	switch workspace.Status.Phase {
	case corev1alpha1.LogicalClusterPhaseReady, corev1alpha1.LogicalClusterPhaseInactive, corev1alpha1.LogicalClusterPhaseUnavailable:
		return true
	}
	return false
}

// Owner returns who created workspace.
func Owner(workspace *tenancyv1alpha1.Workspace) (authenticationv1.UserInfo, bool) {
	var info authenticationv1.UserInfo
	value, ok := workspace.Annotations[tenancyv1alpha1.OwnerAnnotationKey]
	if !ok || json.Unmarshal([]byte(value), &info) != nil || info.Username == "" {
		return authenticationv1.UserInfo{}, false
	}
	return info, true
}

// ShortOwner returns the owner annotation reduced to the name, and whose name it
// is, which is all that is needed once the workspace is ready. The rest tells too much about the
// creator to everybody who can read the Workspace.
func ShortOwner(workspace *tenancyv1alpha1.Workspace) (string, bool) {
	creator, ok := Owner(workspace)
	if !ok {
		return "", false
	}
	kept := authenticationv1.UserInfo{Username: creator.Username}
	if home, ok := creator.Extra[identity.ClusterExtraKey]; ok {
		kept.Extra = map[string]authenticationv1.ExtraValue{identity.ClusterExtraKey: home}
	}
	short, err := json.Marshal(kept)
	return string(short), err == nil
}
