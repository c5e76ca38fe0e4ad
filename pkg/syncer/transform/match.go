package transform

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Match is how an object found in the child relates to the copy wanted there.
type Match int

const (
	// Foreign: the object was not made by this target.
	Foreign Match = iota
	// Stale: it is the copy of an earlier hub object of the same name.
	Stale
	// Differs: the copy has to be written.
	Differs
	// Equal: the copy is as wanted.
	Equal
)

// Compare tells how have, found in the child, relates to want, made by Down.
// Fields of have that want does not mention belong to others.
func (t Target) Compare(want, have *unstructured.Unstructured) Match {
	if !Mine(have, t.Key()) {
		return Foreign
	}
	wantSource, _ := SourceOf(want)
	haveSource, known := SourceOf(have)
	switch {
	case known && haveSource.UID != wantSource.UID:
		return Stale
	case haveSource != wantSource:
		return Differs
	case !carries(want, have):
		return Differs
	default:
		return Equal
	}
}

func carries(want, have *unstructured.Unstructured) bool {
	for field, value := range want.Object {
		if field != "metadata" && field != "apiVersion" && field != "kind" && !contains(have.Object[field], value) {
			return false
		}
	}
	return containsStrings(have.GetLabels(), want.GetLabels()) &&
		containsStrings(have.GetAnnotations(), want.GetAnnotations())
}

func containsStrings(have, want map[string]string) bool {
	for name, value := range want {
		if got, ok := have[name]; !ok || got != value {
			return false
		}
	}
	return true
}

// contains reports whether have says all that want says. A false alarm costs one
// server-side apply that changes nothing.
func contains(have, want any) bool {
	switch want := want.(type) {
	case nil:
		return true
	case map[string]any:
		have, ok := have.(map[string]any)
		return ok && containsMap(have, want)
	case []any:
		have, ok := have.([]any)
		return ok && containsList(have, want)
	default:
		return have == want
	}
}

func containsMap(have, want map[string]any) bool {
	for field, value := range want {
		got, ok := have[field]
		if !ok && value != nil {
			return false
		}
		if !contains(got, value) {
			return false
		}
	}
	return true
}

// containsList compares lists of named things by name, because others may have
// added to them, and all other lists place by place.
func containsList(have, want []any) bool {
	if byName := named(have); byName != nil && named(want) != nil {
		for _, value := range want {
			got, ok := byName[nameOf(value)]
			if !ok || !contains(got, value) {
				return false
			}
		}
		return true
	}
	if len(have) != len(want) {
		return false
	}
	for i := range want {
		if !contains(have[i], want[i]) {
			return false
		}
	}
	return true
}

// named indexes a list by name, and returns nil when something has no name or
// two have the same.
func named(list []any) map[string]any {
	out := make(map[string]any, len(list))
	for _, value := range list {
		name := nameOf(value)
		if name == "" || out[name] != nil {
			return nil
		}
		out[name] = value
	}
	return out
}

func nameOf(value any) string {
	object, _ := value.(map[string]any)
	name, _ := object["name"].(string)
	return name
}
