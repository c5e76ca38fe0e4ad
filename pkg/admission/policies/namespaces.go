package policies

import (
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	corev1listers "k8s.io/client-go/listers/core/v1"

	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// namespaces lists those of one workspace, for upstream's matchers.
type namespaces struct {
	corev1listers.NamespaceLister
	find      func(logicalcluster.Key) (*corev1.Namespace, bool)
	workspace func() logicalcluster.Name
}

// Get answers from memory.
func (n namespaces) Get(name string) (*corev1.Namespace, error) {
	if found, ok := n.find(logicalcluster.Key{Workspace: n.workspace(), Name: name}); ok {
		return found, nil
	}
	return nil, apierrors.NewNotFound(corev1.Resource("namespaces"), name)
}

// List is not asked for by matchers.
func (namespaces) List(labels.Selector) ([]*corev1.Namespace, error) { return nil, nil }

// storedNamespaces is a client that is asked for a namespace which memory does not
// know yet, and for nothing else.
type storedNamespaces struct {
	kubernetes.Interface
	hub       *client.Hub
	workspace func() logicalcluster.Name
}

// CoreV1 returns a client for the workspace.
func (s storedNamespaces) CoreV1() typedcorev1.CoreV1Interface {
	return s.hub.Kubernetes(s.workspace().Path()).CoreV1()
}
