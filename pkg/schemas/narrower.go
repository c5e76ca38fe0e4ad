package schemas

import (
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/sets"
)

// values compares which values a field may have.
func (n *narrowing) values(path string, old, new *apiextensionsv1.JSONSchemaProps) {
	if old.Nullable && !new.Nullable {
		n.say(path, "it could be null and cannot any more")
	}
	if new.Format != "" && new.Format != old.Format {
		n.say(path, "its format was %q and is %q", old.Format, new.Format)
	}
	if new.Pattern != "" && new.Pattern != old.Pattern {
		n.say(path, "its pattern was %q and is %q", old.Pattern, new.Pattern)
	}
	if gone := missing(old.Enum, new.Enum); len(new.Enum) > 0 && (len(old.Enum) == 0 || len(gone) > 0) {
		n.say(path, "values are no longer allowed: %s", list(gone, "all but those listed"))
	}
}

func list(values []string, none string) string {
	if len(values) == 0 {
		return none
	}
	return strings.Join(values, ", ")
}

func missing(old, new []apiextensionsv1.JSON) []string {
	now := sets.New[string]()
	for _, value := range new {
		now.Insert(string(value.Raw))
	}
	var gone []string
	for _, value := range old {
		if !now.Has(string(value.Raw)) {
			gone = append(gone, string(value.Raw))
		}
	}
	return gone
}

// bounds compares limits of numbers, lengths and counts.
func (n *narrowing) bounds(path string, old, new *apiextensionsv1.JSONSchemaProps) {
	for _, most := range []struct {
		name     string
		old, new *int64
	}{
		{"maxLength", old.MaxLength, new.MaxLength}, {"maxItems", old.MaxItems, new.MaxItems}, {"maxProperties", old.MaxProperties, new.MaxProperties},
	} {
		if most.new != nil && (most.old == nil || *most.new < *most.old) {
			n.say(path, "%s became smaller: %d", most.name, *most.new)
		}
	}
	for _, least := range []struct {
		name     string
		old, new *int64
	}{
		{"minLength", old.MinLength, new.MinLength}, {"minItems", old.MinItems, new.MinItems}, {"minProperties", old.MinProperties, new.MinProperties},
	} {
		if least.new != nil && *least.new > 0 && (least.old == nil || *least.new > *least.old) {
			n.say(path, "%s became larger: %d", least.name, *least.new)
		}
	}
	n.numbers(path, old, new)
}

func (n *narrowing) numbers(path string, old, new *apiextensionsv1.JSONSchemaProps) {
	if new.Maximum != nil && (old.Maximum == nil || *new.Maximum < *old.Maximum || *new.Maximum == *old.Maximum && new.ExclusiveMaximum && !old.ExclusiveMaximum) {
		n.say(path, "maximum became smaller: %v", *new.Maximum)
	}
	if new.Minimum != nil && (old.Minimum == nil || *new.Minimum > *old.Minimum || *new.Minimum == *old.Minimum && new.ExclusiveMinimum && !old.ExclusiveMinimum) {
		n.say(path, "minimum became larger: %v", *new.Minimum)
	}
	if new.MultipleOf != nil && (old.MultipleOf == nil || *new.MultipleOf != *old.MultipleOf) {
		n.say(path, "it has to be a multiple of %v now", *new.MultipleOf)
	}
	if new.UniqueItems && !old.UniqueItems {
		n.say(path, "its items have to be unique now")
	}
}

// rules compares what cannot be compared but for equality: CEL rules, and
// conditions made of other schemas. Fewer are fine.
func (n *narrowing) rules(path string, old, new *apiextensionsv1.JSONSchemaProps) {
	for _, rule := range new.XValidations {
		if !slices.ContainsFunc(old.XValidations, func(o apiextensionsv1.ValidationRule) bool { return o.Rule == rule.Rule }) {
			n.say(path, "a rule was added or changed: %s", rule.Rule)
		}
	}
	for _, part := range []struct {
		name     string
		old, new any
		none     bool
	}{
		{"allOf", old.AllOf, new.AllOf, len(new.AllOf) == 0}, {"anyOf", old.AnyOf, new.AnyOf, len(new.AnyOf) == 0},
		{"oneOf", old.OneOf, new.OneOf, len(new.OneOf) == 0}, {"not", old.Not, new.Not, new.Not == nil},
	} {
		if !part.none && !equality.Semantic.DeepEqual(part.old, part.new) {
			n.say(path, "its condition %s was changed", part.name)
		}
	}
}

// lists compares arrays: the items, and how appliers share them.
func (n *narrowing) lists(path string, old, new *apiextensionsv1.JSONSchemaProps) {
	if orAtomic(old.XListType) != orAtomic(new.XListType) || !slices.Equal(old.XListMapKeys, new.XListMapKeys) {
		n.say(path, "how its items are told apart was changed (x-kubernetes-list-type)")
	}
	if old.XMapType != nil && !equality.Semantic.DeepEqual(old.XMapType, new.XMapType) {
		n.say(path, "how its fields are owned was changed (x-kubernetes-map-type)")
	}
	if old.Items != nil && old.Items.Schema != nil && new.Items != nil && new.Items.Schema != nil {
		n.compare(path+"[]", old.Items.Schema, new.Items.Schema)
	}
}

// orAtomic is how a list is merged that does not say it.
func orAtomic(listType *string) string {
	if listType == nil {
		return "atomic"
	}
	return *listType
}

// fields compares objects: which fields there are, and which there must be.
func (n *narrowing) fields(path string, old, new *apiextensionsv1.JSONSchemaProps) {
	keeps := new.XPreserveUnknownFields != nil && *new.XPreserveUnknownFields
	if old.XPreserveUnknownFields != nil && *old.XPreserveUnknownFields && !keeps {
		n.say(path, "fields without a schema were kept and would be dropped")
	}
	for _, name := range sets.List(sets.KeySet(old.Properties)) {
		was, is := old.Properties[name], new.Properties[name]
		_, still := new.Properties[name]
		switch {
		case still:
			n.compare(path+"."+name, &was, &is)
		case !keeps && !anyField(new):
			n.say(path+"."+name, "the field was removed: its values would be dropped")
		}
	}
	for _, name := range new.Required {
		if field := new.Properties[name]; !slices.Contains(old.Required, name) && field.Default == nil {
			n.say(path+"."+name, "the field became required, and has no default")
		}
	}
	n.extra(path, old, new, keeps)
}

func anyField(schema *apiextensionsv1.JSONSchemaProps) bool {
	return schema.AdditionalProperties != nil && (schema.AdditionalProperties.Allows || schema.AdditionalProperties.Schema != nil)
}

// extra compares maps.
func (n *narrowing) extra(path string, old, new *apiextensionsv1.JSONSchemaProps, keeps bool) {
	if !anyField(old) {
		return
	}
	was, is := old.AdditionalProperties.Schema, (*apiextensionsv1.JSONSchemaProps)(nil)
	if new.AdditionalProperties != nil {
		is = new.AdditionalProperties.Schema
	}
	switch {
	case !anyField(new) && !keeps:
		n.say(path, "it was a map with any keys, which would be dropped")
	case was != nil && is != nil:
		n.compare(path+"{}", was, is)
	case was == nil && is != nil:
		n.say(path, "the values of the map could be anything and cannot any more")
	}
}
