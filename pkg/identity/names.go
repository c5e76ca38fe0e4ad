package identity

import (
	"strings"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Names in the extra of a user.
const (
	// ClusterExtraKey holds the ID of the workspace that a service account, or a
	// user whom only one workspace knows, is from.
	ClusterExtraKey = "authentication.kcp.io/cluster-name"
	// ScopesExtraKey limits where a user is known. Each value is a list
	// "cluster:<ID>,cluster:<ID>…" of workspaces; all values have to name a
	// workspace for the user to be known there.
	ScopesExtraKey = "authentication.kcp.io/scopes"
	// WarrantExtraKey holds further users, in JSON, whose permissions the user
	// has besides its own. Each value is one Warrant.
	WarrantExtraKey = "authorization.kcp.io/warrant"
)

const (
	// ServiceAccountPrefix begins the name of a service account at home:
	// "system:serviceaccount:<namespace>:<name>".
	ServiceAccountPrefix = "system:serviceaccount:"
	// ForeignServiceAccountPrefix begins its name elsewhere:
	// "system:kcp:serviceaccount:<ID of its workspace>:<namespace>:<name>".
	ForeignServiceAccountPrefix = "system:kcp:serviceaccount:"
	// ClusterGroupPrefix, with the ID of a workspace, is the group of everybody
	// whom that workspace, and not the judging one, has authenticated.
	ClusterGroupPrefix = "system:cluster:"
)

const (
	scopePrefix = "cluster:"
	// systemPrefix begins the names and groups that the hub gives a meaning to.
	systemPrefix = "system:"
)

// IsReserved reports whether a name or group has a meaning to the hub, so that
// no issuer of one workspace may give it to anybody.
func IsReserved(name string) bool { return strings.HasPrefix(name, systemPrefix) }

// IsReservedExtra reports whether a name in the extra of a user grants or limits
// authority, so that only authenticators of the hub and the hub itself write it.
func IsReservedExtra(key string) bool {
	domain, _, _ := strings.Cut(strings.ToLower(key), "/")
	return domain == "kcp.io" || strings.HasSuffix(domain, ".kcp.io")
}

// ForeignServiceAccountName returns the name outside of home of the account
// "<namespace>:<name>" of the workspace home.
func ForeignServiceAccountName(home logicalcluster.Name, account string) string {
	return ForeignServiceAccountPrefix + home.String() + ":" + account
}

// ClusterGroup returns the group of everybody whom home, and not the judging
// workspace, has authenticated.
func ClusterGroup(home logicalcluster.Name) string { return ClusterGroupPrefix + home.String() }

// Scope returns the value of ScopesExtraKey that limits a user to one workspace.
func Scope(workspace logicalcluster.Name) string { return scopePrefix + workspace.String() }
