package access

import (
	"strings"

	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/atriumhub/atrium/pkg/identity"
)

// reservedIdentity reports whether the attributes ask to impersonate an
// identity that the hub itself trusts. A tenant is cluster-admin in its own
// workspace and so may impersonate there; but these identities mean the same in
// every workspace, and nobody becomes them by asking.
func reservedIdentity(a authorizer.Attributes) bool {
	if !strings.HasPrefix(a.GetVerb(), "impersonate") {
		return false
	}
	name := a.GetName()
	switch a.GetResource() {
	case "groups":
		return strings.HasPrefix(name, "system:") && !isOrdinaryGroup(name)
	case "users":
		return strings.HasPrefix(name, "system:") && name != "system:anonymous"
	case "nodes":
		return true
	case "userextras":
		return identity.IsReservedExtra(a.GetSubresource())
	default:
		return false
	}
}

func isOrdinaryGroup(name string) bool {
	return name == "system:authenticated" || name == "system:unauthenticated" ||
		name == "system:serviceaccounts" || strings.HasPrefix(name, "system:serviceaccounts:")
}
