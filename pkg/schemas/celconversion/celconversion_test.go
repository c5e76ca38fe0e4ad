package celconversion

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
)

// people are stored as v1, which knows a name; v2 knows its parts, v3 has a list.
func people() *apisv1alpha1.APIResourceSchema {
	version := func(name, spec string, storage bool) apisv1alpha1.APIResourceVersion {
		return apisv1alpha1.APIResourceVersion{Name: name, Served: true, Storage: storage, Schema: runtime.RawExtension{Raw: []byte(
			`{"type":"object","properties":{"metadata":{"type":"object"},"spec":{"type":"object","properties":{` + spec + `}},
			"any":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}`)}}
	}
	return &apisv1alpha1.APIResourceSchema{
		ObjectMeta: metav1.ObjectMeta{Name: "today.people.example.io"},
		Spec: apisv1alpha1.APIResourceSchemaSpec{Group: "example.io", Versions: []apisv1alpha1.APIResourceVersion{
			version("v1", `"name":{"type":"string"},"age":{"type":"integer","minimum":0},"hobby":{"type":"string"},"tags":{"type":"object","additionalProperties":{"type":"string"}}`, true),
			version("v2", `"first":{"type":"string"},"last":{"type":"string"},"years":{"type":"string"},"age":{"type":"integer"}`, false),
			version("v3", `"names":{"type":"array","items":{"type":"string"}},"tags":{"type":"array","items":{"type":"object","properties":{"key":{"type":"string"},"n":{"type":"integer"}}}}`, false),
		}},
	}
}

func conversion(conversions ...apisv1alpha1.APIVersionConversion) *apisv1alpha1.APIConversion {
	return &apisv1alpha1.APIConversion{
		ObjectMeta: metav1.ObjectMeta{Name: "today.people.example.io"}, Spec: apisv1alpha1.APIConversionSpec{Conversions: conversions},
	}
}

func from(from, to string, preserve []string, rules ...apisv1alpha1.APIConversionRule) apisv1alpha1.APIVersionConversion {
	return apisv1alpha1.APIVersionConversion{From: from, To: to, Rules: rules, Preserve: preserve}
}

func move(field, destination, transformation string) apisv1alpha1.APIConversionRule {
	return apisv1alpha1.APIConversionRule{Field: field, Destination: destination, Transformation: transformation}
}

// all are rules between v1 and both others.
func all() *apisv1alpha1.APIConversion {
	return conversion(
		from("v1", "v2", []string{".spec.hobby"},
			move(".spec.name", ".spec.first", "self.split(' ')[0]"), move(".spec.name", ".spec.last", "self.split(' ')[1]"),
			move("spec.age", "spec.years", "string(self)")),
		from("v2", "v1", nil, move("spec", "spec.name", "self.first + ' ' + self.last"), move("spec.years", "spec.age", "int(self)")),
		from("v1", "v3", nil, move("spec.name", "spec.names", "self.split(' ')"),
			move("spec.tags", "spec.tags", "self.map(k, {'key': k}).filter(m, m.key != 'no')")),
		from("v3", "v1", []string{"spec.tags"}, move("spec.names", "spec.name", "self.join(' ')")),
	)
}

func person(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return object
}

func TestConvert(t *testing.T) {
	const ada = `"kind":"Person","metadata":{"name":"ada","uid":"u"`
	for name, c := range map[string]struct {
		object, to, want string
		says             string
	}{
		"rules": {
			`{"apiVersion":"example.io/v1",` + ada + `},"spec":{"name":"Ada Lovelace","age":36}}`, "v2",
			`{"apiVersion":"example.io/v2",` + ada + `},"spec":{"name":"Ada Lovelace","first":"Ada","last":"Lovelace","age":36,"years":"36"}}`, "",
		},
		"a field that is not there": {
			`{"apiVersion":"example.io/v1",` + ada + `},"spec":{"age":36}}`, "v2",
			`{"apiVersion":"example.io/v2",` + ada + `},"spec":{"age":36,"years":"36"}}`, "",
		},
		"preserved": {
			`{"apiVersion":"example.io/v1",` + ada + `},"spec":{"name":"A B","hobby":"chess"}}`, "v2",
			`{"apiVersion":"example.io/v2",` + ada + `,"annotations":{"preserve.conversion.apis.kcp.io/v1":"{\"spec.hobby\":\"chess\"}"}},"spec":{"name":"A B","first":"A","last":"B","hobby":"chess"}}`, "",
		},
		"restored": {
			`{"apiVersion":"example.io/v2",` + ada + `,"annotations":{"mine":"x","preserve.conversion.apis.kcp.io/v1":"{\"spec.hobby\":\"chess\"}"}},"spec":{"first":"A","last":"B"}}`, "v1",
			`{"apiVersion":"example.io/v1",` + ada + `,"annotations":{"mine":"x"}},"spec":{"first":"A","last":"B","name":"A B","hobby":"chess"}}`, "",
		},
		"restored, but not what was not preserved": {
			`{"apiVersion":"example.io/v2",` + ada + `,"annotations":{"preserve.conversion.apis.kcp.io/v1":"{\"metadata.uid\":\"other\",\"spec.age\":-1,\"spec.hobby\":7}"}},"spec":{"first":"A","last":"B"}}`, "v1",
			`{"apiVersion":"example.io/v1",` + ada + `},"spec":{"first":"A","last":"B","name":"A B"}}`, "",
		},
		"an annotation that is no JSON": {
			`{"apiVersion":"example.io/v2",` + ada + `,"annotations":{"preserve.conversion.apis.kcp.io/v1":"{"}},"spec":{"first":"A","last":"B"}}`, "v1",
			`{"apiVersion":"example.io/v1",` + ada + `},"spec":{"first":"A","last":"B","name":"A B"}}`, "",
		},
		"through the stored version": {
			`{"apiVersion":"example.io/v2",` + ada + `},"spec":{"first":"A","last":"B","years":"7"}}`, "v3",
			`{"apiVersion":"example.io/v3",` + ada + `},"spec":{"first":"A","last":"B","years":"7","name":"A B","age":7,"names":["A","B"]}}`, "",
		},
		"and back": {
			`{"apiVersion":"example.io/v3",` + ada + `},"spec":{"names":["A","B"]}}`, "v2",
			`{"apiVersion":"example.io/v2",` + ada + `},"spec":{"names":["A","B"],"name":"A B","first":"A","last":"B"}}`, "",
		},
		"maps and lists": {
			`{"apiVersion":"example.io/v1",` + ada + `},"spec":{"tags":{"no":"1","yes":"2"}}}`, "v3",
			`{"apiVersion":"example.io/v3",` + ada + `},"spec":{"tags":[{"key":"yes"}]}}`, "",
		},
		"the same version": {
			`{"apiVersion":"example.io/v1",` + ada + `},"spec":{"name":"A"}}`, "v1", `{"apiVersion":"example.io/v1",` + ada + `},"spec":{"name":"A"}}`, "",
		},
		"an expression that fails": {`{"apiVersion":"example.io/v1",` + ada + `},"spec":{"name":"Ada"}}`, "v2", "", "convert ada from v1 to v2: the transformation of spec.name to spec.last"},
		"a value that cannot be":   {`{"apiVersion":"example.io/v2",` + ada + `},"spec":{"first":"A","last":"B","years":"-3"}}`, "v1", "", "spec.years became something that spec.age cannot be"},
	} {
		t.Run(name, func(t *testing.T) {
			rules, err := Compile(all(), people())
			if err != nil {
				t.Fatal(err)
			}
			got, err := rules.Convert(t.Context(), "example.io/"+c.to, []*unstructured.Unstructured{person(t, c.object)})
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%v; expected an error that says %q", err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(person(t, c.want).Object, got[0].Object); diff != "" {
				t.Error(diff)
			}
			if _, err := json.Marshal(got[0]); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCompile(t *testing.T) {
	many := from("v1", "v2", nil)
	for i := range maxRules + 1 {
		many.Rules = append(many.Rules, move("spec.name", fmt.Sprint("spec.x", i), ""))
	}
	for name, c := range map[string]struct {
		conversion *apisv1alpha1.APIConversion
		says       []string
	}{
		"good":            {all(), nil},
		"nothing":         {conversion(), nil},
		"unknown version": {conversion(from("v1", "v9", nil), from("v8", "v1", nil)), []string{`spec.conversions[0].to: Not found: "v9"`, `spec.conversions[1].from: Not found: "v8"`}},
		"to itself":       {conversion(from("v1", "v1", nil)), []string{"must be another version"}},
		"twice":           {conversion(from("v1", "v2", nil), from("v1", "v2", nil)), []string{`Duplicate value: "v1 to v2"`}},
		"unknown fields": {
			conversion(from("v1", "v2", []string{"spec.nope"}, move("spec.none", "spec.first", ""), move("spec.name", "spec.first.x", ""))),
			[]string{`spec.conversions[0].rules[0].field`, `no field "spec.none"`, `rules[1].destination`, `no field "spec.first.x"`, `preserve[0]`, `no field "spec.nope"`},
		},
		"anywhere in any": {conversion(from("v1", "v2", []string{"any.x"}, move("any.a.b", "any.c", "self"))), nil},
		"metadata": {
			conversion(from("v1", "v2", []string{"metadata"}, move("spec.name", "metadata", ""))),
			[]string{"metadata cannot be converted"},
		},
		"no expression":  {conversion(from("v1", "v2", nil, move("spec.name", "spec.first", "self +"))), []string{"rules[0].transformation", "Syntax error"}},
		"the wrong type": {conversion(from("v1", "v2", nil, move("spec.name", "spec.first", "self + 1"))), []string{"no matching overload"}},
		"unknown name":   {conversion(from("v1", "v2", nil, move("spec.name", "spec.first", "oldSelf"))), []string{"undeclared reference"}},
		"too long":       {conversion(from("v1", "v2", nil, move("spec.name", "spec.first", "self + '"+strings.Repeat("x", maxTransformation)+"'"))), []string{"longer than 4096"}},
		"too many":       {conversion(many), []string{"Too many: 257"}},
		"an empty name":  {conversion(from("v1", "v2", nil, move(".", "..", ""))), []string{`no field ""`}},
		"deep parenthesis": {
			conversion(from("v1", "v2", nil, move("spec.name", "spec.first", strings.Repeat("(", 2000)+"self"+strings.Repeat(")", 2000)))), []string{"recursion"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Compile(c.conversion, people())
			if (err == nil) != (c.says == nil) {
				t.Fatalf("%v; expected %q", err, c.says)
			}
			for _, says := range c.says {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("%v\nexpected %q in it", err, says)
				}
			}
		})
	}
}

// TestCost: rules that would run for hours fail soon (R3).
func TestCost(t *testing.T) {
	const endless = "[1,2,3,4,5,6,7,8,9].map(a, [1,2,3,4,5,6,7,8,9].map(b, [1,2,3,4,5,6,7,8,9].map(c, [1,2,3,4,5,6,7,8,9].map(d, [1,2,3,4,5,6,7,8,9].map(e, [1,2,3,4,5,6,7,8,9].map(f, [1,2,3,4,5,6,7,8,9].map(g, a+b+c+d+e+f+g))))))).size() == 1 ? self : self"
	const long = "[1,2,3,4,5,6,7,8,9].map(a, [1,2,3,4,5,6,7,8,9].map(b, [1,2,3,4,5,6,7,8,9].map(c, [1,2,3,4,5,6,7,8,9].map(d, a+b+c+d)))).size() == 1 ? self : self"
	longer := from("v1", "v2", nil)
	for i := range 200 {
		longer.Rules = append(longer.Rules, move("spec.name", fmt.Sprint("any.x", i), long))
	}
	for name, c := range map[string]struct {
		conversion apisv1alpha1.APIVersionConversion
		says       string
	}{
		"one rule":   {from("v1", "v2", nil, move("spec.name", "spec.first", endless)), "cost"},
		"many rules": {longer, "converting one object costs too much"},
	} {
		t.Run(name, func(t *testing.T) {
			rules, err := Compile(conversion(c.conversion), people())
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			_, err = rules.Convert(t.Context(), "example.io/v2", []*unstructured.Unstructured{person(t, `{"apiVersion":"example.io/v1","kind":"Person","metadata":{"name":"ada"},"spec":{"name":"Ada"}}`)})
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v; expected an error that says %q", err, c.says)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// TestValues: everything that an expression can make, and what cannot be stored.
// TestSize: a list of small objects does not become one that fills the memory.
func TestSize(t *testing.T) {
	copies, nested := from("v1", "v2", nil), from("v1", "v2", nil)
	for i := range 200 {
		copies.Rules = append(copies.Rules, move("any.text", fmt.Sprint("any.x", i), ""))
		nested.Preserve = append(nested.Preserve, "any"+strings.Repeat(".a", i))
	}
	deep := fmt.Sprintf("%q", strings.Repeat("x", 10_000))
	for range 30 {
		deep = `{"a":` + deep + `}`
	}
	for name, c := range map[string]struct {
		conversion apisv1alpha1.APIVersionConversion
		any        string
		says       string
	}{
		"made by a rule": {from("v1", "v2", nil, move("any.text", "any.x", "[self,self,self,self,self,self,self,self].map(a, [a,a,a,a,a,a,a,a].join('')).join('')")),
			fmt.Sprintf(`{"text":%q}`, strings.Repeat("x", 10_000)), "any.x from any.text: it gets too large"},
		"copied":           {copies, fmt.Sprintf(`{"text":%q}`, strings.Repeat("x", 10_000)), "it gets too large"},
		"preserved":        {nested, deep, "preserve any"},
		"copied, a little": {copies, `{"text":"1234567890"}`, ""},
		"three times": {from("v1", "v2", []string{"any.text"}, move("any.text", "any.x", "self"), move("any.text", "any.y", "self")),
			fmt.Sprintf(`{"text":%q}`, strings.Repeat("x", 100_000)), ""},
	} {
		t.Run(name, func(t *testing.T) {
			rules, err := Compile(conversion(c.conversion), people())
			if err != nil {
				t.Fatal(err)
			}
			_, err = rules.Convert(t.Context(), "example.io/v2", []*unstructured.Unstructured{person(t, `{"apiVersion":"example.io/v1","kind":"Person","metadata":{"name":"ada"},"any":`+c.any+`}`)})
			if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v; expected %q", err, c.says)
			}
		})
	}
}

func TestValues(t *testing.T) {
	for expression, c := range map[string]struct {
		want any
		says string
	}{
		"1":                                 {int64(1), ""},
		"1u":                                {int64(1), ""},
		"1.5":                               {1.5, ""},
		"true":                              {true, ""},
		"b'a'":                              {"YQ==", ""},
		"null":                              {nil, ""},
		"[1,2]":                             {[]any{int64(1), int64(2)}, ""},
		"self":                              {map[string]any{"b": []any{"c"}}, ""},
		"self.b":                            {[]any{"c"}, ""},
		"{'a': [self]}":                     {map[string]any{"a": []any{map[string]any{"b": []any{"c"}}}}, ""},
		"duration('90s')":                   {"90s", ""},
		"timestamp('2026-01-01T00:00:00Z')": {"2026-01-01T00:00:00Z", ""},
		"optional.of(1)":                    {int64(1), ""},
		"optional.none()":                   {nil, ""},
		"{1: 'a'}":                          {nil, "the key 1 is no string"},
		"18446744073709551615u":             {nil, "too large"},
		"1.0/0.0":                           {nil, "no number that JSON has"},
		"quantity('1')":                     {nil, "cannot be in an object"},
		"type(1)":                           {nil, "cannot be in an object"},
	} {
		t.Run(expression, func(t *testing.T) {
			rules, err := Compile(conversion(from("v1", "v2", nil, move("any.a", "any.x", expression))), people())
			if err != nil {
				t.Fatal(err)
			}
			got, err := rules.Convert(t.Context(), "example.io/v2", []*unstructured.Unstructured{person(t, `{"apiVersion":"example.io/v1","kind":"Person","metadata":{"name":"ada"},"any":{"a":{"b":["c"]}}}`)})
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%v; expected an error that says %q", err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			value, _, _ := unstructured.NestedFieldNoCopy(got[0].Object, "any", "x")
			if diff := cmp.Diff(c.want, value); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestKeys(t *testing.T) {
	one, err := Compile(all(), people())
	if err != nil {
		t.Fatal(err)
	}
	same, _ := Compile(all(), people())
	other, _ := Compile(conversion(), people())
	if one.Key() != same.Key() || one.Key() == other.Key() || len(one.Key()) != 40 {
		t.Errorf("keys %q, %q, %q", one.Key(), same.Key(), other.Key())
	}
}
