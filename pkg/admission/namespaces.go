package admission

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"

	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var namespaces = schema.GroupResource{Resource: "namespaces"}

// immortal namespaces exist as long as their workspace does.
var immortal = []string{metav1.NamespaceDefault, metav1.NamespaceSystem}

// Namespaces keeps objects out of namespaces that do not exist or are going
// away. It is Kubernetes' NamespaceLifecycle for many workspaces.
type Namespaces struct {
	*admission.Handler
	cached func(logicalcluster.Key) (*corev1.Namespace, bool)
	stored func(ctx context.Context, workspace logicalcluster.Name, name string) (*corev1.Namespace, error)
}

var _ admission.ValidationInterface = &Namespaces{}

// NewNamespaces returns the plugin. cached answers from memory; stored is asked
// when memory knows nothing, since it may not have caught up yet.
func NewNamespaces(
	cached func(logicalcluster.Key) (*corev1.Namespace, bool),
	stored func(ctx context.Context, workspace logicalcluster.Name, name string) (*corev1.Namespace, error),
) *Namespaces {
	return &Namespaces{Handler: admission.NewHandler(admission.Create, admission.Delete), cached: cached, stored: stored}
}

// Validate refuses creation in a missing or terminating namespace, and deletion
// of an immortal one.
func (p *Namespaces) Validate(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	if a.GetResource().GroupResource() == namespaces {
		return p.validateNamespace(a)
	}
	if a.GetOperation() != admission.Create || a.GetNamespace() == "" || isReview(a.GetResource().GroupResource()) {
		return nil
	}
	scope, _ := keyspace.ScopeFrom(ctx)
	workspace, ok := scope.Workspace()
	if !ok {
		return nil // storage refuses writes without a workspace
	}
	namespace, err := p.find(ctx, workspace, a.GetNamespace())
	if err != nil {
		return err
	}
	if namespace.Status.Phase == corev1.NamespaceTerminating || namespace.DeletionTimestamp != nil {
		return terminating(a, namespace.Name)
	}
	return nil
}

func (p *Namespaces) validateNamespace(a admission.Attributes) error {
	if a.GetOperation() == admission.Delete && slices.Contains(immortal, a.GetName()) {
		return apierrors.NewForbidden(namespaces, a.GetName(), fmt.Errorf("this namespace may not be deleted; it goes with its workspace"))
	}
	return nil
}

func (p *Namespaces) find(ctx context.Context, workspace logicalcluster.Name, name string) (*corev1.Namespace, error) {
	if namespace, ok := p.cached(logicalcluster.Key{Workspace: workspace, Name: name}); ok {
		return namespace, nil
	}
	return p.stored(ctx, workspace, name)
}

// isReview reports resources that live nowhere.
func isReview(resource schema.GroupResource) bool {
	return resource == schema.GroupResource{Group: "authorization.k8s.io", Resource: "localsubjectaccessreviews"}
}

func terminating(a admission.Attributes, namespace string) error {
	err := admission.NewForbidden(a, fmt.Errorf("namespace %s is being terminated, nothing can be created in it", namespace))
	if status, ok := err.(apierrors.APIStatus); ok {
		details := status.Status().Details
		details.Causes = append(details.Causes, metav1.StatusCause{
			Type: corev1.NamespaceTerminatingCause, Message: fmt.Sprintf("namespace %s is being terminated", namespace), Field: "metadata.namespace",
		})
	}
	return err
}
