package admission

import (
	"context"
	"errors"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"

	"github.com/atriumhub/atrium/pkg/schemas"
)

func TestConvertible(t *testing.T) {
	object := func(name string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{"apiVersion": "example.io/v1", "kind": "Person", "metadata": map[string]any{"name": name}}}
	}
	going := object("bad")
	now := metav1.Now()
	going.SetDeletionTimestamp(&now)
	rules := &schemas.API{Group: "example.io", Resource: "people", Kind: "Person", Versions: []string{"v2", "v1"},
		Converter: func(_ context.Context, to string, objects []*unstructured.Unstructured) ([]*unstructured.Unstructured, error) {
			if objects[0].GetName() == "bad" {
				return nil, errors.New("the name has no second part")
			}
			return objects, nil
		}}
	without := &schemas.API{Group: "example.io", Resource: "people", Kind: "Person", Versions: []string{"v2", "v1"}}
	for name, c := range map[string]struct {
		api     *schemas.API
		object  runtime.Object
		old     runtime.Object
		refused bool
	}{
		"good":             {rules, object("good"), nil, false},
		"bad":              {rules, object("bad"), nil, true},
		"becomes bad":      {rules, object("bad"), object("good"), true},
		"was bad before":   {rules, object("bad"), object("bad"), false},
		"becomes good":     {rules, object("good"), object("bad"), false},
		"on its way out":   {rules, going, object("good"), false},
		"without rules":    {without, object("bad"), nil, false},
		"nobody serves it": {nil, object("bad"), nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			plugin := NewConvertible(func(context.Context, schema.GroupResource) (*schemas.API, bool) { return c.api, c.api != nil })
			attributes := admission.NewAttributesRecord(c.object, c.old, schema.GroupVersionKind{}, "default", "x",
				schema.GroupVersionResource{Group: "example.io", Version: "v1", Resource: "people"}, "", admission.Create, nil, false, nil)
			err := plugin.Validate(t.Context(), attributes, nil)
			if (err != nil) != c.refused || err != nil && !strings.Contains(err.Error(), "in version v2: the name has no second part") {
				t.Errorf("%v", err)
			}
		})
	}
}
