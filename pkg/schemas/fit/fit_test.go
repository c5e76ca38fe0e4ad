package fit

import (
	"slices"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

type props = apiextensionsv1.JSONSchemaProps

// with returns a definition whose version v1 says spec of .spec.
func with(spec props) *apiextensionsv1.CustomResourceDefinition {
	spec.Type = "object"
	root := props{Type: "object", Properties: map[string]props{"spec": spec}}
	return &apiextensionsv1.CustomResourceDefinition{Spec: apiextensionsv1.CustomResourceDefinitionSpec{
		Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
			Name: "v1", Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &root},
		}},
	}}
}

func object(spec map[string]any) map[string]any {
	return map[string]any{
		"apiVersion": "example.io/v1", "kind": "Gadget", "spec": spec,
		"metadata": map[string]any{"name": "g", "uid": "1", "managedFields": []any{map[string]any{"manager": "m"}}},
	}
}

func TestMisfits(t *testing.T) {
	one, def := 1.0, apiextensionsv1.JSON{Raw: []byte(`3`)}
	size := props{Properties: map[string]props{"size": {Type: "integer", Minimum: &one}}}
	required, rule := size, size
	required.Required = []string{"size"}
	rule.XValidations = apiextensionsv1.ValidationRules{{Rule: "!has(self.size) || self.size < 10"}}
	defaulted := props{Required: []string{"size"}, Properties: map[string]props{"size": {Type: "integer", Default: &def}}}
	for name, tc := range map[string]struct {
		spec    props
		objects []map[string]any
		want    []int
	}{
		"no objects":           {size, nil, nil},
		"fits":                 {size, []map[string]any{object(map[string]any{"size": int64(2)}), object(map[string]any{})}, nil},
		"one does not":         {size, []map[string]any{object(map[string]any{"size": int64(2)}), object(map[string]any{"size": int64(0)})}, []int{1}},
		"another type":         {size, []map[string]any{object(map[string]any{"size": "2"})}, []int{0}},
		"a field is not known": {size, []map[string]any{object(map[string]any{"colour": "red"})}, []int{0}},
		"a field is missing":   {required, []map[string]any{object(map[string]any{})}, []int{0}},
		"it has a default":     {defaulted, []map[string]any{object(map[string]any{})}, nil},
		"a rule holds":         {rule, []map[string]any{object(map[string]any{"size": int64(9)})}, nil},
		"a rule does not":      {rule, []map[string]any{object(map[string]any{"size": int64(10)})}, []int{0}},
		"null means left out":  {size, []map[string]any{object(map[string]any{"size": nil})}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Misfits(t.Context(), with(tc.spec), "v1", tc.objects); !slices.Equal(got, tc.want) {
				t.Errorf("got %v", got)
			}
		})
	}
}
