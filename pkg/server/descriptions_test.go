package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/apiextensions-apiserver/pkg/apihelpers"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsclient "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"

	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// description is all that clients learn of a group in a workspace.
type description struct {
	aggregated, legacy bool
	v2                 bool
	v3                 string // the hash; "" if there is no document
	etags              [3]string
}

// askDocument reads a document of a workspace, unless it has the tag still.
func askDocument(ctx context.Context, t *testing.T, path logicalcluster.Path, url, accept, etag string) (code int, newTag, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, client.WorkspaceURL(shared.hub.URL(), path)+url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", accept)
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	response, err := as(t, "base").HTTPClient().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header.Get("Etag"), readBody(t, response)
}

// documents are what askDocument is asked for, and how.
var documents = [3][2]string{
	{"/apis", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"},
	{"/openapi/v2", "application/json"}, {"/openapi/v3", "application/json"},
}

// describe reads what a workspace says of group.
func describe(ctx context.Context, t *testing.T, path logicalcluster.Path, group string) description {
	t.Helper()
	var d description
	var bodies [3]string
	for i, document := range documents {
		code := 0
		if code, d.etags[i], bodies[i] = askDocument(ctx, t, path, document[0], document[1], ""); code != http.StatusOK {
			t.Fatalf("%s: %d %s", document[0], code, bodies[i])
		}
	}
	d.aggregated = strings.Contains(bodies[0], `"name":"`+group+`"`)
	d.v2 = strings.Contains(bodies[1], "/apis/"+group+"/")
	var index struct {
		Paths map[string]struct{ ServerRelativeURL string }
	}
	if err := json.Unmarshal([]byte(bodies[2]), &index); err != nil {
		t.Fatal(err)
	}
	d.v3 = index.Paths["apis/"+group+"/v1"].ServerRelativeURL
	groups, err := as(t, "base").Kubernetes(path).Discovery().WithLegacy().ServerGroups()
	if err != nil {
		t.Fatal(err)
	}
	for i := range groups.Groups {
		d.legacy = d.legacy || groups.Groups[i].Name == group
	}
	return d
}

func readBody(t *testing.T, response *http.Response) string {
	t.Helper()
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// awaitDescribed waits until all that a workspace says of group agrees with want,
// and returns it.
func awaitDescribed(ctx context.Context, t *testing.T, path logicalcluster.Path, group string, served bool) description {
	t.Helper()
	var d description
	await(ctx, t, fmt.Sprintf("%s is described: %v", group, served), func() error {
		d = describe(ctx, t, path, group)
		if d.aggregated != served || d.legacy != served || d.v2 != served || (d.v3 != "") != served {
			return fmt.Errorf("%+v", d)
		}
		return nil
	})
	return d
}

// All forms of discovery, and OpenAPI, follow definitions and bindings, and say so
// by their tags and hashes.
func TestDescriptionsFollow(t *testing.T) {
	ctx, admin := exportsContext(t), as(t, "base")
	const own, bound = "own.descriptions.test", "bound.descriptions.test"
	path, _ := newWorkspace(t)
	provider, _ := newWorkspace(t)
	config := rest.CopyConfig(restConfig(t, "base"))
	config.Host = client.WorkspaceURL(shared.hub.URL(), path)
	crds := apiextensionsclient.NewForConfigOrDie(config).ApiextensionsV1().CustomResourceDefinitions()

	before := awaitDescribed(ctx, t, path, own, false)
	var took []time.Duration
	follows := func(since time.Time, group string, served bool) description {
		t.Helper()
		d := awaitDescribed(ctx, t, path, group, served)
		took = append(took, time.Since(since))
		return d
	}
	crd := &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "gizmos." + own},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: own, Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "gizmos", Singular: "gizmo", Kind: "Gizmo", ListKind: "GizmoList"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object", Description: "one"}},
			}},
		},
	}
	since := time.Now()
	if _, err := crds.Create(ctx, crd, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	follows(since, own, true)
	await(ctx, t, "the definition is established", func() error {
		current, err := crds.Get(ctx, crd.Name, metav1.GetOptions{})
		if err == nil && !apihelpers.IsCRDConditionTrue(current, apiextensionsv1.Established) {
			return fmt.Errorf("%+v", current.Status)
		}
		return err
	})
	created := awaitDescribed(ctx, t, path, own, true)
	for i, document := range documents {
		if code, _, body := askDocument(ctx, t, path, document[0], document[1], created.etags[i]); code != http.StatusNotModified || body != "" {
			t.Errorf("%s, with its tag: %d %.200s", document[0], code, body)
		}
	}
	for i := range before.etags {
		if before.etags[i] == created.etags[i] {
			t.Errorf("document %d has the tag it had before: %s", i, created.etags[i])
		}
	}
	await(ctx, t, "the definition is changed", func() error {
		current, err := crds.Get(ctx, crd.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		current.Spec.Versions[0].Schema.OpenAPIV3Schema.Description = "two"
		_, err = crds.Update(ctx, current, metav1.UpdateOptions{})
		return err
	})
	since = time.Now()
	await(ctx, t, "the changed definition is described", func() error {
		if now := describe(ctx, t, path, own); now.v3 == created.v3 || now.etags[1] == created.etags[1] {
			return fmt.Errorf("%+v", now)
		}
		return nil
	})
	took = append(took, time.Since(since))
	since = time.Now()
	if err := crds.Delete(ctx, crd.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if after := follows(since, own, false); after.etags != before.etags {
		t.Errorf("what is as before has other tags: %v, %v", before.etags, after.etags)
	}

	publish(ctx, t, admin, provider, "gizmos", gizmoSchemaOf("v1", bound))
	since = time.Now()
	bind(ctx, t, admin, path, "gizmos", provider, "gizmos")
	follows(since, bound, true)
	since = time.Now()
	if err := client.APIBindings(admin, path).Delete(ctx, "gizmos", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	follows(since, bound, false)
	t.Logf("followed after %v; on a quiet machine that is within a second", took)
}

// A RESTMapper that has looked before finds what comes later.
func TestRESTMappersFindWhatIsBound(t *testing.T) {
	ctx, admin := exportsContext(t), as(t, "base")
	const group = "mapped.descriptions.test"
	path, _ := newWorkspace(t)
	provider, _ := newWorkspace(t)
	config := rest.CopyConfig(restConfig(t, "base"))
	config.Host = client.WorkspaceURL(shared.hub.URL(), path)
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(discovery.NewDiscoveryClientForConfigOrDie(config)))
	if _, err := mapper.RESTMapping(schema.GroupKind{Kind: "ConfigMap"}); err != nil {
		t.Fatal(err)
	}
	if _, err := mapper.RESTMapping(schema.GroupKind{Group: group, Kind: "Gizmo"}); err == nil {
		t.Error("it finds what is not there")
	}
	publish(ctx, t, admin, provider, "gizmos", gizmoSchemaOf("v1", group))
	bind(ctx, t, admin, path, "gizmos", provider, "gizmos")
	awaitBound(ctx, t, admin, path, "gizmos")
	await(ctx, t, "the mapper finds gizmos", func() error {
		mapper.Reset() // clients of Go do not look again by themselves when they have looked in memory
		mapping, err := mapper.RESTMapping(schema.GroupKind{Group: group, Kind: "Gizmo"})
		if err == nil && mapping.Resource != gizmos(group) {
			return fmt.Errorf("%v", mapping.Resource)
		}
		return err
	})
}

// A provider and those who have bound its schema are served by one handler, and so
// by one watch cache.
func TestProvidersAndConsumersShareAHandler(t *testing.T) {
	ctx := exportsContext(t)
	m := newMarket(ctx, t, "handlers.providers.test", 2)
	for _, path := range m.consumers {
		createGizmo(ctx, t, as(t, "base"), path, m.group, "one")
	}
	gr := gizmos(m.group).GroupResource()
	first, _ := shared.hub.catalog.Lookup(logicalcluster.Name(m.ids[0]), gr)
	second, _ := shared.hub.catalog.Lookup(logicalcluster.Name(m.ids[1]), gr)
	if first == nil || first != second {
		t.Fatalf("consumers are served by %+v and %+v", first, second)
	}
	watching, err := m.everywhere(t).Watch(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer watching.Stop()
	if !shared.hub.exports.Watches(first.Shape) {
		t.Error("the provider watches something else than what consumers are served by")
	}
}
