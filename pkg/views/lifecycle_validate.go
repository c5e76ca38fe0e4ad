package views

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"

	"github.com/atriumhub/atrium/pkg/target"
)

// Validate implements View: of a LogicalCluster the caller changes nothing but
// that it is itself still waited for.
func (l *Lifecycle) Validate(t target.Target, a admission.Attributes) error {
	if a.GetOperation() != admission.Update || a.GetSubresource() != "status" {
		return fmt.Errorf("%s %q changes nothing but status.%s of a LogicalCluster", l.role, t.View.Name, l.field)
	}
	before, err := content(a.GetOldObject())
	if err != nil {
		return err
	}
	after, err := content(a.GetObject())
	if err != nil {
		return err
	}
	left := l.without(before, t.View.Key)
	for _, object := range []map[string]any{before, after, left} {
		l.neutral(object)
	}
	if equality.Semantic.DeepEqual(after, left) || equality.Semantic.DeepEqual(after, before) {
		return nil
	}
	return fmt.Errorf("%s %q may take itself, %q, out of status.%s, and change nothing else of a LogicalCluster", l.role, t.View.Name, t.View.Key, l.field)
}

// content returns a copy of an object's fields.
func content(object runtime.Object) (map[string]any, error) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, fmt.Errorf("the LogicalCluster cannot be read: %w", err)
	}
	return runtime.DeepCopyJSON(fields), nil
}

// without returns a copy of object in which nobody waits for id.
func (l *Lifecycle) without(object map[string]any, id string) map[string]any {
	left := runtime.DeepCopyJSON(object)
	waiting, _, _ := unstructured.NestedStringSlice(left, "status", l.field)
	waiting = slices.DeleteFunc(waiting, func(other string) bool { return other == id })
	_ = unstructured.SetNestedStringSlice(left, waiting, "status", l.field)
	return left
}

// neutral takes out of object what a write changes by itself. Nobody to wait for
// is said in several ways.
func (l *Lifecycle) neutral(object map[string]any) {
	for _, field := range []string{"resourceVersion", "generation", "managedFields"} {
		unstructured.RemoveNestedField(object, "metadata", field)
	}
	if waiting, _, _ := unstructured.NestedSlice(object, "status", l.field); len(waiting) == 0 {
		unstructured.RemoveNestedField(object, "status", l.field)
	}
}
