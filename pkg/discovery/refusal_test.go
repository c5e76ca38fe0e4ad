package discovery

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPlainRefusals(t *testing.T) {
	const kubectl = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
	const status = `{"kind":"Status","message":"access denied"}`
	type answer struct {
		Code       int
		Type, Body string
	}
	for name, tc := range map[string]struct {
		path, accept, body string
		code               int
		want               answer
	}{
		"kubectl refused":             {"/api", kubectl, status, 403, answer{403, "text/plain; charset=utf-8", "access denied\n"}},
		"groups refused":              {"/apis", kubectl, status, 403, answer{403, "text/plain; charset=utf-8", "access denied\n"}},
		"who wants one form only":     {"/api", "application/json", status, 403, answer{403, "application/json", status}},
		"a refusal that is no Status": {"/api", kubectl, "no", 403, answer{403, "application/json", "no"}},
		"not open":                    {"/api", kubectl, status, 503, answer{503, "application/json", status}},
		"answered":                    {"/api", kubectl, "{}", 200, answer{200, "application/json", "{}"}},
		"not discovery":               {"/api/v1/pods", kubectl, status, 403, answer{403, "application/json", status}},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(WithPlainRefusals(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("Content-Length", strconv.Itoa(len(tc.body)))
				w.WriteHeader(tc.code)
				_, _ = io.WriteString(w, tc.body)
			})))
			defer server.Close()
			req, err := http.NewRequest(http.MethodGet, server.URL+tc.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Accept", tc.accept)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			got := answer{resp.StatusCode, resp.Header.Get("Content-Type"), string(body)}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
