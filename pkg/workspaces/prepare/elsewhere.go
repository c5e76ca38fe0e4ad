package prepare

import (
	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Elsewhere returns who u, who was authenticated in the workspace home, is to
// other workspaces. Service accounts and their groups mean somebody else in each
// workspace: there they have a name that says where they come from, and no group
// but that of everybody who logged in.
func Elsewhere(u user.Info, home logicalcluster.Name) user.Info {
	name := nameElsewhere(authenticationv1.UserInfo{Username: u.GetName()}, home)
	if name == u.GetName() {
		return u
	}
	return &user.DefaultInfo{Name: name, Groups: []string{user.AllAuthenticated}}
}
