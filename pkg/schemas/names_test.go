package schemas

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

func TestAccept(t *testing.T) {
	type names = apiextensionsv1.CustomResourceDefinitionNames
	want := names{Plural: "gadgets", Singular: "gadget", Kind: "Gadget", ListKind: "GadgetList", ShortNames: []string{"gd"}, Categories: []string{"all"}}
	other := func(n names) Claim {
		crd := define("others", "other", "Other")
		crd.Status.AcceptedNames = n
		return ClaimOf(crd)
	}
	system := Claim{Owner: `the hub's own API "gadgets.example.io"`, Group: "example.io", Names: names{Plural: "gadgets"}, Precedes: true}

	for name, tc := range map[string]struct {
		have    names
		claims  []Claim
		want    names
		reason  string
		message string
	}{
		"alone":          {want: want, reason: "NoConflicts", message: "no conflicts found"},
		"other names":    {claims: []Claim{other(names{Plural: "others", Kind: "Other"})}, want: want, reason: "NoConflicts", message: "no conflicts found"},
		"other group":    {claims: []Claim{{Group: "elsewhere.io", Names: want}}, want: want, reason: "NoConflicts", message: "no conflicts found"},
		"held by itself": {have: want, claims: []Claim{other(names{Kind: "Gadget"})}, want: want, reason: "NoConflicts", message: "no conflicts found"},
		"kind taken": {
			claims: []Claim{other(names{Plural: "others", Kind: "Gadget"})},
			want:   names{Plural: "gadgets", Singular: "gadget", ListKind: "GadgetList", ShortNames: []string{"gd"}, Categories: []string{"all"}},
			reason: "KindConflict",
			message: `kind "Gadget" is already in use in group "example.io" as the kind of CustomResourceDefinition "others.example.io": ` +
				`choose another kind, or delete CustomResourceDefinition "others.example.io" if it is not needed`,
		},
		"kind taken by a list": {
			claims: []Claim{other(names{ListKind: "Gadget"})},
			want:   names{Plural: "gadgets", Singular: "gadget", ListKind: "GadgetList", ShortNames: []string{"gd"}, Categories: []string{"all"}},
			reason: "KindConflict",
			message: `kind "Gadget" is already in use in group "example.io" as the listKind of CustomResourceDefinition "others.example.io": ` +
				`choose another kind, or delete CustomResourceDefinition "others.example.io" if it is not needed`,
		},
		"list kind taken": {
			claims: []Claim{other(names{ListKind: "GadgetList"})},
			want:   names{Plural: "gadgets", Singular: "gadget", Kind: "Gadget", ShortNames: []string{"gd"}, Categories: []string{"all"}},
			reason: "ListKindConflict",
			message: `listKind "GadgetList" is already in use in group "example.io" as the listKind of CustomResourceDefinition "others.example.io": ` +
				`choose another listKind, or delete CustomResourceDefinition "others.example.io" if it is not needed`,
		},
		"singular taken by a short name": {
			claims: []Claim{other(names{ShortNames: []string{"gadget"}})},
			want:   names{Plural: "gadgets", Kind: "Gadget", ListKind: "GadgetList", ShortNames: []string{"gd"}, Categories: []string{"all"}},
			reason: "SingularConflict",
			message: `singular "gadget" is already in use in group "example.io" as the short name of CustomResourceDefinition "others.example.io": ` +
				`choose another singular, or delete CustomResourceDefinition "others.example.io" if it is not needed`,
		},
		"short name taken, old ones stay": {
			have:   names{Plural: "gadgets", Singular: "gadget", Kind: "Gadget", ListKind: "GadgetList", ShortNames: []string{"g"}},
			claims: []Claim{other(names{ShortNames: []string{"gd"}})},
			want:   names{Plural: "gadgets", Singular: "gadget", Kind: "Gadget", ListKind: "GadgetList", ShortNames: []string{"g"}, Categories: []string{"all"}},
			reason: "ShortNamesConflict",
			message: `short name "gd" is already in use in group "example.io" as the short name of CustomResourceDefinition "others.example.io": ` +
				`choose another short name, or delete CustomResourceDefinition "others.example.io" if it is not needed`,
		},
		"system API, even against names held": {
			have: want, claims: []Claim{system}, want: want, reason: "PluralConflict",
			message: `plural "gadgets" in group "example.io" belongs to the hub's own API "gadgets.example.io", which is served instead: choose another group or plural`,
		},
		"two conflicts": {
			claims: []Claim{other(names{Plural: "gadget", Kind: "Gadget"})},
			want:   names{Plural: "gadgets", ListKind: "GadgetList", ShortNames: []string{"gd"}, Categories: []string{"all"}},
			reason: "SingularConflict",
			message: `singular "gadget" is already in use in group "example.io" as the plural of CustomResourceDefinition "others.example.io": ` +
				`choose another singular, or delete CustomResourceDefinition "others.example.io" if it is not needed; ` +
				`kind "Gadget" is already in use in group "example.io" as the kind of CustomResourceDefinition "others.example.io": ` +
				`choose another kind, or delete CustomResourceDefinition "others.example.io" if it is not needed`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			crd := gadgets(func(c *apiextensionsv1.CustomResourceDefinition) {
				c.Spec.Names = want
				c.Status.AcceptedNames = tc.have
			})
			got, condition := Accept(crd, tc.claims)
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{tc.reason, tc.message}, []string{condition.Reason, condition.Message}); diff != "" {
				t.Errorf("condition (-want +got):\n%s", diff)
			}
			if wantTrue := tc.reason == "NoConflicts"; (condition.Status == apiextensionsv1.ConditionTrue) != wantTrue {
				t.Errorf("condition status %s", condition.Status)
			}
		})
	}
}

func TestClaimsAround(t *testing.T) {
	self, sibling := accepted(gadgets()), accepted(define("widgets", "widget", "Widget"))
	stranger := accepted(define("widgets", "widget", "Widget", func(c *apiextensionsv1.CustomResourceDefinition) {
		c.Name, c.Spec.Group = "widgets.elsewhere.io", "elsewhere.io"
	}))
	claims := ClaimsAround(self, []*apiextensionsv1.CustomResourceDefinition{self, sibling, stranger})
	if len(claims) != 1 || claims[0].Names.Plural != "widgets" {
		t.Errorf("claims %+v, want those of the other definition in the group", claims)
	}
}
