package customresources

import (
	"context"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// The same definition name with different schemas in two workspaces is
// validated and defaulted apart; a third workspace with an equal definition
// shares the handler but not the objects; a fourth has no such resource.
func TestWorkspacesServeTheirOwnSchemas(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	h.install("red", coloured())
	h.install("big", sized())
	h.install("rose", coloured())

	for _, tc := range []struct {
		ws   logicalcluster.Name
		spec map[string]any
		want map[string]any
		fail string
	}{
		{ws: "red", spec: map[string]any{}, want: map[string]any{"colour": "red"}},
		{ws: "red", spec: map[string]any{"colour": "green"}, fail: `spec.colour: Unsupported value: "green"`},
		{ws: "big", spec: map[string]any{}, want: map[string]any{"size": int64(3)}},
		{ws: "big", spec: map[string]any{"size": "huge"}, fail: "spec.size: Invalid value"},
		{ws: "big", spec: map[string]any{"colour": "green"}, want: map[string]any{"size": int64(3)}}, // pruned
		{ws: "rose", spec: map[string]any{"colour": "blue"}, want: map[string]any{"colour": "blue"}},
		{ws: "bare", spec: map[string]any{}, fail: "could not find the requested resource"},
	} {
		client := h.widgets(t, tc.ws)
		got, err := client.Create(ctx, widget("one", tc.spec), metav1.CreateOptions{})
		if tc.fail != "" {
			if err == nil || !strings.Contains(err.Error(), tc.fail) {
				t.Errorf("%s: created %v: error %v, want one with %q", tc.ws, tc.spec, err, tc.fail)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: create %v: %v", tc.ws, tc.spec, err)
			continue
		}
		if diff := cmp.Diff(tc.want, got.Object["spec"]); diff != "" {
			t.Errorf("%s: stored spec (-want +got):\n%s", tc.ws, diff)
		}
		if err := client.Delete(ctx, "one", metav1.DeleteOptions{}); err != nil {
			t.Errorf("%s: delete: %v", tc.ws, err)
		}
	}
	if got := h.handlers.Len(); got != 2 {
		t.Errorf("%d handlers, want one for each of the two shapes", got)
	}
}

// What a custom resource cannot be written in is refused, and is no panic in the log.
func TestBodiesThatAreNoCustomResource(t *testing.T) {
	h := newHouse(t)
	h.install("red", coloured())
	const body, message = `{"apiVersion":"example.io/v1","kind":"Widget","metadata":{"name":"one"}}`, "k8s\x00\x0a\x15\x0a\x0eexample.io/v1\x12\x06Widget"
	for _, tc := range []struct {
		method, path, kind, body string
		want                     int
	}{
		{http.MethodPost, "", "application/vnd.kubernetes.protobuf", body, http.StatusUnsupportedMediaType},
		{http.MethodPost, "", `Application/Vnd.Kubernetes.Protobuf; a="b"`, message, http.StatusUnsupportedMediaType},
		{http.MethodPost, "?fieldValidation=Ignore", "application/vnd.kubernetes.protobuf", message, http.StatusUnsupportedMediaType},
		{http.MethodPost, "", "application/cbor", body, http.StatusUnsupportedMediaType},
		{http.MethodPost, "", `application/json; charset=utf-8`, body, http.StatusCreated},
		{http.MethodPut, "/one", "application/vnd.kubernetes.protobuf", message, http.StatusUnsupportedMediaType},
		{http.MethodPut, "/one/status", "application/vnd.kubernetes.protobuf", message, http.StatusUnsupportedMediaType},
		{http.MethodPatch, "/one", "application/vnd.kubernetes.protobuf", message, http.StatusUnsupportedMediaType},
		{http.MethodDelete, "/one", "application/vnd.kubernetes.protobuf", "k8s\x00\x0a\x13\x0a\x02v1\x12\x0dDeleteOptions", http.StatusOK},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tc.method, h.url+"/clusters/red/apis/example.io/v1/namespaces/default/widgets"+tc.path, strings.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", tc.kind)
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Errorf("%s%s as %s: %v", tc.method, tc.path, tc.kind, err)
			continue
		}
		_ = answer.Body.Close()
		if answer.StatusCode != tc.want {
			t.Errorf("%s%s as %s: %s, want %d", tc.method, tc.path, tc.kind, answer.Status, tc.want)
		}
	}
}

// Equal names in workspaces that share a handler are different objects.
func TestSharedHandlerKeepsObjectsApart(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	h.install("a", coloured())
	h.install("b", coloured())
	for ws, colour := range map[logicalcluster.Name]string{"a": "red", "b": "blue"} {
		if _, err := h.widgets(t, ws).Create(ctx, widget("same", map[string]any{"colour": colour}), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for ws, colour := range map[logicalcluster.Name]string{"a": "red", "b": "blue"} {
		list, err := h.widgets(t, ws).List(ctx, metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(list.Items) != 1 || list.Items[0].Object["spec"].(map[string]any)["colour"] != colour {
			t.Errorf("%s lists %v, want its own %s widget", ws, list.Items, colour)
		}
	}
}

// Server-side apply merges lists by the keys that the schema declares.
func TestApplyKnowsListKeys(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	listMap, str := "map", apiextensionsv1.JSONSchemaProps{Type: "string"}
	h.install("a", widgetCRD(map[string]apiextensionsv1.JSONSchemaProps{"parts": {
		Type: "array", XListType: &listMap, XListMapKeys: []string{"name"},
		Items: &apiextensionsv1.JSONSchemaPropsOrArray{Schema: &apiextensionsv1.JSONSchemaProps{
			Type: "object", Required: []string{"name"},
			Properties: map[string]apiextensionsv1.JSONSchemaProps{"name": str, "note": str},
		}},
	}}))
	client := h.widgets(t, "a")
	for _, part := range []string{"wheel", "axle"} {
		data := []byte(`{"apiVersion":"example.io/v1","kind":"Widget","metadata":{"name":"cart"},"spec":{"parts":[{"name":"` + part + `"}]}}`)
		if _, err := client.Patch(ctx, "cart", types.ApplyPatchType, data, metav1.PatchOptions{FieldManager: part}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := client.Get(ctx, "cart", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"parts": []any{map[string]any{"name": "wheel"}, map[string]any{"name": "axle"}}}
	if diff := cmp.Diff(want, got.Object["spec"]); diff != "" {
		t.Errorf("two appliers of different parts (-want +got):\n%s", diff)
	}
}

// A terminating definition is a shape of its own: what is there can be read
// and deleted, but nothing created.
func TestTerminatingRefusesCreates(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	h.install("a", coloured())
	client := h.widgets(t, "a")
	if _, err := client.Create(ctx, widget("old", nil), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	going := coloured()
	now := metav1.Now()
	going.DeletionTimestamp = &now
	h.install("a", going)
	if _, err := client.Create(ctx, widget("new", nil), metav1.CreateOptions{}); !apierrors.IsForbidden(err) && !apierrors.IsMethodNotSupported(err) {
		t.Errorf("create while terminating: %v, want a refusal", err)
	}
	if err := client.Delete(ctx, "old", metav1.DeleteOptions{}); err != nil {
		t.Errorf("delete while terminating: %v", err)
	}
}

// Retiring a shape ends its watches and frees its handler; the objects stay
// and a later request finds them.
func TestRetire(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	api := h.install("a", coloured())
	client := h.widgets(t, "a")
	if _, err := client.Create(ctx, widget("one", nil), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	watch, err := client.Watch(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	<-watch.ResultChan() // the handler is at work
	h.handlers.Retire(api.Shape)
	ends(t, watch.ResultChan())
	if got := h.handlers.Len(); got != 0 {
		t.Errorf("%d handlers after retiring the only shape", got)
	}
	if _, err := client.Get(ctx, "one", metav1.GetOptions{}); err != nil {
		t.Errorf("get after retiring: %v", err)
	}
}

// A handler is torn down when nobody asked for it in a while, but not under a
// watch, and not one that is to be kept.
func TestRetireIdle(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	kept := h.install("c", widgetCRD(nil))
	h.handlers.config.Keep = func(shape string) bool { return shape == kept.Shape }
	if _, err := h.widgets(t, "c").List(ctx, metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	h.install("a", coloured())
	h.install("b", sized())
	watch, err := h.widgets(t, "a").Watch(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.widgets(t, "b").List(ctx, metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.widgets(t, "a").Create(ctx, widget("one", nil), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	<-watch.ResultChan()
	h.clock.Step(DefaultIdleAfter + time.Second)
	h.handlers.RetireIdle()
	if got := h.handlers.Len(); got != 2 {
		t.Errorf("%d handlers, want those of the watched shape and of the kept one", got)
	}
	watch.Stop()
}

// Close ends everything at once.
func TestClose(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	h.install("a", coloured())
	client := h.widgets(t, "a")
	watch, err := client.Watch(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Create(ctx, widget("one", nil), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	<-watch.ResultChan()
	h.handlers.Close()
	ends(t, watch.ResultChan())
	if got := h.handlers.Len(); got != 0 {
		t.Errorf("%d handlers after the end", got)
	}
}

// Run looks for idle handlers until its context ends.
func TestRun(t *testing.T) {
	h := newHouse(t)
	h.install("a", coloured())
	if _, err := h.widgets(t, "a").List(context.Background(), metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); h.handlers.Run(ctx) }()
	for h.handlers.Len() > 0 {
		h.clock.Step(DefaultIdleAfter)
		runtime.Gosched()
	}
	cancel()
	<-done
}

// A version the definition does not serve is not found, as if it did not exist.
func TestUnservedVersion(t *testing.T) {
	h := newHouse(t)
	h.install("a", coloured())
	response, err := http.Get(h.url + "/clusters/a/apis/example.io/v2/namespaces/default/widgets")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusNotFound {
		t.Errorf("status %d, want 404", response.StatusCode)
	}
}

func TestNewNeedsParts(t *testing.T) {
	if _, err := New(Config{}); err == nil || !strings.Contains(err.Error(), "Storage") {
		t.Errorf("New(Config{}): %v, want an error naming what is missing", err)
	}
}
