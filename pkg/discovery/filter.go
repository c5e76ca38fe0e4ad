package discovery

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/kube-openapi/pkg/aggregator"
	"k8s.io/kube-openapi/pkg/spec3"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// resourceOfPath returns the resource that a path of an OpenAPI document is
// about: of "/apis/apps/v1/namespaces/{namespace}/deployments/{name}" it is
// deployments.apps. Paths of groups and versions are about none.
func resourceOfPath(path string) (schema.GroupResource, bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	var group string
	switch {
	case len(parts) > 2 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		group, parts = parts[1], parts[3:]
	default:
		return schema.GroupResource{}, false
	}
	if parts[0] == "watch" {
		parts = parts[1:]
	}
	if len(parts) > 2 && parts[0] == "namespaces" && parts[1] == "{namespace}" {
		parts = parts[2:]
	}
	if len(parts) == 0 {
		return schema.GroupResource{}, false
	}
	return schema.GroupResource{Group: group, Resource: parts[0]}, true
}

// hides returns a test for the paths whose resource shows is false for.
func hides(shows func(schema.GroupResource) bool) func(path string) bool {
	return func(path string) bool {
		gr, ok := resourceOfPath(path)
		return ok && !shows(gr)
	}
}

// withoutV2 returns swagger without the hidden paths and without definitions
// that only they use. swagger is not changed.
func withoutV2(swagger *spec.Swagger, hidden func(path string) bool) *spec.Swagger {
	if swagger.Paths == nil {
		return swagger
	}
	// The upstream filter keeps paths by prefix, and drops the definitions
	// that only the others refer to: so rename what is to go.
	marked := *swagger
	marked.Paths = &spec.Paths{VendorExtensible: swagger.Paths.VendorExtensible, Paths: map[string]spec.PathItem{}}
	for path, item := range swagger.Paths.Paths {
		if hidden(path) {
			path = "hidden:" + path
		}
		marked.Paths.Paths[path] = item
	}
	return aggregator.FilterSpecByPathsWithoutSideEffects(&marked, []string{"/"})
}

// withoutV3 is withoutV2 for OpenAPI v3.
func withoutV3(document *spec3.OpenAPI, hidden func(path string) bool) *spec3.OpenAPI {
	if document.Paths == nil || document.Components == nil {
		return document
	}
	paths := map[string]*spec3.Path{}
	reached := reach{schemas: document.Components.Schemas, seen: map[string]bool{}}
	for path, item := range document.Paths.Paths {
		if !hidden(path) {
			paths[path] = item
			reached.path(item)
		}
	}
	if len(paths) == len(document.Paths.Paths) {
		return document
	}
	out := *document
	out.Paths = &spec3.Paths{Paths: paths, VendorExtensible: document.Paths.VendorExtensible}
	components := *document.Components
	components.Schemas = map[string]*spec.Schema{}
	for name, s := range document.Components.Schemas {
		if reached.seen[name] {
			components.Schemas[name] = s
		}
	}
	out.Components = &components
	return &out
}

// reach collects the names of the schemas that are referred to, directly or
// through others.
type reach struct {
	schemas map[string]*spec.Schema
	seen    map[string]bool
}

func (r reach) path(item *spec3.Path) {
	for _, operation := range []*spec3.Operation{item.Get, item.Put, item.Post, item.Delete, item.Options, item.Head, item.Patch, item.Trace} {
		if operation == nil {
			continue
		}
		r.parameters(operation.Parameters)
		if operation.RequestBody != nil {
			r.content(operation.RequestBody.Content)
		}
		if operation.Responses == nil {
			continue
		}
		for _, response := range operation.Responses.StatusCodeResponses {
			r.content(response.Content)
		}
		if operation.Responses.Default != nil {
			r.content(operation.Responses.Default.Content)
		}
	}
	r.parameters(item.Parameters)
}

func (r reach) parameters(parameters []*spec3.Parameter) {
	for _, parameter := range parameters {
		r.schema(parameter.Schema)
		r.content(parameter.Content)
	}
}

func (r reach) content(content map[string]*spec3.MediaType) {
	for _, media := range content {
		r.schema(media.Schema)
	}
}

func (r reach) schema(s *spec.Schema) {
	if s == nil {
		return
	}
	if name, ok := strings.CutPrefix(s.Ref.String(), "#/components/schemas/"); ok && !r.seen[name] {
		r.seen[name] = true
		r.schema(r.schemas[name])
	}
	for _, children := range []map[string]spec.Schema{s.Properties, s.PatternProperties} {
		for _, child := range children {
			r.schema(&child)
		}
	}
	for _, children := range [][]spec.Schema{s.AllOf, s.AnyOf, s.OneOf} {
		for i := range children {
			r.schema(&children[i])
		}
	}
	r.schema(s.Not)
	if s.Items != nil {
		r.schema(s.Items.Schema)
	}
	if s.AdditionalProperties != nil {
		r.schema(s.AdditionalProperties.Schema)
	}
}

const kindsExtension = "x-kubernetes-group-version-kind"

// keepOwnKinds shortens the lists of kinds on DeleteOptions and WatchEvent,
// which are registered in every group, to the document's own group and core.
// document is changed.
func keepOwnKinds(document *spec3.OpenAPI, gv schema.GroupVersion) {
	if document.Components == nil {
		return
	}
	for _, s := range document.Components.Schemas {
		kinds, ok := s.Extensions[kindsExtension].([]any)
		if !ok || len(kinds) < 2 || !registeredEverywhere(kinds[0]) {
			continue
		}
		own := slices.DeleteFunc(slices.Clone(kinds), func(kind any) bool {
			k := groupVersionOfKind(kind)
			return k != gv && k != schema.GroupVersion{Version: "v1"}
		})
		if len(own) > 0 {
			s.Extensions[kindsExtension] = own
		}
	}
}

func registeredEverywhere(kind any) bool {
	fields, _ := kind.(map[string]any)
	return fields["kind"] == "WatchEvent" || fields["kind"] == "DeleteOptions"
}

func groupVersionOfKind(kind any) schema.GroupVersion {
	fields, _ := kind.(map[string]any)
	group, _ := fields["group"].(string)
	version, _ := fields["version"].(string)
	return schema.GroupVersion{Group: group, Version: version}
}
