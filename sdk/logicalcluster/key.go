package logicalcluster

// Key names one object among all workspaces. Namespace is empty for objects
// that live directly in the workspace.
type Key struct {
	Workspace Name
	Namespace string
	Name      string
}

// String returns "workspace|namespace/name", or "workspace|name" without a
// namespace.
func (k Key) String() string {
	if k.Namespace == "" {
		return string(k.Workspace) + "|" + k.Name
	}
	return string(k.Workspace) + "|" + k.Namespace + "/" + k.Name
}
