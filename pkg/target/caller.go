package target

import (
	"slices"

	"k8s.io/apiserver/pkg/authentication/user"
)

// IsHub reports whether info acts for the hub itself: system:masters, who are
// judged by nobody. info may be nil.
func IsHub(info user.Info) bool {
	return info != nil && slices.Contains(info.GetGroups(), user.SystemPrivilegedGroup)
}
