package access

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apiserver/pkg/authentication/authenticator"

	"github.com/atriumhub/atrium/pkg/identity"
	"github.com/atriumhub/atrium/pkg/target"
)

// reservedIdentity reports whether the attributes ask to impersonate an
// identity that the hub itself trusts. A tenant is cluster-admin in its own
// workspace and so may impersonate there; but these identities mean the same in
// every workspace, and nobody becomes them by asking.
func reservedIdentity(r request) bool {
	if !strings.HasPrefix(r.GetVerb(), "impersonate") {
		return false
	}
	name := r.GetName()
	switch r.GetResource() {
	case "groups":
		return identity.IsReserved(name) && !isOrdinaryGroup(name)
	case "users":
		return identity.IsReserved(name) && name != "system:anonymous"
	case "nodes":
		return true
	case "userextras":
		return identity.IsReservedExtra(r.GetSubresource())
	default:
		return false
	}
}

func isOrdinaryGroup(name string) bool {
	return name == "system:authenticated" || name == "system:unauthenticated" ||
		name == "system:serviceaccounts" || strings.HasPrefix(name, "system:serviceaccounts:")
}

func refusedIdentity(r request) string {
	if r.GetResource() == "userextras" {
		return fmt.Sprintf("only system:masters may impersonate the extra %q, as it grants or limits authority; leave it out", r.GetSubresource())
	}
	return fmt.Sprintf("only system:masters may impersonate %q", r.GetName())
}

// ownScope reports whether the attributes ask for the limit that
// ScopeImpersonation sets.
func ownScope(r request) bool {
	return r.GetVerb() == "impersonate" && r.GetResource() == "userextras" && !r.target.Identity.Empty() &&
		r.GetSubresource() == identity.ScopesExtraKey && r.GetName() == identity.Scope(r.target.Identity)
}

// ScopeImpersonation makes whomever a request impersonates known in its
// workspace only: who may be impersonated was judged by the roles of that one,
// and its administrator could have allowed anybody. The hub itself is judged by
// nobody, and not limited.
//
// It adds the limit to the headers which impersonation is asked for with, so
// that the one who is impersonated has it from the beginning, in the audit log,
// in admission, and in the keys of Kubernetes' caches.
func ScopeImpersonation(next authenticator.Request) authenticator.Request {
	return authenticator.RequestFunc(func(req *http.Request) (*authenticator.Response, bool, error) {
		response, ok, err := next.AuthenticateRequest(req)
		if err != nil || !ok || identity.IsHub(response.User) || req.Header.Get(authenticationv1.ImpersonateUserHeader) == "" {
			return response, ok, err
		}
		here, _ := target.From(req.Context())
		scope := identity.Scope(here.Identity)
		if values := req.Header.Values(scopesHeader); !slices.Contains(values, scope) {
			req.Header.Add(scopesHeader, scope)
		}
		return response, ok, err
	})
}

var scopesHeader = http.CanonicalHeaderKey(authenticationv1.ImpersonateUserExtraHeaderPrefix + url.PathEscape(identity.ScopesExtraKey))
