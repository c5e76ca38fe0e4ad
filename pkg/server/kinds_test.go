package server

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
)

// widgetSchema is a schema of widgets.example.org that validates.
func widgetSchema(t *testing.T, name string, properties map[string]apiextensionsv1.JSONSchemaProps) *apisv1alpha1.APIResourceSchema {
	t.Helper()
	version := apisv1alpha1.APIResourceVersion{Name: "v1", Served: true, Storage: true}
	if err := version.SetSchema(&apiextensionsv1.JSONSchemaProps{Type: "object", Properties: properties}); err != nil {
		t.Fatal(err)
	}
	return &apisv1alpha1.APIResourceSchema{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: apisv1alpha1.APIResourceSchemaSpec{
			Group: "example.org", Scope: apiextensionsv1.ClusterScoped,
			Names:    apiextensionsv1.CustomResourceDefinitionNames{Plural: "widgets", Singular: "widget", Kind: "Widget", ListKind: "WidgetList"},
			Versions: []apisv1alpha1.APIResourceVersion{version},
		},
	}
}

func described(description string) map[string]apiextensionsv1.JSONSchemaProps {
	return map[string]apiextensionsv1.JSONSchemaProps{"spec": {Type: "object", Description: description}}
}

func TestEveryWorkspaceKnowsTheKindsOfAPIs(t *testing.T) {
	path, _ := newWorkspace(t)
	groups, err := withToken(t, "alice-token").Kubernetes(path).Discovery().ServerGroups()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, group := range groups.Groups {
		for _, version := range group.Versions {
			got[group.Name] = append(got[group.Name], version.Version)
		}
	}
	for group, want := range map[string][]string{
		"apis.kcp.io": {"v1alpha2", "v1alpha1"}, "apis.atrium.io": {"v1alpha1"}, "cache.kcp.io": {"v1alpha1"},
	} {
		if diff := cmp.Diff(want, got[group]); diff != "" {
			t.Errorf("versions of %s (-want +got):\n%s", group, diff)
		}
	}
}

func TestSchemasHaveNamesThatSayWhatTheyAre(t *testing.T) {
	path, _ := newWorkspace(t)
	schemas := client.APIResourceSchemas(withToken(t, "alice-token"), path)
	for _, name := range []string{"v1.widgets.example.org", "2026-11.widgets.example.org"} {
		if _, err := schemas.Create(t.Context(), widgetSchema(t, name, described("")), metav1.CreateOptions{}); err != nil {
			t.Error(err)
		}
	}
	for name, why := range map[string]string{
		"widgets.example.org":     "the name has to be <prefix>.<spec.names.plural>.<spec.group>",
		"v1.gadgets.example.org":  "the name has to be <prefix>.<spec.names.plural>.<spec.group>",
		"v1.widgets.core":         "the name has to be <prefix>.<spec.names.plural>.<spec.group>",
		"a.b.widgets.example.org": "the part before .widgets.example.org",
	} {
		_, err := schemas.Create(t.Context(), widgetSchema(t, name, described("")), metav1.CreateOptions{})
		expectRefused(t, err, why)
	}
	core := widgetSchema(t, "v1.widgets.core", described(""))
	core.Spec.Group = ""
	_, err := schemas.Create(t.Context(), core, metav1.CreateOptions{})
	expectRefused(t, err, "resources of the core group cannot be offered")
}

// All of a schema stays as it is, also what the definition of APIResourceSchema
// knows nothing about.
func TestSchemasNeverChange(t *testing.T) {
	path, _ := newWorkspace(t)
	schemas := client.APIResourceSchemas(withToken(t, "alice-token"), path)
	made := must(schemas.Create(t.Context(), widgetSchema(t, "v1.widgets.example.org", described("one")), metav1.CreateOptions{}))(t)
	props, err := made.Spec.Versions[0].GetSchema()
	if err != nil || props.Properties["spec"].Description != "one" {
		t.Errorf("read back as %v, %v", props, err)
	}
	for what, edit := range map[string]func(*apisv1alpha1.APIResourceSchema){
		"scope": func(s *apisv1alpha1.APIResourceSchema) { s.Spec.Scope = apiextensionsv1.NamespaceScoped },
		"schema": func(s *apisv1alpha1.APIResourceSchema) {
			if err := s.Spec.Versions[0].SetSchema(&apiextensionsv1.JSONSchemaProps{Type: "object", Properties: described("two")}); err != nil {
				t.Fatal(err)
			}
		},
	} {
		changed := made.DeepCopy()
		edit(changed)
		_, err := schemas.Update(t.Context(), changed, metav1.UpdateOptions{})
		if err == nil || !strings.Contains(err.Error(), "never changes") {
			t.Errorf("%s: %v", what, err)
		}
	}
	made.Labels = map[string]string{"mine": "yes"}
	if _, err := schemas.Update(t.Context(), made, metav1.UpdateOptions{}); err != nil {
		t.Errorf("metadata can change: %v", err)
	}
}

func TestPublicationsThatContradictThemselves(t *testing.T) {
	path, _ := newWorkspace(t)
	publications := client.APIPublications(withToken(t, "alice-token"), path)
	valid := &publicationv1alpha1.APIPublication{
		ObjectMeta: metav1.ObjectMeta{Name: "widgets"},
		Spec: publicationv1alpha1.APIPublicationSpec{
			Export: publicationv1alpha1.LocalExportReference{Name: "widgets"}, Subtree: path.String(),
			AcceptedPermissionClaims: []publicationv1alpha1.AcceptedPermissionClaim{{}},
		},
	}
	valid.Spec.AcceptedPermissionClaims[0].Resource = "secrets"
	both := valid.DeepCopy()
	both.Spec.AcceptAllPermissionClaims = true
	_, err := publications.Create(t.Context(), both, metav1.CreateOptions{})
	expectRefused(t, err, "exclude each other")

	made := must(publications.Create(t.Context(), valid, metav1.CreateOptions{}))(t)
	if got := made.Spec; got.Lifecycle != "Maintain" || got.Withdrawal != "Unbind" || !got.AcceptedPermissionClaims[0].Selector.MatchAll {
		t.Errorf("defaults are missing: %+v", got)
	}
	made.Spec.Export.Name = "gadgets"
	_, err = publications.Update(t.Context(), made, metav1.UpdateOptions{})
	expectRefused(t, err, "export is immutable")
}
