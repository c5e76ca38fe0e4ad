package admission

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authentication/user"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
)

func TestCheckSizes(t *testing.T) {
	of := func(name string, n int) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{name: make([]any, n)}}}
	}
	for name, c := range map[string]struct {
		resource schema.GroupResource
		old, new *unstructured.Unstructured
		says     string
	}{
		"claims":                      {exportsResource, nil, of("permissionClaims", maxClaims), ""},
		"too many claims":             {exportsResource, nil, of("permissionClaims", maxClaims+1), "spec.permissionClaims has 257 entries, and can have 256: divide them among several apiexports"},
		"resources":                   {exportsResource, nil, of("resources", maxResources), ""},
		"too many resources":          {exportsResource, nil, of("resources", maxResources+1), "spec.resources has 1025 entries, and can have 1024"},
		"too many answers":            {bindingsResource, nil, of("permissionClaims", 4000), "among several apibindings"},
		"as many as before":           {bindingsResource, of("permissionClaims", 4000), of("permissionClaims", 4000), ""},
		"still too many":              {bindingsResource, of("permissionClaims", 4000), of("permissionClaims", 300), ""},
		"even more":                   {bindingsResource, of("permissionClaims", 4000), of("permissionClaims", 4001), "4001"},
		"too much to roll out":        {rolloutsResource, nil, of("resources", maxRolledOut+1), "spec.resources has 65 entries, and can have 64: divide them among several schemarollouts"},
		"of another kind":             {schemasResource, nil, of("resources", 4000), ""},
		"something that is no object": {exportsResource, nil, &unstructured.Unstructured{Object: map[string]any{"spec": "x"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var old runtime.Object
			if c.old != nil {
				old = c.old
			}
			err := checkSizes(admission.NewAttributesRecord(c.new, old, schema.GroupVersionKind{}, "", "x",
				c.resource.WithVersion(apisv1alpha2.SchemeGroupVersion.Version), "", admission.Create, nil, false, &user.DefaultInfo{}))
			if (err == nil) != (c.says == "") || err != nil && !strings.Contains(fmt.Sprint(err), c.says) {
				t.Errorf("%v; expected %q", err, c.says)
			}
		})
	}
}
