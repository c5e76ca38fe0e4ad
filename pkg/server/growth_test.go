package server

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// inventor names things. Names he has used before are not good enough.
type inventor struct {
	round string
	path  logicalcluster.Path
	hub   *client.Hub
}

// resource is the i-th resource he defines, with a group, a version and a kind
// that nobody else has.
func (v inventor) resource(i int) schema.GroupVersionResource {
	return schema.GroupVersionResource{
		Group: fmt.Sprintf("%s-group%d.example.io", v.round, i), Version: fmt.Sprintf("v1alpha%d", i+1), Resource: fmt.Sprintf("%sthings%d", v.round, i),
	}
}

func (v inventor) definition(i int) string {
	gvr := v.resource(i)
	singular := strings.Replace(gvr.Resource, "things", "thing", 1)
	return fmt.Sprintf(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"%[1]s.%[2]s"},
"spec":{"group":"%[2]s","scope":"Namespaced","names":{"plural":"%[1]s","singular":"%[4]s","kind":"%[5]s"},
"versions":[{"name":"%[3]s","served":true,"storage":true,"deprecated":true,"subresources":{"status":{},"scale":{"specReplicasPath":".spec.replicas","statusReplicasPath":".status.replicas"}},
"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","properties":{"replicas":{"type":"integer"}}},"status":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}}}]}}`,
		gvr.Resource, gvr.Group, gvr.Version, singular, strings.ToUpper(singular[:1])+singular[1:])
}

// use defines the i-th resource, makes an object, reads and writes it in several
// ways, watches it, and deletes the definition of every second.
func (v inventor) use(t *testing.T, i int, watches *sync.WaitGroup) error {
	ctx := limit(t)
	if err := post(ctx, v.hub, v.path, crdsPath, v.definition(i)); err != nil {
		return err
	}
	if i%3 == 2 {
		return nil // never asked for
	}
	gvr := v.resource(i)
	object := fmt.Sprintf(`{"apiVersion":"%s","kind":"%s","metadata":{"name":"a"},"spec":{"replicas":1}}`, gvr.GroupVersion(), v.kind(i))
	collection := fmt.Sprintf("/apis/%s/namespaces/default/%s", gvr.GroupVersion(), gvr.Resource)
	await(ctx, t, "an object", func() error { return post(ctx, v.hub, v.path, collection, object) })
	var failed []error
	at := v.path.RequestPath() + collection + "/a"
	merge := func(sub string) *rest.Request {
		return v.hub.REST().Patch("application/merge-patch+json").AbsPath(at + sub).Body([]byte(`{"status":{"x":"y"}}`))
	}
	failed = append(failed, merge("").Do(ctx).Error(), merge("/status").Do(ctx).Error(),
		v.hub.REST().Get().AbsPath(at+"/scale").Do(ctx).Error())
	if i%4 == 0 {
		w := watchIn(t, tokenConfig(t, "alice-token"), v.path, gvr)
		watches.Go(func() {
			for range w.ResultChan() {
			}
		})
	}
	if i%2 == 0 {
		failed = append(failed, v.hub.REST().Delete().AbsPath(v.path.RequestPath()+crdsPath+"/"+gvr.Resource+"."+gvr.Group).Do(ctx).Error())
	}
	return errors.Join(failed...)
}

func (v inventor) kind(i int) string {
	return fmt.Sprintf("%sthing%d", strings.ToUpper(v.round[:1])+v.round[1:], i)
}

// invent lets alice define many resources in a workspace that is deleted then.
func invent(t *testing.T, round string, many int) {
	path, workspace := newWorkspace(t)
	v := inventor{round: round, path: path, hub: withToken(t, "alice-token")}
	var watches sync.WaitGroup
	inParallel(t, many, func(i int) error { return v.use(t, i, &watches) })
	if _, err := v.hub.REST().Get().AbsPath(path.RequestPath() + "/openapi/v2").DoRaw(limit(t)); err != nil {
		t.Error(err)
	}
	remove(t, workspace.Name)
	awaitGone(t, workspace.Name)
	watches.Wait()
}

func inParallel(t *testing.T, many int, do func(int) error) {
	t.Helper()
	const workers = 8
	var working sync.WaitGroup
	for first := range workers {
		working.Go(func() {
			for i := first; i < many; i += workers {
				if err := do(i); err != nil {
					t.Errorf("%d: %v", i, err)
				}
			}
		})
	}
	working.Wait()
}

// fumble lets a tenant ask for what is not there, in ever new words.
func fumble(t *testing.T, round string, many int) {
	path, workspace := newWorkspace(t)
	config := tokenConfig(t, "alice-token")
	transport, err := rest.TransportFor(config)
	if err != nil {
		t.Fatal(err)
	}
	at := shared.hub.URL() + path.RequestPath()
	inParallel(t, many, func(i int) error {
		name := fmt.Sprintf("%s%d", round, i)
		for _, r := range []struct{ method, url string }{
			{"GET", at + "/apis/" + name + ".example.io/v1/things"},
			{"GET", at + "/apis/" + name + ".example.io/v1/namespaces/default/things/a/" + name},
			{"WATCH" + strings.ToUpper(name), at + "/api/v1/namespaces"},
			{strings.ToUpper(name), at + "/apis/apps/v1/" + name},
			{"GET", at + "/" + name + "/" + name},
			{"GET", at + "/api/v1/" + name},
			{"GET", at + "/api/" + name + "/pods"},
			{"POST", at + "/api/v1/namespaces/default/configmaps/a/" + name},
			{"GET", at + "/api/v1/namespaces/default/configmaps/a?watch=" + name},
			{"GET", at + "/api/v1/namespaces/" + name + "/configmaps?fieldSelector=" + name + "%3Da&timeoutSeconds=1&watch=1"},
			{"GET", at + "/api/v1/namespaces/" + name + "/configmaps?resourceVersion=" + name},
			{"PUT", at + "/apis/example.io/" + name + "/" + name + "/" + name + "/status"},
			{"GET", at + "/openapi/v3/apis/" + name + "/v1"},
			{"GET", at + "/apis/" + name},
			{"GET", shared.hub.URL() + "/clusters/root:" + name + "/api/v1/namespaces"},
			{"GET", shared.hub.URL() + "/services/" + name + "/x"},
			{"GET", shared.hub.URL() + "/services/initializingworkspaces/root:" + name + "/clusters/*/apis/" + name},
			{"GET", shared.hub.URL() + "/services/syncer/root/" + name + "/x/clusters/*/api/v1/" + name},
			{"GET", shared.hub.URL() + "/" + name},
			{"GET", shared.hub.URL() + "/metrics/" + name},
			{"GET", shared.hub.URL() + "/healthz/" + name},
			{"GET", shared.hub.URL() + "/readyz?exclude=" + name},
			{"PATCH", at + "/api/v1/namespaces/default?fieldManager=" + name},
			{"DELETE", at + "/apis/rbac.authorization.k8s.io/v1/clusterroles/" + name},
			{"CONNECT", at + "/api/v1/namespaces/default/pods/a/" + name},
		} {
			request, err := http.NewRequestWithContext(limit(t), r.method, r.url, strings.NewReader("{}"))
			if err != nil {
				return err
			}
			request.Header.Set("User-Agent", name+"/v1 ("+name+")")
			request.Header.Set("Accept", "application/"+name+";as="+name+", application/json")
			request.Header.Set("Content-Type", "application/"+name)
			request.Header.Set("X-Request-Id", name)
			response, err := transport.RoundTrip(request)
			if err != nil {
				continue // a server may hang up on nonsense
			}
			response.Body.Close()
		}
		return failLogins(limit(t), t, name, at)
	})
	remove(t, workspace.Name)
	awaitGone(t, workspace.Name)
}

// failLogins tries to be somebody, and somebody else.
func failLogins(ctx context.Context, t *testing.T, name, at string) error {
	stranger, err := rest.HTTPClientFor(rest.AnonymousClientConfig(restConfig(t, "base")))
	if err != nil {
		return err
	}
	for token, as := range map[string]string{
		name:          "",
		"alice-token": name,
		// {"alg":"RS256","kid":"x"}.{"iss":"https://<name>.example.io"}
		"eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ." + base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"https://`+name+`.example.io","sub":"x","aud":["`+name+`"]}`)) + ".c2ln": "",
	} {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, at+"/api/v1/namespaces", nil)
		if err != nil {
			return err
		}
		request.Header.Set("Authorization", "Bearer "+token)
		if as != "" {
			request.Header.Set("Impersonate-User", as)
			request.Header.Set("Impersonate-Extra-"+name, name)
		}
		response, err := stranger.Do(request)
		if err != nil {
			return err
		}
		response.Body.Close()
	}
	return nil
}

// holdings is what the hub holds that could grow with names.
type holdings struct {
	Series, Known, Handlers, Shapes, Sets, Watches, Goroutines int
}

func takeHoldings(t *testing.T) (holdings, []string) {
	t.Helper()
	series := seriesNames(takeSeries(t))
	h, stats := shared.hub, shared.hub.catalog.Stats()
	if err := (forgetting{known: h.stores.customResources, late: func(logicalcluster.Name) {}}).look(limit(t)); err != nil {
		t.Fatal(err)
	}
	return holdings{
		Series: len(series), Known: h.stores.customResources.Known(), Handlers: h.customResources.Len(),
		Shapes: stats.Shapes, Sets: stats.Sets, Watches: h.lasting.Len(), Goroutines: runtime.NumGoroutine(),
	}, series
}

// seriesNames returns the series of a page of metrics, without their values, and
// without those of what the hub does by the clock.
func seriesNames(page string) (names []string) {
	for line := range strings.Lines(page) {
		if at := strings.LastIndexByte(strings.TrimSpace(line), ' '); at > 0 && line[0] != '#' && !strings.Contains(line, `resource="leases"`) {
			names = append(names, line[:at])
		}
	}
	return names
}

// within reports whether nothing has grown but by the allowance.
func (h holdings) within(before, allowed holdings) bool {
	return h.Series <= before.Series+allowed.Series && h.Known <= before.Known+allowed.Known &&
		h.Handlers <= before.Handlers+allowed.Handlers && h.Shapes <= before.Shapes+allowed.Shapes &&
		h.Sets <= before.Sets+allowed.Sets && h.Watches <= before.Watches+allowed.Watches &&
		h.Goroutines <= before.Goroutines+allowed.Goroutines
}

// TestNamesOfTenantsLeaveNothing: two tenants use names that nobody used before, one
// of them with success. What the hub holds afterwards is what it held before.
func TestNamesOfTenantsLeaveNothing(t *testing.T) {
	const many = 150
	// What is made by the first of a kind stays: histograms, caches, connections.
	invent(t, "warm", 12)
	fumble(t, "warm", 12)
	before, oldSeries := takeHoldings(t)
	invent(t, "fresh", many)
	fumble(t, "fresh", many)
	// A few series for answers that are met by chance, such as a conflict; a few
	// goroutines for the connections of this test's clients.
	allowed := holdings{Series: 40, Goroutines: 40}
	after, series := takeHoldings(t)
	for ctx := limit(t); !after.within(before, allowed); after, series = takeHoldings(t) {
		select {
		case <-ctx.Done():
			t.Fatalf("before %+v\nafter  %+v\nnew series:\n%s", before, after, strings.Join(newOnes(oldSeries, series), "\n"))
		case <-time.After(200 * time.Millisecond): // handlers drain, and goroutines end, without telling
		}
	}
	for _, name := range series {
		if strings.Contains(name, "fresh") || strings.Contains(name, "warm") {
			t.Errorf("a time series is named by a tenant: %s", name)
		}
	}
	t.Logf("before %+v, after %+v", before, after)
}

func newOnes(before, after []string) (found []string) {
	known := map[string]bool{}
	for _, name := range before {
		known[name] = true
	}
	for _, name := range after {
		if !known[name] {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found[:min(len(found), 60)]
}

// TestIssuersOfTenantsShareSeries: whoever names issuers of tokens makes no series.
func TestIssuersOfTenantsShareSeries(t *testing.T) {
	p := newProvider(t)
	path, _, _ := newTrusting(t, p.trusted())
	await(minute(t), t, "ann is let in", func() error { _, err := whoami(t.Context(), t, p.token(t, nil), path); return err })
	logins := 0
	for _, name := range seriesNames(takeSeries(t)) {
		switch {
		case !strings.Contains(name, "jwt_issuer_hash"):
		case strings.Contains(name, `jwt_issuer_hash="unexpected"`):
			logins++
		default:
			t.Errorf("a series of its own: %s", name)
		}
	}
	if logins == 0 {
		t.Error("no login was counted")
	}
}
