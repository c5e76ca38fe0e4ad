package doors

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
)

// Object is what matters of an object that a mount refers to.
type Object struct {
	// Mountable is whether it is annotated as one to mount.
	Mountable bool
	// Phase and URL are from its status.
	Phase, URL string
}

// ObjectOf reads an object of any kind.
func ObjectOf(obj *unstructured.Unstructured) Object {
	phase, _, _ := unstructured.NestedString(obj.Object, "status", "phase")
	address, _, _ := unstructured.NestedString(obj.Object, "status", "URL")
	// What is longer than any address is not kept, only that it was there.
	address = address[:min(len(address), maxURL+1)]
	return Object{Mountable: obj.GetAnnotations()[tenancyv1alpha1.MountAnnotationKey] == "true", Phase: phase, URL: address}
}

// Facts are what is known about one mount.
type Facts struct {
	// Reference is what the Workspace refers to.
	Reference tenancyv1alpha1.ObjectReference
	// Served is whether there is such a kind in the parent.
	Served bool
	// Limit is how many kinds of objects may be mounted in one workspace, when so
	// many are already and this one is not among them.
	Limit int
	// Object is nil when there is none of that name.
	Object *Object
	// Before is the phase of the Workspace until now.
	Before corev1alpha1.LogicalClusterPhaseType
	// HubURL is the address of the hub itself.
	HubURL string
}

// Verdict is what follows from Facts.
type Verdict struct {
	// Open is whether the mount leads anywhere, and Address where to.
	Open    bool
	Address Address
	// Phase and Condition are for the status of the Workspace.
	Phase     corev1alpha1.LogicalClusterPhaseType
	Condition conditionsv1alpha1.Condition
}

// Judge decides about a mount. It is pure: equal facts, equal verdict.
func Judge(f Facts) Verdict {
	ref := f.Reference
	switch {
	case !f.Served:
		return f.shut(tenancyv1alpha1.MountObjectNotFoundReason,
			"there is no kind %s of %s in the parent workspace that can be watched: create its definition there, or bind the API", ref.Kind, ref.APIVersion)
	case f.Limit > 0:
		return f.shut(tenancyv1alpha1.MountTooManyKindsReason,
			"the mounts in the parent workspace refer to %d kinds of objects already, which is as many as are watched in one: delete those of another kind, or create this one in another workspace", f.Limit)
	case f.Object == nil:
		return f.shut(tenancyv1alpha1.MountObjectNotFoundReason, "%s %q not found in the parent workspace", ref.Kind, fullName(ref))
	case !f.Object.Mountable:
		return f.shut(tenancyv1alpha1.MountAnnotationInvalidReason,
			"%s %q is not meant to be mounted: annotate it with %s=true", ref.Kind, fullName(ref), tenancyv1alpha1.MountAnnotationKey)
	case f.Object.Phase != tenancyv1alpha1.MountPhaseReady:
		return f.shut(tenancyv1alpha1.MountObjectNotReadyReason,
			"%s %q is not ready: its status.phase is %q, and not %q", ref.Kind, fullName(ref), shorten(f.Object.Phase), tenancyv1alpha1.MountPhaseReady)
	}
	address, err := ParseAddress(f.Object.URL, f.HubURL)
	if err != nil {
		return f.shut(tenancyv1alpha1.MountObjectInvalidURLReason, "%s %q: %v", ref.Kind, fullName(ref), err)
	}
	return Verdict{Open: true, Address: address, Phase: corev1alpha1.LogicalClusterPhaseReady, Condition: conditionsv1alpha1.True(tenancyv1alpha1.MountConditionReady)}
}

// shut is the verdict on a mount that leads nowhere now. One that has led
// somewhere is unavailable; before that it is only not there yet.
func (f Facts) shut(reason, message string, args ...any) Verdict {
	phase := corev1alpha1.LogicalClusterPhaseInitializing
	if f.Before == corev1alpha1.LogicalClusterPhaseReady || f.Before == corev1alpha1.LogicalClusterPhaseUnavailable {
		phase = corev1alpha1.LogicalClusterPhaseUnavailable
	}
	return Verdict{Phase: phase, Condition: conditionsv1alpha1.False(tenancyv1alpha1.MountConditionReady, conditionsv1alpha1.ConditionSeverityError, reason, message, args...)}
}

func fullName(ref tenancyv1alpha1.ObjectReference) string {
	if ref.Namespace == "" {
		return ref.Name
	}
	return ref.Namespace + "/" + ref.Name
}

func shorten(s string) string { return s[:min(len(s), 40)] }
