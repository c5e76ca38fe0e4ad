package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// allowedAddress is the one loopback address that tenants may have the shared hub
// call: targets listen there.
const allowedAddress = "127.0.0.2"

var kubeClusters = schema.GroupVersionResource{Group: "mounts.example.org", Version: "v1", Resource: "kubeclusters"}

// targetServer is a server that believes the hub who is asking.
type targetServer struct {
	*httptest.Server
	mu   sync.Mutex
	seen []*http.Request
}

func newTarget(t *testing.T, serve http.HandlerFunc) *targetServer {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(allowedAddress, "0"))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := shared.hub.authority.Serving("test-target", []string{allowedAddress})
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	hubs, err := os.ReadFile(shared.hub.options.file("pki", "front-proxy", "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(hubs)
	s := &targetServer{}
	s.Server = &httptest.Server{Listener: listener, EnableHTTP2: true, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		s.mu.Lock()
		s.seen = append(s.seen, req.Clone(context.Background()))
		s.mu.Unlock()
		serve(w, req)
	})}, TLS: &tls.Config{Certificates: []tls.Certificate{certificate}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}}
	s.StartTLS()
	t.Cleanup(s.CloseClientConnections)
	return s
}

func (s *targetServer) last(t *testing.T) *http.Request {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.seen) == 0 {
		t.Fatal("the target was not asked")
	}
	return s.seen[len(s.seen)-1]
}

func (s *targetServer) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen)
}

// mountWorld is a workspace of alice with a kind to mount.
type mountWorld struct {
	*testing.T
	hub    *client.Hub // as alice
	parent logicalcluster.Path
}

func newMountWorld(t *testing.T) *mountWorld {
	t.Helper()
	path, _ := newWorkspace(t)
	w := &mountWorld{t, withToken(t, "alice-token"), path}
	w.defineKubeClusters()
	return w
}

func (w *mountWorld) defineKubeClusters() {
	w.Helper()
	open := true
	crd := &apiextensionsv1.CustomResourceDefinition{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apiextensions.k8s.io/v1", Kind: "CustomResourceDefinition"},
		ObjectMeta: metav1.ObjectMeta{Name: "kubeclusters.mounts.example.org"},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: kubeClusters.Group, Scope: apiextensionsv1.ClusterScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "kubeclusters", Singular: "kubecluster", Kind: "KubeCluster", ListKind: "KubeClusterList"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: &open}},
			}},
		},
	}
	raw, err := runtime.DefaultUnstructuredConverter.ToUnstructured(crd)
	if err != nil {
		w.Fatal(err)
	}
	definitions := w.hub.Dynamic(w.parent).Resource(apiextensionsv1.SchemeGroupVersion.WithResource("customresourcedefinitions"))
	if _, err := definitions.Create(w.Context(), &unstructured.Unstructured{Object: raw}, metav1.CreateOptions{}); err != nil {
		w.Fatal(err)
	}
}

// set makes the object called name say what is given.
func (w *mountWorld) set(name, phase, address string) {
	w.Helper()
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "mounts.example.org/v1", "kind": "KubeCluster",
		"metadata": map[string]any{"name": name, "annotations": map[string]any{tenancyv1alpha1.MountAnnotationKey: "true"}},
		"status":   map[string]any{"phase": phase, "URL": address},
	}}
	await(w.Context(), w.T, "kubeclusters are served", func() error {
		_, err := w.hub.Dynamic(w.parent).Resource(kubeClusters).Apply(w.Context(), name, object, metav1.ApplyOptions{FieldManager: "test", Force: true})
		return err
	})
}

// mount makes the Workspace called name a mount of the object called name.
func (w *mountWorld) mount(name string) logicalcluster.Path {
	w.Helper()
	_, err := client.Workspaces(w.hub, w.parent).Create(w.Context(), &tenancyv1alpha1.Workspace{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: tenancyv1alpha1.WorkspaceSpec{Mount: &tenancyv1alpha1.Mount{Reference: tenancyv1alpha1.ObjectReference{
			APIVersion: "mounts.example.org/v1", Kind: "KubeCluster", Name: name,
		}}},
	}, metav1.CreateOptions{})
	if err != nil {
		w.Fatal(err)
	}
	return w.parent.Join(name)
}

// awaits watches the Workspace called name until it is in that phase, for that
// reason ("" for none).
func (w *mountWorld) awaits(name, phase, reason string) *tenancyv1alpha1.Workspace {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), time.Minute)
	defer cancel()
	watch, err := client.Workspaces(w.hub, w.parent).Watch(ctx, metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", name).String()})
	if err != nil {
		w.Fatal(err)
	}
	defer watch.Stop()
	var last *tenancyv1alpha1.Workspace
	for event := range watch.ResultChan() {
		workspace, ok := event.Object.(*tenancyv1alpha1.Workspace)
		if !ok {
			continue
		}
		last = workspace
		condition := conditionsv1alpha1.Get(workspace.Status.Conditions, tenancyv1alpha1.MountConditionReady)
		if string(workspace.Status.Phase) == phase && condition != nil && condition.Reason == reason && workspace.Labels[tenancyv1alpha1.PhaseLabel] == phase {
			return workspace
		}
	}
	w.Fatalf("%s did not become %s for %q: %+v", name, phase, reason, last)
	return nil
}

// ready makes a mount that leads to address, and waits for it.
func (w *mountWorld) ready(name, address string) logicalcluster.Path {
	w.Helper()
	w.set(name, "Ready", address)
	path := w.mount(name)
	w.awaits(name, "Ready", "")
	return path
}

type answer struct {
	code   int
	header http.Header
	body   string
}

// ask sends a request with a token, and further headers in pairs.
func ask(t *testing.T, token string, path logicalcluster.Path, rest string, header ...string) answer {
	t.Helper()
	got, err := tryAsk(t.Context(), t, token, path, rest, header...)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func tryAsk(ctx context.Context, t *testing.T, token string, path logicalcluster.Path, rest string, header ...string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, client.WorkspaceURL(shared.hub.URL(), path)+rest, nil)
	if err != nil {
		return answer{}, err
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	cl := *withToken(t, token).HTTPClient()
	cl.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := cl.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(body)}, err
}

func TestMountLeadsToItsTarget(t *testing.T) {
	w := newMountWorld(t)
	server := newTarget(t, func(rw http.ResponseWriter, req *http.Request) {
		rw.Header().Set("Set-Cookie", "a=b")
		rw.Header().Set("Content-Type", "application/json")
		fmt.Fprint(rw, `{"kind":"Here"}`)
	})
	path := w.ready("eu", server.URL+"/k8s")
	got := ask(t, "alice-token", path, "/api/v1/namespaces?labelSelector=a%3Db&command=x&command=y",
		"Cookie", "session=secret", "X-Remote-User", "root", "X-Remote-Group", "system:masters", "X-Remote-Extra-A", "b",
		"Proxy-Authorization", "Basic secret", "X-Api-Key", "secret", "Accept", "application/json", "User-Agent", "test",
		"Sec-Websocket-Protocol", "v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.c2VjcmV0")
	if got.code != http.StatusOK || got.body != `{"kind":"Here"}` || got.header.Get("Set-Cookie") != "" {
		t.Fatalf("%+v", got)
	}
	seen := server.last(t)
	if seen.URL.Path != "/k8s/api/v1/namespaces" || seen.URL.RawQuery != "labelSelector=a%3Db&command=x&command=y" {
		t.Errorf("the target was asked for %s", seen.URL)
	}
	if got := seen.TLS.PeerCertificates[0].Subject.CommonName; got != frontProxyUser {
		t.Errorf("the hub came as %q", got)
	}
	want := http.Header{
		"Accept": {"application/json"}, "Accept-Encoding": seen.Header["Accept-Encoding"], "User-Agent": {"test"},
		"X-Remote-User": {"alice"}, "Sec-Websocket-Protocol": {"v5.channel.k8s.io"},
	}
	if diff := cmp.Diff(want, seen.Header); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	workspace := w.awaits("eu", "Ready", "")
	if workspace.Spec.Cluster != "" || workspace.Spec.URL != client.WorkspaceURL(shared.hub.URL(), path) || len(workspace.Finalizers) > 0 {
		t.Errorf("cluster %q, URL %q, finalizers %v", workspace.Spec.Cluster, workspace.Spec.URL, workspace.Finalizers)
	}
	if got := ask(t, "alice-token", path.Join("below"), "/api"); got.code != http.StatusNotFound || !strings.Contains(got.body, "no workspaces below the mount") {
		t.Errorf("below the mount: %+v", got)
	}
}

func TestMountIsForThoseWhoSeeIt(t *testing.T) {
	w := newMountWorld(t)
	server := newTarget(t, func(http.ResponseWriter, *http.Request) {})
	path := w.ready("eu", server.URL)
	unknown := w.parent.Join("nothing")
	refusal := func(token string, path logicalcluster.Path, header ...string) string {
		t.Helper()
		got := ask(t, token, path, "/api/v1/secrets", header...)
		if got.code != http.StatusForbidden {
			t.Fatalf("%s asks %s: %+v", token, path, got)
		}
		return strings.ReplaceAll(got.body, path.String(), "PATH")
	}
	if diff := cmp.Diff(refusal("bob-token", unknown), refusal("bob-token", path)); diff != "" {
		t.Errorf("a stranger tells a mount from nothing:\n%s", diff)
	}
	if diff := cmp.Diff(refusal("bob-token", unknown, "Impersonate-User", "alice"), refusal("bob-token", path, "Impersonate-User", "alice")); diff != "" {
		t.Errorf("a stranger who impersonates tells a mount from nothing:\n%s", diff)
	}
	// Who may enter the parent, but not read Workspaces there, is a stranger too.
	in := w.hub.Kubernetes(w.parent).RbacV1()
	bind := func(role string) {
		t.Helper()
		if _, err := in.ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "bob-"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "bob"}},
		}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	bind("system:kcp:workspace:access")
	await(t.Context(), t, "bob may enter the parent", func() error {
		if got := ask(t, "bob-token", w.parent, "/api"); got.code != http.StatusOK {
			return errors.New(got.body)
		}
		return nil
	})
	if diff := cmp.Diff(refusal("bob-token", unknown), refusal("bob-token", path)); diff != "" {
		t.Errorf("who may not read Workspaces tells a mount from nothing:\n%s", diff)
	}
	if _, err := in.ClusterRoles().Create(t.Context(), &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: "see-eu"},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{"tenancy.kcp.io"}, Resources: []string{"workspaces"}, ResourceNames: []string{"eu"}, Verbs: []string{"get"}}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	bind("see-eu")
	await(t.Context(), t, "bob may see the mount", func() error {
		if got := ask(t, "bob-token", path, "/api"); got.code != http.StatusOK {
			return errors.New(got.body)
		}
		return nil
	})
	if got := server.last(t).Header.Get("X-Remote-User"); got != "bob" {
		t.Errorf("bob came as %q", got)
	}
	before := server.asked()
	if got := ask(t, "alice-token", path, "/api", "Impersonate-User", "victim"); got.code != http.StatusForbidden || !strings.Contains(got.body, "nobody can be impersonated through a mount") {
		t.Errorf("impersonating through a mount: %+v", got)
	}
	if server.asked() != before {
		t.Error("the target was asked for somebody who was impersonated")
	}
}

// A service account means another one in each cluster, so it goes by the name
// that says where it is from.
func TestMountTellsServiceAccountsApart(t *testing.T) {
	w := newMountWorld(t)
	server := newTarget(t, func(http.ResponseWriter, *http.Request) {})
	path := w.ready("eu", server.URL)
	accounts := w.hub.Kubernetes(w.parent).CoreV1().ServiceAccounts("default")
	var token string
	await(t.Context(), t, "a token", func() error {
		made, err := accounts.CreateToken(t.Context(), "default", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
		if err == nil {
			token = made.Status.Token
		}
		return err
	})
	if _, err := w.hub.Kubernetes(w.parent).RbacV1().ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "robot"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "default", Name: "default"}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	await(t.Context(), t, "the account may see the mount", func() error {
		if got := ask(t, token, path, "/api"); got.code != http.StatusOK {
			return errors.New(got.body)
		}
		return nil
	})
	seen := server.last(t).Header
	if name := seen.Get("X-Remote-User"); !strings.HasPrefix(name, "system:kcp:serviceaccount:") || !strings.HasSuffix(name, ":default:default") {
		t.Errorf("it came as %q", name)
	}
	if groups := seen["X-Remote-Group"]; len(groups) > 0 {
		t.Errorf("with groups %v", groups)
	}
}

func TestPrivilegedGroupsStayHere(t *testing.T) {
	w := newMountWorld(t)
	server := newTarget(t, func(http.ResponseWriter, *http.Request) {})
	path := w.ready("eu", server.URL)
	for userName, c := range map[string]struct {
		groups, want []string
		code         int
	}{
		"shard-admin":        {[]string{"system:masters", "operators"}, []string{"operators"}, 200},
		"kcp-admin":          {[]string{"system:kcp:admin"}, nil, 200},
		"system:kube-proxy":  {[]string{"system:masters"}, nil, 403},
		"system:node:master": {[]string{"system:kcp:admin", "system:nodes"}, nil, 403},
	} {
		before := server.asked()
		response, err := hubOf(t, certified(t, userName, c.groups...)).HTTPClient().Get(client.WorkspaceURL(shared.hub.URL(), path) + "/api")
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != c.code {
			t.Errorf("%s: %d", userName, response.StatusCode)
		}
		if c.code == 403 && server.asked() != before {
			t.Errorf("%s came through", userName)
		}
		if c.code == 200 {
			if diff := cmp.Diff(c.want, server.last(t).Header["X-Remote-Group"]); diff != "" {
				t.Errorf("%s (-want +got):\n%s", userName, diff)
			}
		}
	}
}

func TestMountFollowsItsObject(t *testing.T) {
	w := newMountWorld(t)
	one := newTarget(t, func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, "one") })
	two := newTarget(t, func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, "two") })
	path := w.mount("eu")
	w.awaits("eu", "Initializing", tenancyv1alpha1.MountObjectNotFoundReason)
	if got := ask(t, "alice-token", path, "/api"); got.code != http.StatusServiceUnavailable || !strings.Contains(got.body, "WorkspaceMountReady") {
		t.Errorf("before there is an object: %+v", got)
	}
	w.set("eu", "Connecting", "")
	w.awaits("eu", "Initializing", tenancyv1alpha1.MountObjectNotReadyReason)
	says := func(want string) {
		t.Helper()
		await(t.Context(), t, "the mount leads to "+want, func() error {
			if got := ask(t, "alice-token", path, "/api"); got.body != want {
				return errors.New(got.body)
			}
			return nil
		})
	}
	w.set("eu", "Ready", one.URL)
	w.awaits("eu", "Ready", "")
	says("one")
	w.set("eu", "Ready", two.URL)
	says("two")
	w.set("eu", "Unknown", two.URL)
	w.awaits("eu", "Unavailable", tenancyv1alpha1.MountObjectNotReadyReason)
	if got := ask(t, "alice-token", path, "/api"); got.code != http.StatusServiceUnavailable {
		t.Errorf("while the object is not ready: %+v", got)
	}
	w.set("eu", "Ready", one.URL)
	w.awaits("eu", "Ready", "")
	if err := w.hub.Dynamic(w.parent).Resource(kubeClusters).Delete(t.Context(), "eu", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.awaits("eu", "Unavailable", tenancyv1alpha1.MountObjectNotFoundReason)
	w.set("eu", "Ready", two.URL)
	w.awaits("eu", "Ready", "")
	definitions := w.hub.Dynamic(w.parent).Resource(apiextensionsv1.SchemeGroupVersion.WithResource("customresourcedefinitions"))
	if err := definitions.Delete(t.Context(), "kubeclusters.mounts.example.org", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.awaits("eu", "Unavailable", tenancyv1alpha1.MountObjectNotFoundReason)
	await(t.Context(), t, "the definition is gone", func() error {
		_, err := definitions.Get(t.Context(), "kubeclusters.mounts.example.org", metav1.GetOptions{})
		if err == nil {
			return errors.New("still there")
		}
		return nil
	})
	w.defineKubeClusters()
	w.set("eu", "Ready", one.URL)
	w.awaits("eu", "Ready", "")
	says("one")
}

func TestStreamsEndWithTheMount(t *testing.T) {
	w := newMountWorld(t)
	server := newTarget(t, func(rw http.ResponseWriter, req *http.Request) {
		fmt.Fprintln(rw, "first")
		rw.(http.Flusher).Flush()
		<-req.Context().Done()
	})
	for name, end := range map[string]func(name string){
		"deleted": func(name string) {
			if err := client.Workspaces(w.hub, w.parent).Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
				t.Error(err)
			}
		},
		"elsewhere": func(name string) { w.set(name, "Ready", server.URL+"/elsewhere") },
		"not-ready": func(name string) { w.set(name, "Unknown", server.URL) },
	} {
		t.Run(name, func(t *testing.T) {
			path := w.ready(name, server.URL)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, client.WorkspaceURL(shared.hub.URL(), path)+"/api/v1/pods?watch=1", nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := w.hub.HTTPClient().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			lines := bufio.NewReader(response.Body)
			if line, err := lines.ReadString('\n'); line != "first\n" {
				t.Fatalf("%q, %v", line, err)
			}
			end(name)
			ended := make(chan error, 1)
			go func() { _, err := lines.ReadString('\n'); ended <- err }()
			select {
			case <-ended:
			case <-time.After(time.Minute):
				t.Error("the stream goes on")
			}
		})
	}
}

func TestHostileAddresses(t *testing.T) {
	w := newMountWorld(t)
	hub := shared.hub.URL()
	for name, c := range map[string]struct{ address, reason string }{
		"http":            {"http://" + allowedAddress, tenancyv1alpha1.MountObjectInvalidURLReason},
		"credentials":     {"https://user:token@" + allowedAddress, tenancyv1alpha1.MountObjectInvalidURLReason},
		"query":           {"https://" + allowedAddress + "/?x", tenancyv1alpha1.MountObjectInvalidURLReason},
		"hub-metrics":     {hub + "/metrics", tenancyv1alpha1.MountObjectInvalidURLReason},
		"hub":             {hub, tenancyv1alpha1.MountObjectInvalidURLReason},
		"dots":            {hub + "/clusters/../metrics", tenancyv1alpha1.MountObjectInvalidURLReason},
		"unix":            {"unix:///run/etcd.sock", tenancyv1alpha1.MountObjectInvalidURLReason},
		"loopback":        {strings.Replace(hub, "127.0.0.1", "localhost", 1) + "/clusters/root", ""},
		"loopback-mapped": {strings.Replace(hub, "127.0.0.1", "[::ffff:127.0.0.1]", 1), ""},
		"metadata":        {"https://169.254.169.254/latest/meta-data", ""},
		"private":         {"https://10.0.0.1:6443", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := &mountWorld{t, w.hub, w.parent}
			w.set(name, "Ready", c.address)
			path := w.mount(name)
			if c.reason != "" {
				w.awaits(name, "Initializing", c.reason)
				return
			}
			w.awaits(name, "Ready", "")
			got := ask(t, "alice-token", path, "/api/v1/secrets")
			if got.code != http.StatusBadGateway || !strings.Contains(got.body, "--tenant-egress-allow") || strings.Contains(got.body, "169.254") {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestHostileAnswers(t *testing.T) {
	w := newMountWorld(t)
	var answer http.HandlerFunc
	server := newTarget(t, func(rw http.ResponseWriter, req *http.Request) { answer(rw, req) })
	path := w.ready("eu", server.URL)
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		code   int
		says   string
	}{
		"redirect": {func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Location", "https://evil.example.org/")
			rw.WriteHeader(http.StatusTemporaryRedirect)
		}, 502, "redirects elsewhere"},
		"huge redirect": {func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Location", "https://evil.example.org/"+strings.Repeat("a", 1<<20))
			rw.WriteHeader(http.StatusFound)
		}, 502, "does not answer"},
		"who are you": {func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("WWW-Authenticate", `Basic realm="hub"`)
			rw.WriteHeader(http.StatusUnauthorized)
		}, 502, "--requestheader-client-ca-file"},
		"hangs up": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 502, "does not answer"},
		"a page": {func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "text/html")
			rw.Header().Set("Access-Control-Allow-Origin", "*")
			fmt.Fprint(rw, "<script>")
		}, 200, "<script>"},
		"not modified": {func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusNotModified) }, 304, ""},
	} {
		t.Run(name, func(t *testing.T) {
			answer = c.answer
			got := ask(t, "alice-token", path, "/api")
			if got.code != c.code || !strings.Contains(got.body, c.says) {
				t.Errorf("%+v", got)
			}
			for _, name := range []string{"Location", "Www-Authenticate", "Access-Control-Allow-Origin", "Set-Cookie"} {
				if got.header.Get(name) != "" {
					t.Errorf("%s: %s", name, got.header.Get(name))
				}
			}
			if c.code == 200 && !strings.Contains(got.header.Get("Content-Security-Policy"), "sandbox") {
				t.Errorf("headers %v", got.header)
			}
		})
	}
}

// Targets that take their time use up the patience of those who ask them, and
// nothing else.
func TestSlowTargetsDoNotBlockOthers(t *testing.T) {
	w := newMountWorld(t)
	waiting := make(chan struct{}, 100)
	slow := newTarget(t, func(_ http.ResponseWriter, req *http.Request) {
		waiting <- struct{}{}
		<-req.Context().Done()
	})
	path := w.ready("slow", slow.URL)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var asking sync.WaitGroup
	refused := make(chan answer, 100)
	for range 40 {
		asking.Go(func() {
			if got, err := tryAsk(ctx, t, "alice-token", path, "/api"); err == nil {
				refused <- got
			}
		})
	}
	for range 25 {
		<-waiting
	}
	for range 15 {
		if got := <-refused; got.code != http.StatusTooManyRequests {
			t.Errorf("%+v", got)
		}
	}
	other := newMountWorld(t)
	quick := newTarget(t, func(http.ResponseWriter, *http.Request) {})
	if got := ask(t, "alice-token", other.ready("quick", quick.URL), "/api"); got.code != http.StatusOK {
		t.Errorf("a mount in another workspace: %+v", got)
	}
	if got := ask(t, "alice-token", other.parent, "/api"); got.code != http.StatusOK {
		t.Errorf("a workspace: %+v", got)
	}
	cancel()
	asking.Wait()
	await(t.Context(), t, "there is room again", func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if got, err := tryAsk(ctx, t, "alice-token", path, "/api"); err == nil {
			return errors.New(got.body)
		}
		return nil
	})
}

// A mount of a workspace of the same hub is that workspace, judged there.
func TestMountOfAWorkspaceOfThisHub(t *testing.T) {
	w := newMountWorld(t)
	other, _ := newWorkspace(t) // alice's too
	lab, err := client.Workspaces(as(t, "base"), "root").Create(t.Context(), &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{GenerateName: "not-alices-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	foreign := logicalcluster.Path("root").Join(awaitReady(t.Context(), t, as(t, "base"), lab.Name).Name)
	mine := w.ready("mine", client.WorkspaceURL(shared.hub.URL(), other))
	theirs := w.ready("theirs", client.WorkspaceURL(shared.hub.URL(), foreign))
	admin := w.ready("admin", client.WorkspaceURL(shared.hub.URL(), "system:admin"))

	if _, err := w.hub.Kubernetes(mine).CoreV1().Secrets("").List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Errorf("alice's own workspace through a mount: %v", err)
	}
	direct := ask(t, "alice-token", foreign, "/api/v1/secrets")
	through := ask(t, "alice-token", theirs, "/api/v1/secrets")
	if through.code != http.StatusForbidden || through.body != direct.body {
		t.Errorf("somebody else's workspace through a mount:\n%+v\nand directly:\n%+v", through, direct)
	}
	if got := ask(t, "alice-token", admin, "/api/v1/secrets"); got.code != http.StatusForbidden {
		t.Errorf("system:admin through a mount: %+v", got)
	}
	if _, err := client.Workspaces(w.hub, other).Create(t.Context(), &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "below"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	await(t.Context(), t, "what is below is found through the mount", func() error {
		if got := ask(t, "alice-token", mine.Join("below"), "/api/v1/namespaces"); got.code != http.StatusOK {
			return errors.New(got.body)
		}
		return nil
	})
	// A watch ends with the mount here as well.
	watch, err := w.hub.Kubernetes(mine).CoreV1().ConfigMaps("default").Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	w.set("mine", "Unknown", "")
	for range watch.ResultChan() {
	}
}

func TestMountsInACircle(t *testing.T) {
	w := newMountWorld(t)
	a := w.parent.Join("a")
	w.ready("a", client.WorkspaceURL(shared.hub.URL(), w.parent.Join("b")))
	w.ready("b", client.WorkspaceURL(shared.hub.URL(), a))
	if got := ask(t, "alice-token", a, "/api"); got.code != http.StatusLoopDetected || !strings.Contains(got.body, "too many of them") {
		t.Errorf("%+v", got)
	}
}

// exec and port-forward turn the connection into one of another protocol.
func TestUpgradesGoThroughMounts(t *testing.T) {
	w := newMountWorld(t)
	server := newTarget(t, func(rw http.ResponseWriter, req *http.Request) {
		conn, buffered, err := rw.(http.Hijacker).Hijack()
		if err != nil {
			http.Error(rw, err.Error(), http.StatusInternalServerError)
			return
		}
		defer conn.Close()
		fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", req.Header.Get("Upgrade"))
		io.Copy(conn, buffered)
	})
	path := w.ready("eu", server.URL)
	conn, err := tls.Dial("tcp", strings.TrimPrefix(shared.hub.URL(), "https://"), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /clusters/%s/api/v1/namespaces/default/pods/x/exec?command=sh HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer alice-token\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\nContent-Length: 0\r\n\r\n", path)
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusSwitchingProtocols || response.Header.Get("Upgrade") != "SPDY/3.1" {
		body, _ := io.ReadAll(response.Body)
		t.Fatalf("%+v %s", response, body)
	}
	fmt.Fprintln(conn, "there and back")
	if line, err := reader.ReadString('\n'); line != "there and back\n" {
		t.Errorf("%q, %v", line, err)
	}
	if err := client.Workspaces(w.hub, w.parent).Delete(t.Context(), "eu", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.ReadString('\n'); err == nil {
		t.Error("the connection goes on after the mount")
	}
}

func TestWhatAMountMayNotBe(t *testing.T) {
	w := newMountWorld(t)
	workspaces := client.Workspaces(w.hub, w.parent)
	ref := tenancyv1alpha1.ObjectReference{APIVersion: "mounts.example.org/v1", Kind: "KubeCluster", Name: "eu"}
	if _, err := workspaces.Create(t.Context(), &tenancyv1alpha1.Workspace{
		ObjectMeta: metav1.ObjectMeta{Name: "both"},
		Spec:       tenancyv1alpha1.WorkspaceSpec{Cluster: "abc", Mount: &tenancyv1alpha1.Mount{Reference: ref}},
	}, metav1.CreateOptions{}); err == nil {
		t.Error("a mount with an ID was made")
	}
	plain, err := workspaces.Create(t.Context(), &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "plain"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	plain.Spec.Mount = &tenancyv1alpha1.Mount{Reference: ref}
	plain.ResourceVersion = ""
	patch := `{"spec":{"mount":{"ref":{"apiVersion":"mounts.example.org/v1","kind":"KubeCluster","name":"eu"}}}}`
	if _, err := workspaces.Patch(t.Context(), "plain", "application/merge-patch+json", []byte(patch), metav1.PatchOptions{}); err == nil || !strings.Contains(err.Error(), "can not be added") {
		t.Errorf("a workspace became a mount: %v", err)
	}
	w.mount("eu")
	if _, err := workspaces.Patch(t.Context(), "eu", "application/merge-patch+json", []byte(strings.ReplaceAll(patch, `"eu"`, `"us"`)), metav1.PatchOptions{}); err == nil {
		t.Error("a mount changed its object")
	}
	kept, err := workspaces.Patch(t.Context(), "eu", "application/merge-patch+json", []byte(`{"spec":{"mount":null}}`), metav1.PatchOptions{})
	if err != nil || kept.Spec.Mount == nil {
		t.Errorf("a mount became a workspace: %v, %v", kept, err)
	}
	if _, err := workspaces.Patch(t.Context(), "eu", "application/merge-patch+json", []byte(`{"status":{"phase":"Ready"}}`), metav1.PatchOptions{}, "status"); err == nil {
		t.Error("a tenant wrote the status of a mount")
	}
}

func TestMountGoesWithItsParent(t *testing.T) {
	w := newMountWorld(t)
	server := newTarget(t, func(http.ResponseWriter, *http.Request) {})
	w.ready("eu", server.URL)
	admin, name := as(t, "base"), w.parent.Base()
	if err := client.Workspaces(admin, "root").Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	await(t.Context(), t, "the parent is gone", func() error {
		_, err := client.Workspaces(admin, "root").Get(t.Context(), name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("asking for %s: %v", name, err)
	})
}
