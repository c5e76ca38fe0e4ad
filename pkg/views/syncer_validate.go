package views

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"

	"github.com/atriumhub/atrium/pkg/target"
	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
)

// Validate refuses everything but a status, and letting go of an object that was
// asked to leave.
func (s *Syncer) Validate(t target.Target, a admission.Attributes) error {
	if err := judge(a, t.View.Key); err != nil {
		return fmt.Errorf("sync target %q: %w", t.View.Target, err)
	}
	return nil
}

var (
	errOperation = errors.New("agents change objects, they do not create or delete them")
	errStatus    = errors.New("of the status subresource an agent changes nothing but the status")
	errNotHeld   = errors.New("the object is not assigned to this target: it has no finalizer of its agent")
	errStaying   = errors.New("an agent lets go of an object only after it was asked to: the object is not being deleted and has no deletion annotation for this target")
	errSoft      = errors.New("the object has soft finalizers for this target: they have to go first")
	errRelease   = errors.New("of an object an agent removes nothing but the finalizer, the state label and the annotations of its own target; everything else is up to the workspace")
)

func judge(a admission.Attributes, key string) error {
	if a.GetOperation() != admission.Update {
		return errOperation
	}
	formerMeta, err := meta.Accessor(a.GetOldObject())
	if err != nil {
		return fmt.Errorf("failed to read the metadata of the object: %w", err)
	}
	switch a.GetSubresource() {
	case "status":
		return judgeStatus(a, formerMeta, key)
	case "":
		return judgeRelease(a, formerMeta, key)
	default:
		return errOperation
	}
}

func judgeStatus(a admission.Attributes, former metav1.Object, key string) error {
	if !slices.Contains(former.GetFinalizers(), workloadv1alpha1.SyncerFinalizer(key)) {
		return errNotHeld
	}
	changed := a.GetObject().DeepCopyObject()
	if err := copyStatus(changed, a.GetOldObject()); err != nil {
		return err
	}
	if err := copyMetadata(changed, former, false); err != nil {
		return err
	}
	if !equality.Semantic.DeepEqual(changed, a.GetOldObject()) {
		return errStatus
	}
	return nil
}

func judgeRelease(a admission.Attributes, former metav1.Object, key string) error {
	switch {
	case former.GetDeletionTimestamp() == nil && former.GetAnnotations()[workloadv1alpha1.DeletionAnnotation(key)] == "":
		return errStaying
	case former.GetAnnotations()[workloadv1alpha1.SoftFinalizersAnnotation(key)] != "":
		return errSoft
	}
	now, err := meta.Accessor(a.GetObject())
	if err != nil {
		return fmt.Errorf("failed to read the metadata of the change: %w", err)
	}
	changed := a.GetObject().DeepCopyObject()
	if err := copyMetadata(changed, former, true); err != nil {
		return err
	}
	if !releases(former, now, key) || !equality.Semantic.DeepEqual(changed, a.GetOldObject()) {
		return errRelease
	}
	return nil
}

// releases reports whether the metadata that an agent may change changed only by
// what is its own going away.
func releases(former, now metav1.Object, key string) bool {
	finalizers := slices.DeleteFunc(slices.Clone(former.GetFinalizers()), func(f string) bool { return f == workloadv1alpha1.SyncerFinalizer(key) })
	keptFinalizers := slices.Equal(now.GetFinalizers(), former.GetFinalizers()) || slices.Equal(now.GetFinalizers(), finalizers)
	return keptFinalizers &&
		onlyRemoved(former.GetLabels(), now.GetLabels(), workloadv1alpha1.StateLabel(key)) &&
		onlyRemoved(former.GetAnnotations(), now.GetAnnotations(), workloadv1alpha1.OwnAnnotations(key)...)
}

// onlyRemoved reports whether now is former without some of the given names.
func onlyRemoved(former, now map[string]string, names ...string) bool {
	rest := maps.Clone(former)
	for _, name := range names {
		if _, kept := now[name]; !kept {
			delete(rest, name)
		}
	}
	return maps.Equal(rest, now)
}

// copyMetadata gives obj those metadata of former that a write changes by itself
// and, if told so, those that releases judges, so that the rest can be compared.
func copyMetadata(obj runtime.Object, former metav1.Object, judged bool) error {
	to, err := meta.Accessor(obj)
	if err != nil {
		return fmt.Errorf("failed to read the metadata of the change: %w", err)
	}
	to.SetResourceVersion(former.GetResourceVersion())
	to.SetGeneration(former.GetGeneration())
	to.SetManagedFields(former.GetManagedFields())
	if judged {
		to.SetFinalizers(former.GetFinalizers())
		to.SetLabels(former.GetLabels())
		to.SetAnnotations(former.GetAnnotations())
	}
	return nil
}

// copyStatus gives obj the status of former.
func copyStatus(obj, former runtime.Object) error {
	if to, ok := obj.(*unstructured.Unstructured); ok {
		from, ok := former.(*unstructured.Unstructured)
		if !ok {
			return fmt.Errorf("expected an unstructured object, not %T", former)
		}
		if status, found := from.Object["status"]; found {
			to.Object["status"] = status
		} else {
			delete(to.Object, "status")
		}
		return nil
	}
	to, from := statusOf(obj), statusOf(former)
	if !to.IsValid() || !from.IsValid() || to.Type() != from.Type() {
		return fmt.Errorf("%T has no status", obj)
	}
	to.Set(from)
	return nil
}

func statusOf(obj runtime.Object) reflect.Value {
	v := reflect.ValueOf(obj)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return reflect.Value{}
	}
	return v.Elem().FieldByName("Status")
}
