package schemas

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// Collision is a name that somebody else has.
type Collision struct {
	// Field and Name are the wanted name and what it is wanted as: "plural".
	Field, Name string
	// As is what the owner has it as: "short name".
	As string
	// Claim is the owner's.
	Claim *Claim
}

// Collisions returns which of names are taken in group, each with the first claim
// that has it.
func Collisions(group string, names *apiextensionsv1.CustomResourceDefinitionNames, claims []Claim) []Collision {
	var found []Collision
	for _, want := range resourceFields(names) {
		found = appendCollision(found, group, want, claims, resourceFields)
	}
	for _, want := range kindFields(names) {
		found = appendCollision(found, group, want, claims, kindFields)
	}
	return found
}

func appendCollision(found []Collision, group string, want takenName, claims []Claim, fields func(*apiextensionsv1.CustomResourceDefinitionNames) []takenName) []Collision {
	if want.name == "" {
		return found
	}
	for i := range claims {
		if claims[i].Group != group {
			continue
		}
		for _, have := range fields(&claims[i].Names) {
			if have.name == want.name {
				return append(found, Collision{Field: want.field, Name: want.name, As: have.field, Claim: &claims[i]})
			}
		}
	}
	return found
}

// NewNames returns those of names that are not in held, under the same fields.
func NewNames(names, held *apiextensionsv1.CustomResourceDefinitionNames) *apiextensionsv1.CustomResourceDefinitionNames {
	resources, kinds := setOf(resourceFields(held)), setOf(kindFields(held))
	unless := func(known map[string]bool, name string) string {
		if known[name] {
			return ""
		}
		return name
	}
	fresh := &apiextensionsv1.CustomResourceDefinitionNames{
		Plural: unless(resources, names.Plural), Singular: unless(resources, names.Singular),
		Kind: unless(kinds, names.Kind), ListKind: unless(kinds, names.ListKind),
	}
	for _, short := range names.ShortNames {
		if !resources[short] {
			fresh.ShortNames = append(fresh.ShortNames, short)
		}
	}
	return fresh
}

func setOf(names []takenName) map[string]bool {
	set := map[string]bool{}
	for _, n := range names {
		set[n.name] = true
	}
	return set
}
