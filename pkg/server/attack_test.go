package server

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
)

// This file holds attacks on the hub that have succeeded once, or nearly.

// send makes a request just as it is written here, and returns status and body.
func send(ctx context.Context, t *testing.T, token, method, path string, body []byte, header map[string]string) (int, string) {
	t.Helper()
	config := tokenConfig(t, token)
	if _, own := header["Authorization"]; own {
		config.BearerToken = ""
	}
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, method, shared.hub.baseURL+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	response, err := httpClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(answer)
}

// field encodes a field of a protobuf message.
func field(number uint64, payload []byte) []byte {
	encoded := binary.AppendUvarint(nil, number<<3|2)
	return append(binary.AppendUvarint(encoded, uint64(len(payload))), payload...)
}

// deepDefinition is a CustomResourceDefinition, as protobuf, whose schema says
// "not" over and over.
func deepDefinition(levels int) []byte {
	const not = 28
	var prefixes [][]byte
	size := 0
	for range levels {
		prefix := binary.AppendUvarint(binary.AppendUvarint(nil, not<<3|2), uint64(size))
		prefixes, size = append(prefixes, prefix), size+len(prefix)
	}
	slices.Reverse(prefixes)
	schema := append(field(5, []byte("object")), bytes.Join(prefixes, nil)...)
	version := slices.Concat(field(1, []byte("v1")), []byte{2 << 3, 1, 3 << 3, 1}, field(4, field(1, schema)))
	names := slices.Concat(field(1, []byte("deeps")), field(2, []byte("deep")), field(4, []byte("Deep")), field(5, []byte("DeepList")))
	spec := slices.Concat(field(1, []byte("attack.io")), field(3, names), field(4, []byte("Namespaced")), field(7, version))
	object := append(field(1, field(1, []byte("deeps.attack.io"))), field(2, spec)...)
	kind := append(field(1, []byte("apiextensions.k8s.io/v1")), field(2, []byte("CustomResourceDefinition"))...)
	return slices.Concat([]byte("k8s\x00"), field(1, kind), field(2, object))
}

// TestDeepBodiesEndNothing: the validation of schemas follows them down as deep as
// they go, and a stack that overflows takes the whole hub along.
func TestDeepBodiesEndNothing(t *testing.T) {
	path, _ := newWorkspace(t)
	ctx := minute(t)
	definitions := path.RequestPath() + "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
	maps := path.RequestPath() + "/api/v1/namespaces/default/configmaps"
	deep := `{"metadata":{"name":"deep"},"x":` + strings.Repeat(`{"a":`, 300) + `1` + strings.Repeat(`}`, 300) + `}`
	for name, c := range map[string]struct {
		method, path, kind string
		body               []byte
	}{
		"a schema in protobuf":    {http.MethodPost, definitions, "application/vnd.kubernetes.protobuf", deepDefinition(150000)},
		"JSON, shouted":           {http.MethodPost, maps, "Application/JSON; Charset=UTF-8", []byte(deep)},
		"YAML with misleading #":  {http.MethodPost, maps, "application/yaml", []byte("{ #" + strings.Repeat("]", 400) + "\n" + deep[1:])},
		"options of a collection": {http.MethodDelete, maps, "application/json", []byte(deep)},
	} {
		t.Run(name, func(t *testing.T) {
			code, answer := send(ctx, t, "alice-token", c.method, c.path, c.body, map[string]string{"Content-Type": c.kind})
			if code != http.StatusBadRequest || !strings.Contains(answer, "nested deeper") {
				t.Errorf("%d, %s; expected that it is refused for its depth", code, answer)
			}
		})
	}
	if code, answer := send(ctx, t, "alice-token", http.MethodPost, definitions, deepDefinition(5), map[string]string{"Content-Type": "application/vnd.kubernetes.protobuf"}); strings.Contains(answer, "nested deeper") {
		t.Errorf("an ordinary schema: %d, %s", code, answer)
	}
	if err := listMaps(t, withToken(t, "alice-token"), path); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
