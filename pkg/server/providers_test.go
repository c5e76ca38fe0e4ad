package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/kubernetes"
	metadataclient "k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// market is a provider of gizmos and workspaces that have bound them. Bob provides:
// he may do everything with the content of the export, and nothing else anywhere.
type market struct {
	group     string
	provider  logicalcluster.Path
	export    *apisv1alpha2.APIExport
	consumers []logicalcluster.Path
	ids       []string
}

// newMarket has one workspace for each group in names, and consumers.
func newMarket(ctx context.Context, t *testing.T, group string, consumers int) *market {
	t.Helper()
	admin := as(t, "base")
	m := &market{group: group}
	m.provider, _ = newWorkspace(t)
	m.export = publish(ctx, t, admin, m.provider, "gizmos", gizmoSchemaOf("v1", group))
	allowContent(ctx, t, m.provider, "bob", "gizmos", "*")
	for range consumers {
		path, workspace := newWorkspace(t)
		m.consumers, m.ids = append(m.consumers, path), append(m.ids, workspace.Spec.Cluster)
		bind(ctx, t, admin, path, "gizmos", m.provider, "gizmos")
		awaitBound(ctx, t, admin, path, "gizmos")
	}
	await(ctx, t, "bob may use the view", func() error {
		_, err := m.everywhere(t).List(ctx, metav1.ListOptions{})
		return err
	})
	return m
}

// allowContent lets a user do something with the content of an export.
func allowContent(ctx context.Context, t *testing.T, path logicalcluster.Path, name, export string, verbs ...string) {
	t.Helper()
	rbac := as(t, "base").Kubernetes(path).RbacV1()
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "provider-" + strings.ReplaceAll(name, ":", "-")}, Rules: []rbacv1.PolicyRule{{
		APIGroups: []string{"apis.kcp.io"}, Resources: []string{"apiexports/content"}, ResourceNames: []string{export}, Verbs: verbs,
	}}}
	if _, err := rbac.ClusterRoles().Create(ctx, role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := rbac.ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: role.ObjectMeta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// config is bob's, for what the export shows of a workspace, or of all ("*").
func (m *market) config(t *testing.T, consumer string) *rest.Config {
	t.Helper()
	config := rest.AnonymousClientConfig(restConfig(t, "base"))
	config.BearerToken, config.QPS = "bob-token", -1
	config.Host = shared.hub.URL() + "/services/apiexport/" + logicalcluster.From(m.export).String() + "/" + m.export.Name + "/clusters/" + consumer
	return config
}

func (m *market) dynamic(t *testing.T, consumer string) dynamic.Interface {
	t.Helper()
	made, err := dynamic.NewForConfig(m.config(t, consumer))
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func (m *market) everywhere(t *testing.T) dynamic.NamespaceableResourceInterface {
	return m.dynamic(t, "*").Resource(gizmos(m.group))
}

func (m *market) in(t *testing.T, consumer string) dynamic.ResourceInterface {
	return m.dynamic(t, consumer).Resource(gizmos(m.group)).Namespace("default")
}

// get asks the view for a path and returns the status and the body.
func (m *market) get(t *testing.T, consumer, path string, header http.Header) (int, http.Header, string) {
	t.Helper()
	config := m.config(t, consumer)
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, config.Host+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(req.Header, header)
	response, err := httpClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(body)
}

// nextEvent returns the next event of a watch that is about an object.
func nextEvent(ctx context.Context, t *testing.T, from watch.Interface) (kind watch.EventType, at string) {
	t.Helper()
	for {
		select {
		case event, ok := <-from.ResultChan():
			if !ok {
				return "ENDED", ""
			}
			object, ok := event.Object.(metav1.Object)
			if event.Type == watch.Bookmark {
				continue
			}
			if !ok {
				return event.Type, fmt.Sprint(event.Object)
			}
			return event.Type, logicalcluster.From(object).String() + "/" + object.GetName()
		case <-ctx.Done():
			t.Fatal("no event came")
		}
	}
}

func expectEvent(ctx context.Context, t *testing.T, from watch.Interface, want watch.EventType, at string) {
	t.Helper()
	if kind, got := nextEvent(ctx, t, from); kind != want || got != at {
		t.Fatalf("%s of %s, expected %s of %s", kind, got, want, at)
	}
}

// A provider reads and writes what it offers in all workspaces that have bound it.
func TestAProviderServesAllWorkspaces(t *testing.T) {
	ctx := exportsContext(t)
	m := newMarket(ctx, t, "all.providers.test", 2)
	admin := as(t, "base")
	everything, err := m.everywhere(t).Watch(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer everything.Stop()
	for i, path := range m.consumers {
		createGizmo(ctx, t, admin, path, m.group, "same")
		expectEvent(ctx, t, everything, watch.Added, m.ids[i]+"/same")
	}
	list, err := m.everywhere(t).List(ctx, metav1.ListOptions{})
	if err != nil || len(list.Items) != 2 {
		t.Fatalf("%d gizmos: %v", len(list.Items), err)
	}
	one := m.in(t, m.ids[0])
	patched, err := one.Patch(ctx, "same", types.MergePatchType, []byte(`{"status":{"state":"done"}}`), metav1.PatchOptions{}, "status")
	if err != nil {
		t.Fatal(err)
	}
	expectEvent(ctx, t, everything, watch.Modified, m.ids[0]+"/same")
	if state, _, _ := unstructured.NestedString(patched.Object, "status", "state"); state != "done" {
		t.Errorf("the status is %q", state)
	}
	seen, err := gizmosAt(admin, m.consumers[0], m.group).Get(ctx, "same", metav1.GetOptions{})
	if state, _, _ := unstructured.NestedString(seen.Object, "status", "state"); err != nil || state != "done" {
		t.Errorf("its user sees %q, %v", state, err)
	}
	applied := newGizmo(m.group, "applied", 5)
	if _, err := m.in(t, m.consumers[1].String()).Apply(ctx, "applied", applied, metav1.ApplyOptions{FieldManager: "bob"}); err != nil {
		t.Errorf("apply: %v", err)
	}
	expectEvent(ctx, t, everything, watch.Added, m.ids[1]+"/applied")
	if _, err := one.Create(ctx, newGizmo(m.group, "bad", -1), metav1.CreateOptions{}); !apierrors.IsInvalid(err) {
		t.Errorf("a size of -1: %v, expected invalid", err)
	}
	if err := m.in(t, m.ids[1]).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		t.Errorf("delete all: %v", err)
	}
	for range 2 {
		if kind, at := nextEvent(ctx, t, everything); kind != watch.Deleted || !strings.HasPrefix(at, m.ids[1]+"/") {
			t.Errorf("%s of %s", kind, at)
		}
	}
}

// What a provider does not see: workspaces that have not bound its export, other
// resources, and writes to all workspaces at once.
func TestAProviderSeesNothingElse(t *testing.T) {
	ctx := exportsContext(t)
	const group = "nothing.providers.test"
	m := newMarket(ctx, t, group, 1)
	rival := newMarket(ctx, t, group, 1) // of the same name, with another identity
	admin := as(t, "base")
	bystander, other := newWorkspace(t)
	createGizmo(ctx, t, admin, m.consumers[0], group, "mine")
	createGizmo(ctx, t, admin, rival.consumers[0], group, "rivals")
	list, err := m.everywhere(t).List(ctx, metav1.ListOptions{})
	if err != nil || len(list.Items) != 1 || list.Items[0].GetName() != "mine" {
		t.Errorf("%v, %v", list, err)
	}
	resource := "/apis/" + group + "/v1/gizmos"
	for name, c := range map[string]struct {
		consumer, path string
		code           int
	}{
		"an unbound workspace":          {other.Spec.Cluster, resource, 403},
		"by its path":                   {bystander.String(), resource, 403},
		"one that does not exist":       {"root:nope", resource, 403},
		"root":                          {"root", resource, 403},
		"the system":                    {"system:admin", resource, 403},
		"copies of schemas":             {"system:bound-crds", resource, 403},
		"of the rival":                  {rival.ids[0], resource, 403},
		"secrets everywhere":            {"*", "/api/v1/secrets", 404},
		"secrets of a consumer":         {m.ids[0], "/api/v1/namespaces/default/secrets", 404},
		"with a field selector":         {"*", "/api/v1/secrets?fieldSelector=metadata.name%3Dx", 404},
		"exports":                       {"*", "/apis/apis.kcp.io/v1alpha2/apiexports", 404},
		"workspaces":                    {"*", "/apis/tenancy.kcp.io/v1alpha1/workspaces", 404},
		"a stamp as a field":            {"*", resource + "?fieldSelector=kcp.io%2Fcluster%3D" + rival.ids[0], 400},
		"nested":                        {m.ids[0], "/clusters/" + other.Spec.Cluster + resource, 404},
		"nested, encoded":               {m.ids[0], "%2Fclusters%2F" + other.Spec.Cluster + resource, 404},
		"a view in the view":            {m.ids[0], "/services/apiexport/" + rival.ids[0] + "/gizmos/clusters/*" + resource, 404},
		"dots":                          {m.ids[0] + "/..", "/" + other.Spec.Cluster + resource, 403},
		"dots, encoded":                 {m.ids[0], "/%2e%2e/" + other.Spec.Cluster + resource, 403},
		"a name with dots":              {m.ids[0], "/apis/" + group + "/v1/namespaces/..%2f..%2f" + rival.ids[0] + "/gizmos/rivals", 404},
		"an encoded name":               {m.ids[0], "/apis/" + group + "/v1/namespaces/default/gizmos/..%2f..%2frivals", 403},
		"metrics":                       {"*", "/metrics", 403},
		"another subresource":           {m.ids[0], "/apis/" + group + "/v1/namespaces/default/gizmos/mine/exec", 403},
		"one object everywhere":         {"*", "/apis/" + group + "/v1/namespaces/default/gizmos/mine", 400},
		"impersonation is not possible": {m.ids[0], resource, 0},
	} {
		t.Run(name, func(t *testing.T) {
			header := http.Header{}
			if c.code == 0 {
				header.Set("Impersonate-User", "alice")
				c.code = 403
			}
			code, _, body := m.get(t, c.consumer, c.path, header)
			if code != c.code {
				t.Errorf("%d %s, expected %d", code, body, c.code)
			}
			if strings.Contains(body, "rivals") && !strings.Contains(c.path, "rivals") {
				t.Errorf("it shows %s", body)
			}
		})
	}
	if err := m.everywhere(t).Namespace("default").Delete(ctx, "mine", metav1.DeleteOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("delete everywhere: %v", err)
	}
	if err := m.dynamic(t, m.ids[0]).Resource(schema.GroupVersionResource{Group: "apis.kcp.io", Version: "v1alpha2", Resource: "apibindings"}).Delete(ctx, "gizmos", metav1.DeleteOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("deleting a binding: %v", err)
	}
}

// The verb on the content is all that counts, and it is that of the request.
func TestWhoMayUseTheViewOfAnExport(t *testing.T) {
	ctx := exportsContext(t)
	m := newMarket(ctx, t, "who.providers.test", 1)
	createGizmo(ctx, t, as(t, "base"), m.consumers[0], m.group, "one")
	as := func(token string) dynamic.ResourceInterface {
		config := m.config(t, m.ids[0])
		config.BearerToken = token
		return dynamic.NewForConfigOrDie(config).Resource(gizmos(m.group)).Namespace("default")
	}
	if _, err := as("alice-token").Get(ctx, "one", metav1.GetOptions{}); err != nil {
		t.Errorf("the administrator: %v", err)
	}
	stranger, _ := newWorkspace(t)
	reader := serviceAccountToken(ctx, t, stranger, "reader")
	if _, err := as(reader).Get(ctx, "one", metav1.GetOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("a stranger: %v", err)
	}
	local := serviceAccountToken(ctx, t, m.provider, "reader")
	allowContent(ctx, t, m.provider, "system:serviceaccount:default:reader", "gizmos", "get")
	await(ctx, t, "a service account of the provider may get", func() error {
		_, err := as(local).Get(ctx, "one", metav1.GetOptions{})
		return err
	})
	if _, err := as(reader).Get(ctx, "one", metav1.GetOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("a stranger of the same name: %v", err)
	}
	if _, err := as(local).List(ctx, metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("another verb: %v", err)
	}
}

// serviceAccountToken makes a service account and a token for it.
func serviceAccountToken(ctx context.Context, t *testing.T, path logicalcluster.Path, name string) string {
	t.Helper()
	accounts := as(t, "base").Kubernetes(path).CoreV1().ServiceAccounts("default")
	if _, err := accounts.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	made, err := accounts.CreateToken(ctx, name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	config := rest.AnonymousClientConfig(restConfig(t, "base"))
	config.BearerToken = made.Status.Token
	config.Host += path.RequestPath()
	itself := kubernetes.NewForConfigOrDie(config).AuthenticationV1().SelfSubjectReviews()
	eventually(t, "the token is known", func() error {
		_, err := itself.Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
		if apierrors.IsUnauthorized(err) {
			return err
		}
		return nil
	})
	return made.Status.Token
}

// Informers, as controllers use them, work through the view.
func TestInformersThroughTheViewOfAnExport(t *testing.T) {
	ctx := exportsContext(t)
	m := newMarket(ctx, t, "informers.providers.test", 3)
	admin := as(t, "base")
	createGizmo(ctx, t, admin, m.consumers[0], m.group, "same")
	factory := dynamicinformer.NewDynamicSharedInformerFactory(m.dynamic(t, "*"), 0)
	informer := factory.ForResource(gizmos(m.group)).Informer()
	var mu sync.Mutex
	seen := map[string]bool{}
	note := func(object any, there bool) {
		if last, ok := object.(cache.DeletedFinalStateUnknown); ok {
			object = last.Obj
		}
		mu.Lock()
		defer mu.Unlock()
		u := object.(*unstructured.Unstructured)
		seen[logicalcluster.From(u).String()+"/"+u.GetName()] = there
	}
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(o any) { note(o, true) }, UpdateFunc: func(_, o any) { note(o, true) }, DeleteFunc: func(o any) { note(o, false) },
	}); err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(ctx)
	factory.Start(running.Done())
	defer factory.Shutdown()
	defer stop()
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		t.Fatal("the informer did not sync")
	}
	awaitSeen := func(want map[string]bool) {
		t.Helper()
		await(ctx, t, "the informer has seen all", func() error {
			mu.Lock()
			defer mu.Unlock()
			if diff := cmp.Diff(want, seen); diff != "" {
				return fmt.Errorf("%s", diff)
			}
			return nil
		})
	}
	first := m.ids[0] + "/same"
	awaitSeen(map[string]bool{first: true})
	// What a cache keyed by namespace and name has to be told apart by is in each
	// object, as events come for all of them.
	createGizmo(ctx, t, admin, m.consumers[1], m.group, "other")
	if err := gizmosAt(admin, m.consumers[0], m.group).Delete(ctx, "same", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitSeen(map[string]bool{first: false, m.ids[1] + "/other": true})
}

// Pages, metadata, tables and lists by watching are as anywhere.
func TestReadingThroughTheViewOfAnExport(t *testing.T) {
	ctx := exportsContext(t)
	m := newMarket(ctx, t, "reading.providers.test", 3)
	want := map[string]bool{}
	for i, path := range m.consumers {
		for _, name := range []string{"a", "b", "c"} {
			createGizmo(ctx, t, as(t, "base"), path, m.group, name)
			want[m.ids[i]+"/"+name] = true
		}
	}
	got, pages, token := map[string]bool{}, 0, ""
	for {
		page, err := m.everywhere(t).List(ctx, metav1.ListOptions{Limit: 2, Continue: token})
		if err != nil {
			t.Fatal(err)
		}
		for i := range page.Items {
			got[logicalcluster.From(&page.Items[i]).String()+"/"+page.Items[i].GetName()] = true
		}
		pages++
		if token = page.GetContinue(); token == "" {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || pages != 5 {
		t.Errorf("%d pages: %s", pages, diff)
	}
	partial, err := metadataclient.NewForConfig(m.config(t, "*"))
	if err != nil {
		t.Fatal(err)
	}
	list, err := partial.Resource(gizmos(m.group)).List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil || len(list.Items) != 9 || logicalcluster.From(&list.Items[0]).Empty() {
		t.Errorf("metadata: %v, %v", list, err)
	}
	exact, err := m.everywhere(t).List(ctx, metav1.ListOptions{ResourceVersion: list.ResourceVersion, ResourceVersionMatch: metav1.ResourceVersionMatchExact})
	if err != nil || len(exact.Items) != 9 {
		t.Errorf("at an exact version: %d, %v", len(exact.Items), err)
	}
	code, _, body := m.get(t, "*", "/apis/"+m.group+"/v1/gizmos", http.Header{"Accept": {"application/json;as=Table;g=meta.k8s.io;v=v1"}})
	table := &metav1.Table{}
	if err := json.Unmarshal([]byte(body), table); err != nil || code != 200 || len(table.Rows) != 9 {
		t.Errorf("a table: %d, %v, %.200s", code, err, body)
	}
	named, err := m.everywhere(t).List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=b"})
	if err != nil || len(named.Items) != 3 {
		t.Errorf("by name: %d, %v", len(named.Items), err)
	}
	initial := true
	byWatching := metav1.ListOptions{SendInitialEvents: &initial, AllowWatchBookmarks: true, ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan}
	if _, err := m.everywhere(t).Watch(ctx, byWatching); !apierrors.IsInvalid(err) {
		t.Errorf("a list by watching: %v, expected clients to be sent back to listing", err)
	}
	stream, err := m.in(t, m.ids[0]).Watch(ctx, byWatching)
	if err != nil {
		t.Fatalf("a list by watching, in one workspace: %v", err)
	}
	defer stream.Stop()
	listed := 0
	for event := range stream.ResultChan() {
		if event.Type == watch.Bookmark && event.Object.(metav1.Object).GetAnnotations()[metav1.InitialEventsAnnotationKey] == "true" {
			break
		}
		listed++
	}
	if listed != 3 {
		t.Errorf("a list by watching, in one workspace, has %d", listed)
	}
}

// Discovery of the view says exactly what it serves.
func TestDiscoveryOfTheViewOfAnExport(t *testing.T) {
	ctx := exportsContext(t)
	m := newMarket(ctx, t, "discovery.providers.test", 1)
	for _, consumer := range []string{"*", m.ids[0]} {
		client, err := discovery.NewDiscoveryClientForConfig(m.config(t, consumer))
		if err != nil {
			t.Fatal(err)
		}
		_, lists, err := client.ServerGroupsAndResources()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, list := range lists {
			for _, r := range list.APIResources {
				verbs := slices.Sorted(slices.Values(r.Verbs))
				got[list.GroupVersion+" "+r.Name] = strings.Join(verbs, " ")
			}
		}
		const all, some = "create delete deletecollection get list patch update watch", "get patch update"
		want := map[string]string{
			m.group + "/v1 gizmos": all, m.group + "/v1 gizmos/status": some,
			"apis.kcp.io/v1alpha2 apibindings": "get list watch", "apis.kcp.io/v1alpha2 apibindings/status": "get",
			"apis.kcp.io/v1alpha1 apibindings": "get list watch", "apis.kcp.io/v1alpha1 apibindings/status": "get",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("in %s: %s", consumer, diff)
		}
	}
	code, _, body := m.get(t, "*", "/openapi/v3", nil)
	if code != 200 || !strings.Contains(body, "apis/"+m.group+"/v1") || strings.Contains(body, `"api/v1"`) {
		t.Errorf("OpenAPI v3: %d %s", code, body)
	}
	code, header, body := m.get(t, "*", "/openapi/v2", nil)
	if code != 200 || !strings.Contains(body, "/apis/"+m.group+"/v1/gizmos") || strings.Contains(body, "/api/v1/namespaces/{namespace}/secrets") {
		t.Errorf("OpenAPI v2: %d %.300s", code, body)
	}
	if code, _, _ := m.get(t, "*", "/openapi/v2", http.Header{"If-None-Match": {header.Get("Etag")}}); code != http.StatusNotModified {
		t.Errorf("OpenAPI v2 again: %d", code)
	}
}

// A watch ends when the export shows the resource differently, and the next one
// sees it as it is.
func TestWatchesThroughTheViewEnd(t *testing.T) {
	ctx := exportsContext(t)
	m := newMarket(ctx, t, "ends.providers.test", 1)
	admin := as(t, "base")
	createGizmo(ctx, t, admin, m.consumers[0], m.group, "one")
	begin := func(consumer string) watch.Interface {
		t.Helper()
		w, err := m.dynamic(t, consumer).Resource(gizmos(m.group)).Watch(ctx, metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Stop)
		expectEvent(ctx, t, w, watch.Added, m.ids[0]+"/one")
		return w
	}
	all, single := begin("*"), begin(m.ids[0])
	next := gizmoSchemaOf("v2", m.group)
	next.Spec.Versions[0].Schema.Raw = []byte(strings.Replace(gizmoSchema, `"spec":`, `"note":{"type":"string","default":"new"},"spec":`, 1))
	if _, err := client.APIResourceSchemas(admin, m.provider).Create(ctx, next, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	m.edit(ctx, t, func(e *apisv1alpha2.APIExport) { e.Spec.Resources[0].Schema = next.Name })
	expectEvent(ctx, t, all, "ENDED", "")
	expectEvent(ctx, t, single, "ENDED", "")
	var list *unstructured.UnstructuredList
	await(ctx, t, "the new schema shows", func() error {
		var err error
		if list, err = m.everywhere(t).List(ctx, metav1.ListOptions{}); err != nil || len(list.Items) != 1 {
			return fmt.Errorf("%v, %v", list, err)
		}
		if list.Items[0].Object["note"] != "new" {
			return fmt.Errorf("%v", list.Items[0].Object)
		}
		return nil
	})

	all = begin("*")
	if err := client.APIBindings(admin, m.consumers[0]).Delete(ctx, "gizmos", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	expectEvent(ctx, t, all, watch.Deleted, m.ids[0]+"/one")

	m.edit(ctx, t, func(e *apisv1alpha2.APIExport) { e.Spec.Resources = nil })
	expectEvent(ctx, t, all, "ENDED", "")
	await(ctx, t, "the resource is gone", func() error {
		if _, err := m.everywhere(t).List(ctx, metav1.ListOptions{}); !apierrors.IsNotFound(err) {
			return fmt.Errorf("%v", err)
		}
		return nil
	})
	if err := client.APIExports(admin, m.provider).Delete(ctx, "gizmos", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	await(ctx, t, "the export is gone", func() error {
		if code, _, body := m.get(t, "*", "/apis", nil); code != 404 || !strings.Contains(body, "apiexports.apis.kcp.io") {
			return fmt.Errorf("%d %s", code, body)
		}
		return nil
	})
}

// edit changes the export.
func (m *market) edit(ctx context.Context, t *testing.T, change func(*apisv1alpha2.APIExport)) {
	t.Helper()
	exports := client.APIExports(as(t, "base"), m.provider)
	await(ctx, t, "the export is changed", func() error {
		export, err := exports.Get(ctx, m.export.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		change(export)
		_, err = exports.Update(ctx, export, metav1.UpdateOptions{})
		return err
	})
}

// Who may read the bindings of a workspace reads the schemas behind them, wherever
// they are, and whatever has become of them.
func TestSchemasOfWhatIsBound(t *testing.T) {
	ctx := exportsContext(t)
	m := newMarket(ctx, t, "schemas.providers.test", 1)
	admin := as(t, "base")
	original, err := client.APIResourceSchemas(admin, m.provider).Get(ctx, "v1.gizmos."+m.group, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	read := func(token, consumer string) dynamic.ResourceInterface {
		config := rest.AnonymousClientConfig(restConfig(t, "base"))
		config.BearerToken, config.QPS = token, -1
		config.Host = shared.hub.URL() + "/services/apiresourceschema/" + consumer + "/clusters/*"
		return dynamic.NewForConfigOrDie(config).Resource(schema.GroupVersionResource{Group: "apis.kcp.io", Version: "v1alpha1", Resource: "apiresourceschemas"})
	}
	account := serviceAccountToken(ctx, t, m.consumers[0], "reader")
	if _, err := read(account, m.ids[0]).List(ctx, metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("without the right to read bindings: %v", err)
	}
	if _, err := read("alice-token", m.ids[0]).List(ctx, metav1.ListOptions{}); err != nil {
		t.Errorf("the administrator: %v", err)
	}
	if _, err := read("bob-token", m.ids[0]).List(ctx, metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("a stranger: %v", err)
	}
	if err := client.APIResourceSchemas(admin, m.provider).Delete(ctx, original.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	list, err := read("alice-token", m.consumers[0].String()).List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	found := slices.ContainsFunc(list.Items, func(u unstructured.Unstructured) bool {
		return u.GetName() == original.Name && u.GetUID() == original.UID && logicalcluster.From(&u) == logicalcluster.From(original)
	})
	if !found {
		t.Errorf("the schema is not among %v", list.Items)
	}
	began, err := read("alice-token", m.ids[0]).Watch(ctx, metav1.ListOptions{ResourceVersion: list.GetResourceVersion()})
	if err != nil {
		t.Fatal(err)
	}
	defer began.Stop()
	if err := client.APIBindings(admin, m.consumers[0]).Delete(ctx, "gizmos", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	expectEvent(ctx, t, began, watch.Deleted, logicalcluster.From(original).String()+"/"+original.Name)
	config := rest.AnonymousClientConfig(restConfig(t, "base"))
	config.BearerToken = "alice-token"
	config.Host = shared.hub.URL() + "/services/apiresourceschema/" + m.ids[0] + "/clusters/*"
	_, lists, err := discovery.NewDiscoveryClientForConfigOrDie(config).ServerGroupsAndResources()
	if err != nil || len(lists) != 1 || len(lists[0].APIResources) != 1 || lists[0].APIResources[0].Name != "apiresourceschemas" {
		t.Errorf("discovery: %v, %v", lists, err)
	}
}

// A provider clears up in workspaces that are being deleted, and is kept out of those
// that sleep; what it reads of all shows both.
func TestProvidersAndTheLifeOfWorkspaces(t *testing.T) {
	ctx := exportsContext(t)
	m := newMarket(ctx, t, "life.providers.test", 2)
	admin := as(t, "base")
	leaving, sleeping := m.in(t, m.ids[0]), m.in(t, m.ids[1])
	held := newGizmo(m.group, "held", 1)
	held.SetFinalizers([]string{"providers.test/cleanup"})
	await(ctx, t, "gizmos are served", func() error {
		_, err := leaving.Create(ctx, held, metav1.CreateOptions{})
		return err
	})
	createGizmo(ctx, t, admin, m.consumers[1], m.group, "asleep")
	everything, err := m.everywhere(t).Watch(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer everything.Stop()
	for range 2 {
		if kind, _ := nextEvent(ctx, t, everything); kind != watch.Added {
			t.Fatal(kind)
		}
	}

	single, err := sleeping.Watch(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer single.Stop()
	expectEvent(ctx, t, single, watch.Added, m.ids[1]+"/asleep")
	sleep := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:"true"}}}`, corev1alpha1.InactiveAnnotationKey)
	if _, err := client.LogicalClusters(admin, m.consumers[1]).Patch(ctx, corev1alpha1.LogicalClusterName, types.MergePatchType, sleep, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	expectEvent(ctx, t, single, "ENDED", "")
	if _, err := sleeping.Get(ctx, "asleep", metav1.GetOptions{}); !apierrors.IsServiceUnavailable(err) || !strings.Contains(err.Error(), "inactive") {
		t.Errorf("in a workspace that sleeps: %v", err)
	}
	if list, err := m.everywhere(t).List(ctx, metav1.ListOptions{}); err != nil || len(list.Items) != 2 {
		t.Errorf("of all workspaces: %v, %v", list, err)
	}

	if err := client.Workspaces(admin, "root").Delete(ctx, m.consumers[0].Base(), metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	expectEvent(ctx, t, everything, watch.Modified, m.ids[0]+"/held")
	if _, err := leaving.Create(ctx, newGizmo(m.group, "late", 1), metav1.CreateOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("creating in a workspace that is being deleted: %v", err)
	}
	if _, err := leaving.Patch(ctx, "held", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}); err != nil {
		t.Errorf("letting go: %v", err)
	}
	expectEvent(ctx, t, everything, watch.Deleted, m.ids[0]+"/held")
	await(ctx, t, "the workspace is gone", func() error {
		if _, err := client.Workspaces(admin, "root").Get(ctx, m.consumers[0].Base(), metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			return fmt.Errorf("%v", err)
		}
		return nil
	})
	if _, err := leaving.List(ctx, metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("in a workspace that is gone: %v", err)
	}
}
