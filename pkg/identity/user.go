package identity

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// IsHub reports whether u acts for the hub itself: system:masters, who are judged
// by nobody. Who is known in some workspaces only is not the hub. u may be nil.
func IsHub(u user.Info) bool {
	return u != nil && slices.Contains(u.GetGroups(), user.SystemPrivilegedGroup) && !IsScoped(u)
}

// ServiceAccount returns "<namespace>:<name>" of a service account that goes by
// its name at home.
func ServiceAccount(u user.Info) (account string, ok bool) {
	return strings.CutPrefix(u.GetName(), ServiceAccountPrefix)
}

// Home returns the workspace that has authenticated u, and false when that was
// the hub or is not known. Of several values none is believed.
func Home(u user.Info) (logicalcluster.Name, bool) {
	values := u.GetExtra()[ClusterExtraKey]
	if len(values) != 1 || values[0] == "" {
		return "", false
	}
	return logicalcluster.Name(values[0]), true
}

// From returns u as one who was authenticated in home. That makes a difference
// only to a service account which does not say where it is from.
func From(u user.Info, home logicalcluster.Name) user.Info {
	if _, ok := ServiceAccount(u); !ok || len(u.GetExtra()[ClusterExtraKey]) > 0 {
		return u
	}
	extra := maps.Clone(u.GetExtra())
	if extra == nil {
		extra = map[string][]string{}
	}
	extra[ClusterExtraKey] = []string{home.String()}
	return &user.DefaultInfo{Name: u.GetName(), UID: u.GetUID(), Groups: u.GetGroups(), Extra: extra}
}

// IsScoped reports whether u is limited to some workspaces.
func IsScoped(u user.Info) bool { return len(u.GetExtra()[ScopesExtraKey]) > 0 }

// IsBorrowed reports whether somebody acts in the name of u, in the workspaces to
// which u is limited: it is not one of these that has authenticated u.
func IsBorrowed(u user.Info) bool {
	_, local := Home(u)
	return IsScoped(u) && !local
}

// InScope reports whether the scopes of u let it be known in workspace: each of
// them has to name it.
func InScope(u user.Info, workspace logicalcluster.Name) bool {
	want := Scope(workspace)
	for _, scopes := range u.GetExtra()[ScopesExtraKey] {
		if !slices.Contains(strings.Split(scopes, ","), want) {
			return false
		}
	}
	return true
}

// In returns who u is in workspace.
//
// A user is the same everywhere, within its scopes. A service account is itself
// at home, and where it does not say where it is from. Elsewhere it has a name
// that says so, and no group of its home. One who is out of scope is nobody: the
// anonymous user, who at least has logged in.
func In(u user.Info, workspace logicalcluster.Name) user.Info {
	account, isAccount := ServiceAccount(u)
	home, hasHome := Home(u)
	switch {
	case !InScope(u, workspace):
		return nobody(u)
	case !isAccount:
		return u
	case hasHome && home != workspace:
		return &user.DefaultInfo{
			Name:   ForeignServiceAccountName(home, account),
			Groups: []string{user.AllAuthenticated, ClusterGroup(home)},
			Extra:  u.GetExtra(),
		}
	case !hasHome && len(u.GetExtra()[ClusterExtraKey]) > 0:
		return nobody(u) // of two homes at most one can be true
	default:
		return u
	}
}

// nobody is who u is where it is not known.
func nobody(u user.Info) user.Info {
	stranger := &user.DefaultInfo{Name: user.Anonymous, Groups: []string{user.AllUnauthenticated}}
	if slices.Contains(u.GetGroups(), user.AllAuthenticated) {
		stranger.Groups = []string{user.AllAuthenticated}
	}
	if home, ok := Home(u); ok {
		stranger.Groups = append(stranger.Groups, ClusterGroup(home))
	}
	return stranger
}

// OutsideName returns how u is called where it is a stranger: a service account
// by the name that says where it is from, everybody else by its own.
func OutsideName(u user.Info) string {
	account, isAccount := ServiceAccount(u)
	if home, ok := Home(u); ok && isAccount {
		return ForeignServiceAccountName(home, account)
	}
	return u.GetName()
}
