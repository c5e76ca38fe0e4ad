package conversions

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/conversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/egress"
	"github.com/atriumhub/atrium/pkg/schemas"
)

// widgets returns a definition of two versions without a conversion yet.
func widgets() *apiextensionsv1.CustomResourceDefinition {
	version := apiextensionsv1.CustomResourceDefinitionVersion{
		Name: "v1", Served: true, Storage: true,
		Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object"}},
	}
	other := *version.DeepCopy()
	other.Name, other.Storage = "v2", false
	return &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "widgets.example.io"},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: "example.io", Scope: apiextensionsv1.NamespaceScoped,
			Names:    apiextensionsv1.CustomResourceDefinitionNames{Plural: "widgets", Kind: "Widget"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{version, other},
		},
	}
}

func widget() *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "example.io/v1", "kind": "Widget",
		"metadata": map[string]any{
			"name": "one", "namespace": "default", "uid": "u", "annotations": map[string]any{"kcp.io/cluster": "abc"},
		},
		"spec": map[string]any{"size": int64(3)},
	}}
}

// webhookAt makes crd ask a server, or another address that has its certificate.
func webhookAt(crd *apiextensionsv1.CustomResourceDefinition, server *httptest.Server, url string) *apiextensionsv1.CustomResourceDefinition {
	bundle := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	crd.Spec.Conversion = &apiextensionsv1.CustomResourceConversion{
		Strategy: apiextensionsv1.WebhookConverter,
		Webhook: &apiextensionsv1.WebhookConversion{
			ClientConfig:             &apiextensionsv1.WebhookClientConfig{URL: &url, CABundle: bundle},
			ConversionReviewVersions: []string{"v1"},
		},
	}
	return crd
}

// convert has upstream convert a widget to v2.
func convert(t *testing.T, c *Conversions, api *schemas.API) (*unstructured.Unstructured, error) {
	t.Helper()
	factory, err := conversion.NewCRConverterFactory(c.For(api))
	if err != nil {
		t.Fatal(err)
	}
	converter, _, err := factory.NewConverter(api.CRD)
	if err != nil {
		t.Fatal(err)
	}
	out, err := converter.ConvertToVersion(widget(), schema.GroupVersion{Group: "example.io", Version: "v2"})
	if err != nil {
		return nil, err
	}
	return out.(*unstructured.Unstructured), nil
}

func local(crd *apiextensionsv1.CustomResourceDefinition) *schemas.API {
	return &schemas.API{Origin: schemas.Local, CRD: crd}
}

func newConversions(t *testing.T, allowed ...string) *Conversions {
	t.Helper()
	policy, err := egress.ParsePolicy(allowed)
	if err != nil {
		t.Fatal(err)
	}
	return New(Config{
		Door:     egress.New(policy),
		Timeout:  500 * time.Millisecond,
		Reserved: func(key string) bool { return strings.HasPrefix(key, "kcp.io/") },
	})
}

// review answers honestly but for what edit does to the converted object.
func review(t *testing.T, w io.Writer, req *http.Request, edit func(map[string]any), also ...func(*apiextensionsv1.ConversionResponse)) {
	got := &apiextensionsv1.ConversionReview{}
	if err := json.NewDecoder(req.Body).Decode(got); err != nil {
		t.Error(err)
	}
	response := &apiextensionsv1.ConversionResponse{UID: got.Request.UID, Result: metav1.Status{Status: metav1.StatusSuccess}}
	for _, raw := range got.Request.Objects {
		object := map[string]any{}
		if err := json.Unmarshal(raw.Raw, &object); err != nil {
			t.Error(err)
		}
		object["apiVersion"] = got.Request.DesiredAPIVersion
		if edit != nil {
			edit(object)
		}
		response.ConvertedObjects = append(response.ConvertedObjects, runtime.RawExtension{Object: &unstructured.Unstructured{Object: object}})
	}
	for _, change := range also {
		change(response)
	}
	got.Request, got.Response = nil, response
	if err := json.NewEncoder(w).Encode(got); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Log(err)
	}
}

func metadata(object map[string]any) map[string]any { return object["metadata"].(map[string]any) }

func TestWebhook(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(t *testing.T, w http.ResponseWriter, req *http.Request)
		says   string
	}{
		"honest": {func(t *testing.T, w http.ResponseWriter, req *http.Request) { review(t, w, req, nil) }, ""},
		"by way of a redirect": {func(t *testing.T, w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, "https://169.254.169.254/", http.StatusTemporaryRedirect)
		}, "redirects are not followed"},
		"come again in an hour": {func(t *testing.T, w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Retry-After", "3600")
			http.Error(w, "busy", http.StatusTooManyRequests)
		}, `429 Too Many Requests": "busy`},
		"broken": {func(t *testing.T, w http.ResponseWriter, req *http.Request) {
			http.Error(w, strings.Repeat("x", 10<<20), http.StatusInternalServerError)
		}, "500 Internal Server Error"},
		"no review":  {func(t *testing.T, w http.ResponseWriter, req *http.Request) { io.WriteString(w, "hello") }, "no ConversionReview"},
		"never":      {func(t *testing.T, w http.ResponseWriter, req *http.Request) { <-req.Context().Done() }, "did not answer within"},
		"in pieces":  {slowly, "did not answer within"},
		"gigabytes":  {endless, "too large"},
		"compressed": {compressed, "too large"},
		"brackets": {func(t *testing.T, w http.ResponseWriter, req *http.Request) {
			review(t, w, req, func(object map[string]any) {
				object["spec"] = json.RawMessage(strings.Repeat("[", 300) + strings.Repeat("]", 300))
			})
		}, "nested deeper"},
		"another name": {func(t *testing.T, w http.ResponseWriter, req *http.Request) {
			review(t, w, req, func(object map[string]any) { metadata(object)["name"] = "two" })
		}, "must have the same name"},
		"another UID": {func(t *testing.T, w http.ResponseWriter, req *http.Request) {
			review(t, w, req, func(object map[string]any) { metadata(object)["uid"] = "v" })
		}, "must have the same UID"},
		"another namespace": {func(t *testing.T, w http.ResponseWriter, req *http.Request) {
			review(t, w, req, func(object map[string]any) { metadata(object)["namespace"] = "kube-system" })
		}, "must have the same namespace"},
		"another version": {func(t *testing.T, w http.ResponseWriter, req *http.Request) {
			review(t, w, req, func(object map[string]any) { object["apiVersion"] = "example.io/v1" })
		}, "invalid groupVersion"},
		"another kind": {func(t *testing.T, w http.ResponseWriter, req *http.Request) {
			review(t, w, req, func(object map[string]any) { object["kind"] = "Gadget" })
		}, "invalid kind"},
		"another workspace": {func(t *testing.T, w http.ResponseWriter, req *http.Request) {
			review(t, w, req, func(object map[string]any) { metadata(object)["annotations"] = map[string]any{"kcp.io/cluster": "def"} })
		}, `annotation "kcp.io/cluster", which only the hub writes`},
		"no workspace": {func(t *testing.T, w http.ResponseWriter, req *http.Request) {
			review(t, w, req, func(object map[string]any) { delete(metadata(object), "annotations") })
		}, `annotation "kcp.io/cluster", which only the hub writes`},
		"a reserved label": {func(t *testing.T, w http.ResponseWriter, req *http.Request) {
			review(t, w, req, func(object map[string]any) { metadata(object)["labels"] = map[string]any{"kcp.io/placed": "here"} })
		}, `label "kcp.io/placed", which only the hub writes`},
		"metadata twice": {func(t *testing.T, w http.ResponseWriter, req *http.Request) {
			b := &bytes.Buffer{}
			review(t, b, req, nil)
			io.WriteString(w, strings.Replace(b.String(), `"spec":`, `"metadata":{"name":"one","namespace":"default","uid":"u","annotations":{"kcp.io/cluster":"def"}},"spec":`, 1))
		}, `annotation "kcp.io/cluster"`},
		"metadata in capitals": {func(t *testing.T, w http.ResponseWriter, req *http.Request) {
			b := &bytes.Buffer{}
			review(t, b, req, func(object map[string]any) { delete(metadata(object), "annotations") })
			io.WriteString(w, strings.Replace(b.String(), `"spec":`, `"Metadata":{"annotations":{"kcp.io/cluster":"abc"}},"spec":`, 1))
		}, `annotation "kcp.io/cluster"`},
		"nothing": {func(t *testing.T, w http.ResponseWriter, req *http.Request) {
			review(t, w, req, nil, func(r *apiextensionsv1.ConversionResponse) { r.ConvertedObjects = nil })
		}, "returned 0 objects, expected 1"},
		"too much": {func(t *testing.T, w http.ResponseWriter, req *http.Request) {
			review(t, w, req, nil, func(r *apiextensionsv1.ConversionResponse) {
				r.ConvertedObjects = append(r.ConvertedObjects, r.ConvertedObjects[0])
			})
		}, "returned 2 objects, expected 1"},
		"another's answer": {func(t *testing.T, w http.ResponseWriter, req *http.Request) {
			review(t, w, req, nil, func(r *apiextensionsv1.ConversionResponse) { r.UID = "other" })
		}, "expected response.uid"},
		"a failure": {func(t *testing.T, w http.ResponseWriter, req *http.Request) {
			review(t, w, req, nil, func(r *apiextensionsv1.ConversionResponse) {
				r.Result = metav1.Status{Status: metav1.StatusFailure, Message: "sizes must be odd"}
			})
		}, "sizes must be odd"},
	} {
		t.Run(name, func(t *testing.T) {
			asked := atomic.Int32{}
			server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				asked.Add(1)
				// A server notices that its client has gone when it has read all.
				body, _ := io.ReadAll(req.Body)
				req.Body = io.NopCloser(bytes.NewReader(body))
				c.answer(t, w, req)
			}))
			defer server.Close()
			began := time.Now()
			out, err := convert(t, newConversions(t, "127.0.0.1"), local(webhookAt(widgets(), server, server.URL+"/convert")))
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %s", took)
			}
			if asked.Load() != 1 {
				t.Errorf("it was asked %d times", asked.Load())
			}
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) || len(err.Error()) > 4<<10 {
					t.Fatalf("%v; expected an error that says %q", err, c.says)
				}
				return
			}
			want := widget()
			want.SetAPIVersion("example.io/v2")
			if diff := cmp.Diff(want, out); err != nil || diff != "" {
				t.Errorf("%v %s", err, diff)
			}
		})
	}
}

func slowly(_ *testing.T, w http.ResponseWriter, req *http.Request) {
	for req.Context().Err() == nil {
		io.WriteString(w, " ")
		w.(http.Flusher).Flush()
		select {
		case <-time.After(20 * time.Millisecond):
		case <-req.Context().Done():
		}
	}
}

func endless(_ *testing.T, w http.ResponseWriter, req *http.Request) { pour(w, req) }

func compressed(_ *testing.T, w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Content-Encoding", "gzip")
	packed := gzip.NewWriter(w)
	defer packed.Close()
	pour(packed, req)
}

// pour writes until nobody reads any more.
func pour(w io.Writer, req *http.Request) {
	for req.Context().Err() == nil {
		if _, err := w.Write(make([]byte, 1<<20)); err != nil {
			return
		}
	}
}

// TestTheHubShowsNothingOfItself: no credential, no certificate, no proxy.
func TestTheHubShowsNothingOfItself(t *testing.T) {
	seen := make(chan *http.Request, 1)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		seen <- req
		review(t, w, req, nil)
	}))
	defer server.Close()
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	if _, err := convert(t, newConversions(t, "127.0.0.1"), local(webhookAt(widgets(), server, server.URL+"/convert"))); err != nil {
		t.Fatal(err)
	}
	req := <-seen
	for _, header := range []string{"Authorization", "X-Remote-User", "Cookie", "Proxy-Authorization"} {
		if req.Header.Get(header) != "" {
			t.Errorf("%s: %s", header, req.Header.Get(header))
		}
	}
	if len(req.TLS.PeerCertificates) > 0 || req.URL.Path != "/convert" {
		t.Errorf("%d certificates, path %s", len(req.TLS.PeerCertificates), req.URL.Path)
	}
}

func TestTheDoorIsShut(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was asked") }))
	defer server.Close()
	_, port, _ := strings.Cut(server.Listener.Addr().String(), ":")
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "169.254.169.254"} {
		_, err := convert(t, newConversions(t), local(webhookAt(widgets(), server, "https://"+host+":"+port+"/")))
		if err == nil || !strings.Contains(err.Error(), egress.Flag) {
			t.Errorf("%s: %v, expected a refusal that names %s", host, err, egress.Flag)
		}
	}
}

func TestServicesAreNotCalled(t *testing.T) {
	crd := widgets()
	port := int32(443)
	crd.Spec.Conversion = &apiextensionsv1.CustomResourceConversion{
		Strategy: apiextensionsv1.WebhookConverter,
		Webhook: &apiextensionsv1.WebhookConversion{
			ClientConfig: &apiextensionsv1.WebhookClientConfig{
				Service: &apiextensionsv1.ServiceReference{Namespace: "default", Name: "kubernetes", Port: &port},
			},
			ConversionReviewVersions: []string{"v1"},
		},
	}
	if _, err := convert(t, newConversions(t), local(crd)); err == nil || !strings.Contains(err.Error(), "no pods behind services") {
		t.Errorf("%v", err)
	}
}

// TestInProcess: who reaches the functions of the hub (V5).
func TestInProcess(t *testing.T) {
	grow := func(by int64) schemas.Converter {
		return func(_ context.Context, version string, objects []*unstructured.Unstructured) ([]*unstructured.Unstructured, error) {
			for _, object := range objects {
				object.SetAPIVersion(version)
				size, _, _ := unstructured.NestedInt64(object.Object, "spec", "size")
				_ = unstructured.SetNestedField(object.Object, size+by, "spec", "size")
			}
			return objects, nil
		}
	}
	failing := func(context.Context, string, []*unstructured.Unstructured) ([]*unstructured.Unstructured, error) {
		return nil, errors.New("sizes must be odd")
	}
	for name, c := range map[string]struct {
		origin schemas.Origin
		own    schemas.Converter
		key    string
		size   int64
		says   string
	}{
		"the hub's own":          {schemas.System, nil, "widgets", 4, ""},
		"an unknown one":         {schemas.System, nil, "gadgets", 0, `no converter "gadgets"`},
		"rules of an export":     {schemas.Bound, grow(2), "rules", 5, ""},
		"rules that fail":        {schemas.Bound, failing, "rules", 0, "sizes must be odd"},
		"an export without any":  {schemas.Bound, nil, "widgets", 0, "the hub's own"},
		"a tenant's definition":  {schemas.Local, nil, "widgets", 0, "the hub's own"},
		"and an unknown name":    {schemas.Local, nil, "gadgets", 0, "the hub's own"},
		"upper case and a dot":   {schemas.Local, nil, "WIDGETS", 0, "the hub's own"},
		"a name with dots in it": {schemas.System, nil, "widgets.example.io", 4, ""},
	} {
		t.Run(name, func(t *testing.T) {
			conversions := newConversions(t)
			conversions.Register("widgets", grow(1))
			conversions.Register("widgets.example.io", grow(1))
			crd := widgets()
			schemas.ConvertInProcess(crd, c.key)
			out, err := convert(t, conversions, &schemas.API{Origin: c.origin, CRD: crd, Converter: c.own})
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%v; expected an error that says %q", err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if size, _, _ := unstructured.NestedInt64(out.Object, "spec", "size"); size != c.size || out.GetAPIVersion() != "example.io/v2" {
				t.Errorf("size %d in %s", size, out.GetAPIVersion())
			}
		})
	}
}

func TestCheck(t *testing.T) {
	for address, says := range map[string]string{
		"https://convert.example.com/":                         "",
		"https://convert.example.com:8443/x":                   "",
		"https://8.8.8.8/":                                     "",
		"http://convert.example.com/":                          "must be a URL such as",
		"https://":                                             "must be a URL such as",
		"://":                                                  "no URL",
		"https://127.0.0.1/":                                   egress.Flag,
		"https://[::ffff:169.254.169.254]/":                    egress.Flag,
		"https://x.conversion.atrium.internal/":                "the hub's own",
		"https://X.Conversion.Atrium.Internal.:443/":           "the hub's own",
		"https://conversion.atrium.internal":                   "the hub's own",
		"https://conversion.atrium.internal.example.com/":      "",
		"https://notconversion.atrium.internal.example.com:1/": "",
	} {
		err := Check(address, egress.Policy{}.Check)
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%s: %v; expected %q", address, err, says)
		}
	}
	open := func(netip.Addr) error { return nil }
	if err := Check("https://10.0.0.1/", open); err != nil {
		t.Errorf("what the operator allowed: %v", err)
	}
}

func TestRegisterTwice(t *testing.T) {
	defer func() {
		if said := fmt.Sprint(recover()); !strings.Contains(said, `"widgets"`) {
			t.Errorf("it said %s", said)
		}
	}()
	conversions := newConversions(t)
	conversions.Register("widgets", nil)
	conversions.Register("widgets", nil)
}
