package cli

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Whose hub has another certificate is not told that it does not run.
func TestExplainCertificates(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	_, err := (&http.Client{}).Get(server.URL)
	got := Explain(err, server.URL)
	if got == nil || !strings.HasPrefix(got.Error(), "the certificate of the hub at "+server.URL+" is not one that your kubeconfig trusts (x509: ") {
		t.Errorf("got %v", got)
	}
}
