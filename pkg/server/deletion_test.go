package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	metadataclient "k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// remove deletes a Workspace of root.
func remove(t *testing.T, name string) {
	t.Helper()
	if err := client.Workspaces(as(t, "base"), "root").Delete(limit(t), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}

// post creates an object from JSON.
func post(ctx context.Context, hub *client.Hub, path logicalcluster.Path, collection, body string) error {
	return hub.REST().Post().AbsPath(path.RequestPath()+collection).SetHeader("Content-Type", "application/json").Body([]byte(body)).Do(ctx).Error()
}

// gadgets defines a resource whose schema is the same for equal flavours only.
func gadgets(flavour string) string {
	return `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"gadgets.example.io"},
"spec":{"group":"example.io","scope":"Namespaced","names":{"plural":"gadgets","singular":"gadget","kind":"Gadget"},
"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","description":"` + flavour + `","properties":{"spec":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}}}]}}`
}

func gadget(name string) string {
	return `{"apiVersion":"example.io/v1","kind":"Gadget","metadata":{"name":"` + name + `"}}`
}

const (
	crdsPath    = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
	gadgetsPath = "/apis/example.io/v1/namespaces/default/gadgets"
)

var gadgetsGVR = schema.GroupVersionResource{Group: "example.io", Version: "v1", Resource: "gadgets"}

// watchIn watches a resource in one workspace, or in all with the path "*".
func watchIn(t *testing.T, config *rest.Config, path logicalcluster.Path, gvr schema.GroupVersionResource) watch.Interface {
	t.Helper()
	config = rest.CopyConfig(config)
	config.Host = shared.hub.URL() + path.RequestPath()
	at, err := metadataclient.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	w, err := at.Resource(gvr).Watch(limit(t), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	return w
}

func tokenConfig(t *testing.T, token string) *rest.Config {
	t.Helper()
	config := rest.AnonymousClientConfig(restConfig(t, "base"))
	config.BearerToken = token
	return config
}

// life makes a workspace, fills it with all that costs the hub something, and
// returns its name and ID. Its watches run until they end by themselves.
func life(t *testing.T, flavour string, watches *sync.WaitGroup) (string, string) {
	t.Helper()
	path, workspace := newWorkspace(t)
	alice := withToken(t, "alice-token")
	if err := post(limit(t), alice, path, crdsPath, gadgets(flavour)); err != nil {
		t.Fatal(err)
	}
	await(limit(t), t, "a gadget", func() error { return post(t.Context(), alice, path, gadgetsPath, gadget("one")) })
	if _, err := alice.Kubernetes(path).CoreV1().Secrets("default").Create(limit(t), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "s"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := alice.REST().Get().AbsPath(path.RequestPath() + "/openapi/v2").DoRaw(limit(t)); err != nil {
		t.Fatal(err)
	}
	for _, gvr := range []schema.GroupVersionResource{gadgetsGVR, corev1.SchemeGroupVersion.WithResource("secrets"), corev1.SchemeGroupVersion.WithResource("configmaps")} {
		w := watchIn(t, tokenConfig(t, "alice-token"), path, gvr)
		watches.Go(func() {
			for range w.ResultChan() {
			}
		})
	}
	return workspace.Name, workspace.Spec.Cluster
}

// footprint is what the hub holds.
type footprint struct{ goroutines, keys, shapes, handlers, watches int }

func takeFootprint(t *testing.T) footprint {
	t.Helper()
	h := shared.hub
	return footprint{
		goroutines: runtime.NumGoroutine(), keys: len(etcdKeys(t)),
		shapes: h.catalog.Stats().Shapes, handlers: h.customResources.Len(), watches: h.lasting.Len(),
	}
}

// within reports whether f is no more than before, but for some goroutines: the
// connections of this test's own clients come and go.
func (f footprint) within(before footprint, slack int) bool {
	return f.goroutines <= before.goroutines+slack && f.keys <= before.keys &&
		f.shapes <= before.shapes && f.handlers <= before.handlers && f.watches <= before.watches
}

// takeSeries returns the names of all time series, one a line.
func takeSeries(t *testing.T) string {
	t.Helper()
	metrics, err := as(t, "system:admin").REST().Get().AbsPath("/metrics").DoRaw(limit(t))
	if err != nil {
		t.Fatal(err)
	}
	return string(metrics)
}

func etcdKeys(t *testing.T) []string {
	t.Helper()
	store, err := clientv3.New(clientv3.Config{Endpoints: shared.hub.endpoints, DialTimeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	answer, err := store.Get(limit(t), "/", clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, kv := range answer.Kvs {
		// What the control plane writes about itself comes and goes by the clock.
		if key := string(kv.Key); !strings.Contains(key, "/events/") && !strings.Contains(key, "/leases/") {
			keys = append(keys, key)
		}
	}
	return keys
}

// TestDeletionFreesEverything makes and deletes workspaces full of things, and
// compares what the hub holds with what it held before.
func TestDeletionFreesEverything(t *testing.T) {
	const workspaces = 12
	round := func() (ids []string) {
		var watches sync.WaitGroup
		var names []string
		for i := range workspaces {
			name, id := life(t, fmt.Sprintf("flavour %d", i), &watches)
			names, ids = append(names, name), append(ids, id)
		}
		for _, name := range names {
			remove(t, name)
		}
		for _, name := range names {
			awaitGone(t, name)
		}
		watches.Wait()
		return ids
	}
	round() // what is made once stays: caches of native resources, connections
	before := takeFootprint(t)
	ids := round()
	for after, ctx := takeFootprint(t), limit(t); !after.within(before, workspaces); after = takeFootprint(t) {
		select {
		case <-ctx.Done():
			t.Fatalf("before %+v, after %+v", before, after)
		case <-time.After(200 * time.Millisecond): // goroutines tell nobody that they have ended
		}
	}
	series := takeSeries(t)
	for _, word := range append(ids, "gadgets") {
		if strings.Contains(series, word) {
			t.Errorf("a time series is named after %s", word)
		}
	}
	for _, key := range etcdKeys(t) {
		for _, id := range ids {
			if strings.Contains(key, id) {
				t.Errorf("left behind: %s", key)
			}
		}
	}
	for _, id := range ids {
		if _, known := shared.hub.directory.ByName(logicalcluster.Name(id)); known {
			t.Errorf("the directory knows %s", id)
		}
		if n := len(shared.hub.models.namespaces.In(logicalcluster.Name(id))); n != 0 {
			t.Errorf("an informer holds %d namespaces of %s", n, id)
		}
	}
}

// TestWatchesSeeTheEnd: who watches in a workspace is told of every object that
// goes with it, and then his watch ends; the hub's own goes on.
func TestWatchesSeeTheEnd(t *testing.T) {
	path, workspace := newWorkspace(t)
	alice := withToken(t, "alice-token")
	if err := post(limit(t), alice, path, crdsPath, gadgets("seen")); err != nil {
		t.Fatal(err)
	}
	await(limit(t), t, "a gadget", func() error { return post(t.Context(), alice, path, gadgetsPath, gadget("g0")) })
	const objects = 20
	for i := range objects {
		note := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("n%d", i)}}
		if _, err := alice.Kubernetes(path).CoreV1().ConfigMaps("default").Create(limit(t), note, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			if err := post(limit(t), alice, path, gadgetsPath, gadget(fmt.Sprintf("g%d", i))); err != nil {
				t.Fatal(err)
			}
		}
	}
	configMaps := corev1.SchemeGroupVersion.WithResource("configmaps")
	everywhere := watchIn(t, restConfig(t, "shard-base"), "*", configMaps)
	notes := watchIn(t, tokenConfig(t, "alice-token"), path, configMaps)
	things := watchIn(t, tokenConfig(t, "alice-token"), path, gadgetsGVR)
	remove(t, workspace.Name)
	if n := deletions(ended(t, notes.ResultChan())); n != objects+2 {
		t.Errorf("of %d ConfigMaps the watch saw %d go", objects+2, n)
	}
	if n := deletions(ended(t, things.ResultChan())); n != objects {
		t.Errorf("of %d gadgets the watch saw %d go", objects, n)
	}
	awaitGone(t, workspace.Name)
	other, _ := newWorkspace(t)
	ctx := limit(t)
	for {
		select {
		case event, open := <-everywhere.ResultChan():
			if !open {
				t.Fatal("the hub's own watch ended")
			}
			if meta, ok := event.Object.(*metav1.PartialObjectMetadata); ok && event.Type == watch.Added && belongs(meta, other) {
				return
			}
		case <-ctx.Done():
			t.Fatal("the hub's own watch sees nothing of the next workspace")
		}
	}
}

func belongs(object metav1.Object, path logicalcluster.Path) bool {
	entry, ok := shared.hub.directory.Resolve(path)
	return ok && object.GetAnnotations()[logicalcluster.AnnotationKey] == entry.Name.String()
}

func deletions(events []watch.Event) (n int) {
	for _, event := range events {
		if event.Type == watch.Deleted {
			n++
		}
	}
	return n
}

// TestDeletionSaysWhatHoldsIt reads the conditions as somebody would who wonders
// why his workspace does not go.
func TestDeletionSaysWhatHoldsIt(t *testing.T) {
	path, workspace := newWorkspace(t)
	alice, admin := withToken(t, "alice-token"), as(t, "base")
	notes := alice.Kubernetes(path).CoreV1().ConfigMaps("default")
	held := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "precious", Finalizers: []string{"example.io/backup"}}}
	if _, err := notes.Create(limit(t), held, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	forgotten := []byte(`{"metadata":{"finalizers":["core.kcp.io/logicalcluster","example.io/forgotten"]}}`)
	if _, err := client.Workspaces(admin, "root").Patch(limit(t), workspace.Name, types.MergePatchType, forgotten, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	foreground := metav1.DeletePropagationForeground
	if err := client.Workspaces(admin, "root").Delete(limit(t), workspace.Name, metav1.DeleteOptions{PropagationPolicy: &foreground}); err != nil {
		t.Fatal(err)
	}
	says(t, workspace.Name, "1 configmaps (default/precious; finalizers: example.io/backup)")
	// Its users are let in to let go, and to nothing else.
	if _, err := notes.Create(limit(t), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "more"}}, metav1.CreateOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("creating in a workspace that is deleted: %v", err)
	}
	if _, err := alice.Kubernetes(path).CoreV1().ServiceAccounts("default").CreateToken(limit(t), "default", &authenticationv1.TokenRequest{}, metav1.CreateOptions{}); err != nil {
		t.Errorf("a token for whoever lets go: %v", err)
	}
	if _, err := notes.Patch(limit(t), "precious", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	says(t, workspace.Name, "all content is gone", "example.io/forgotten")
	if _, err := client.Workspaces(admin, "root").Patch(limit(t), workspace.Name, types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, workspace.Name)
}

// says waits until the conditions of a Workspace mention all of words.
func says(t *testing.T, name string, words ...string) {
	t.Helper()
	await(limit(t), t, name+" says why it is there", func() error {
		workspace, err := client.Workspaces(as(t, "base"), "root").Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		text := fmt.Sprint(workspace.Status.Conditions)
		for _, word := range words {
			if !strings.Contains(text, word) {
				return fmt.Errorf("%s lacks %q", text, word)
			}
		}
		return nil
	})
}

// TestDeletionReachesAllBelow deletes a workspace with a chain and many children
// below it.
func TestDeletionReachesAllBelow(t *testing.T) {
	path, workspace := newWorkspace(t)
	admin := as(t, "base")
	order := func(parent logicalcluster.Path, name string) error {
		_, err := client.Workspaces(admin, parent).Create(limit(t), &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
		return err
	}
	ids := []string{workspace.Spec.Cluster}
	allReady := func(parent logicalcluster.Path, n int) {
		t.Helper()
		await(limit(t), t, "all below are ready", func() error {
			list, err := client.Workspaces(admin, parent).List(t.Context(), metav1.ListOptions{LabelSelector: tenancyv1alpha1.PhaseLabel + "=Ready"})
			if err != nil || len(list.Items) != n {
				return fmt.Errorf("%d are: %w", len(list.Items), errors.Join(err, errPhase("not all")))
			}
			for _, made := range list.Items {
				ids = append(ids, made.Spec.Cluster)
			}
			return nil
		})
	}
	const children, depth = 150, 5
	for deep, i := path, 0; i < depth; i++ {
		if err := order(deep, "deep"); err != nil {
			t.Fatal(err)
		}
		allReady(deep, 1)
		deep = deep.Join("deep")
	}
	var ordering sync.WaitGroup
	for i := range children {
		ordering.Go(func() {
			if err := order(path, fmt.Sprintf("wide%d", i)); err != nil {
				t.Error(err)
			}
		})
	}
	ordering.Wait()
	allReady(path, children+1)
	remove(t, workspace.Name)
	awaitGone(t, workspace.Name)
	for _, key := range etcdKeys(t) {
		for _, id := range ids {
			if strings.Contains(key, "/"+id+"/") {
				t.Errorf("left behind: %s", key)
			}
		}
	}
}

// TestRecreatedAtOnce: a new workspace of the same name is another one, for those
// who hold something of the old one as well.
func TestRecreatedAtOnce(t *testing.T) {
	path, workspace := newWorkspace(t)
	alice, admin := withToken(t, "alice-token"), as(t, "base")
	if err := post(limit(t), alice, path, crdsPath, gadgets("old")); err != nil {
		t.Fatal(err)
	}
	await(limit(t), t, "a gadget", func() error { return post(t.Context(), alice, path, gadgetsPath, gadget("old")) })
	token := tokenOf(t, alice, path)
	account := withToken(t, token)
	whoami := func(at logicalcluster.Path) error {
		_, err := account.Kubernetes(at).AuthenticationV1().SelfSubjectReviews().Create(limit(t), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
		return err
	}
	if err := whoami(path); err != nil {
		t.Fatalf("the token does not work before: %v", err)
	}
	remove(t, workspace.Name)
	var again *tenancyv1alpha1.Workspace
	await(limit(t), t, "the name is free", func() (err error) {
		again, err = client.Workspaces(admin, "root").Create(t.Context(), &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: workspace.Name}}, metav1.CreateOptions{})
		return err
	})
	if again.Spec.Cluster == workspace.Spec.Cluster || again.UID == workspace.UID {
		t.Fatalf("it is the old one: %+v", again.Spec)
	}
	awaitPhase(t, workspace.Name, corev1alpha1.LogicalClusterPhaseReady)
	if err := whoami(path); err == nil {
		t.Error("a token of the old workspace is good in the new one")
	}
	if _, err := alice.Kubernetes(path).CoreV1().ConfigMaps("default").List(limit(t), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("the administrator of the old workspace in the new one: %v", err)
	}
	if _, err := as(t, "system:admin").REST().Get().AbsPath(path.RequestPath() + gadgetsPath).DoRaw(limit(t)); !apierrors.IsNotFound(err) {
		t.Errorf("a resource of the old workspace in the new one: %v", err)
	}
	old := logicalcluster.Path(workspace.Spec.Cluster)
	for who, hub := range map[string]*client.Hub{"its administrator": alice, "its service account": account, "the hub's administrator": admin} {
		_, err := hub.Kubernetes(old).CoreV1().ConfigMaps("default").List(limit(t), metav1.ListOptions{})
		if !apierrors.IsForbidden(err) && !apierrors.IsUnauthorized(err) && !apierrors.IsNotFound(err) {
			t.Errorf("%s under the old ID: %v", who, err)
		}
	}
}

// TestNamesCannotBeForged writes what places and names objects into all kinds of
// objects, in all ways there are. Nothing may move, and nobody may become another.
func TestNamesCannotBeForged(t *testing.T) {
	path, workspace := newWorkspace(t)
	victim, victims := newWorkspace(t)
	alice := withToken(t, "alice-token")
	forged := fmt.Sprintf(`{"kcp.io/cluster":%q,"kcp.io/path":%q,"experimental.tenancy.kcp.io/owner":"{\"username\":\"root\"}","internal.tenancy.kcp.io/cluster":%q,"internal.tenancy.kcp.io/type":"root:root","core.kcp.io/shard":"other"}`,
		victims.Spec.Cluster, victim, victims.Spec.Cluster)
	for kind, object := range map[string]struct{ collection, body string }{
		"a ConfigMap":  {"/api/v1/namespaces/default/configmaps", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"forged","annotations":` + forged + `}}`},
		"a Namespace":  {"/api/v1/namespaces", `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"forged","annotations":` + forged + `}}`},
		"a Workspace":  {"/apis/tenancy.kcp.io/v1alpha1/workspaces", `{"apiVersion":"tenancy.kcp.io/v1alpha1","kind":"Workspace","metadata":{"name":"forged","annotations":` + forged + `},"spec":{},"status":{"phase":"Ready"}}`},
		"a definition": {crdsPath, strings.Replace(gadgets("forged"), `"metadata":{`, `"metadata":{"annotations":`+forged+`,`, 1)},
	} {
		t.Run(kind, func(t *testing.T) {
			if err := post(limit(t), alice, path, object.collection, object.body); err != nil {
				t.Fatal(err)
			}
			name := "forged"
			if object.collection == crdsPath {
				name = "gadgets.example.io"
			}
			at := path.RequestPath() + object.collection + "/" + name
			patch := `{"metadata":{"annotations":` + forged + `}}`
			apply := strings.Replace(object.body, `,"status":{"phase":"Ready"}`, "", 1)
			for how, do := range map[string]func() error{
				"merge patch": func() error {
					return alice.REST().Patch(types.MergePatchType).AbsPath(at).Body([]byte(patch)).Do(limit(t)).Error()
				},
				"apply": func() error {
					return alice.REST().Patch(types.ApplyPatchType).AbsPath(at).Param("fieldManager", "forger").Param("force", "true").Body([]byte(apply)).Do(limit(t)).Error()
				},
				"status": func() error {
					return alice.REST().Patch(types.MergePatchType).AbsPath(at + "/status").Body([]byte(patch)).Do(limit(t)).Error()
				},
			} {
				err := do() // refused or without effect, one as good as the other
				if err != nil && !apierrors.IsForbidden(err) && !apierrors.IsNotFound(err) && !apierrors.IsInvalid(err) && !apierrors.IsConflict(err) {
					t.Errorf("%s: %v", how, err)
				}
				checkStaysPut(t, alice, at, workspace, how)
			}
			if raw, err := as(t, "system:admin").REST().Get().AbsPath(victim.RequestPath() + object.collection + "/" + name).DoRaw(limit(t)); err == nil {
				t.Errorf("it arrived at the victim's: %s", raw)
			}
		})
	}
	// The one that was forged as ready got an ID and an owner of its own.
	made, err := client.Workspaces(alice, path).Get(limit(t), "forged", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if made.Spec.Cluster == victims.Spec.Cluster || strings.Contains(made.Annotations[tenancyv1alpha1.OwnerAnnotationKey], "root") {
		t.Errorf("forged: %+v %+v", made.Spec, made.Annotations)
	}
	// Nor can its inside be written, by whatever means.
	for how, patch := range map[string]string{
		"owner": `{"spec":{"owner":{"name":"` + victims.Name + `"}}}`, "annotations": `{"metadata":{"annotations":` + forged + `}}`,
		"labels": `{"metadata":{"labels":{"tenancy.kcp.io/phase":"Initializing"}}}`, "terminators": `{"spec":{"terminators":["root:x"]}}`,
	} {
		before, err := getInside(limit(t), alice, path)
		if err != nil {
			t.Fatal(err)
		}
		if err := patchInside(limit(t), alice, path, "", patch); err != nil && !apierrors.IsForbidden(err) && !apierrors.IsInvalid(err) {
			t.Errorf("%s of a LogicalCluster: %v", how, err)
		}
		after, err := getInside(limit(t), alice, path)
		if err != nil || after.ResourceVersion != before.ResourceVersion {
			t.Errorf("%s of a LogicalCluster were written: %v", how, err)
		}
	}
}

// checkStaysPut reads an object back and looks at where it says that it lives.
func checkStaysPut(t *testing.T, hub *client.Hub, at string, workspace *tenancyv1alpha1.Workspace, how string) {
	t.Helper()
	found := &metav1.PartialObjectMetadata{}
	raw, err := hub.REST().Get().AbsPath(at).DoRaw(limit(t))
	if err == nil {
		err = json.Unmarshal(raw, found)
	}
	if err != nil {
		t.Fatalf("%s: %v", how, err)
	}
	if got := found.Annotations[logicalcluster.AnnotationKey]; got != workspace.Spec.Cluster {
		t.Errorf("%s: it says that it lives in %q, not in %s", how, got, workspace.Spec.Cluster)
	}
}

// TestInitializingIsClosed: until its initializers are done, a workspace answers
// its own administrator with whom it waits for.
func TestInitializingIsClosed(t *testing.T) {
	p := newPlatform(t, tenancyv1alpha1.WorkspaceTypeSpec{Initializer: true, Terminator: true})
	parent := customers(t)
	id, name := p.order(t, parent)
	bob := withToken(t, "bob-token")
	await(limit(t), t, "who is waited for", func() error {
		_, err := bob.Kubernetes(id.Path()).CoreV1().ConfigMaps("default").List(t.Context(), metav1.ListOptions{})
		if !apierrors.IsServiceUnavailable(err) || !strings.Contains(err.Error(), "Initializing") || !strings.Contains(err.Error(), p.id.String()+":prepared") {
			return fmt.Errorf("answer: %w", errors.Join(err, errPhase("unexpected")))
		}
		return nil
	})
	if _, err := withToken(t, "alice-token").Kubernetes(id.Path()).CoreV1().ConfigMaps("default").List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("a stranger learns of the phase: %v", err)
	}
	// Deleted as it is: its terminator is waited for, its users may look.
	if err := client.Workspaces(bob, parent).Delete(limit(t), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	await(limit(t), t, "it says Terminating", func() error {
		workspace, err := client.Workspaces(bob, parent).Get(t.Context(), name, metav1.GetOptions{})
		if err == nil && (workspace.Status.Phase != corev1alpha1.LogicalClusterPhaseTerminating || !strings.Contains(fmt.Sprint(workspace.Status.Conditions), "waiting for the terminators")) {
			err = errPhase(workspace.Status.Phase)
		}
		return err
	})
	if _, err := bob.Kubernetes(id.Path()).CoreV1().ConfigMaps("default").List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Errorf("looking into a terminating workspace: %v", err)
	}
	if err := patchInside(limit(t), bob, id.Path(), "/status", `{"status":{"terminators":null}}`); !apierrors.IsForbidden(err) {
		t.Errorf("its administrator takes the terminator off: %v", err)
	}
	if err := patchInside(limit(t), as(t, "system:admin"), id.Path(), "/status", `{"status":{"terminators":null}}`); err != nil {
		t.Fatal(err)
	}
	await(limit(t), t, "it is gone", func() error {
		_, err := client.Workspaces(bob, parent).Get(t.Context(), name, metav1.GetOptions{})
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("still there: %w", errors.Join(err, errPhase("any")))
		}
		return nil
	})
}
