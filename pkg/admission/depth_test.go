package admission

import (
	"bytes"
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
)

func nested(levels int) string {
	return strings.Repeat(`{"a":`, levels) + "1" + strings.Repeat("}", levels)
}

// nestedProtobuf returns a message in a message in a message, in a field that
// schemas nest by.
func nestedProtobuf(levels int) string {
	var prefixes [][]byte
	size := 0
	for range levels {
		prefix := binary.AppendUvarint([]byte{28<<3&0x7f | 2 | 0x80, 28 >> 4}, uint64(size))
		prefixes, size = append(prefixes, prefix), size+len(prefix)
	}
	slices.Reverse(prefixes)
	return string(bytes.Join(append([][]byte{protobufPrefix}, prefixes...), nil))
}

// textField is a message with a string in it.
func textField(text string) string {
	return string(binary.AppendUvarint([]byte{0x0a}, uint64(len(text)))) + text
}

// TestWalkingEnds: what looks like JSON at each level is not read again and again.
func TestWalkingEnds(t *testing.T) {
	message := []byte("{")
	for range maxDepth - 1 {
		message = append(append([]byte("{\x0a"), binary.AppendUvarint(nil, uint64(len(message)))...), message...)
	}
	if got := depthOf(append([]byte("k8s\x00\x0a"), append(binary.AppendUvarint(nil, uint64(len(message))), message...)...), ""); got <= maxDepth {
		t.Errorf("depth %d", got)
	}
}

func TestDepthOf(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want int
	}{
		"protobuf, empty":     {"k8s\x00", 0},
		"protobuf, a string":  {"k8s\x00\x0a\x05hello", 1},
		"protobuf, nested":    {nestedProtobuf(7), 6}, // the innermost is empty
		"protobuf, too deep":  {nestedProtobuf(100000), maxDepth + 1},
		"protobuf, siblings":  {"k8s\x00\x0a\x02\x08\x01\x12\x04\x0a\x02\x08\x01", 2},
		"protobuf, all types": {"k8s\x00\x08\x01\x11aaaaaaaa\x15aaaa\x0b\x0c\x12\x02\x08\x01", 1},
		"protobuf, cut off":   {"k8s\x00\x0a\x02\x08\x01\x12\x7f", 1},
		"protobuf, too long":  {"k8s\x00\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 0},
		"protobuf, text":      {"k8s\x00" + textField("["+strings.Repeat("[", 500)+" a log"), 1},
		"protobuf, JSON":      {"k8s\x00" + textField(` {"a":[]}`), 1},
		"protobuf, deep JSON": {"k8s\x00" + textField(" \n"+nested(300)), 300},
		"protobuf, no varint": {"k8s\x00\x08\xff", 0},
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
			if got := depthOf([]byte(c.text), ""); got != c.want {
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
		"shallow, binary":       {nestedProtobuf(maxDepth), "application/vnd.kubernetes.protobuf", http.StatusOK},
		"deep, binary":          {nestedProtobuf(maxDepth + 2), "application/vnd.kubernetes.protobuf", http.StatusBadRequest},
		"deep, shouted":         {nested(maxDepth + 1), "Application/JSON", http.StatusBadRequest},
		"deep, YAML in braces":  {"{ # " + strings.Repeat("]", 2*maxDepth) + "\n a: " + nested(maxDepth) + "}", "application/YAML", http.StatusBadRequest},
		"deep, quoted comment":  {"{ # \"\n a: " + nested(maxDepth) + "}", "application/apply-patch+yaml", http.StatusBadRequest},
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

func TestDepthOfPatch(t *testing.T) {
	for name, c := range map[string]struct {
		patch string
		deep  bool
	}{
		"not a patch":    {`{"a":1}`, false},
		"plain":          {`[{"op":"replace","path":"/spec/replicas","value":3},{"op":"test","path":"/a","value":{}}]`, false},
		"copies aside":   {`[{"op":"copy","from":"/a/b/c","path":"/d/e/f"},{"op":"move","from":"/a/b","path":"/c/d/e"}]`, false},
		"a deep path":    {`[{"op":"add","path":"` + strings.Repeat("/a", 401) + `","value":1}]`, true},
		"copies inwards": {`[` + strings.Repeat(`{"op":"copy","from":"/x","path":"`+strings.Repeat("/x", 100)+`"},`, 3) + `{"op":"test","path":"/"}]`, true},
		"two paths":      {`[{"op":"add","path":"/a","Path":"/b","value":1,"path":"` + strings.Repeat("/a", 401) + `"}]`, true},
		"escaped":        {`[{"op":"add","path":"` + strings.Repeat(`\u002fa`, 401) + `","value":1}]`, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := depthOf([]byte(c.patch), "application/json-patch+json") > maxDepth; got != c.deep {
				t.Errorf("too deep: %v, expected %v", got, c.deep)
			}
		})
	}
}

func TestDepthOfDefinitions(t *testing.T) {
	for levels, want := range map[int]bool{10: true, maxDepth: false} {
		props := &apiextensions.JSONSchemaProps{}
		for range levels {
			props = &apiextensions.JSONSchemaProps{Not: props}
		}
		crd := &apiextensions.CustomResourceDefinition{Spec: apiextensions.CustomResourceDefinitionSpec{Validation: &apiextensions.CustomResourceValidation{OpenAPIV3Schema: props}}}
		a := admission.NewAttributesRecord(crd, nil, schema.GroupVersionKind{}, "", "x", schema.GroupVersionResource{}, "", admission.Update, nil, false, nil)
		if err := NewDepth().Validate(t.Context(), a, nil); (err == nil) != want {
			t.Errorf("%d levels: %v", levels, err)
		}
	}
}
