package access

import (
	"strings"

	"k8s.io/apiserver/pkg/authorization/authorizer"
)

// tenantPaths are the non-resource URLs that are about a workspace. Everything
// else the process serves (metrics, profiles, flags) is about the whole hub,
// and a tenant who is cluster-admin of a workspace has no business there.
var tenantPaths = []string{"/api", "/apis", "/openapi", "/version", "/healthz", "/livez", "/readyz", "/.well-known/openid-configuration", "/openid"}

// hubOnly reports whether the attributes ask for something that only the
// workspace system:admin has.
func hubOnly(a authorizer.Attributes) bool {
	if a.IsResourceRequest() || a.GetPath() == "/" {
		return false
	}
	for _, path := range tenantPaths {
		if a.GetPath() == path || strings.HasPrefix(a.GetPath(), path+"/") {
			return false
		}
	}
	return true
}
