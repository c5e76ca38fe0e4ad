package prepare

import (
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

func TestTypeName(t *testing.T) {
	for name, tc := range map[string]struct {
		name string
		home logicalcluster.Name
		spec tenancyv1alpha1.WorkspaceTypeSpec
		err  string
	}{
		"plain":                         {name: "lab", home: "o1"},
		"root in root":                  {name: "root", home: "root"},
		"root elsewhere":                {name: "root", home: "o1", err: "only be made in the root workspace"},
		"a dot":                         {name: "lab.example", home: "o1", err: "1 to 63 characters"},
		"a digit first":                 {name: "1lab", home: "o1", err: "begins with a letter"},
		"a dash last":                   {name: "lab-", home: "o1", err: "does not end"},
		"too long":                      {name: strings.Repeat("a", 64), home: "o1", err: "1 to 63"},
		"one letter":                    {name: "a", home: "o1"},
		"one letter and an initializer": {name: "a", home: "o1", spec: tenancyv1alpha1.WorkspaceTypeSpec{Initializer: true}, err: "two characters"},
	} {
		t.Run(name, func(t *testing.T) {
			expectError(t, TypeName(&tenancyv1alpha1.WorkspaceType{ObjectMeta: metav1.ObjectMeta{Name: tc.name}, Spec: tc.spec}, tc.home), tc.err)
		})
	}
}

func TestTypeSpec(t *testing.T) {
	read := rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get"}}
	with := func(edit func(*rbacv1.PolicyRule)) tenancyv1alpha1.WorkspaceTypeSpec {
		rule := read
		edit(&rule)
		return tenancyv1alpha1.WorkspaceTypeSpec{Initializer: true, InitializerPermissions: []rbacv1.PolicyRule{read, rule}}
	}
	labels := func(key, value string) tenancyv1alpha1.WorkspaceTypeSpec {
		return tenancyv1alpha1.WorkspaceTypeSpec{AdditionalWorkspaceLabels: map[string]string{key: value}}
	}
	for name, tc := range map[string]struct {
		spec tenancyv1alpha1.WorkspaceTypeSpec
		err  string
	}{
		"nothing":           {},
		"all of it":         {spec: tenancyv1alpha1.WorkspaceTypeSpec{LimitAllowedChildren: &tenancyv1alpha1.WorkspaceTypeSelector{None: true}, LimitAllowedParents: anyOf(rootType("team")), Terminator: true, TerminatorPermissions: []rbacv1.PolicyRule{read}}},
		"an empty limit":    {tenancyv1alpha1.WorkspaceTypeSpec{LimitAllowedChildren: &tenancyv1alpha1.WorkspaceTypeSelector{}}, "spec.limitAllowedChildren says nothing"},
		"none and some":     {tenancyv1alpha1.WorkspaceTypeSpec{LimitAllowedParents: &tenancyv1alpha1.WorkspaceTypeSelector{None: true, Types: anyOf(rootType("team")).Types}}, "exclude each other"},
		"a limit somewhere": {tenancyv1alpha1.WorkspaceTypeSpec{LimitAllowedParents: anyOf(reference("", "team"))}, "spec.limitAllowedParents.types[0].path has to be set"},
		"a child somewhere": {tenancyv1alpha1.WorkspaceTypeSpec{DefaultChildWorkspaceType: &tenancyv1alpha1.WorkspaceTypeReference{Name: "x"}}, "spec.defaultChildWorkspaceType.path has to be set"},
		"a wide type":       {tenancyv1alpha1.WorkspaceTypeSpec{Extend: extending(make([]tenancyv1alpha1.WorkspaceTypeReference, maxLineage)...)}, "spec.extend.with has 64 entries"},
		"a label":           {labels("example.io/tier", "high"), ""},
		"a plain label":     {labels("tier", "high"), ""},
		"placement":         {labels("state.workload.kcp.io/abc", "Sync"), "reserved"},
		"the phase":         {labels("tenancy.kcp.io/phase", "Ready"), "reserved"},
		"kcp.io itself":     {labels("kcp.io/x", ""), "reserved"},
		"Kubernetes":        {labels("node.kubernetes.io/x", ""), "reserved"},
		"k8s.io":            {labels("k8s.io/x", ""), "reserved"},
		"not a label":       {labels("a b", ""), "additionalWorkspaceLabels"},
		"not a value":       {labels("a", "b c"), "additionalWorkspaceLabels"},
		"rules for nobody":  {tenancyv1alpha1.WorkspaceTypeSpec{InitializerPermissions: []rbacv1.PolicyRule{read}}, "is for a type with spec.initializer: true"},
		"another's name":    {with(func(r *rbacv1.PolicyRule) { r.Verbs = []string{"get", "impersonate"} }), "spec.initializerPermissions[1].verbs: impersonate"},
		"no verbs":          {with(func(r *rbacv1.PolicyRule) { r.Verbs = nil }), "spec.initializerPermissions[1].verbs has to be set"},
		"no group":          {with(func(r *rbacv1.PolicyRule) { r.APIGroups = nil }), "apiGroups and resources have to be set"},
		"URLs": {with(func(r *rbacv1.PolicyRule) {
			r.APIGroups, r.Resources, r.NonResourceURLs = nil, nil, []string{"/version"}
		}), ""},
		"URLs and more": {with(func(r *rbacv1.PolicyRule) { r.NonResourceURLs = []string{"/version"} }), "stand alone"},
	} {
		t.Run(name, func(t *testing.T) { expectError(t, TypeSpec(tc.spec), tc.err) })
	}
}

func TestExtensionHome(t *testing.T) {
	for ref, want := range map[tenancyv1alpha1.WorkspaceTypeReference]logicalcluster.Path{
		reference("", "lab"):          "root:org",
		reference("", "team"):         "root",
		reference("", "later"):        "root:org",
		reference("root:lib", "base"): "root:lib",
		reference("root:lib", "none"): "root:lib",
	} {
		if got := ExtensionHome(Ancestor{WorkspaceTypeReference: reference("root:org", "new")}, ref, library().lookup); got != want {
			t.Errorf("%v: %q, want %q", ref, got, want)
		}
	}
}

func expectError(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" && err != nil {
		t.Fatal(err)
	}
	if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Fatalf("error %v, want %q", err, want)
	}
}
