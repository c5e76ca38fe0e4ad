package target

import (
	"slices"

	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/atriumhub/atrium/pkg/identity"
)

// IsHub reports whether info acts for the hub itself: system:masters, who are
// judged by nobody. Who is known in some workspaces only is not the hub. info may
// be nil.
func IsHub(info user.Info) bool {
	return info != nil && slices.Contains(info.GetGroups(), user.SystemPrivilegedGroup) && !identity.IsScoped(info)
}
