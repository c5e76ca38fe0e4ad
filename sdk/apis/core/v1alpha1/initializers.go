package v1alpha1

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// longestLabelName is how long prefix and name of the labels below are together.
const longestLabelName = 63

// InitializerOf returns the initializer of the WorkspaceType called name in the
// workspace with the ID cluster. On the wire it is the ID and not the path that
// counts: a path may come to mean another workspace.
func InitializerOf(cluster logicalcluster.Name, name string) LogicalClusterInitializer {
	return LogicalClusterInitializer(cluster.String() + ":" + name)
}

// TerminatorOf is InitializerOf for terminators.
func TerminatorOf(cluster logicalcluster.Name, name string) LogicalClusterTerminator {
	return LogicalClusterTerminator(cluster.String() + ":" + name)
}

// Label returns the label that a LogicalCluster has while this initializer is in
// status.initializers.
func (i LogicalClusterInitializer) Label() (key, value string) {
	return hashLabel(InitializerLabelPrefix, string(i))
}

// Label returns the label that a LogicalCluster has while this terminator is in
// status.terminators and the workspace is being deleted.
func (t LogicalClusterTerminator) Label() (key, value string) {
	return hashLabel(TerminatorLabelPrefix, string(t))
}

// Type returns the workspace and the name of the WorkspaceType whose initializer
// this is. It is false for the hub's own, and for what is no initializer.
func (i LogicalClusterInitializer) Type() (cluster logicalcluster.Path, name string, ok bool) {
	return typeOf(string(i))
}

// Type is the same for terminators.
func (t LogicalClusterTerminator) Type() (cluster logicalcluster.Path, name string, ok bool) {
	return typeOf(string(t))
}

func typeOf(id string) (logicalcluster.Path, string, bool) {
	if strings.HasPrefix(id, "system:") {
		return "", "", false
	}
	cluster, name := logicalcluster.Path(id).Split()
	return cluster, name, cluster != "" && name != ""
}

// hashLabel is how the wire puts something of any length into a label: the name
// begins with the hash, and the value is the whole of it.
func hashLabel(prefix, id string) (key, value string) {
	sum := sha256.Sum224([]byte(id))
	value = hex.EncodeToString(sum[:])
	return prefix + value[:longestLabelName-len(prefix)], value
}
