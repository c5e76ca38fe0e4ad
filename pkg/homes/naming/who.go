package naming

import (
	"strings"

	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/atriumhub/atrium/pkg/identity"
)

// maxName is how long a user's name may be: nobody types more, and the name is
// stored with the home.
const maxName = 1024

// Refusal says why somebody has no home. It is empty for those who have one.
func Refusal(u user.Info) string {
	switch name := u.GetName(); {
	case identity.IsBorrowed(u):
		return "somebody who is impersonated has no home workspace here: ask in your own name"
	case name == "" || name == user.Anonymous:
		return "there is no home workspace for somebody who has not logged in"
	case isServiceAccount(name):
		return "service accounts have no home workspace: they belong to the workspace they were made in"
	case identity.IsReserved(name):
		return "users of the system have no home workspace"
	case len(name) > maxName:
		return "there is no home workspace for a user name of more than 1024 bytes"
	case len(u.GetExtra()[identity.ClusterExtraKey]) > 0:
		return "users whom only some workspaces know have no home workspace"
	}
	return ""
}

func isServiceAccount(name string) bool {
	return strings.HasPrefix(name, identity.ServiceAccountPrefix) || strings.HasPrefix(name, identity.ForeignServiceAccountPrefix)
}
