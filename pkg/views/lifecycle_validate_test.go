package views

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"

	"github.com/atriumhub/atrium/pkg/target"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
)

func TestValidateLifecycle(t *testing.T) {
	type ids = []corev1alpha1.LogicalClusterInitializer
	type object = corev1alpha1.LogicalCluster
	alone := func(c *object) { c.Status.Initializers = ids{"home:free"} }
	for name, c := range map[string]struct {
		before, change func(*object)
		subresource    string
		operation      admission.Operation
		ok             bool
	}{
		"itself": {change: func(c *object) {
			c.Status.Initializers = ids{"home:strict"}
			c.ResourceVersion, c.Generation, c.ManagedFields = "9", 9, []metav1.ManagedFieldsEntry{{Manager: "kubectl"}}
		}, ok: true},
		"the last":                {before: alone, change: func(c *object) { c.Status.Initializers = nil }, ok: true},
		"the last, as empty list": {before: alone, change: func(c *object) { c.Status.Initializers = ids{} }, ok: true},
		"nothing":                 {change: func(*object) {}, ok: true},
		"another":                 {change: func(c *object) { c.Status.Initializers = ids{"home:free"} }},
		"all":                     {change: func(c *object) { c.Status.Initializers = nil }},
		"order":                   {change: func(c *object) { c.Status.Initializers = ids{"home:strict", "home:free"} }},
		"one more":                {change: func(c *object) { c.Status.Initializers = ids{"home:strict", "home:new"} }},
		"back again":              {before: func(c *object) { c.Status.Initializers = ids{"home:strict"} }, change: func(c *object) { c.Status.Initializers = ids{"home:free", "home:strict"} }},
		"phase":                   {change: func(c *object) { c.Status.Phase = "Ready" }},
		"itself and phase":        {change: func(c *object) { c.Status.Initializers, c.Status.Phase = ids{"home:strict"}, "Ready" }},
		"itself and terminators":  {change: func(c *object) { c.Status.Initializers, c.Status.Terminators = ids{"home:strict"}, nil }},
		"conditions": {change: func(c *object) {
			c.Status.Conditions = conditionsv1alpha1.Conditions{{Type: "Ready", Status: "True"}}
		}},
		"URL":         {change: func(c *object) { c.Status.URL = "https://evil" }},
		"labels":      {change: func(c *object) { c.Labels = map[string]string{"a": "b"} }},
		"annotations": {change: func(c *object) { c.Annotations = map[string]string{"a": "b"} }},
		"finalizers":  {change: func(c *object) { c.Finalizers = []string{"a"} }},
		"spec":        {change: func(c *object) { c.Spec.CreatedBy.Username = "eve" }},
		"main":        {change: alone, subresource: "-"},
		"deletion":    {change: alone, operation: admission.Delete},
	} {
		t.Run(name, func(t *testing.T) {
			before := newVillage().clusters["new"].DeepCopy()
			if c.before != nil {
				c.before(before)
			}
			after := before.DeepCopy()
			c.change(after)
			operation, subresource := c.operation, strings.TrimPrefix(or(c.subresource, "status"), "-")
			if operation == "" {
				operation = admission.Update
			}
			l := NewInitializing(LifecycleConfig{})
			through := target.Target{Identity: "home", View: &target.View{Kind: l.kind, Name: "root:home:free", Target: "free", Key: "home:free"}}
			a := admission.NewAttributesRecord(fieldsOf(t, after), fieldsOf(t, before), schema.GroupVersionKind{}, "", "cluster",
				corev1alpha1.SchemeGroupVersion.WithResource("logicalclusters"), subresource, operation, nil, false, nil)
			err := l.Validate(through, a)
			if (err == nil) != c.ok || err != nil && !strings.Contains(err.Error(), "root:home:free") {
				t.Errorf("%v, expected it to be let through: %v", err, c.ok)
			}
		})
	}
}

func fieldsOf(t *testing.T, object any) runtime.Object {
	t.Helper()
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		t.Fatal(err)
	}
	return &unstructured.Unstructured{Object: fields}
}
