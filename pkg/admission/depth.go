package admission

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/endpoints/handlers/responsewriters"
	"sigs.k8s.io/yaml"
)

// maxDepth is how deep objects may be nested. The deepest kinds in use, which
// have pod templates and schemas in them, stay below half of it. Working on an
// object costs the square of its depth, so that 45 kB of brackets would keep a
// core busy for many seconds.
const maxDepth = 200

func tooDeep() error {
	return apierrors.NewBadRequest(fmt.Sprintf("the object is nested deeper than %d levels", maxDepth))
}

// WithShallowBodies refuses requests whose body is nested too deeply, before
// anybody works on it. limit bounds what is looked at; larger bodies are refused
// by those who read them.
func WithShallowBodies(next http.Handler, limit int64, serializer runtime.NegotiatedSerializer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !carriesText(req) {
			next.ServeHTTP(w, req)
			return
		}
		body, err := io.ReadAll(io.LimitReader(req.Body, limit+1))
		if err == nil && int64(len(body)) <= limit && depthOfText(body) > maxDepth {
			responsewriters.ErrorNegotiated(tooDeep(), serializer, schema.GroupVersion{}, w, req)
			return
		}
		// Whatever went wrong with reading goes wrong again for the next reader.
		req.Body = rest{io.MultiReader(bytes.NewReader(body), req.Body), req.Body}
		next.ServeHTTP(w, req)
	})
}

// rest is a body that was partly read.
type rest struct {
	io.Reader
	io.Closer
}

func carriesText(req *http.Request) bool {
	switch req.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		kind := req.Header.Get("Content-Type")
		return req.Body != nil && (kind == "" || strings.Contains(kind, "json") || strings.Contains(kind, "yaml"))
	}
	return false
}

// depthOfText returns how deeply a JSON or YAML document is nested. What cannot
// be read has no depth: others will say what is wrong with it.
func depthOfText(body []byte) int {
	trimmed := bytes.TrimSpace(body)
	if len(trimmed) > 0 && trimmed[0] != '{' && trimmed[0] != '[' {
		converted, err := yaml.YAMLToJSON(body)
		if err != nil {
			return 0
		}
		trimmed = converted
	}
	return depthOfJSON(trimmed)
}

func depthOfJSON(body []byte) int {
	depth, deepest, quoted, escaped := 0, 0, false, false
	for _, c := range body {
		switch {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

// Depth refuses custom resources that have become too deep, one patch after the
// other.
type Depth struct{ *admission.Handler }

var _ admission.ValidationInterface = &Depth{}

// NewDepth returns the plugin.
func NewDepth() *Depth { return &Depth{admission.NewHandler(admission.Create, admission.Update)} }

// Validate refuses objects that are nested too deeply.
func (p *Depth) Validate(_ context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	object, ok := a.GetObject().(runtime.Unstructured)
	if ok && deeper(object.UnstructuredContent(), maxDepth) {
		return tooDeep()
	}
	return nil
}

// deeper reports whether value is nested deeper than levels.
func deeper(value any, levels int) bool {
	switch value := value.(type) {
	case map[string]any:
		for _, inner := range value {
			if levels == 0 || deeper(inner, levels-1) {
				return true
			}
		}
	case []any:
		for _, inner := range value {
			if levels == 0 || deeper(inner, levels-1) {
				return true
			}
		}
	}
	return false
}
