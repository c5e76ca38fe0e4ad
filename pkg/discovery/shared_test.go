package discovery

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/atriumhub/atrium/pkg/catalog"
	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/schemas"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// everything is what clients read of a workspace.
var everything = []string{"/apis", "/openapi/v2", "/openapi/v3", "/openapi/v3/apis/example.io/v1"}

// readAll asks a workspace for paths.
func readAll(t *testing.T, h *Handler, ws logicalcluster.Name, paths ...string) {
	t.Helper()
	for _, path := range paths {
		req := httptest.NewRequestWithContext(keyspace.WithScope(t.Context(), keyspace.In(ws)), http.MethodGet, path, nil)
		if path == "/apis" {
			req.Header.Set("Accept", aggregatedJSON)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code != http.StatusOK {
			t.Fatalf("%s of %s: %d %s", path, ws, w.Code, w.Body)
		}
	}
}

// Ten thousand equal workspaces hold one of each document.
func TestEqualWorkspacesShareDocuments(t *testing.T) {
	c := catalog.New(nil, nil)
	h, err := New(Config{Catalog: c, Natives: someNatives()})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10000 {
		ws := logicalcluster.Name(fmt.Sprintf("ws%d", i))
		c.Upsert(ws, schemas.Installed(define("example.io", "widgets", "Widget")))
		if i%100 == 0 {
			readAll(t, h, ws, everything...)
		}
	}
	if h.documents.Len() != 1 || h.v2.Len() != 1 || h.v3.Len() != 1 {
		t.Errorf("%d lists, %d OpenAPI v2 and %d v3 documents are kept", h.documents.Len(), h.v2.Len(), h.v3.Len())
	}
	if n := c.Stats().Sets; n != 1 {
		t.Errorf("%d sets", n)
	}
}

// However many different workspaces are read, what is kept is bounded; views count
// among them.
func TestDocumentsOfUnequalWorkspacesAreBounded(t *testing.T) {
	c := catalog.New(nil, nil)
	h, err := New(Config{Catalog: c, Natives: someNatives()})
	if err != nil {
		t.Fatal(err)
	}
	for i := range keptDocuments + 50 {
		ws := logicalcluster.Name(fmt.Sprintf("ws%d", i))
		crd := define("example.io", "widgets", "Widget")
		crd.Spec.Names.ShortNames = []string{fmt.Sprintf("w%d", i)}
		c.Upsert(ws, schemas.Installed(crd))
		readAll(t, h, ws, "/apis")
		if i < keptOpenAPIV3+5 { // these take longer to make
			readAll(t, h, ws, "/openapi/v3/apis/example.io/v1")
		}
		if i < keptOpenAPIV2+5 {
			readAll(t, h, ws, "/openapi/v2")
		}
	}
	if h.documents.Len() > keptDocuments || h.v2.Len() > keptOpenAPIV2 || h.v3.Len() > keptOpenAPIV3 {
		t.Errorf("%d lists, %d OpenAPI v2 and %d v3 documents are kept", h.documents.Len(), h.v2.Len(), h.v3.Len())
	}
}

// Documents are made of what was made for others, and are as if they were not. What is
// kept for that is bounded.
func TestPartsOfOpenAPIV2AreShared(t *testing.T) {
	c := catalog.New(nil, nil)
	handler := func() *Handler {
		h, err := New(Config{Catalog: c, Natives: someNatives()})
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	read := func(h *Handler, ws logicalcluster.Name) string {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(keyspace.WithScope(t.Context(), keyspace.In(ws)), http.MethodGet, "/openapi/v2", nil))
		if w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", ws, w.Code, w.Body)
		}
		return w.Body.String()
	}
	large := define("example.io", "giants", "Giant")
	spec := large.Spec.Versions[0].Schema.OpenAPIV3Schema
	spec.Description = strings.Repeat("x", largestPart)
	c.Upsert("one", define("example.io", "widgets", "Widget"))
	for _, crd := range []*apiextensionsv1.CustomResourceDefinition{define("example.io", "widgets", "Widget"), define("example.io", "gadgets", "Gadget"), large} {
		c.Upsert("three", crd)
	}
	h := handler()
	read(h, "one")
	first := read(h, "three")
	if h.parts.Len() != 3 {
		t.Errorf("%d parts are kept, want what is compiled in, widgets and gadgets", h.parts.Len())
	}
	for i := range keptParts + 3 {
		c.Upsert("many", define(fmt.Sprintf("g%d.example.io", i), "widgets", "Widget"))
	}
	read(h, "many")
	if h.parts.Len() > keptParts {
		t.Errorf("%d parts are kept", h.parts.Len())
	}
	h.v2.Clear()
	for what, again := range map[string]string{"made of parts": read(h, "three"), "made anew": read(handler(), "three")} {
		if again != first {
			t.Errorf("a document %s is another one", what)
		}
	}
}
