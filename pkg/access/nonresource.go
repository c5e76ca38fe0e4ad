package access

import (
	"slices"
	"strings"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// tenantPaths are the non-resource URLs that are about a workspace. Everything
// else the process serves (metrics, profiles, flags) is about the whole hub,
// and a tenant who is cluster-admin of a workspace has no business there.
var tenantPaths = []string{"/api", "/apis", "/openapi", "/version", "/healthz", "/livez", "/readyz", "/.well-known/openid-configuration", "/openid"}

// hubOnly reports whether a request to a workspace asks for something that only
// the workspace system:admin has.
func hubOnly(r request) bool {
	if r.target.Identity == logicalcluster.SystemAdmin || r.IsResourceRequest() || r.GetPath() == "/" {
		return false
	}
	return !slices.ContainsFunc(tenantPaths, func(path string) bool {
		return r.GetPath() == path || strings.HasPrefix(r.GetPath(), path+"/")
	})
}
