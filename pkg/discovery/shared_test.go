package discovery

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

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
