package identity

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Local returns the user that an issuer which only home trusts says u is. It is
// known in home only, is in the group of home, and has none of the groups and
// nothing of the extra that mean something to the hub, whatever the issuer says.
// A name that means something to the hub is refused.
func Local(u user.Info, home logicalcluster.Name) (user.Info, error) {
	if u.GetName() == "" || IsReserved(u.GetName()) {
		return nil, fmt.Errorf("an issuer of workspace %s names a user %q: names must not be empty or begin with %q", home, u.GetName(), systemPrefix)
	}
	extra := maps.Clone(u.GetExtra())
	maps.DeleteFunc(extra, func(key string, _ []string) bool { return IsReservedExtra(key) })
	if extra == nil {
		extra = map[string][]string{}
	}
	extra[ClusterExtraKey] = []string{home.String()}
	extra[ScopesExtraKey] = []string{Scope(home)}
	groups := slices.DeleteFunc(slices.Clone(u.GetGroups()), IsReserved)
	return &user.DefaultInfo{
		Name: u.GetName(), UID: u.GetUID(), Extra: extra,
		Groups: append(groups, user.AllAuthenticated, ClusterGroup(home)),
	}, nil
}
