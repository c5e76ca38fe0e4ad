package v1alpha1

import (
	"crypto/sha256"
	"math/big"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const (
	// PublicationFinalizer keeps an APIPublication until its bindings are gone or
	// left to their workspaces, as spec.withdrawal says.
	PublicationFinalizer = "apis.atrium.io/publication"
	// PublicationAnnotationKey on an APIBinding says, for people, which
	// publication made it: "<path of the workspace>:<name>".
	PublicationAnnotationKey = "apis.atrium.io/publication"
	// PublicationIDLabel on an APIBinding says the same for selectors: it holds
	// the PublicationID. Unlike a path, it never means another workspace.
	PublicationIDLabel = "apis.atrium.io/publication-id"
	// SubtreeIDAnnotationKey on an APIPublication holds the ID of the workspace that
	// spec.subtree meant when it was written. The hub alone writes it.
	SubtreeIDAnnotationKey = "apis.atrium.io/subtree-id"
	// InitializedAnnotationKey on a LogicalCluster lists the UIDs of publications
	// with the lifecycle InitializeOnly whose turn the workspace has had.
	InitializedAnnotationKey = "apis.atrium.io/initialized-publications"
)

// PublicationID returns the value of PublicationIDLabel for a publication:
// base62 of the SHA-224 of "<cluster>:<name>", where cluster is the ID of the
// workspace it lives in.
func PublicationID(cluster logicalcluster.Name, name string) string {
	sum := sha256.Sum224([]byte(string(cluster) + ":" + name))
	return new(big.Int).SetBytes(sum[:]).Text(62)
}
