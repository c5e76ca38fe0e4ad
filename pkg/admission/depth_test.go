package admission

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	clientscheme "k8s.io/client-go/kubernetes/scheme"
)

func nested(levels int) string {
	return strings.Repeat(`{"a":`, levels) + "1" + strings.Repeat("}", levels)
}

func TestDepthOfText(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want int
	}{
		"empty":               {"", 0},
		"a scalar":            {`"{{{{"`, 0},
		"one object":          {`{"a":1}`, 1},
		"brackets in strings": {`{"a":"{[{[\"{{"}`, 1},
		"siblings":            {`{"a":[{},{}],"b":{}}`, 3},
		"YAML":                {"a:\n  b:\n  - c: 1\n", 4},
		"YAML, flow":          {"a: {b: [1]}", 3},
		"nothing readable":    {"a: [", 0},
		"deep":                {nested(5000), 5000},
	} {
		t.Run(name, func(t *testing.T) {
			if got := depthOfText([]byte(c.text)); got != c.want {
				t.Errorf("%d, expected %d", got, c.want)
			}
		})
	}
}

func TestWithShallowBodies(t *testing.T) {
	seen := ""
	handler := WithShallowBodies(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		seen = string(body)
	}), 1<<16, clientscheme.Codecs)
	for name, c := range map[string]struct {
		body, kind string
		code       int
	}{
		"shallow":               {nested(maxDepth), "application/json", http.StatusOK},
		"deep":                  {nested(maxDepth + 1), "application/json", http.StatusBadRequest},
		"deep, as a patch":      {nested(maxDepth + 1), "application/apply-patch+yaml", http.StatusBadRequest},
		"deep, without a type":  {nested(maxDepth + 1), "", http.StatusBadRequest},
		"binary":                {nested(maxDepth + 1), "application/vnd.kubernetes.protobuf", http.StatusOK},
		"larger than is looked": {nested(1 << 16), "application/json", http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			seen = ""
			req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(c.body))
			req.Header.Set("Content-Type", c.kind)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, req)
			if w.Code != c.code {
				t.Errorf("%d, expected %d: %s", w.Code, c.code, w.Body)
			}
			if c.code == http.StatusOK && seen != c.body {
				t.Errorf("the next handler saw %d bytes of %d", len(seen), len(c.body))
			}
		})
	}
}
