package prepare

import (
	"errors"

	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/atriumhub/atrium/pkg/identity"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
)

// createMount completes a Workspace that is a door to something served elsewhere.
// It has no ID, as nothing is stored under one, and therefore no finalizer. Its
// address is one of the hub all the same: whoever goes there with his
// credentials meets the hub, and not whom the address of the target belongs to.
func createMount(workspace *tenancyv1alpha1.Workspace, creator user.Info, around Surroundings) error {
	ref := workspace.Spec.Mount.Reference
	switch {
	case workspace.Spec.Cluster != "":
		return errors.New("a workspace with spec.mount has no content of its own: leave spec.cluster out")
	case workspace.Spec.URL != "" && !identity.IsHub(creator):
		return errors.New("spec.URL is assigned by the hub: leave it out")
	case ref.APIVersion == "" || ref.Kind == "" || ref.Name == "":
		return errors.New("spec.mount.ref needs apiVersion, kind and name of an object in the parent workspace")
	}
	if err := setOwner(workspace, creator); err != nil {
		return err
	}
	if err := setType(workspace, around); err != nil {
		return err
	}
	workspace.Spec.URL = around.BaseURL + around.ParentPath.Join(workspace.Name).RequestPath()
	setLabel(workspace, tenancyv1alpha1.PhaseLabel, string(corev1alpha1.LogicalClusterPhaseScheduling))
	return nil
}

// keepMount puts back what an update left out of spec.mount, and refuses to make
// a mount of another workspace or the reverse. That the reference stays the
// same, the schema says.
func keepMount(workspace, old *tenancyv1alpha1.Workspace) error {
	if workspace.Spec.Mount != nil && old.Spec.Mount == nil {
		return errors.New("spec.mount can not be added to a workspace: create another one")
	}
	if workspace.Spec.Mount == nil {
		workspace.Spec.Mount = old.Spec.Mount.DeepCopy()
	}
	return nil
}
