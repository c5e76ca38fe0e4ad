package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// The tests of this package share one hub: it is a whole process with
// process-wide metrics and feature gates, and each test works in workspaces of
// its own.
var shared struct {
	hub     *Hub
	rootDir string
	// operator is an authority whose certificates are good.
	operator tls.Certificate
}

const tokens = `alice-token,alice,1,
bob-token,bob,2,
`

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "atrium-server-test-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	options := NewOptions()
	options.RootDir, options.SecurePort = filepath.Join(dir, "hub"), 0
	options.TokenAuthFile = filepath.Join(dir, "tokens.csv")
	options.TenantEgressAllow = append(options.TenantEgressAllow, allowedAddress)
	if err := os.WriteFile(options.TokenAuthFile, []byte(tokens), 0o600); err != nil {
		panic(err)
	}
	if err := withLogins(options, dir); err != nil {
		panic(err)
	}
	hub, err := New(*options, os.Stderr)
	if err != nil {
		panic(err)
	}
	shared.hub, shared.rootDir = hub, options.RootDir
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- hub.Run(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-ended:
		fmt.Fprintln(os.Stderr, "the hub did not start:", err)
		return 1
	}
	code := m.Run()
	stop()
	if err := <-ended; err != nil {
		fmt.Fprintln(os.Stderr, "the hub did not stop:", err)
		return 1
	}
	return code
}

// as returns a hub client in the name of a context of admin.kubeconfig.
func as(t *testing.T, kubeContext string) *client.Hub {
	t.Helper()
	hub, err := client.New(restConfig(t, kubeContext))
	if err != nil {
		t.Fatal(err)
	}
	return hub
}

func restConfig(t *testing.T, kubeContext string) *rest.Config {
	t.Helper()
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: filepath.Join(shared.rootDir, "admin.kubeconfig")}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: kubeContext}).ClientConfig()
	if err != nil {
		t.Fatal(err)
	}
	config.Host, config.QPS = shared.hub.URL(), -1
	return config
}

// withToken returns a hub client that has nothing but a bearer token.
func withToken(t *testing.T, token string) *client.Hub {
	t.Helper()
	config := rest.AnonymousClientConfig(restConfig(t, "base"))
	config.BearerToken = token
	hub, err := client.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return hub
}

// newWorkspace makes a workspace below root that alice administers, and waits
// until it is ready.
func newWorkspace(t *testing.T) (logicalcluster.Path, *tenancyv1alpha1.Workspace) {
	t.Helper()
	admin := as(t, "base")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	made, err := client.Workspaces(admin, "root").Create(ctx, &tenancyv1alpha1.Workspace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))[:10] + "-"},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ready := awaitReady(ctx, t, admin, made.Name)
	path := logicalcluster.Path("root").Join(made.Name)
	makeAdmin(ctx, t, admin, path, "alice")
	return path, ready
}

// makeAdmin makes a user, who has a token, administer a workspace, and waits
// until it may enter.
func makeAdmin(ctx context.Context, t *testing.T, admin *client.Hub, path logicalcluster.Path, name string) {
	t.Helper()
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}},
	}
	if _, err := admin.Kubernetes(path).RbacV1().ClusterRoleBindings().Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	await(ctx, t, name+" may enter", func() error {
		_, err := withToken(t, name+"-token").Kubernetes(path).CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
		return err
	})
}

func awaitReady(ctx context.Context, t *testing.T, hub *client.Hub, name string) *tenancyv1alpha1.Workspace {
	t.Helper()
	watch, err := client.Workspaces(hub, "root").Watch(ctx, metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", name).String()})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	for event := range watch.ResultChan() {
		if workspace, ok := event.Object.(*tenancyv1alpha1.Workspace); ok && workspace.Status.Phase == "Ready" {
			return workspace
		}
	}
	t.Fatalf("workspace %q did not become ready", name)
	return nil
}

// await asks again until the hub's read models have caught up with a write that
// was acknowledged.
func await(ctx context.Context, t *testing.T, what string, ask func() error) {
	t.Helper()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: still %v", what, err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestAWorkspaceBeginsFurnished(t *testing.T) {
	path, _ := newWorkspace(t)
	core := withToken(t, "alice-token").Kubernetes(path).CoreV1()
	for _, namespace := range []string{"default", "kube-system"} {
		if _, err := core.Namespaces().Get(t.Context(), namespace, metav1.GetOptions{}); err != nil {
			t.Errorf("namespace %s: %v", namespace, err)
		}
		if _, err := core.ServiceAccounts(namespace).Get(t.Context(), "default", metav1.GetOptions{}); err != nil {
			t.Errorf("service account of %s: %v", namespace, err)
		}
		if ca, err := core.ConfigMaps(namespace).Get(t.Context(), "kube-root-ca.crt", metav1.GetOptions{}); err != nil || !strings.Contains(ca.Data["ca.crt"], "BEGIN CERTIFICATE") {
			t.Errorf("root CA of %s: %v", namespace, err)
		}
	}
}

func TestUnknownAndForbiddenLookTheSame(t *testing.T) {
	path, workspace := newWorkspace(t)
	bob := withToken(t, "bob-token")
	ask := func(path string) string {
		_, err := bob.Kubernetes(logicalcluster.Path(path)).CoreV1().ConfigMaps("default").List(t.Context(), metav1.ListOptions{})
		if !apierrors.IsForbidden(err) {
			t.Fatalf("asking %s: %v, expected forbidden", path, err)
		}
		return strings.ReplaceAll(err.Error(), path, "PATH")
	}
	forbidden := ask(path.String())
	for _, other := range []string{"root:nobody-has-this", path.String() + ":below", "0123456789abcdef", workspace.Spec.Cluster} {
		if got := ask(other); got != forbidden {
			t.Errorf("%s is told apart from a forbidden one:\n%s\n%s", other, got, forbidden)
		}
	}
}

func TestURLsThatMeanNothing(t *testing.T) {
	admin := as(t, "base")
	for _, c := range []struct {
		path string
		code int
		says string
	}{
		{"/clusters/Root/api/v1/namespaces", 400, "lower-case names joined by colons"},
		{"/clusters/root:/api/v1/namespaces", 400, "malformed workspace path"},
		{"/clusters/root::a/api/v1/namespaces", 400, "malformed workspace path"},
		{"/clusters//api/v1/namespaces", 400, "malformed workspace path"},
		{"/clusters/..%2Froot/api/v1/namespaces", 400, "malformed workspace path"},
		{"/clusters/" + strings.Repeat("a", 10000) + "/api/v1/namespaces", 400, "malformed workspace path"},
		{"/clusters/root/clusters/root/api/v1/namespaces", 404, "only once"},
		{"/services/nothing/x", 404, `no service "nothing"`},
		{"/services/syncer/root/eu", 404, "malformed view URL"},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, shared.hub.URL()+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := admin.HTTPClient().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != c.code || !strings.Contains(string(body), strings.ReplaceAll(c.says, `"`, `\"`)) {
			t.Errorf("%.60s: %d %.300s; expected %d saying %q", c.path, response.StatusCode, body, c.code, c.says)
		}
	}
}

func TestWildcardIsForTheHubItself(t *testing.T) {
	for name, hub := range map[string]*client.Hub{"kcp-admin": as(t, "base"), "alice": withToken(t, "alice-token")} {
		_, err := hub.Kubernetes(client.Everywhere).CoreV1().Secrets("").List(t.Context(), metav1.ListOptions{})
		if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "only system:masters may read all workspaces at once") {
			t.Errorf("%s lists everywhere: %v", name, err)
		}
	}
	all, err := as(t, "shard-base").Kubernetes(client.Everywhere).CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[logicalcluster.Name]bool{}
	for i := range all.Items {
		seen[logicalcluster.From(&all.Items[i])] = true
	}
	if !seen["root"] || len(seen) < 2 {
		t.Errorf("everywhere is %v", seen)
	}
}

func TestNobodyBecomesTheHub(t *testing.T) {
	path, _ := newWorkspace(t)
	for name, impersonate := range map[string]rest.ImpersonationConfig{
		"group system:masters":       {UserName: "alice", Groups: []string{"system:masters"}},
		"group system:kcp:admin":     {UserName: "alice", Groups: []string{"system:kcp:admin"}},
		"user system:apiserver":      {UserName: "system:apiserver"},
		"user system:kube-scheduler": {UserName: "system:kube-scheduler"},
	} {
		config := rest.AnonymousClientConfig(restConfig(t, "base"))
		config.BearerToken, config.Impersonate = "alice-token", impersonate
		config.Host = client.WorkspaceURL(shared.hub.URL(), path)
		_, err := kubernetes.NewForConfigOrDie(config).CoreV1().Secrets("default").List(t.Context(), metav1.ListOptions{})
		if !apierrors.IsForbidden(err) {
			t.Errorf("%s: %v, expected forbidden", name, err)
		}
	}
	config := rest.AnonymousClientConfig(restConfig(t, "base"))
	config.BearerToken, config.Impersonate = "alice-token", rest.ImpersonationConfig{UserName: "carol", Groups: []string{"system:authenticated"}}
	config.Host = client.WorkspaceURL(shared.hub.URL(), path)
	_, err := kubernetes.NewForConfigOrDie(config).CoreV1().Secrets("default").List(t.Context(), metav1.ListOptions{})
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "carol") {
		t.Errorf("an ordinary user: %v, expected carol to be refused", err)
	}
}

func TestWhatIsAboutTheHubStaysWithItsOperator(t *testing.T) {
	path, _ := newWorkspace(t)
	for _, url := range []string{"/metrics", "/metrics/slis", "/debug/pprof/", "/configz", "/statusz"} {
		err := withToken(t, "alice-token").REST().Get().AbsPath(path.RequestPath() + url).Do(t.Context()).Error()
		if !apierrors.IsForbidden(err) {
			t.Errorf("%s in a workspace: %v, expected forbidden", url, err)
		}
	}
	if err := as(t, "shard-base").REST().Get().AbsPath("/metrics").Do(t.Context()).Error(); err != nil {
		t.Errorf("the operator reads /metrics: %v", err)
	}
}

// TestAnotherWorkspacesNameIsNotTrusted: what bob was granted on an export of
// his workspace is not for those who may call themselves bob in theirs.
func TestAnotherWorkspacesNameIsNotTrusted(t *testing.T) {
	mine, _ := newWorkspace(t)
	theirs, _ := newWorkspace(t)
	ctx := t.Context()
	admin := as(t, "base")
	if _, err := client.APIExports(admin, theirs).Create(ctx, &apisv1alpha2.APIExport{ObjectMeta: metav1.ObjectMeta{Name: "private"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	rbac := admin.Kubernetes(theirs).RbacV1()
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "bind"}, Rules: []rbacv1.PolicyRule{{
		APIGroups: []string{"apis.kcp.io"}, Resources: []string{"apiexports"}, Verbs: []string{"bind"},
	}}}
	if _, err := rbac.ClusterRoles().Create(ctx, role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	granted := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "bind"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "bind"},
		Subjects: []rbacv1.Subject{
			{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "bob"},
			{Kind: rbacv1.ServiceAccountKind, Namespace: "default", Name: "default"},
		},
	}
	if _, err := rbac.ClusterRoleBindings().Create(ctx, granted, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := rbac.ClusterRoleBindings().Delete(ctx, "alice", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	// In their own workspace alice lets both do everything.
	everybody := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "all"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"}, Subjects: granted.Subjects}
	if _, err := withToken(t, "alice-token").Kubernetes(mine).RbacV1().ClusterRoleBindings().Create(ctx, everybody, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	bind := func(hub *client.Hub) error {
		_, err := client.APIBindings(hub, mine).Create(ctx, &apisv1alpha2.APIBinding{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "private-"},
			Spec:       apisv1alpha2.APIBindingSpec{Reference: apisv1alpha2.BindingReference{Export: &apisv1alpha2.ExportBindingReference{Path: theirs.String(), Name: "private"}}},
		}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	await(waiting, t, "bob himself binds", func() error { return bind(withToken(t, "bob-token")) })
	await(waiting, t, "alice has left", func() error {
		if err := bind(withToken(t, "alice-token")); !apierrors.IsForbidden(err) {
			return fmt.Errorf("expected forbidden, got %v", err)
		}
		return nil
	})

	config := rest.AnonymousClientConfig(restConfig(t, "base"))
	config.BearerToken, config.Impersonate = "alice-token", rest.ImpersonationConfig{UserName: "bob"}
	borrowed, err := client.New(config)
	if err != nil {
		t.Fatal(err)
	}
	request, err := withToken(t, "alice-token").Kubernetes(mine).CoreV1().ServiceAccounts("default").CreateToken(ctx, "default", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for name, hub := range map[string]*client.Hub{
		"alice": withToken(t, "alice-token"), "alice as bob": borrowed, "a namesake of their service account": withToken(t, request.Status.Token),
	} {
		if err := bind(hub); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "no permission to bind") {
			t.Errorf("%s binds what was granted to others: %v", name, err)
		}
	}
}

func TestTypesOfOthersNeedTheirPermission(t *testing.T) {
	mine, _ := newWorkspace(t)
	theirs, _ := newWorkspace(t)
	create := func(kind tenancyv1alpha1.WorkspaceTypeReference) error {
		_, err := client.Workspaces(withToken(t, "alice-token"), mine).Create(t.Context(), &tenancyv1alpha1.Workspace{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "child-"}, Spec: tenancyv1alpha1.WorkspaceSpec{Type: &kind},
		}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	}
	if err := create(tenancyv1alpha1.WorkspaceTypeReference{Path: "root", Name: "universal"}); err != nil {
		t.Errorf("a type everybody may use: %v", err)
	}
	for _, kind := range []tenancyv1alpha1.WorkspaceTypeReference{{Path: "root", Name: "root"}, {Path: theirs.String(), Name: "secret"}} {
		if kind.Path == theirs.String() {
			binding := as(t, "base").Kubernetes(theirs).RbacV1().ClusterRoleBindings()
			if err := binding.Delete(t.Context(), "alice", metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			waiting, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			await(waiting, t, "alice has left", func() error {
				if _, err := withToken(t, "alice-token").Kubernetes(theirs).CoreV1().Namespaces().List(waiting, metav1.ListOptions{}); !apierrors.IsForbidden(err) {
					return fmt.Errorf("expected forbidden, got %v", err)
				}
				return nil
			})
		}
		if err := create(kind); !apierrors.IsForbidden(err) {
			t.Errorf("type %s:%s: %v, expected forbidden", kind.Path, kind.Name, err)
		}
	}
}

func TestForgedHeadersAreIgnored(t *testing.T) {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, shared.hub.URL()+"/clusters/root/api/v1/secrets", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Remote-User", "shard-admin")
	request.Header.Set("X-Remote-Group", "system:masters")
	response, err := withToken(t, "").HTTPClient().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusForbidden {
		t.Errorf("forged headers were answered with %d", response.StatusCode)
	}
}

func TestReservedMetadata(t *testing.T) {
	path, _ := newWorkspace(t)
	maps := withToken(t, "alice-token").Kubernetes(path).CoreV1().ConfigMaps("default")
	const label = "state.workload.kcp.io/abc"
	sneaky, err := maps.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Name: "sneaky", Labels: map[string]string{label: "Sync"},
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if sneaky.Labels[label] != "" {
		t.Error("a tenant placed an object by creating it with a state label")
	}
	sneaky.Labels = map[string]string{label: "Sync"}
	if _, err := maps.Update(t.Context(), sneaky, metav1.UpdateOptions{}); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "reserved") {
		t.Errorf("a tenant placed an object by itself: %v", err)
	}
	made, err := maps.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Name: "stamped", Annotations: map[string]string{logicalcluster.AnnotationKey: "root"},
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if logicalcluster.From(made) == "root" {
		t.Error("a tenant chose the stamp of its object")
	}
}

func TestNamespacesThatCannotTakeObjects(t *testing.T) {
	path, _ := newWorkspace(t)
	core := withToken(t, "alice-token").Kubernetes(path).CoreV1()
	_, err := core.ConfigMaps("missing").Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, metav1.CreateOptions{})
	if !apierrors.IsNotFound(err) || !strings.Contains(err.Error(), `"missing"`) {
		t.Errorf("into a missing namespace: %v", err)
	}
	if err := core.Namespaces().Delete(t.Context(), "default", metav1.DeleteOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("deleting namespace default: %v", err)
	}
	if _, err := core.Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "mine"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := core.ConfigMaps("mine").Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, metav1.CreateOptions{}); err != nil {
		t.Errorf("into a namespace just made: %v", err)
	}
	watch, err := core.Namespaces().Watch(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=mine"})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	if err := core.Namespaces().Delete(t.Context(), "mine", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	timeout := time.After(time.Minute)
	for {
		select {
		case event := <-watch.ResultChan():
			if event.Type == "DELETED" {
				return
			}
		case <-timeout:
			t.Fatal("the namespace did not go")
		}
	}
}

func TestWorkloadsNeedCompute(t *testing.T) {
	path, _ := newWorkspace(t)
	alice := withToken(t, "alice-token")
	_, err := alice.Kubernetes(path).AppsV1().Deployments("default").List(t.Context(), metav1.ListOptions{})
	if !apierrors.IsNotFound(err) || !strings.Contains(err.Error(), "bind the APIExport") {
		t.Errorf("deployments without compute: %v", err)
	}
	groups, err := alice.Kubernetes(path).Discovery().ServerGroups()
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range groups.Groups {
		if group.Name == "apps" {
			t.Error("discovery shows apps to a workspace without compute")
		}
	}
}

func TestErrorsOfStarting(t *testing.T) {
	start := func(change func(*Options)) error {
		options := NewOptions()
		options.RootDir, options.SecurePort = filepath.Join(t.TempDir(), "hub"), 0
		change(options)
		hub, err := New(*options, io.Discard)
		if err != nil {
			return err
		}
		return hub.Run(t.Context(), func() { t.Error("the hub started") })
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	port := shared.hub.listener.Addr().(*net.TCPAddr).Port
	for name, c := range map[string]struct {
		change func(*Options)
		is     error
		says   string
	}{
		"root directory in use":    {func(o *Options) { o.RootDir = shared.rootDir }, ErrInUse, "in use by another hub"},
		"root directory is a file": {func(o *Options) { o.RootDir = file }, ErrNotWritable, "--root-dir"},
		"port taken":               {func(o *Options) { o.SecurePort = port }, ErrPortTaken, "--secure-port"},
		"no such address":          {func(o *Options) { o.BindAddress = "nowhere" }, nil, "--bind-address"},
	} {
		t.Run(name, func(t *testing.T) {
			err := start(c.change)
			if err == nil || (c.is != nil && !errors.Is(err, c.is)) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v; expected %v saying %q", err, c.is, c.says)
			}
		})
	}
}
