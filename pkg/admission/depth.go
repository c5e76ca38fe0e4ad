package admission

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/endpoints/handlers/responsewriters"
	"sigs.k8s.io/yaml"

	"github.com/atriumhub/atrium/pkg/nesting"
)

// maxDepth is how deep objects may be nested.
const maxDepth = nesting.Max

func tooDeep() error {
	return apierrors.NewBadRequest(fmt.Sprintf("the object is nested deeper than %d levels", maxDepth))
}

// WithShallowBodies refuses requests whose body is nested too deeply, before
// anybody works on it. limit bounds what is looked at; larger bodies are refused
// by those who read them.
func WithShallowBodies(next http.Handler, limit int64, serializer runtime.NegotiatedSerializer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Body == nil || !writes(req.Method) {
			next.ServeHTTP(w, req)
			return
		}
		body, err := io.ReadAll(io.LimitReader(req.Body, limit+1))
		if err == nil && int64(len(body)) <= limit && depthOf(body, req.Header.Get("Content-Type")) > maxDepth {
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

func writes(method string) bool {
	switch method {
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return true
	}
	return false
}

// depthOf returns how deeply a body is nested. What it is, is told by the body
// where that can be, and not by what the client calls it: upper case, parameters
// and the like would have to be read exactly as the decoders read them. YAML in
// braces is the exception, as a comment in it looks like anything.
func depthOf(body []byte, kind string) int {
	switch trimmed := bytes.TrimSpace(body); {
	case strings.HasPrefix(strings.ToLower(kind), string(types.JSONPatchType)):
		return max(nesting.OfJSON(trimmed), depthOfPatch(trimmed))
	case bytes.HasPrefix(body, protobufPrefix):
		walk := protobufWalk{jsonLeft: 8 * len(body)}
		return walk.depth(body[len(protobufPrefix):], maxDepth+1)
	case len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '[') && !strings.Contains(strings.ToLower(kind), "yaml"):
		return nesting.OfJSON(trimmed)
	default:
		return depthOfYAML(body)
	}
}

// depthOfYAML returns how deeply a YAML document is nested. What cannot be read
// has no depth: others will say what is wrong with it.
func depthOfYAML(body []byte) int {
	converted, err := yaml.YAMLToJSON(body)
	if err != nil {
		return 0
	}
	return nesting.OfJSON(converted)
}

// depthOfPatch returns how deep an object that is not too deep can be after a JSON
// patch, less what an ordinary patch may add to that. Copies into what they
// are copied from double its depth, and the time each takes goes with the square.
// What cannot be read has no depth.
func depthOfPatch(body []byte) int {
	var operations []map[string]json.RawMessage
	if json.Unmarshal(body, &operations) != nil {
		return 0
	}
	depth := maxDepth
	for _, operation := range operations {
		to, from := pointerDepth(operation["path"]), pointerDepth(operation["from"])
		if _, moves := operation["from"]; moves {
			depth = max(depth, to+depth-min(from, depth))
		} else {
			depth = max(depth, to+nesting.OfJSON(operation["value"]))
		}
	}
	return depth - maxDepth
}

// pointerDepth returns how deep a JSON pointer leads. A slash in a name is escaped.
func pointerDepth(pointer json.RawMessage) int {
	var path string
	if json.Unmarshal(pointer, &path) != nil {
		return 0
	}
	return strings.Count(path, "/")
}

// protobufPrefix begins what Kubernetes encodes by protobuf.
var protobufPrefix = []byte("k8s\x00")

// protobufWalk goes once through a message.
type protobufWalk struct {
	// jsonLeft bounds how much is read as JSON, which can be tried at each level.
	jsonLeft int
}

// depth returns how deeply messages in body can be nested, up to most, and JSON
// that lies in them. The wire does not tell a message from a string: what can be
// read as a message counts as one, up to where it cannot be read any more, as
// decoders go that far. A schema that a decoder or a validator follows down too far
// is the end of the process: a stack that overflows is not a panic, and nobody can
// recover from it.
//
// Each byte is looked at once, as part of the innermost message.
func (w *protobufWalk) depth(body []byte, most int) int {
	deepest := 0
	for len(body) > 0 && deepest < most {
		payload, rest, ok := nextField(body)
		if !ok {
			break
		}
		if len(payload) > 0 {
			deepest = max(deepest, 1+w.depth(payload, most-1), w.embedded(payload))
		}
		body = rest
	}
	return deepest
}

// embedded returns how deeply JSON in a field is nested, if it is too deep, as it
// may be in fields that hold any. What only looks like JSON is text.
func (w *protobufWalk) embedded(payload []byte) int {
	text := bytes.TrimSpace(payload)
	if len(text) == 0 || text[0] != '{' && text[0] != '[' {
		return 0
	}
	if w.jsonLeft -= len(text); w.jsonLeft < 0 {
		return maxDepth + 1
	}
	if depth := nesting.OfJSON(text); depth > maxDepth && json.Valid(text) {
		return depth
	}
	return 0
}

// The wire types of protobuf.
const (
	wireVarint, wireFixed64, wireBytes   = 0, 1, 2
	wireStartGroup, wireEndGroup, wire32 = 3, 4, 5
)

// nextField takes a field off a message, and returns what it holds if that can be
// a message.
func nextField(message []byte) (payload, rest []byte, ok bool) {
	tag, n := binary.Uvarint(message)
	if n <= 0 {
		return nil, nil, false
	}
	rest, skip := message[n:], 0
	switch tag & 7 {
	case wireVarint:
		_, skip = binary.Uvarint(rest)
		ok = skip > 0
	case wireFixed64:
		skip, ok = 8, true
	case wire32:
		skip, ok = 4, true
	case wireStartGroup, wireEndGroup:
		ok = true
	case wireBytes:
		size, n := binary.Uvarint(rest)
		if n <= 0 || size > uint64(len(rest)-n) {
			return nil, nil, false
		}
		return rest[n : n+int(size)], rest[n+int(size):], true
	}
	if !ok || skip > len(rest) {
		return nil, nil, false
	}
	return nil, rest[skip:], true
}

// Depth refuses objects that have become too deep, one patch after the other:
// custom resources, and what of Kubernetes' own can be nested without end.
type Depth struct{ *admission.Handler }

var _ admission.ValidationInterface = &Depth{}

// NewDepth returns the plugin.
func NewDepth() *Depth { return &Depth{admission.NewHandler(admission.Create, admission.Update)} }

// Validate refuses objects that are nested too deeply.
func (p *Depth) Validate(_ context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	if object := accessor(a.GetObject()); object != nil && deepFields(object.GetManagedFields()) {
		return tooDeep()
	}
	switch object := a.GetObject().(type) {
	case runtime.Unstructured:
		if deeper(object.UnstructuredContent(), maxDepth) {
			return tooDeep()
		}
	case *apiextensions.CustomResourceDefinition:
		if text, err := json.Marshal(object.Spec); err != nil || nesting.OfJSON(text) > maxDepth {
			return tooDeep()
		}
	}
	return nil
}

// deepFields reports whether somebody wrote fields that no object can have.
func deepFields(managed []metav1.ManagedFieldsEntry) bool {
	return slices.ContainsFunc(managed, func(entry metav1.ManagedFieldsEntry) bool {
		return entry.FieldsV1 != nil && nesting.OfJSON(entry.FieldsV1.GetRawBytes()) > 2*maxDepth
	})
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
