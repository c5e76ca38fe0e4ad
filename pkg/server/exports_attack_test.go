package server

import (
	"io"
	"net/http"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// TestReferencesDoNotTell: whoever may not see a workspace or an export is not told
// by any object that can name one whether it is there.
func TestReferencesDoNotTell(t *testing.T) {
	ctx, admin := exportsContext(t), as(t, "base")
	hidden, workspace := newWorkspace(t)
	publish(ctx, t, admin, hidden, "gizmos", gizmoSchemaOf("v1", "hidden.attack.test"))
	mine, _ := newWorkspace(t)
	makeAdmin(ctx, t, admin, mine, "bob")
	bob, try := withToken(t, "bob-token"), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	for kind, name := range map[string]func(path, export string) error{
		"APIBinding": func(path, export string) error {
			binding := &apisv1alpha2.APIBinding{ObjectMeta: metav1.ObjectMeta{Name: "x"}}
			binding.Spec.Reference.Export = &apisv1alpha2.ExportBindingReference{Path: path, Name: export}
			_, err := client.APIBindings(bob, mine).Create(ctx, binding, try)
			return err
		},
		"APIBinding, v1alpha1": func(path, export string) error {
			_, err := older(bob, mine, "apibindings").Create(ctx, olderBinding("x", logicalcluster.Path(path).Join(export)), try)
			return err
		},
		"APIExportEndpointSlice": func(path, export string) error {
			slice := &apisv1alpha1.APIExportEndpointSlice{ObjectMeta: metav1.ObjectMeta{Name: "x"}}
			slice.Spec.APIExport = apisv1alpha2.ExportBindingReference{Path: path, Name: export}
			_, err := client.APIExportEndpointSlices(bob, mine).Create(ctx, slice, try)
			return err
		},
		"APIPublication": func(path, export string) error {
			_, err := client.APIPublications(bob, mine).Create(ctx, &publicationv1alpha1.APIPublication{
				ObjectMeta: metav1.ObjectMeta{Name: "x"},
				Spec:       publicationv1alpha1.APIPublicationSpec{Export: publicationv1alpha1.LocalExportReference{Name: export}, Subtree: path},
			}, try)
			return err
		},
		"WorkspaceType": func(path, export string) error {
			kind := &tenancyv1alpha1.WorkspaceType{ObjectMeta: metav1.ObjectMeta{Name: "x"}}
			kind.Spec.DefaultAPIBindings = []tenancyv1alpha1.APIExportReference{{Path: path, Export: export}}
			_, err := client.WorkspaceTypes(bob, mine).Create(ctx, kind, try)
			return err
		},
	} {
		t.Run(kind, func(t *testing.T) {
			said := func(path, export string) string {
				err := name(path, export)
				if err == nil {
					return "it is made"
				}
				return strings.NewReplacer(path, "PATH", export, "EXPORT").Replace(err.Error())
			}
			there := said(hidden.String(), "gizmos")
			for _, other := range [][2]string{
				{hidden.String(), "nothing"},
				{"root:nobody", "gizmos"},
				{hidden.String() + ":below", "gizmos"},
				{workspace.Spec.Cluster, "gizmos"},
				{"0123456789abcdef", "gizmos"},
				{strings.Repeat("a:", 200) + "a", "gizmos"},
			} {
				if got := said(other[0], other[1]); got != there {
					t.Errorf("%.80v is told apart from one that is there:\n%s\n%s", other, got, there)
				}
			}
		})
	}
}

// TestURLsOfAViewThatMeanNothing: there is one way to write what a view shows, and
// no way out of it.
func TestURLsOfAViewThatMeanNothing(t *testing.T) {
	const group = "urls.attack.test"
	ctx := exportsContext(t)
	m := newMarket(ctx, t, group, 1)
	httpClient, err := rest.HTTPClientFor(m.config(t, "*"))
	if err != nil {
		t.Fatal(err)
	}
	export := "/services/apiexport/" + logicalcluster.From(m.export).String()
	view, consumer, gizmos := export+"/gizmos/clusters/", m.ids[0], "/apis/"+group+"/v1/gizmos"
	for url, want := range map[string]int{
		// What is meant, as often as it can be spelled.
		view + "*" + gizmos:      http.StatusOK,
		view + "%2A" + gizmos:    http.StatusOK,
		view + consumer + gizmos: http.StatusOK,
		// Out of the workspace.
		view + consumer + "/.." + gizmos:                   http.StatusForbidden,
		view + consumer + "%2F.." + gizmos:                 http.StatusForbidden,
		view + consumer + "/../../../../../api/v1/secrets": http.StatusForbidden,
		view + consumer + "/clusters/root/api/v1/secrets":  http.StatusNotFound,
		view + "*" + view + "*" + gizmos:                   http.StatusNotFound,
		view + "*/apis/../api/v1/secrets":                  http.StatusNotFound,
		view + "*/openapi/v3/../../metrics":                http.StatusNotFound,
		view + "*/metrics":                                 http.StatusForbidden,
		// Out of the namespace.
		view + consumer + "/apis/" + group + "/v1/namespaces/../gizmos":             http.StatusBadRequest,
		view + "*/apis/" + group + "/v1/namespaces/../gizmos":                       http.StatusBadRequest,
		view + consumer + "/apis/" + group + "/v1/namespaces/default/gizmos/%2e%2e": http.StatusBadRequest,
		// Workspaces that are none, not theirs, or not a consumer's.
		view + "../" + consumer + gizmos:                       http.StatusNotFound,
		view + "%2e%2e" + gizmos:                               http.StatusNotFound,
		view + gizmos:                                          http.StatusNotFound,
		view + "*%00" + gizmos:                                 http.StatusNotFound,
		view + "%C3%A4" + gizmos:                               http.StatusNotFound,
		view + strings.Repeat("a", 5000) + gizmos:              http.StatusNotFound,
		view + "root" + gizmos:                                 http.StatusForbidden,
		view + "system:bound-crds" + gizmos:                    http.StatusForbidden,
		view + "0123456789abcdef" + gizmos:                     http.StatusForbidden,
		view + logicalcluster.From(m.export).String() + gizmos: http.StatusForbidden,
		// Exports that are none, or others.
		export + "/none/clusters/*" + gizmos:                http.StatusForbidden,
		export + "/giz%2Fmos/clusters/*" + gizmos:           http.StatusNotFound,
		export + "/*/clusters/*" + gizmos:                   http.StatusNotFound,
		export + "//clusters/*" + gizmos:                    http.StatusNotFound,
		"/services/apiexport/*/gizmos/clusters/*" + gizmos:  http.StatusNotFound,
		"/services/apiexport/root/none/clusters/*" + gizmos: http.StatusForbidden,
		"/services/apiexport//gizmos/clusters/*" + gizmos:   http.StatusNotFound,
		"/clusters/" + consumer + view + "*" + gizmos:       http.StatusForbidden,
		"/" + view + "*" + gizmos:                           http.StatusForbidden,
	} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, shared.hub.URL(), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.URL.Opaque = "//" + req.URL.Host + url // as it is
		response, err := httpClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != want || want != http.StatusOK && strings.Contains(string(body), m.export.Status.IdentityHash) {
			t.Errorf("%.120s: %d %.300s; expected %d", url, response.StatusCode, body, want)
		}
	}
	// What names a consumer that is none is answered like one that has not bound it.
	for _, id := range []string{"0123456789abcdef", logicalcluster.From(m.export).String()} {
		_, err := m.in(t, id).Create(ctx, newGizmo(group, "x", 1), metav1.CreateOptions{})
		if !apierrors.IsForbidden(err) {
			t.Errorf("writing to %s: %v", id, err)
		}
	}
}
