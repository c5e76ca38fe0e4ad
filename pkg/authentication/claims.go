package authentication

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/atriumhub/atrium/pkg/identity"
)

// byCertificate tells whether upstream found a user by its certificate, which
// the operator's authority has signed, and not by claims.
func byCertificate(info user.Info) bool {
	for _, id := range info.GetExtra()[user.CredentialIDKey] {
		if strings.HasPrefix(id, "X509SHA256=") {
			return true
		}
	}
	return false
}

// bounded returns the user that an issuer's claims make, without what no claim
// can give (A2): groups of the system, and extra that the hub writes. A user who
// calls itself one of the system's is refused.
func bounded(info user.Info) (user.Info, error) {
	if identity.IsReserved(info.GetName()) {
		return nil, fmt.Errorf("the claims of the token say that its bearer is %q: such names are the hub's own", info.GetName())
	}
	groups := slices.DeleteFunc(slices.Clone(info.GetGroups()), func(group string) bool {
		return identity.IsReserved(group) && group != user.AllAuthenticated
	})
	extra := map[string][]string{}
	for key, values := range info.GetExtra() {
		if !identity.IsReservedExtra(key) {
			extra[key] = values
		}
	}
	return &user.DefaultInfo{Name: info.GetName(), UID: info.GetUID(), Groups: groups, Extra: extra}, nil
}
