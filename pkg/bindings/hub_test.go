package bindings

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
)

// What is not written is left as it lies in storage, whether it is known here or not.
func TestAmendRawChangesNothingElse(t *testing.T) {
	raw := func(labels, status map[string]any) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "apis.kcp.io/v1alpha2", "kind": "APIBinding",
			"metadata": map[string]any{
				"name": "b", "labels": labels, "managedFields": []any{map[string]any{"manager": "kubectl", "operation": "Apply"}},
			},
			"spec":   map[string]any{"reference": map[string]any{"export": map[string]any{"name": "e"}}, "later": "x"},
			"status": status,
		}}
	}
	for name, test := range map[string]struct {
		change func(*apisv1alpha2.APIBinding)
		want   *unstructured.Unstructured
	}{
		"nothing": {
			change: func(*apisv1alpha2.APIBinding) {},
			want:   raw(map[string]any{"a": "b"}, map[string]any{"phase": "Binding", "later": "y"}),
		},
		"a label": {
			change: func(b *apisv1alpha2.APIBinding) { b.Labels["c"] = "d" },
			want:   raw(map[string]any{"a": "b", "c": "d"}, map[string]any{"phase": "Binding", "later": "y"}),
		},
		"the status": {
			change: func(b *apisv1alpha2.APIBinding) { b.Status.Phase = apisv1alpha2.APIBindingPhaseBound },
			want:   raw(map[string]any{"a": "b"}, map[string]any{"phase": "Bound"}),
		},
		"not the spec": {
			change: func(b *apisv1alpha2.APIBinding) { b.Spec.Reference.Export.Name = "other" },
			want:   raw(map[string]any{"a": "b"}, map[string]any{"phase": "Binding", "later": "y"}),
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := raw(map[string]any{"a": "b"}, map[string]any{"phase": "Binding", "later": "y"})
			if err := amendRaw(got, test.change); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want.Object, got.Object); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
