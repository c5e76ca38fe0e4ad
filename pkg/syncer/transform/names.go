package transform

import "k8s.io/apimachinery/pkg/runtime/schema"

// Every namespace of every cluster has a ConfigMap with the CA of that cluster.
// The hub's must not take the place of the child's.
const (
	hubRootCA   = "kube-root-ca.crt"
	childRootCA = "kcp-root-ca.crt"
)

var configMaps = schema.GroupResource{Resource: "configmaps"}

// ChildName returns the name in the child of a hub object, and false when a hub
// object of that name has no place in the child because the name is taken by
// the copy of another.
func ChildName(resource schema.GroupResource, hubName string) (string, bool) {
	if resource != configMaps {
		return hubName, true
	}
	switch hubName {
	case hubRootCA:
		return childRootCA, true
	case childRootCA:
		return "", false
	default:
		return hubName, true
	}
}

// HubName is the reverse of ChildName.
func HubName(resource schema.GroupResource, childName string) string {
	if resource == configMaps && childName == childRootCA {
		return hubRootCA
	}
	return childName
}
