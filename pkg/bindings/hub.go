package bindings

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/storage"

	"github.com/atriumhub/atrium/pkg/ledger"
	"github.com/atriumhub/atrium/pkg/partition"
	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var (
	bindingsGVR = apisv1alpha2.SchemeGroupVersion.WithResource("apibindings")
	schemasGVR  = apisv1alpha1.SchemeGroupVersion.WithResource("apiresourceschemas")
	slicesGVR   = apisv1alpha1.SchemeGroupVersion.WithResource("apiexportendpointslices")
	exportsGVR  = apisv1alpha2.SchemeGroupVersion.WithResource("apiexports")
)

// hub is how the loops read and write what no source tells them.
type hub interface {
	// MergePatch applies a JSON merge patch to an object, or to its status.
	MergePatch(ctx context.Context, gvr schema.GroupVersionResource, key logicalcluster.Key, patch []byte, subresources ...string) error
	// AmendBinding changes labels, annotations, finalizers and status of a binding,
	// straight in storage, unless it is not as it was read any more, and returns the
	// revision it has then.
	AmendBinding(ctx context.Context, binding *apisv1alpha2.APIBinding, change func(*apisv1alpha2.APIBinding)) (string, error)
	// Secret reads a secret.
	Secret(ctx context.Context, key logicalcluster.Key) (*corev1.Secret, error)
	// Create stores an object.
	Create(ctx context.Context, gvr schema.GroupVersionResource, workspace logicalcluster.Name, object runtime.Object) error
	// Remove deletes an object, if it still is the one with the given UID.
	Remove(ctx context.Context, gvr schema.GroupVersionResource, key logicalcluster.Key, uid types.UID) error
	// CreateSecret stores a secret, and the namespace it is in.
	CreateSecret(ctx context.Context, workspace logicalcluster.Name, secret *corev1.Secret) error
}

// hubWriter is hub through a client. Bindings are written to storage: there are ten
// thousand of them when something is published, and nobody has a say in what is
// written to them here.
type hubWriter struct {
	*client.Hub
	bindings storage.Interface
}

func newHubWriter(hubClient *client.Hub, customResources *partition.Getter) (hubWriter, error) {
	stored, err := ledger.Open(customResources, bindingsGVR.GroupResource())
	return hubWriter{hubClient, stored}, err
}

// AmendBinding implements hub.
func (w hubWriter) AmendBinding(ctx context.Context, binding *apisv1alpha2.APIBinding, change func(*apisv1alpha2.APIBinding)) (string, error) {
	asRead := &storage.Preconditions{UID: &binding.UID, ResourceVersion: &binding.ResourceVersion}
	return ledger.Amended(ctx, w.bindings, bindingsGVR.GroupResource(), client.KeyOf(binding), asRead, func(raw *unstructured.Unstructured) error {
		return amendRaw(raw, change)
	})
}

// amendRaw changes a binding as it lies in storage.
func amendRaw(raw *unstructured.Unstructured, change func(*apisv1alpha2.APIBinding)) error {
	before, err := ledger.Typed[apisv1alpha2.APIBinding](raw)
	if err != nil {
		return err
	}
	binding := before.DeepCopy()
	change(binding)
	raw.SetLabels(binding.Labels)
	raw.SetAnnotations(binding.Annotations)
	raw.SetFinalizers(binding.Finalizers)
	return ledger.SetIfChanged(raw, "status", &before.Status, &binding.Status)
}

// MergePatch implements hub.
func (w hubWriter) MergePatch(ctx context.Context, gvr schema.GroupVersionResource, key logicalcluster.Key, patch []byte, subresources ...string) error {
	_, err := w.Dynamic(key.Workspace.Path()).Resource(gvr).Patch(ctx, key.Name, types.MergePatchType, patch, metav1.PatchOptions{}, subresources...)
	return err
}

// Create implements hub.
func (w hubWriter) Create(ctx context.Context, gvr schema.GroupVersionResource, workspace logicalcluster.Name, object runtime.Object) error {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return fmt.Errorf("failed to write down a %T: %w", object, err)
	}
	_, err = w.Dynamic(workspace.Path()).Resource(gvr).Create(ctx, &unstructured.Unstructured{Object: content}, metav1.CreateOptions{})
	return err
}

// Remove implements hub.
func (w hubWriter) Remove(ctx context.Context, gvr schema.GroupVersionResource, key logicalcluster.Key, uid types.UID) error {
	return w.Dynamic(key.Workspace.Path()).Resource(gvr).Delete(ctx, key.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
}

// Secret implements hub.
func (w hubWriter) Secret(ctx context.Context, key logicalcluster.Key) (*corev1.Secret, error) {
	return w.Kubernetes(key.Workspace.Path()).CoreV1().Secrets(key.Namespace).Get(ctx, key.Name, metav1.GetOptions{})
}

// CreateSecret implements hub.
func (w hubWriter) CreateSecret(ctx context.Context, workspace logicalcluster.Name, secret *corev1.Secret) error {
	core := w.Kubernetes(workspace.Path()).CoreV1()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: secret.Namespace}}
	if _, err := core.Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("failed to create namespace %s: %w", secret.Namespace, err)
	}
	_, err := core.Secrets(secret.Namespace).Create(ctx, secret, metav1.CreateOptions{})
	return err
}

// patch sends a merge patch. That the object is gone is fine: there is nothing
// left to write to. So is that it changed, where the patch says of what it was
// made: the change comes back here.
func (k *keeper) patch(ctx context.Context, gvr schema.GroupVersionResource, key logicalcluster.Key, patch any, subresources ...string) error {
	data, err := json.Marshal(patch)
	if err != nil {
		return fmt.Errorf("failed to write a patch of %s %s: %w", gvr.Resource, key, err)
	}
	if err := current(k.hub.MergePatch(ctx, gvr, key, data, subresources...)); err != nil {
		return fmt.Errorf("failed to patch %s %s: %w", gvr.Resource, key, err)
	}
	return nil
}

// amend changes a binding, as patch does other objects. It returns the revision that
// was stored, or "" when none was.
func (k *keeper) amend(ctx context.Context, key logicalcluster.Key, binding *apisv1alpha2.APIBinding, change func(*apisv1alpha2.APIBinding)) (string, error) {
	revision, err := k.hub.AmendBinding(ctx, binding, change)
	if err := current(err); err != nil {
		return "", fmt.Errorf("failed to write APIBinding %s: %w", key, err)
	}
	return revision, nil
}

// current is err, unless it says that the object is another one by now.
func current(err error) error {
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}
