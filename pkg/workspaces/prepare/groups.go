package prepare

import (
	"slices"

	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/atriumhub/atrium/pkg/identity"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
)

// hubAdministrators is the group of those who run the hub and its workspaces.
const hubAdministrators = "system:kcp:admin"

// Administers reports whether u is an administrator of the hub, or the hub.
func Administers(u user.Info) bool {
	return identity.IsHub(u) || slices.Contains(u.GetGroups(), hubAdministrators) && !identity.IsScoped(u)
}

// inheritGroups makes a new workspace require the groups that its parent
// requires, whatever a tenant asks for. Administrators of the hub may ask for
// others.
func inheritGroups(workspace *tenancyv1alpha1.Workspace, creator user.Info, inherited *string) {
	const key = corev1alpha1.RequiredGroupsAnnotationKey
	if _, asked := workspace.Annotations[key]; asked && Administers(creator) {
		return
	}
	if inherited == nil {
		delete(workspace.Annotations, key)
		return
	}
	setAnnotation(workspace, key, *inherited)
}
