package identity

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
