package schemas

import (
	"runtime"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestInternSharesEqualSchemas(t *testing.T) {
	interner := NewInterner()
	a, b := gadgets(), gadgets()
	c := gadgets(func(c *apiextensionsv1.CustomResourceDefinition) {
		c.Spec.Versions[0].Schema.OpenAPIV3Schema.Description = "other"
	})
	a.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubectl"}}
	a.Annotations = map[string]string{lastApplied: "{}", "mine": "kept"}
	for _, crd := range []*apiextensionsv1.CustomResourceDefinition{a, b, c} {
		interner.Intern(crd)
	}
	if a.Spec.Versions[0].Schema != b.Spec.Versions[0].Schema {
		t.Error("equal schemas are two in memory")
	}
	if a.Spec.Versions[0].Schema == c.Spec.Versions[0].Schema {
		t.Error("different schemas became one")
	}
	if a.ManagedFields != nil || len(a.Annotations) != 1 {
		t.Errorf("kept %v and %v, want only the own annotation", a.ManagedFields, a.Annotations)
	}
	if interner.Len() != 2 {
		t.Errorf("%d schemas known, want 2", interner.Len())
	}
	runtime.KeepAlive(b)
}

func TestInternForgets(t *testing.T) {
	interner := NewInterner()
	interner.Intern(gadgets())
	deadline := time.Now().Add(20 * time.Second)
	for interner.Len() > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%d schemas kept that nobody holds", interner.Len())
		}
		runtime.GC()
		runtime.Gosched()
	}
}
