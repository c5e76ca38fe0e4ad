package server

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsclient "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// converter is a conversion webhook that the shared hub may call.
type converter struct {
	*httptest.Server
	calls  atomic.Int32
	bundle []byte
}

// convertBy starts a webhook that answers by edit what it is asked to convert. A
// nil edit never answers.
func convertBy(t *testing.T, edit func(object map[string]any)) *converter {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(allowedAddress, "0"))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := shared.hub.authority.Serving("test-converter", []string{allowedAddress})
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	c := &converter{bundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})}
	c.Server = &httptest.Server{Listener: listener, TLS: &tls.Config{Certificates: []tls.Certificate{certificate}}, Config: &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			c.calls.Add(1)
			body, _ := io.ReadAll(req.Body)
			if edit == nil {
				<-req.Context().Done()
				return
			}
			answerReview(t, w, body, edit)
		}),
	}}
	c.StartTLS()
	t.Cleanup(func() { c.CloseClientConnections(); c.Close() })
	return c
}

func answerReview(t *testing.T, w http.ResponseWriter, body []byte, edit func(object map[string]any)) {
	review := &apiextensionsv1.ConversionReview{}
	if err := json.Unmarshal(body, review); err != nil {
		t.Error(err)
		return
	}
	response := &apiextensionsv1.ConversionResponse{UID: review.Request.UID, Result: metav1.Status{Status: metav1.StatusSuccess}}
	for _, raw := range review.Request.Objects {
		object := map[string]any{}
		if err := json.Unmarshal(raw.Raw, &object); err != nil {
			t.Error(err)
		}
		object["apiVersion"] = review.Request.DesiredAPIVersion
		edit(object)
		response.ConvertedObjects = append(response.ConvertedObjects, runtime.RawExtension{Object: &unstructured.Unstructured{Object: object}})
	}
	review.Request, review.Response = nil, response
	if err := json.NewEncoder(w).Encode(review); err != nil {
		t.Log(err)
	}
}

// swap converts between spec.size of v1 and spec.width of v2.
func swap(object map[string]any) {
	spec, _ := object["spec"].(map[string]any)
	from, to := "size", "width"
	if strings.HasSuffix(object["apiVersion"].(string), "/v1") {
		from, to = to, from
	}
	if value, ok := spec[from]; ok {
		spec[to] = value
		delete(spec, from)
	}
}

func object(properties map[string]apiextensionsv1.JSONSchemaProps) apiextensionsv1.JSONSchemaProps {
	return apiextensionsv1.JSONSchemaProps{Type: "object", Properties: properties}
}

// gears returns a definition of two versions, stored as v1.
func gears(conversion *apiextensionsv1.CustomResourceConversion) *apiextensionsv1.CustomResourceDefinition {
	version := func(name, field string, stored bool) apiextensionsv1.CustomResourceDefinitionVersion {
		spec := object(map[string]apiextensionsv1.JSONSchemaProps{field: {Type: "integer"}})
		root := object(map[string]apiextensionsv1.JSONSchemaProps{"spec": spec})
		return apiextensionsv1.CustomResourceDefinitionVersion{
			Name: name, Served: true, Storage: stored,
			Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &root},
		}
	}
	return &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "gears.example.io"},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: "example.io", Scope: apiextensionsv1.NamespaceScoped, Conversion: conversion,
			Names:    apiextensionsv1.CustomResourceDefinitionNames{Plural: "gears", Singular: "gear", Kind: "Gear", ListKind: "GearList"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{version("v1", "size", true), version("v2", "width", false)},
		},
	}
}

func byWebhook(url string, bundle []byte) *apiextensionsv1.CustomResourceConversion {
	return &apiextensionsv1.CustomResourceConversion{
		Strategy: apiextensionsv1.WebhookConverter,
		Webhook: &apiextensionsv1.WebhookConversion{
			ClientConfig:             &apiextensionsv1.WebhookClientConfig{URL: &url, CABundle: bundle},
			ConversionReviewVersions: []string{"v1"},
		},
	}
}

// tenant is alice in a workspace that she administers.
type tenant struct {
	path    logicalcluster.Path
	name    logicalcluster.Name
	crds    apiextensionsclient.Interface
	objects dynamic.Interface
}

func newTenant(t *testing.T) *tenant {
	t.Helper()
	path, workspace := newWorkspace(t)
	config := tenantConfig(t, path)
	return &tenant{
		path: path, name: logicalcluster.Name(workspace.Spec.Cluster),
		crds: apiextensionsclient.NewForConfigOrDie(config), objects: dynamic.NewForConfigOrDie(config),
	}
}

func tenantConfig(t *testing.T, path logicalcluster.Path) *rest.Config {
	t.Helper()
	config := rest.AnonymousClientConfig(restConfig(t, "base"))
	config.BearerToken, config.Host, config.QPS = "alice-token", client.WorkspaceURL(shared.hub.URL(), path), -1
	return config
}

// install creates a definition and waits until it is established.
func (a *tenant) install(t *testing.T, crd *apiextensionsv1.CustomResourceDefinition) {
	t.Helper()
	definitions := a.crds.ApiextensionsV1().CustomResourceDefinitions()
	if _, err := definitions.Create(t.Context(), crd, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	a.until(t, crd.Name, "it is established", func(crd *apiextensionsv1.CustomResourceDefinition) bool {
		return conditionOf(crd, apiextensionsv1.Established).Status == apiextensionsv1.ConditionTrue
	})
}

// until watches a definition until it is as it should be, and returns it.
func (a *tenant) until(t *testing.T, name, what string, is func(*apiextensionsv1.CustomResourceDefinition) bool) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	watch, err := a.crds.ApiextensionsV1().CustomResourceDefinitions().Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	for event := range watch.ResultChan() {
		if crd, ok := event.Object.(*apiextensionsv1.CustomResourceDefinition); ok && is(crd) {
			return crd
		}
	}
	t.Fatalf("definition %s: not so that %s", name, what)
	return nil
}

func conditionOf(crd *apiextensionsv1.CustomResourceDefinition, kind apiextensionsv1.CustomResourceDefinitionConditionType) apiextensionsv1.CustomResourceDefinitionCondition {
	for _, condition := range crd.Status.Conditions {
		if condition.Type == kind {
			return condition
		}
	}
	return apiextensionsv1.CustomResourceDefinitionCondition{}
}

// of returns a client for a version of a resource of example.io in "default".
func (a *tenant) of(version, resource string) dynamic.ResourceInterface {
	return a.objects.Resource(a.gvr(version, resource)).Namespace("default")
}

func made(version, kind, name string, spec map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "example.io/" + version, "kind": kind, "metadata": map[string]any{"name": name}, "spec": spec,
	}}
}

func TestConversionByWebhook(t *testing.T) {
	ctx := t.Context()
	webhook := convertBy(t, swap)
	alice := newTenant(t)
	alice.install(t, gears(byWebhook(webhook.URL, webhook.bundle)))
	v1, v2 := alice.of("v1", "gears"), alice.of("v2", "gears")
	watch, err := v2.Watch(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	if _, err := v1.Create(ctx, made("v1", "Gear", "one", map[string]any{"size": int64(3)}), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := v2.Create(ctx, made("v2", "Gear", "two", map[string]any{"width": int64(4)}), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		in    dynamic.ResourceInterface
		name  string
		field string
		want  int64
	}{{v1, "one", "size", 3}, {v2, "one", "width", 3}, {v1, "two", "size", 4}, {v2, "two", "width", 4}} {
		got, err := c.in.Get(ctx, c.name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if value, _, _ := unstructured.NestedInt64(got.Object, "spec", c.field); value != c.want {
			t.Errorf("%s as %s: %v", c.name, got.GetAPIVersion(), got.Object["spec"])
		}
	}
	for i, want := range []int64{3, 4} {
		event := <-watch.ResultChan()
		seen, ok := event.Object.(*unstructured.Unstructured)
		if !ok {
			t.Fatalf("event %d: %v", i, event)
		}
		if width, _, _ := unstructured.NestedInt64(seen.Object, "spec", "width"); width != want {
			t.Errorf("event %d: %v", i, seen.Object)
		}
	}
}

// TestWebhooksThatAreNotCalled: what cannot work is refused when it is written.
func TestWebhooksThatAreNotCalled(t *testing.T) {
	alice := newTenant(t)
	service := byWebhook("", nil)
	service.Webhook.ClientConfig = &apiextensionsv1.WebhookClientConfig{Service: &apiextensionsv1.ServiceReference{Namespace: "default", Name: "convert"}}
	for name, c := range map[string]struct {
		conversion *apiextensionsv1.CustomResourceConversion
		says       string
	}{
		"the hub itself":      {byWebhook(shared.hub.URL(), nil), "--tenant-egress-allow"},
		"the metadata":        {byWebhook("https://169.254.169.254/latest", nil), "--tenant-egress-allow"},
		"a private network":   {byWebhook("https://10.0.0.1/", nil), "--tenant-egress-allow"},
		"a function":          {byWebhook("https://widgets.conversion.atrium.internal/", nil), "the hub's own"},
		"a function, shouted": {byWebhook("https://Widgets.Conversion.ATRIUM.internal.:443/", nil), "the hub's own"},
		"a service":           {service, "there are no pods behind services"},
		"plain HTTP":          {byWebhook("http://example.com/", nil), "https"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := alice.crds.ApiextensionsV1().CustomResourceDefinitions().Create(t.Context(), gears(c.conversion), metav1.CreateOptions{})
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v; expected an error that says %q", err, c.says)
			}
		})
	}
	// A name is judged by what it stands for when it is called.
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(shared.hub.URL(), "https://"))
	alice.install(t, gears(byWebhook("https://localhost:"+port+"/", nil)))
	_, err := alice.of("v2", "gears").Create(t.Context(), made("v2", "Gear", "one", nil), metav1.CreateOptions{})
	if err == nil || !strings.Contains(err.Error(), "loopback") || !strings.Contains(err.Error(), "--tenant-egress-allow") {
		t.Errorf("a name for the hub itself: %v", err)
	}
}

// TestLyingWebhooks: a webhook cannot move an object to another workspace, nor
// write what the hub alone writes.
func TestLyingWebhooks(t *testing.T) {
	victim, _ := newWorkspace(t)
	lie := atomic.Pointer[func(map[string]any)]{}
	webhook := convertBy(t, func(object map[string]any) { (*lie.Load())(object) })
	alice := newTenant(t)
	alice.install(t, gears(byWebhook(webhook.URL, webhook.bundle)))
	for name, change := range map[string]func(metadata map[string]any){
		"another workspace": func(m map[string]any) {
			m["annotations"] = map[string]any{logicalcluster.AnnotationKey: victim.String()}
		},
		"no workspace": func(m map[string]any) { delete(m, "annotations") },
		"placed":       func(m map[string]any) { m["labels"] = map[string]any{"state.workload.kcp.io/abc": "Sync"} },
		"claimed":      func(m map[string]any) { m["labels"] = map[string]any{"claimed.internal.apis.kcp.io/abc": "def"} },
	} {
		t.Run(name, func(t *testing.T) {
			lie.Store(new(func(object map[string]any) { change(object["metadata"].(map[string]any)) }))
			_, err := alice.of("v2", "gears").Create(t.Context(), made("v2", "Gear", "one", nil), metav1.CreateOptions{})
			if err == nil || !strings.Contains(err.Error(), "only the hub writes") {
				t.Errorf("%v", err)
			}
			if _, err := alice.of("v1", "gears").Get(t.Context(), "one", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
				t.Errorf("it was stored: %v", err)
			}
		})
	}
}

// TestHangingWebhook: requests that wait for a webhook take no more than their
// share, end with a reason, and keep nobody else waiting.
func TestHangingWebhook(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	webhook := convertBy(t, nil)
	alice, bystander := newTenant(t), newTenant(t)
	alice.install(t, gears(byWebhook(webhook.URL, webhook.bundle)))
	bystander.install(t, gears(nil))
	const requests = 2 * convertingPerWorkspace
	ended := make(chan error, requests)
	for i := range requests {
		go func() {
			_, err := alice.of("v2", "gears").Create(ctx, made("v2", "Gear", fmt.Sprintf("g%d", i), nil), metav1.CreateOptions{})
			ended <- err
		}()
	}
	refused, failed := 0, 0
	for range requests {
		switch err := <-ended; {
		case apierrors.IsTooManyRequests(err):
			// client-go asked ten times before it gave up.
			refused++
		case err != nil && strings.Contains(err.Error(), "did not answer within"):
			failed++
		default:
			t.Errorf("%v", err)
		}
		if began := time.Now(); refused+failed == 1 {
			if _, err := bystander.of("v2", "gears").List(ctx, metav1.ListOptions{}); err != nil || time.Since(began) > 5*time.Second {
				t.Errorf("others waited %s: %v", time.Since(began), err)
			}
		}
	}
	// The hub's own loops get by without the webhook, or do not wait for it.
	if _, err := alice.of("v1", "gears").Create(ctx, made("v1", "Gear", "stays", nil), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	calls := webhook.calls.Load()
	definitions := alice.crds.ApiextensionsV1().CustomResourceDefinitions()
	gone, err := definitions.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=gears.example.io"})
	if err != nil {
		t.Fatal(err)
	}
	defer gone.Stop()
	if err := definitions.Delete(ctx, "gears.example.io", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	for event := range gone.ResultChan() {
		if event.Type == apiwatch.Deleted {
			break
		}
	}
	if ctx.Err() != nil || webhook.calls.Load() != calls {
		t.Errorf("deleting the definition: %v, after %d more calls of the webhook", ctx.Err(), webhook.calls.Load()-calls)
	}
	if failed == 0 || calls > requests {
		t.Errorf("%d failed and %d were refused, after %d calls", failed, refused, calls)
	}
}

// gvr names a resource of example.io.
func (a *tenant) gvr(version, resource string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "example.io", Version: version, Resource: resource}
}
