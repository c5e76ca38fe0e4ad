package decide

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// serviceAccountName marks secrets that hold the token of a service account.
const serviceAccountName = "kubernetes.io/service-account.name"

// PlaceableNamespace reports whether the content of a namespace may be placed at
// all. The namespaces of the control plane itself stay on the hub.
func PlaceableNamespace(name string) bool {
	switch name {
	case "kube-system", "kube-public", "kube-node-lease", "kcp-system":
		return false
	}
	return name != ""
}

// Syncable reports whether an object is one that its owner put there, rather
// than part of what every workspace has: the CA bundle, tokens of service
// accounts, the service in front of the API server. Children have their own.
func Syncable(resource schema.GroupResource, o metav1.Object) bool {
	if !PlaceableNamespace(o.GetNamespace()) {
		return false
	}
	if resource.Group != "" {
		return true
	}
	switch resource.Resource {
	case "configmaps":
		return o.GetName() != "kube-root-ca.crt"
	case "secrets":
		_, token := o.GetAnnotations()[serviceAccountName]
		return !token && !strings.HasPrefix(o.GetName(), "default-token-")
	case "services":
		return o.GetNamespace() != metav1.NamespaceDefault || o.GetName() != "kubernetes"
	}
	return true
}
