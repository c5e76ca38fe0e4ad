package customresources

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/atriumhub/atrium/pkg/schemas"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// BenchmarkShape reports what one more shape costs that is asked for: heap,
// and time to the first answer.
func BenchmarkShape(b *testing.B) {
	for name, properties := range map[string]map[string]apiextensionsv1.JSONSchemaProps{
		"small": {"colour": {Type: "string"}},
		"large": manyProperties(300, 0),
		"rules": manyProperties(20, 20),
	} {
		b.Run(name, func(b *testing.B) {
			h := newHouse(b)
			// What all shapes share is made by the first.
			h.install("first", widgetCRD(map[string]apiextensionsv1.JSONSchemaProps{"size": {Type: "integer"}}))
			ask(b, h, "first")
			crds := make([]*apiextensionsv1.CustomResourceDefinition, b.N)
			for i := range crds {
				crds[i] = widgetCRD(properties)
				crds[i].Spec.Versions[0].Schema.OpenAPIV3Schema.Description = fmt.Sprint(i)
			}
			before := heap()
			b.ResetTimer()
			for i, crd := range crds {
				ws := logicalcluster.Name(fmt.Sprintf("w%d", i))
				h.install(ws, crd)
				ask(b, h, ws)
			}
			b.StopTimer()
			b.ReportMetric(float64(heap()-before)/1024/float64(b.N), "KiB/shape")
			runtime.KeepAlive(crds)
		})
	}
}

// BenchmarkHash reports what an event of a definition costs the catalog.
func BenchmarkHash(b *testing.B) {
	crd := widgetCRD(manyProperties(300, 0))
	b.ReportAllocs()
	for b.Loop() {
		schemas.Shape(crd)
	}
}

func ask(b *testing.B, h *house, ws logicalcluster.Name) {
	b.Helper()
	if _, err := h.widgets(b, ws).List(context.Background(), metav1.ListOptions{}); err != nil {
		b.Fatal(err)
	}
}

func heap() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// manyProperties returns n string fields, the first of which have rules.
func manyProperties(n, rules int) map[string]apiextensionsv1.JSONSchemaProps {
	length := int64(64)
	properties := map[string]apiextensionsv1.JSONSchemaProps{}
	for i := range n {
		property := apiextensionsv1.JSONSchemaProps{Type: "string", Description: "A field that is described in a sentence of the usual length.", MaxLength: &length}
		if i < rules {
			property.XValidations = apiextensionsv1.ValidationRules{{Rule: fmt.Sprintf("self.size() < %d && self.startsWith('a')", i+10), Message: "no"}}
		}
		properties[fmt.Sprintf("field%d", i)] = property
	}
	return properties
}
