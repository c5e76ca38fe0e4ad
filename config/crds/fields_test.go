package crds

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// fieldTable prints what a client can see of a CRD, a line per field:
//
//	<path>: <type> <constraint>; <constraint>…
//
// "!" marks required fields, "[]" the items of a list, "{}" the values of a
// map, CEL[…] a rule.
func fieldTable(crd *apiextensionsv1.CustomResourceDefinition) string {
	b := &strings.Builder{}
	names := crd.Spec.Names
	fmt.Fprintf(b, "%s (%s) %s scope=%s short=%v categories=%v\n",
		names.Kind, crd.Spec.Group, names.Plural, crd.Spec.Scope, names.ShortNames, names.Categories)
	for _, version := range crd.Spec.Versions {
		fmt.Fprintf(b, "version %s served=%v storage=%v status=%v\n",
			version.Name, version.Served, version.Storage, version.Subresources != nil && version.Subresources.Status != nil)
		for _, c := range version.AdditionalPrinterColumns {
			fmt.Fprintf(b, "column %q %s %s\n", c.Name, c.Type, c.JSONPath)
		}
		schema := version.Schema.OpenAPIV3Schema
		for _, rule := range schema.XValidations {
			fmt.Fprintf(b, "CEL[%s]\n", rule.Rule)
		}
		for _, field := range []string{"spec", "status"} {
			printField(b, field, schema.Properties[field])
		}
	}
	return b.String()
}

func printField(b *strings.Builder, path string, s apiextensionsv1.JSONSchemaProps) {
	line := path + ": " + s.Type
	if cs := constraints(s); len(cs) > 0 {
		line += " " + strings.Join(cs, "; ")
	}
	b.WriteString(line + "\n")
	if s.Items != nil {
		printField(b, path+"[]", *s.Items.Schema)
	}
	if s.AdditionalProperties != nil {
		printField(b, path+"{}", *s.AdditionalProperties.Schema)
	}
	if strings.HasSuffix(path, "conditions[]") && !strings.Contains(path, "spec") {
		// The same fields everywhere: see the conditions package.
		return
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		child := path + "." + name
		if slices.Contains(s.Required, name) {
			child += "!"
		}
		printField(b, child, s.Properties[name])
	}
}

func constraints(s apiextensionsv1.JSONSchemaProps) []string {
	var cs []string
	add := func(format string, args ...any) { cs = append(cs, fmt.Sprintf(format, args...)) }
	if len(s.Enum) > 0 {
		values := make([]string, len(s.Enum))
		for i, v := range s.Enum {
			values[i] = string(v.Raw)
		}
		add("enum=%s", strings.Join(values, ","))
	}
	if s.Format != "" {
		add("format=%s", s.Format)
	}
	if s.Pattern != "" {
		add("pattern=%s", s.Pattern)
	}
	if s.Default != nil {
		add("default=%s", s.Default.Raw)
	}
	if s.MinLength != nil {
		add("minLength=%d", *s.MinLength)
	}
	if s.MaxLength != nil {
		add("maxLength=%d", *s.MaxLength)
	}
	if s.MinItems != nil {
		add("minItems=%d", *s.MinItems)
	}
	if s.XIntOrString {
		add("int-or-string")
	}
	if s.XListType != nil {
		add("list-type=%s", *s.XListType)
	}
	if len(s.XListMapKeys) > 0 {
		add("list-map-keys=%v", s.XListMapKeys)
	}
	for _, rule := range s.XValidations {
		add("CEL[%s]", rule.Rule)
	}
	return cs
}
