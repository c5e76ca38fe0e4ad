package schemas

import (
	"cmp"
	"fmt"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// Concern says whom an incompatible change would hurt.
type Concern string

const (
	// ConcernStored is for objects: stored ones could not be read, would lose
	// fields or would be invalid. Where none are stored there is no harm.
	ConcernStored Concern = "Stored"
	// ConcernClients is for programs: they would not find the resource, or not as
	// they know it, whether or not something is stored.
	ConcernClients Concern = "Clients"
)

// Incompatibility is one reason not to replace a definition by another.
type Incompatibility struct {
	Concern Concern
	// Version is the version it is about; empty for the resource as a whole.
	Version string
	// Path is the field, such as ".spec.size"; empty for the version as a whole.
	Path string
	// Message says what is wrong, without version and path.
	Message string
	// Unreadable says that stored objects could not be read at all, so that it is
	// nothing that anybody could accept.
	Unreadable bool
}

// String is for conditions: "v1 .spec.size: its type was string and is integer".
func (i Incompatibility) String() string {
	where := i.Version
	if i.Path != "" {
		where += " " + i.Path
	}
	if where == "" {
		return i.Message
	}
	return where + ": " + i.Message
}

// Incompatibilities returns why objects and clients that know the definition old
// could not go on with the definition new; nothing when they can. stored are the
// versions in which objects may be stored. The order is stable.
//
// The rule is that nothing gets narrower: every object that was valid in a version
// still is, and keeps all its fields (compare the rules for changing an API in
// Kubernetes, contributors/devel/sig-architecture/api_changes.md).
func Incompatibilities(old, new *apiextensionsv1.CustomResourceDefinition, stored []string) []Incompatibility {
	found := resourceChanges(old, new)
	after := map[string]*apiextensionsv1.CustomResourceDefinitionVersion{}
	for i := range new.Spec.Versions {
		after[new.Spec.Versions[i].Name] = &new.Spec.Versions[i]
	}
	for _, name := range slices.Sorted(slices.Values(stored)) {
		if after[name] == nil {
			found = append(found, Incompatibility{
				Concern: ConcernStored, Version: name, Unreadable: true,
				Message: "objects may be stored in this version, which the new schema does not have: keep it, with served: false",
			})
		}
	}
	for i := range old.Spec.Versions {
		found = append(found, versionChanges(&old.Spec.Versions[i], after[old.Spec.Versions[i].Name])...)
	}
	return found
}

func resourceChanges(old, new *apiextensionsv1.CustomResourceDefinition) []Incompatibility {
	var found []Incompatibility
	changed := func(concern Concern, what, was, is string) {
		if was != is {
			found = append(found, Incompatibility{
				Concern: concern, Message: fmt.Sprintf("the %s was %q and is %q", what, was, is), Unreadable: concern == ConcernStored,
			})
		}
	}
	changed(ConcernClients, "group", old.Spec.Group, new.Spec.Group)
	changed(ConcernClients, "plural name", old.Spec.Names.Plural, new.Spec.Names.Plural)
	changed(ConcernClients, "kind", old.Spec.Names.Kind, new.Spec.Names.Kind)
	changed(ConcernStored, "scope", string(old.Spec.Scope), string(new.Spec.Scope))
	return found
}

func versionChanges(old, new *apiextensionsv1.CustomResourceDefinitionVersion) []Incompatibility {
	if old.Served && (new == nil || !new.Served) {
		return []Incompatibility{{Concern: ConcernClients, Version: old.Name, Message: "this version was served and is not any more"}}
	}
	if new == nil {
		return nil
	}
	found := subresourceChanges(old, new)
	narrowing := narrowing{version: old.Name}
	narrowing.compare("", schemaOf(old), schemaOf(new))
	return append(found, narrowing.found...)
}

func subresourceChanges(old, new *apiextensionsv1.CustomResourceDefinitionVersion) []Incompatibility {
	var found []Incompatibility
	had, has := subresources(old), subresources(new)
	say := func(message string) {
		found = append(found, Incompatibility{Concern: ConcernClients, Version: old.Name, Message: message})
	}
	for _, name := range []string{"status", "scale"} {
		switch {
		case had[name] && !has[name]:
			say("it had the subresource " + name + " and has it no more")
		case !had[name] && has[name] && name == "status":
			say("it gets the subresource status: writers of the whole object would no longer write .status")
		}
	}
	return found
}

func subresources(version *apiextensionsv1.CustomResourceDefinitionVersion) map[string]bool {
	if version.Subresources == nil {
		return nil
	}
	return map[string]bool{"status": version.Subresources.Status != nil, "scale": version.Subresources.Scale != nil}
}

func schemaOf(version *apiextensionsv1.CustomResourceDefinitionVersion) *apiextensionsv1.JSONSchemaProps {
	if version.Schema == nil || version.Schema.OpenAPIV3Schema == nil {
		return &apiextensionsv1.JSONSchemaProps{}
	}
	return version.Schema.OpenAPIV3Schema
}

// narrowing collects what is allowed by one schema and not by another.
type narrowing struct {
	version string
	found   []Incompatibility
}

func (n *narrowing) say(path, format string, args ...any) {
	n.found = append(n.found, Incompatibility{Concern: ConcernStored, Version: n.version, Path: cmp.Or(path, "."), Message: fmt.Sprintf(format, args...)})
}

func (n *narrowing) compare(path string, old, new *apiextensionsv1.JSONSchemaProps) {
	if old.Type != new.Type || old.XIntOrString != new.XIntOrString {
		n.say(path, "its type was %s and is %s", typeOf(old), typeOf(new))
		return // what is below cannot be compared
	}
	n.values(path, old, new)
	n.bounds(path, old, new)
	n.rules(path, old, new)
	n.lists(path, old, new)
	n.fields(path, old, new)
}

func typeOf(schema *apiextensionsv1.JSONSchemaProps) string {
	if schema.XIntOrString {
		return "integer or string"
	}
	return cmp.Or(schema.Type, "any")
}
