package proxy

import (
	"errors"
	"net/http"
	"strings"

	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/transport"

	"github.com/atriumhub/atrium/pkg/identity"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// errNameless is the answer to those whose name means nothing outside.
var errNameless = errors.New("the mount leads out of this hub, where your name does not mean you: only users whom every workspace knows, and service accounts, can pass")

// introduce says in the headers of a request who u, whom the workspace home has
// authenticated, is to somebody outside (M2). Whom only some workspaces know by
// this name does not pass: who administers such a workspace may have made it up.
func introduce(req *http.Request, u user.Info, home logicalcluster.Name) error {
	abroad := identity.From(u, home)
	name := identity.OutsideName(abroad)
	account := strings.HasPrefix(name, identity.ForeignServiceAccountPrefix)
	_, local := identity.Home(abroad)
	if name == "" || identity.IsScoped(abroad) || !account && (local || identity.IsReserved(name)) {
		return errNameless
	}
	transport.SetAuthProxyHeaders(req, name, "", withoutSystem(abroad.GetGroups()), ownExtra(abroad.GetExtra()))
	return nil
}

// withoutSystem leaves out the groups that Kubernetes and the hub give a meaning
// of their own. The target adds that of everybody who logged in.
func withoutSystem(groups []string) []string {
	var kept []string
	for _, group := range groups {
		if group != "" && !identity.IsReserved(group) {
			kept = append(kept, group)
		}
	}
	return kept
}

// ownExtra leaves out what the hub, or Kubernetes, put there for itself.
func ownExtra(extra map[string][]string) map[string][]string {
	kept := map[string][]string{}
	for key, values := range extra {
		domain, _, _ := strings.Cut(key, "/")
		if !corev1alpha1.IsReservedDomain(strings.ToLower(domain)) {
			kept[key] = values
		}
	}
	return kept
}
