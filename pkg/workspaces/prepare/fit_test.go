package prepare

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

func TestFits(t *testing.T) {
	circle := map[tenancyv1alpha1.WorkspaceTypeName]tenancyv1alpha1.WorkspaceTypeSpec{
		"one":   {Extend: extending(rootType("two"))},
		"two":   {Extend: extending(rootType("one"))},
		"squad": {Extend: extending(rootType("team"))},
		"leaf":  {LimitAllowedChildren: &tenancyv1alpha1.WorkspaceTypeSelector{None: true}},
	}
	lookup := withBuiltins(func(_ logicalcluster.Path, name tenancyv1alpha1.WorkspaceTypeName) (*tenancyv1alpha1.WorkspaceType, bool) {
		spec, ok := circle[name]
		return &tenancyv1alpha1.WorkspaceType{ObjectMeta: metav1.ObjectMeta{Name: string(name)}, Spec: spec}, ok
	})
	for name, tc := range map[string]struct {
		parent, child tenancyv1alpha1.WorkspaceTypeName
		err           string
	}{
		"organization in root":         {"root", "organization", ""},
		"universal in root":            {"root", "universal", ""},
		"universal in organization":    {"organization", "universal", ""},
		"team in organization":         {"organization", "team", ""},
		"team in team":                 {"team", "team", ""},
		"what extends team, in a team": {"team", "squad", ""},
		"team in what extends team":    {"squad", "team", ""},
		"types in a circle":            {"one", "two", ""},
		"unknown parent":               {"nobody", "universal", ""},
		"organization in universal":    {"universal", "organization", `its parent has to be of one of the types [root:root]`},
		"team in universal":            {"universal", "team", `its parent has to be of one of the types [root:organization root:team], or of a type that extends one of them`},
		"what extends team, in root":   {"root", "squad", `its parent has to be of one of the types [root:organization root:team]`},
		"organization in organization": {"organization", "organization", `its parent has to be`},
		"another root":                 {"root", "root", "nothing is allowed as its parent"},
		"below a leaf":                 {"leaf", "universal", "nothing is allowed as a workspace there"},
	} {
		t.Run(name, func(t *testing.T) {
			err := fits(rootType(tc.parent), rootType(tc.child), lookup)
			if tc.err == "" && err != nil {
				t.Fatal(err)
			}
			if tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)) {
				t.Fatalf("error %v, want %q", err, tc.err)
			}
		})
	}
}
