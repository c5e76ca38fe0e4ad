package prepare

import (
	"errors"
	"slices"
	"strings"

	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/atriumhub/atrium/pkg/identity"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
)

// ErrStatus says that a tenant tried to write what the hub reports.
var ErrStatus = errors.New("the status of a workspace is written by the hub only")

// Update checks and mends a change that updater asks for. What a tenant left
// out of the hub's own fields is put back, so that a plain manifest can be
// replaced or applied over the stored object; what was changed on purpose is
// refused.
func Update(workspace, old *tenancyv1alpha1.Workspace, updater user.Info, subresource string) error {
	if identity.IsHub(updater) {
		return nil
	}
	if subresource == "status" {
		return ErrStatus
	}
	if err := keepSpec(workspace, old); err != nil {
		return err
	}
	keepMetadata(workspace, old)
	return nil
}

func keepSpec(workspace, old *tenancyv1alpha1.Workspace) error {
	if err := keepMount(workspace, old); err != nil {
		return err
	}
	if workspace.Spec.Cluster == "" {
		workspace.Spec.Cluster = old.Spec.Cluster
	}
	if workspace.Spec.URL == "" {
		workspace.Spec.URL = old.Spec.URL
	}
	if noType(workspace) {
		workspace.Spec.Type = old.Spec.Type.DeepCopy()
	}
	if workspace.Spec.Type != nil && old.Spec.Type != nil && workspace.Spec.Type.Path == "" {
		workspace.Spec.Type.Path = old.Spec.Type.Path
	}
	switch {
	case workspace.Spec.Cluster != old.Spec.Cluster:
		return errors.New("spec.cluster can not be changed")
	case workspace.Spec.URL != old.Spec.URL:
		return errors.New("spec.URL can not be changed")
	case workspace.Spec.Type != nil && (old.Spec.Type == nil || *workspace.Spec.Type != *old.Spec.Type):
		return errors.New("spec.type can not be changed: create another workspace")
	}
	return nil
}

// keepMetadata makes the hub's annotations, label and finalizer what they were.
func keepMetadata(workspace, old *tenancyv1alpha1.Workspace) {
	for key := range workspace.Annotations {
		if hubAnnotation(key) {
			delete(workspace.Annotations, key)
		}
	}
	for key, value := range old.Annotations {
		if hubAnnotation(key) {
			setAnnotation(workspace, key, value)
		}
	}
	delete(workspace.Labels, tenancyv1alpha1.PhaseLabel)
	if phase, ok := old.Labels[tenancyv1alpha1.PhaseLabel]; ok {
		setLabel(workspace, tenancyv1alpha1.PhaseLabel, phase)
	}
	keepFinalizer(workspace, old)
}

func keepFinalizer(workspace, old *tenancyv1alpha1.Workspace) {
	had := slices.Contains(old.Finalizers, corev1alpha1.LogicalClusterFinalizer)
	has := slices.Contains(workspace.Finalizers, corev1alpha1.LogicalClusterFinalizer)
	if had && !has {
		workspace.Finalizers = append(workspace.Finalizers, corev1alpha1.LogicalClusterFinalizer)
	}
}

func hubAnnotation(key string) bool {
	return strings.HasPrefix(key, internalPrefix) || key == tenancyv1alpha1.OwnerAnnotationKey ||
		key == corev1alpha1.RequiredGroupsAnnotationKey
}
