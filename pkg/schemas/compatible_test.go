package schemas

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

type props = apiextensionsv1.JSONSchemaProps

func object(fields map[string]props) props { return props{Type: "object", Properties: fields} }

// servedAs returns a served version with the given schema of .spec.
func servedAs(name string, spec props) apiextensionsv1.CustomResourceDefinitionVersion {
	root := object(map[string]props{"spec": spec})
	return apiextensionsv1.CustomResourceDefinitionVersion{
		Name: name, Served: true, Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &root},
	}
}

func withVersions(versions ...apiextensionsv1.CustomResourceDefinitionVersion) *apiextensionsv1.CustomResourceDefinition {
	return gadgets(func(crd *apiextensionsv1.CustomResourceDefinition) { crd.Spec.Versions = versions })
}

func words(found []Incompatibility) []string {
	var words []string
	for _, one := range found {
		words = append(words, string(one.Concern)+": "+one.String())
	}
	return words
}

// What a new schema says of .spec, or of one field of it, compared with an old one.
func TestIncompatibleFields(t *testing.T) {
	yes, short, long, one, ten := true, int64(3), int64(9), 1.0, 10.0
	def, red, blue := apiextensionsv1.JSON{Raw: []byte(`"x"`)}, apiextensionsv1.JSON{Raw: []byte(`"red"`)}, apiextensionsv1.JSON{Raw: []byte(`"blue"`)}
	mapList, setList := "map", "set"
	text := props{Type: "string"}
	field := func(f props) props { return object(map[string]props{"f": f}) }
	for name, tc := range map[string]struct {
		old, new props
		want     []string
	}{
		"nothing":                   {field(text), field(text), nil},
		"a field more":              {object(nil), field(text), nil},
		"a field less":              {field(text), object(nil), []string{"Stored: v1 .spec.f: the field was removed: its values would be dropped"}},
		"a field less, but kept":    {field(text), props{Type: "object", XPreserveUnknownFields: &yes}, nil},
		"another type":              {field(text), field(props{Type: "integer"}), []string{"Stored: v1 .spec.f: its type was string and is integer"}},
		"int or string":             {field(props{XIntOrString: true}), field(text), []string{"Stored: v1 .spec.f: its type was integer or string and is string"}},
		"required":                  {field(text), props{Type: "object", Required: []string{"f"}, Properties: map[string]props{"f": text}}, []string{"Stored: v1 .spec.f: the field became required, and has no default"}},
		"required with default":     {field(text), props{Type: "object", Required: []string{"f"}, Properties: map[string]props{"f": {Type: "string", Default: &def}}}, nil},
		"no longer required":        {props{Type: "object", Required: []string{"f"}, Properties: map[string]props{"f": text}}, field(text), nil},
		"enum shorter":              {field(props{Type: "string", Enum: []apiextensionsv1.JSON{red, blue}}), field(props{Type: "string", Enum: []apiextensionsv1.JSON{blue}}), []string{`Stored: v1 .spec.f: values are no longer allowed: "red"`}},
		"enum longer":               {field(props{Type: "string", Enum: []apiextensionsv1.JSON{red}}), field(props{Type: "string", Enum: []apiextensionsv1.JSON{blue, red}}), nil},
		"enum new":                  {field(text), field(props{Type: "string", Enum: []apiextensionsv1.JSON{blue}}), []string{"Stored: v1 .spec.f: values are no longer allowed: all but those listed"}},
		"enum gone":                 {field(props{Type: "string", Enum: []apiextensionsv1.JSON{blue}}), field(text), nil},
		"shorter":                   {field(props{Type: "string", MaxLength: &long}), field(props{Type: "string", MaxLength: &short}), []string{"Stored: v1 .spec.f: maxLength became smaller: 3"}},
		"longer":                    {field(props{Type: "string", MaxLength: &short}), field(props{Type: "string", MaxLength: &long}), nil},
		"at least":                  {field(text), field(props{Type: "string", MinLength: &short}), []string{"Stored: v1 .spec.f: minLength became larger: 3"}},
		"smaller":                   {field(props{Type: "number", Maximum: &ten}), field(props{Type: "number", Maximum: &one}), []string{"Stored: v1 .spec.f: maximum became smaller: 1"}},
		"exclusive":                 {field(props{Type: "number", Minimum: &one}), field(props{Type: "number", Minimum: &one, ExclusiveMinimum: true}), []string{"Stored: v1 .spec.f: minimum became larger: 1"}},
		"pattern":                   {field(text), field(props{Type: "string", Pattern: "^a"}), []string{`Stored: v1 .spec.f: its pattern was "" and is "^a"`}},
		"pattern gone":              {field(props{Type: "string", Pattern: "^a"}), field(text), nil},
		"not null":                  {field(props{Type: "string", Nullable: true}), field(text), []string{"Stored: v1 .spec.f: it could be null and cannot any more"}},
		"rule":                      {object(nil), props{Type: "object", XValidations: apiextensionsv1.ValidationRules{{Rule: "self.f > 1"}}}, []string{"Stored: v1 .spec: a rule was added or changed: self.f > 1"}},
		"rule gone":                 {props{Type: "object", XValidations: apiextensionsv1.ValidationRules{{Rule: "self.f > 1"}}}, object(nil), nil},
		"message of a rule":         {props{Type: "object", XValidations: apiextensionsv1.ValidationRules{{Rule: "r", Message: "a"}}}, props{Type: "object", XValidations: apiextensionsv1.ValidationRules{{Rule: "r", Message: "b"}}}, nil},
		"anyOf":                     {object(nil), props{Type: "object", AnyOf: []props{{Required: []string{"f"}}}}, []string{"Stored: v1 .spec: its condition anyOf was changed"}},
		"unknown fields dropped":    {props{Type: "object", XPreserveUnknownFields: &yes}, object(nil), []string{"Stored: v1 .spec: fields without a schema were kept and would be dropped"}},
		"list type":                 {field(props{Type: "array", XListType: &setList}), field(props{Type: "array", XListType: &mapList, XListMapKeys: []string{"name"}}), []string{"Stored: v1 .spec.f: how its items are told apart was changed (x-kubernetes-list-type)"}},
		"items":                     {field(props{Type: "array", Items: &apiextensionsv1.JSONSchemaPropsOrArray{Schema: &text}}), field(props{Type: "array", Items: &apiextensionsv1.JSONSchemaPropsOrArray{Schema: &props{Type: "integer"}}}), []string{"Stored: v1 .spec.f[]: its type was string and is integer"}},
		"map values":                {field(props{Type: "object", AdditionalProperties: &apiextensionsv1.JSONSchemaPropsOrBool{Schema: &text}}), field(props{Type: "object", AdditionalProperties: &apiextensionsv1.JSONSchemaPropsOrBool{Schema: &props{Type: "integer"}}}), []string{"Stored: v1 .spec.f{}: its type was string and is integer"}},
		"a map no more":             {field(props{Type: "object", AdditionalProperties: &apiextensionsv1.JSONSchemaPropsOrBool{Allows: true}}), field(props{Type: "object"}), []string{"Stored: v1 .spec.f: it was a map with any keys, which would be dropped"}},
		"descriptions and defaults": {field(props{Type: "string", Description: "a"}), field(props{Type: "string", Description: "b", Default: &def}), nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := words(Incompatibilities(withVersions(servedAs("v1", tc.old)), withVersions(servedAs("v1", tc.new)), []string{"v1"}))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("incompatibilities (-want +got):\n%s", diff)
			}
		})
	}
}

func TestIncompatibleVersions(t *testing.T) {
	v1, v2 := servedAs("v1", object(nil)), servedAs("v2", object(nil))
	quiet := v1
	quiet.Served = false
	status := v1
	status.Subresources = &apiextensionsv1.CustomResourceSubresources{Status: &apiextensionsv1.CustomResourceSubresourceStatus{}}
	cluster := withVersions(v1)
	cluster.Spec.Scope = apiextensionsv1.ClusterScoped
	for name, tc := range map[string]struct {
		old, new *apiextensionsv1.CustomResourceDefinition
		stored   []string
		want     []string
	}{
		"a version more":            {withVersions(v1), withVersions(v1, v2), []string{"v1"}, nil},
		"not served, not stored":    {withVersions(v1, v2), withVersions(v2), []string{"v2"}, []string{"Clients: v1: this version was served and is not any more"}},
		"an unserved version less":  {withVersions(quiet, v2), withVersions(v2), []string{"v2"}, nil},
		"a stored version less":     {withVersions(quiet, v2), withVersions(v2), []string{"v1", "v2"}, []string{"Stored: v1: objects may be stored in this version, which the new schema does not have: keep it, with served: false"}},
		"stored, kept but unserved": {withVersions(v1, v2), withVersions(quiet, v2), []string{"v1", "v2"}, []string{"Clients: v1: this version was served and is not any more"}},
		"status gone":               {withVersions(status), withVersions(v1), []string{"v1"}, []string{"Clients: v1: it had the subresource status and has it no more"}},
		"status comes":              {withVersions(v1), withVersions(status), []string{"v1"}, []string{"Clients: v1: it gets the subresource status: writers of the whole object would no longer write .status"}},
		"scope":                     {withVersions(v1), cluster, []string{"v1"}, []string{`Stored: the scope was "Namespaced" and is "Cluster"`}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, words(Incompatibilities(tc.old, tc.new, tc.stored))); diff != "" {
				t.Errorf("incompatibilities (-want +got):\n%s", diff)
			}
		})
	}
}
