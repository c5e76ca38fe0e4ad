package views

import (
	"encoding/json"
	"slices"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/atriumhub/atrium/pkg/identity"
	"github.com/atriumhub/atrium/pkg/target"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// everything is what the hub, if it was the hub that created a workspace, lets
// the type of it do there. It is not the hub for that.
var everything = []rbacv1.PolicyRule{{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}}

// guest is who caller is in a workspace where the rules of his type judge him.
func (l *Lifecycle) guest(caller user.Info, t target.Target, workspace logicalcluster.Name) user.Info {
	abroad := identity.In(identity.From(caller, t.Identity), workspace)
	return &user.DefaultInfo{
		Name: abroad.GetName(), UID: abroad.GetUID(), Extra: abroad.GetExtra(),
		Groups: append(slices.Clone(abroad.GetGroups()), l.group+t.View.Key),
	}
}

// creator is who created a workspace, as it knows him; false when that was the
// hub. What made him powerful elsewhere is left out: inside he has what the roles
// of the workspace give him, which is everything unless somebody took it away.
// One who does not say where he is from is from where he created the workspace.
func creator(cluster *corev1alpha1.LogicalCluster, workspace logicalcluster.Name) (user.Info, bool) {
	by := cluster.Spec.CreatedBy
	if by == nil || by.Username == "" {
		return nil, false
	}
	known := &user.DefaultInfo{
		Name: by.Username, UID: by.UID,
		Groups: slices.DeleteFunc(slices.Clone(by.Groups), powerful),
		Extra:  harmless(by.Extra),
	}
	if owner := cluster.Spec.Owner; owner != nil {
		return identity.In(identity.From(known, logicalcluster.Name(owner.Cluster)), workspace), true
	}
	return identity.In(known, workspace), true
}

// powerful reports whether a group means more than the roles of a workspace say.
func powerful(group string) bool {
	return strings.HasPrefix(group, "system:") && group != user.AllAuthenticated && !strings.HasPrefix(group, identity.ClusterGroupPrefix)
}

// harmless returns extra without warrants for powerful users.
func harmless(extra map[string]authenticationv1.ExtraValue) map[string][]string {
	kept := map[string][]string{}
	for key, values := range extra {
		kept[key] = slices.Clone(values)
	}
	if warrants, ok := kept[identity.WarrantExtraKey]; ok {
		kept[identity.WarrantExtraKey] = slices.DeleteFunc(warrants, excessive)
	}
	return kept
}

// excessive reports whether a warrant is for a powerful user, leads to further
// ones, or cannot be read.
func excessive(warrant string) bool {
	var who identity.Warrant
	if json.Unmarshal([]byte(warrant), &who) != nil {
		return true
	}
	_, nested := who.Extra[identity.WarrantExtraKey]
	return nested || slices.ContainsFunc(who.Groups, powerful)
}
