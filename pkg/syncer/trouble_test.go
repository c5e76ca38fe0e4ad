package syncer

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"github.com/atriumhub/atrium/pkg/syncer/remote"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// reading is what an agent finds out about a hub when it starts.
type reading struct {
	trouble, message string // of the connection
	err              error  // of the SyncTarget
}

func readTarget(t *testing.T, config *rest.Config, patience time.Duration) reading {
	t.Helper()
	line := &lifeline{side: side{"hub", config.Host, "another hub", "get fresh ones with X"}, clock: clock.RealClock{}, log: klog.Background()}
	var out reading
	config.Wrap(line.wrap)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(req)
			if err != nil {
				out.message = line.side.diagnose(err).message
			}
			return resp, err
		})
	})
	server, err := remote.Connect(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, out.err = newSyncTarget(server, "root:compute", "eu", "0a1b").read(ctx)
	out.trouble = line.trouble()
	return out
}

func answer(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		fmt.Fprint(w, body)
	}
}

func status(code int, reason, details string) http.HandlerFunc {
	return answer(code, fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"message":"no","code":%d,"details":%s}`, reason, code, details))
}

// TestWhatIsWrong: each thing that can be wrong with the hub kubeconfig has a
// message of its own, with the way out.
func TestWhatIsWrong(t *testing.T) {
	hub := func(handler http.Handler) *rest.Config {
		s := httptest.NewTLSServer(handler)
		t.Cleanup(s.Close)
		return &rest.Config{Host: s.URL, TLSClientConfig: rest.TLSClientConfig{CAData: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})}}
	}
	otherCA := hub(answer(200, ""))
	otherCA.CAData = nil
	otherName := hub(answer(200, ""))
	otherName.ServerName = "another.example.org"
	plain := httptest.NewServer(answer(200, "hello"))
	t.Cleanup(plain.Close)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	released := make(chan struct{})
	silent := hub(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		select {
		case <-req.Context().Done():
		case <-released:
		}
	}))
	t.Cleanup(func() { close(released) })

	target := func(uid, annotations string) http.HandlerFunc {
		return answer(200, fmt.Sprintf(`{"kind":"SyncTarget","metadata":{"name":"eu","uid":%q,"annotations":%s}}`, uid, annotations))
	}
	cases := map[string]struct {
		config        *rest.Config
		trouble, says string
	}{
		"wrong CA":                 {otherCA, "wrong-ca", "was not signed by the CA in the hub kubeconfig"},
		"wrong name":               {otherName, "wrong-name", "is not for the address"},
		"no TLS":                   {&rest.Config{Host: strings.Replace(plain.URL, "http:", "https:", 1), TLSClientConfig: rest.TLSClientConfig{Insecure: true}}, "no-tls", "does not speak TLS"},
		"nothing there":            {&rest.Config{Host: "https://" + closed.Addr().String()}, "refused", "nothing listens"},
		"no answer":                {silent, "timeout", "does not answer in time"},
		"wrong token":              {hub(status(401, "Unauthorized", "{}")), "unauthorized", ""},
		"not allowed":              {hub(status(403, "Forbidden", `{"kind":"synctargets","name":"eu"}`)), "", "may not read SyncTarget \"eu\""},
		"not allowed on a cluster": {hub(status(403, "Forbidden", `{}`)), "", "is not an Atrium hub"},
		"no such target":           {hub(status(404, "NotFound", `{"kind":"synctargets","name":"eu"}`)), "", "create it with \"kubectl atrium sync eu\""},
		"no such path":             {hub(http.NotFoundHandler()), "", "is not an Atrium hub"},
		"another UID":              {hub(target("new1", `{"kcp.io/cluster":"compute1"}`)), "", "has UID new1, but this agent was set up for UID 0a1b"},
		"no workspace":             {hub(target("0a1b", `{}`)), "", "is not an Atrium hub"},
		"all is well":              {hub(target("0a1b", `{"kcp.io/cluster":"compute1"}`)), "", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			patience := 20 * time.Second
			if tc.trouble == "timeout" {
				patience = 100 * time.Millisecond
			}
			got := readTarget(t, tc.config, patience)
			said := got.message
			if tc.trouble == "" && got.err != nil {
				said = got.err.Error()
			}
			if got.trouble != tc.trouble || !strings.Contains(said, tc.says) {
				t.Errorf("trouble %q, said %q, error %v", got.trouble, said, got.err)
			}
			if (got.err == nil) != (name == "all is well") {
				t.Errorf("error is %v", got.err)
			}
			if errors.Is(got.err, ErrReplaced) != (name == "another UID") {
				t.Errorf("error %v stops the agent, or does not", got.err)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	good := func() Config {
		return Config{Hub: &rest.Config{Host: "https://hub/clusters/root:compute"}, Child: &rest.Config{Host: "https://child"}, SyncTarget: "eu", UID: "u"}
	}
	if agent, err := New(good()); err != nil {
		t.Errorf("a good configuration is refused: %v", err)
	} else if want := `sync target "eu" (UID u) of workspace root:compute at hub https://hub with child https://child`; agent.String() != want {
		t.Errorf("the agent calls itself %s", agent)
	}
	for says, spoil := range map[string]func(*Config){
		"no sync target":              func(c *Config) { c.SyncTarget = "" },
		"no UID":                      func(c *Config) { c.UID = "" },
		"does not name the workspace": func(c *Config) { c.Hub.Host = "https://hub" },
		"/clusters/<workspace>":       func(c *Config) { c.Hub.Host = "https://hub/clusters/*" },
		"is not the name of":          func(c *Config) { c.Resources = []string{"Deployments"} },
		"leave them out":              func(c *Config) { c.Resources = []string{"services", "namespaces"} },
		"is negative":                 func(c *Config) { c.HeartbeatInterval = -1 },
	} {
		config := good()
		spoil(&config)
		if _, err := New(config); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error is %v, want one that says %q", err, says)
		}
	}
}

func TestChildRBAC(t *testing.T) {
	got, err := ChildRBAC("agents", []string{"services", "widgets.example.io", "configmaps"})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(got), "*") {
		t.Errorf("the role has a wildcard:\n%s", got)
	}
	for _, part := range []string{
		"kind: Namespace\nmetadata:\n  name: agents\n",
		"- apiGroups:\n  - \"\"\n  resources:\n  - namespaces\n  verbs:\n  - get\n  - list\n  - watch\n  - create\n  - delete\n",
		"- apiGroups:\n  - \"\"\n  resources:\n  - configmaps\n  - services\n  verbs:\n  - get\n  - list\n  - watch\n  - create\n  - patch\n  - delete\n",
		"- apiGroups:\n  - example.io\n  resources:\n  - widgets\n",
		"- kind: ServiceAccount\n  name: atrium-syncer\n  namespace: agents\n",
	} {
		if !strings.Contains(string(got), part) {
			t.Errorf("the manifest lacks:\n%s\nin:\n%s", part, got)
		}
	}
	if _, err := ChildRBAC("agents", []string{"*"}); err == nil {
		t.Error("a wildcard is accepted")
	}
	everything, err := ChildRBAC("agents", nil)
	if err != nil || strings.Contains(string(everything), "- pods\n") || !strings.Contains(string(everything), "- deployments\n") {
		t.Errorf("default manifest, %v:\n%s", err, everything)
	}
}

func TestViewPrefix(t *testing.T) {
	if got, want := viewPrefix(testTarget, logicalcluster.Wildcard), "/services/syncer/compute1/eu/0a1b/clusters/*"; got != want {
		t.Errorf("prefix is %s", got)
	}
}

func TestServe(t *testing.T) {
	agent, err := New(Config{Hub: &rest.Config{Host: "https://hub/clusters/root"}, Child: &rest.Config{Host: "https://child"}, SyncTarget: "eu", UID: "u"})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 503, "/metrics": 200, "/": 404} {
		w := httptest.NewRecorder()
		agent.handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != want {
			t.Errorf("%s answers %d", path, w.Code)
		}
	}
}
