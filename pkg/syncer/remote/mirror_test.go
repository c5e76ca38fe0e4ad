package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var configMaps = Resource{GroupVersionResource: corev1.SchemeGroupVersion.WithResource("configmaps"), Kind: "ConfigMap"}

// apiServer answers lists from memory and sends on watches what it is told to.
type apiServer struct {
	*httptest.Server

	mu      sync.Mutex
	objects []string // as JSON
	version int
	broken  int // status code for the next list
	lists   []string
	watches chan *watcher
}

// watcher is one open watch.
type watcher struct {
	query  string
	events chan string // JSON; closing it ends the watch
}

func newAPIServer(t *testing.T) *apiServer {
	s := &apiServer{version: 1, watches: make(chan *watcher, 16)}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Server.Close)
	return s
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if req.URL.Query().Get("watch") != "" {
		s.serveWatch(w, req)
		return
	}
	s.serveList(w, req)
}

// serveList answers in pages of one object, however large the limit, so that
// every list has several.
func (s *apiServer) serveList(w http.ResponseWriter, req *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lists = append(s.lists, req.URL.Path+"?labelSelector="+req.URL.Query().Get("labelSelector"))
	if code := s.broken; code != 0 {
		s.broken = 0
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","message":"not for you","code":%d}`, code)
		return
	}
	at := 0
	fmt.Sscan(req.URL.Query().Get("continue"), &at)
	next, items := "", []json.RawMessage{}
	if at < len(s.objects) {
		items = append(items, json.RawMessage(s.objects[at]))
	}
	if at+1 < len(s.objects) {
		next = fmt.Sprint(at + 1)
	}
	json.NewEncoder(w).Encode(map[string]any{
		"kind": "ConfigMapList", "apiVersion": "v1",
		"metadata": map[string]any{"resourceVersion": fmt.Sprint(s.version), "continue": next},
		"items":    items,
	})
}

func (s *apiServer) serveWatch(w http.ResponseWriter, req *http.Request) {
	open := &watcher{query: req.URL.RawQuery, events: make(chan string)}
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	s.watches <- open
	for {
		select {
		case event, more := <-open.events:
			if !more {
				return
			}
			fmt.Fprintln(w, event)
			w.(http.Flusher).Flush()
		case <-req.Context().Done():
			return
		}
	}
}

func (s *apiServer) set(version int, objects ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version, s.objects = version, objects
}

func configMap(workspace, name, version, data string) string {
	return fmt.Sprintf(`{"metadata":{"name":%q,"namespace":"default","resourceVersion":%q,"managedFields":[{"manager":"x"}],`+
		`"annotations":{"kcp.io/cluster":%q,"kubectl.kubernetes.io/last-applied-configuration":"long"}},"data":{"v":%q}}`, name, version, workspace, data)
}

// follow runs a mirror and returns it with the keys it reports.
func follow(t *testing.T, s *apiServer, selector string) (*Mirror, chan logicalcluster.Key, chan error) {
	t.Helper()
	server, err := Connect(&rest.Config{Host: s.URL, QPS: -1})
	if err != nil {
		t.Fatal(err)
	}
	changes, errs := make(chan logicalcluster.Key, 100), make(chan error, 100)
	m := NewMirror(Collection{Server: server, Prefix: "/view/clusters/*", Resource: configMaps, LabelSelector: selector},
		func(key logicalcluster.Key) { changes <- key }, func(err error) { errs <- err })
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { m.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })
	return m, changes, errs
}

func next[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case value := <-c:
		return value
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came in 20 s")
		panic("unreachable")
	}
}

func key(workspace, name string) logicalcluster.Key {
	return logicalcluster.Key{Workspace: logicalcluster.Name(workspace), Namespace: "default", Name: name}
}

func dataOf(t *testing.T, m *Mirror, k logicalcluster.Key) string {
	t.Helper()
	obj, err := m.Get(k)
	if err != nil {
		t.Fatal(err)
	}
	if obj == nil {
		return "none"
	}
	if obj.GetKind() != "ConfigMap" || obj.GetAPIVersion() != "v1" {
		t.Errorf("the object does not say what it is: %v", obj.GroupVersionKind())
	}
	if obj.GetManagedFields() != nil || obj.GetAnnotations()[corev1.LastAppliedConfigAnnotation] != "" {
		t.Errorf("the object carries what nobody needs: %v", obj.Object["metadata"])
	}
	return obj.Object["data"].(map[string]any)["v"].(string)
}

func TestMirrorFollows(t *testing.T) {
	s := newAPIServer(t)
	s.set(5, configMap("ws1", "a", "1", "one"), configMap("ws2", "a", "2", "two"), configMap("ws1", "b", "3", "three"))
	m, changes, _ := follow(t, s, "app=x")

	next(t, m.Synced())
	seen := []string{next(t, changes).String(), next(t, changes).String(), next(t, changes).String()}
	slices.Sort(seen)
	if diff := cmp.Diff([]string{"ws1|default/a", "ws1|default/b", "ws2|default/a"}, seen); diff != "" {
		t.Errorf("reported (-want +got):\n%s", diff)
	}
	for k, want := range map[logicalcluster.Key]string{key("ws1", "a"): "one", key("ws2", "a"): "two", key("ws1", "b"): "three", key("ws2", "b"): "none"} {
		if got := dataOf(t, m, k); got != want {
			t.Errorf("%s is %s, want %s", k, got, want)
		}
	}
	if m.Len() != 3 || len(m.In("ws1", "default")) != 2 || m.Any("ws3", "default") {
		t.Errorf("there are %d objects, %v in ws1", m.Len(), m.In("ws1", "default"))
	}

	w := next(t, s.watches)
	w.events <- `{"type":"MODIFIED","object":` + configMap("ws1", "a", "6", "changed") + `}`
	if k := next(t, changes); k != key("ws1", "a") || dataOf(t, m, k) != "changed" {
		t.Errorf("after a change, %s is %s", k, dataOf(t, m, k))
	}
	w.events <- `{"type":"DELETED","object":` + configMap("ws1", "b", "7", "") + `}`
	if k := next(t, changes); k != key("ws1", "b") || dataOf(t, m, k) != "none" {
		t.Errorf("after a deletion, %s is %s", k, dataOf(t, m, k))
	}
	w.events <- `{"type":"BOOKMARK","object":{"kind":"ConfigMap","metadata":{"resourceVersion":"20"}}}`
	close(w.events)

	// The next watch goes on where the bookmark was, without a list.
	w = next(t, s.watches)
	if want := "resourceVersion=20"; !contains(w.query, want) || strings.Contains(w.query, "sendInitialEvents") {
		t.Errorf("the second watch asks for %s", w.query)
	}
	if diff := cmp.Diff(slices.Repeat([]string{"/view/clusters/*/api/v1/configmaps?labelSelector=app=x"}, 3), s.lists); diff != "" {
		t.Errorf("lists (-want +got):\n%s", diff)
	}
}

func contains(query, part string) bool { return slices.Contains(strings.Split(query, "&"), part) }

// TestMirrorCatchesUp: what happened while the server had forgotten where the
// mirror was is reported, and nothing else.
func TestMirrorCatchesUp(t *testing.T) {
	s := newAPIServer(t)
	s.set(5, configMap("ws1", "a", "1", "one"), configMap("ws2", "a", "2", "two"), configMap("ws3", "a", "3", "three"))
	m, changes, _ := follow(t, s, "")
	for range 3 {
		next(t, changes)
	}
	w := next(t, s.watches)
	s.set(9, configMap("ws1", "a", "1", "one"), configMap("ws2", "a", "8", "new"))
	w.events <- `{"type":"ERROR","object":{"kind":"Status","status":"Failure","reason":"Expired","code":410}}`

	got := []string{next(t, changes).String(), next(t, changes).String()}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"ws2|default/a", "ws3|default/a"}, got); diff != "" {
		t.Errorf("reported (-want +got):\n%s", diff)
	}
	next(t, s.watches)
	if dataOf(t, m, key("ws1", "a")) != "one" || dataOf(t, m, key("ws2", "a")) != "new" || m.Len() != 2 {
		t.Error("the mirror does not hold what the server has")
	}
	select {
	case k := <-changes:
		t.Errorf("%s was reported although it did not change", k)
	default:
	}
}

// TestMirrorSaysWhyNot: an error is told, and then it goes on.
func TestMirrorSaysWhyNot(t *testing.T) {
	s := newAPIServer(t)
	s.set(5, configMap("ws1", "a", "1", "one"))
	s.broken = http.StatusForbidden
	m, _, errs := follow(t, s, "")
	if err := next(t, errs); err == nil || m.HasSynced() {
		t.Errorf("error %v, synced %v", err, m.HasSynced())
	}
	next(t, m.Synced())
}

func TestPath(t *testing.T) {
	server, err := Connect(&rest.Config{Host: "https://hub.example/base"})
	if err != nil {
		t.Fatal(err)
	}
	c := Collection{Server: server, Prefix: "/view", Resource: configMaps}
	apps := Resource{Kind: "Deployment"}
	apps.Group, apps.Version, apps.Resource = "apps", "v1", "deployments"
	for got, want := range map[string]string{
		c.path("", "", ""):             "/view/api/v1/configmaps",
		c.path("ns", "n", ""):          "/view/api/v1/namespaces/ns/configmaps/n",
		c.path("ns", "n", "status"):    "/view/api/v1/namespaces/ns/configmaps/n/status",
		c.Under("/w").path("", "", ""): "/w/api/v1/configmaps",
		Collection{Server: server, Resource: apps}.path("ns", "n", ""): "/apis/apps/v1/namespaces/ns/deployments/n",
	} {
		if got != want {
			t.Errorf("path is %s, want %s", got, want)
		}
	}
}

func BenchmarkItem(b *testing.B) {
	raw := []byte(configMap("ws1", "a", "1", "one"))
	for b.Loop() {
		if _, err := newItem(raw); err != nil {
			b.Fatal(err)
		}
	}
}
