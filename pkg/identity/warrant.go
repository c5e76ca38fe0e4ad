package identity

import (
	"encoding/json"
	"maps"

	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Warrant is a further user, whose permissions somebody has besides its own.
type Warrant struct {
	// User is the name.
	User string `json:"user,omitempty"`
	// UID is the UID of that user.
	UID string `json:"uid,omitempty"`
	// Groups are its groups: none is added.
	Groups []string `json:"groups,omitempty"`
	// Extra is its extra: it may be limited by scopes, and have warrants.
	Extra map[string][]string `json:"extra,omitempty"`
}

const (
	// maxWarrantDepth is how deep warrants may be nested.
	maxWarrantDepth = 4
	// maxEffective is how many users one user may stand for.
	maxEffective = 32
)

// Effective returns the users whose permissions u has in workspace, which add
// up: u as it is known there, its other name if it is a service account at home,
// and whom its warrants name. Being out of scope leaves warrants valid, which
// have scopes of their own. What cannot be read, is nested too deep, or is a
// service account that does not say where it is from, gives nothing.
func Effective(u user.Info, workspace logicalcluster.Name) []user.Info {
	return appendEffective(make([]user.Info, 0, 1), u, workspace, 0)
}

func appendEffective(found []user.Info, u user.Info, workspace logicalcluster.Name, depth int) []user.Info {
	if len(found) >= maxEffective {
		return found
	}
	known := In(u, workspace)
	found = append(found, withoutWarrants(known))
	if account, ok := ServiceAccount(known); ok {
		found = append(found, &user.DefaultInfo{
			Name: ForeignServiceAccountName(workspace, account), Groups: []string{user.AllAuthenticated},
		})
	}
	if depth == maxWarrantDepth {
		return found
	}
	for _, holder := range warrants(u) {
		found = appendEffective(found, holder, workspace, depth+1)
	}
	return found
}

// warrants returns whom the warrants of u name.
func warrants(u user.Info) []user.Info {
	var holders []user.Info
	for _, encoded := range u.GetExtra()[WarrantExtraKey] {
		var w Warrant
		if json.Unmarshal([]byte(encoded), &w) != nil {
			continue
		}
		holder := &user.DefaultInfo{Name: w.User, UID: w.UID, Groups: w.Groups, Extra: w.Extra}
		if _, ok := ServiceAccount(holder); ok && len(w.Extra[ClusterExtraKey]) == 0 {
			continue
		}
		holders = append(holders, holder)
	}
	return holders
}

func withoutWarrants(u user.Info) user.Info {
	if len(u.GetExtra()[WarrantExtraKey]) == 0 {
		return u
	}
	extra := maps.Clone(u.GetExtra())
	delete(extra, WarrantExtraKey)
	return &user.DefaultInfo{Name: u.GetName(), UID: u.GetUID(), Groups: u.GetGroups(), Extra: extra}
}
