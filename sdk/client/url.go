package client

import (
	"net/url"
	"strings"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Everywhere stands for all workspaces at once. Lists and watches through it
// return objects of every workspace (logicalcluster.From tells which); it takes
// a privileged user.
const Everywhere = logicalcluster.Path(logicalcluster.Wildcard)

const clustersSegment = "/clusters/"

// WorkspaceURL returns the address of a workspace of the hub at base:
// "https://hub:6443" and "root:org" give "https://hub:6443/clusters/root:org".
func WorkspaceURL(base string, path logicalcluster.Path) string {
	return strings.TrimRight(base, "/") + path.RequestPath()
}

// SplitURL takes the address of a workspace apart: it is the reverse of
// WorkspaceURL. ok is false when host is not the address of a workspace (or of
// all workspaces), and then base and path are empty.
func SplitURL(host string) (base string, path logicalcluster.Path, ok bool) {
	u, err := url.Parse(host)
	if err != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", "", false
	}
	before, after, found := strings.Cut(u.Path, clustersSegment)
	path = logicalcluster.Path(strings.TrimSuffix(after, "/"))
	if !found || !reachable(path) {
		return "", "", false
	}
	u.Path, u.RawPath = before, ""
	return u.String(), path, true
}

// reachable reports whether path may stand in a URL.
func reachable(path logicalcluster.Path) bool { return path == Everywhere || path.IsValid() }
