package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// recorder is a hub that knows one Workspace everywhere and remembers what it
// was asked.
type recorder struct {
	asked       []string
	agents      map[string]bool
	connections atomic.Int32
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	// Decoded: net/http writes the wildcard as %2A.
	asked := req.Method + " " + req.URL.Path
	if req.URL.RawQuery != "" {
		asked += "?" + req.URL.RawQuery
	}
	r.asked = append(r.asked, asked)
	r.agents[req.UserAgent()] = true
	w.Header().Set("Content-Type", "application/json")
	const object = `{"apiVersion":"tenancy.kcp.io/v1alpha1","kind":"Workspace","metadata":{"name":"team","annotations":{"kcp.io/cluster":"abc"}},"status":{"phase":"Ready"}}`
	switch {
	case req.URL.Query().Get("watch") != "":
		fmt.Fprintf(w, `{"type":"ADDED","object":%s}`+"\n", object)
	case strings.HasSuffix(req.URL.Path, "/workspaces") && req.Method == http.MethodGet:
		fmt.Fprintf(w, `{"apiVersion":"tenancy.kcp.io/v1alpha1","kind":"WorkspaceList","metadata":{"resourceVersion":"7"},"items":[%s]}`, object)
	default:
		fmt.Fprint(w, object)
	}
}

func newRecorder(t *testing.T) (*recorder, *rest.Config) {
	t.Helper()
	r := &recorder{agents: map[string]bool{}}
	server := httptest.NewUnstartedServer(r)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			r.connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	return r, &rest.Config{Host: server.URL, QPS: -1}
}

func newHub(t *testing.T, cfg *rest.Config) *Hub {
	t.Helper()
	hub, err := New(cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return hub
}

func TestEveryVerbGoesToItsWorkspace(t *testing.T) {
	r, cfg := newRecorder(t)
	hub := newHub(t, cfg)
	ctx := context.Background()
	team := Workspaces(hub, "root:org")

	ws, err := team.Get(ctx, "team", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if ws.Status.Phase != "Ready" || ws.Name != "team" {
		t.Errorf("Get = %+v", ws)
	}
	if want := (logicalcluster.Key{Workspace: "abc", Name: "team"}); KeyOf(ws) != want {
		t.Errorf("KeyOf = %v, want %v", KeyOf(ws), want)
	}
	list, err := Workspaces(hub, Everywhere).List(ctx, metav1.ListOptions{LabelSelector: "a=b"})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 1 || list.ResourceVersion != "7" {
		t.Errorf("List = %+v", list)
	}
	events, err := Workspaces(hub, Everywhere).Watch(ctx, metav1.ListOptions{ResourceVersion: "7"})
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := (<-events.ResultChan()).Object.(*tenancyv1alpha1.Workspace); !ok || got.Name != "team" {
		t.Errorf("watched %#v", got)
	}
	events.Stop()
	if _, err := team.Create(ctx, ws, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := team.UpdateStatus(ctx, ws, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := team.Delete(ctx, "team", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := hub.Kubernetes("root:org").CoreV1().ConfigMaps("default").List(ctx, metav1.ListOptions{}); err == nil {
		t.Error("a Workspace was decoded as a ConfigMapList")
	}
	if _, err := hub.Dynamic("system:admin").Resource(schema.GroupVersionResource{Group: "g.io", Version: "v1", Resource: "things"}).Get(ctx, "x", metav1.GetOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := hub.REST().Get().AbsPath("/readyz").Do(ctx).Error(); err != nil {
		t.Fatal(err)
	}

	want := []string{
		"GET /clusters/root:org/apis/tenancy.kcp.io/v1alpha1/workspaces/team",
		"GET /clusters/*/apis/tenancy.kcp.io/v1alpha1/workspaces?labelSelector=a%3Db",
		"GET /clusters/*/apis/tenancy.kcp.io/v1alpha1/workspaces?resourceVersion=7&watch=true",
		"POST /clusters/root:org/apis/tenancy.kcp.io/v1alpha1/workspaces",
		"PUT /clusters/root:org/apis/tenancy.kcp.io/v1alpha1/workspaces/team/status",
		"DELETE /clusters/root:org/apis/tenancy.kcp.io/v1alpha1/workspaces/team",
		"GET /clusters/root:org/api/v1/namespaces/default/configmaps",
		"GET /clusters/system:admin/apis/g.io/v1/things/x",
		"GET /readyz",
	}
	if diff := cmp.Diff(want, r.asked); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestAllWorkspacesShareOneConnection(t *testing.T) {
	r, cfg := newRecorder(t)
	cfg.UserAgent = "test-agent"
	hub := newHub(t, cfg)
	for i := range 100 {
		path := logicalcluster.NewPath("root", fmt.Sprintf("team-%d", i))
		if _, err := Workspaces(hub, path).Get(context.Background(), "team", metav1.GetOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if n := r.connections.Load(); n != 1 {
		t.Errorf("100 workspaces took %d connections, want 1", n)
	}
	if diff := cmp.Diff(map[string]bool{"test-agent": true}, r.agents); diff != "" {
		t.Errorf("user agents (-want +got):\n%s", diff)
	}
}

func TestInvalidPathsNeverLeave(t *testing.T) {
	r, cfg := newRecorder(t)
	hub := newHub(t, cfg)
	ctx := context.Background()
	for _, path := range []logicalcluster.Path{"", "..", "a/b", "root:..", "root:*", "**", "Root", "root:", ":root", "a%2fb", "root\n"} {
		errs := map[string]error{}
		_, errs["typed"] = Workspaces(hub, path).List(ctx, metav1.ListOptions{})
		_, errs["kubernetes"] = hub.Kubernetes(path).CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
		_, errs["dynamic"] = hub.Dynamic(path).Resource(schema.GroupVersionResource{Version: "v1", Resource: "pods"}).List(ctx, metav1.ListOptions{})
		own, err := kubernetes.NewForConfig(hub.Config(path))
		if err != nil {
			t.Fatal(err)
		}
		_, errs["own client"] = own.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
		for door, err := range errs {
			if !errors.Is(err, ErrInvalidPath) || !strings.Contains(err.Error(), fmt.Sprintf("%q", string(path))) {
				t.Errorf("%s client for %q: %v, want ErrInvalidPath that names it", door, path, err)
			}
		}
	}
	if len(r.asked) > 0 {
		t.Errorf("requests left: %v", r.asked)
	}
}

func TestNewRefuses(t *testing.T) {
	for host, want := range map[string]string{
		"":                                 "no hub address",
		"https://hub:6443/clusters/root:a": `points to the workspace root:a: leave out "/clusters/root:a"`,
		"https://hub:port":                 "host must be a URL",
	} {
		_, err := New(&rest.Config{Host: host})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New(%q) = %v, want %q", host, err, want)
		}
	}
}

func TestRateLimit(t *testing.T) {
	hub := newHub(t, &rest.Config{Host: "https://hub", QPS: 3, Burst: 4})
	if a, b := hub.Config("root").RateLimiter, hub.Config("root:a").RateLimiter; a == nil || a != b || a.QPS() != 3 {
		t.Error("workspaces do not share one budget of 3 requests per second")
	}
	hub = newHub(t, Unthrottled(&rest.Config{Host: "https://hub", QPS: 3}))
	if cfg := hub.Config("root"); cfg.RateLimiter != nil || cfg.QPS != -1 {
		t.Errorf("unthrottled hub has QPS %v", cfg.QPS)
	}
}

// One client per request is the advertised use, so making one must stay cheap.
func BenchmarkWorkspaces(b *testing.B) {
	hub, err := New(&rest.Config{Host: "https://hub", QPS: -1})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		Workspaces(hub, "root:org:team")
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// A hub in the same process is reached through a transport instead of a socket.
func TestTransportOfTheCaller(t *testing.T) {
	r := &recorder{agents: map[string]bool{}}
	hub := newHub(t, &rest.Config{Host: "https://in-process", Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		return w.Result(), nil
	})})
	ws, err := Workspaces(hub, "root").Get(context.Background(), "team", metav1.GetOptions{})
	if err != nil || ws.Name != "team" {
		t.Errorf("Get = %v, %v", ws, err)
	}
	if _, err := hub.Dynamic("root").Resource(tenancyv1alpha1.SchemeGroupVersion.WithResource("workspaces")).Get(context.Background(), "team", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
}
