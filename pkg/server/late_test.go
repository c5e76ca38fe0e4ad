package server

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// TestWhatOutlivesItsDefinitionGoesWithItsWorkspace: a tenant who takes the
// finalizer off a definition keeps objects that nobody can reach; they go with the
// workspace all the same, and so does what the hub knows of the resource.
func TestWhatOutlivesItsDefinitionGoesWithItsWorkspace(t *testing.T) {
	path, workspace := newWorkspace(t)
	alice, ctx := withToken(t, "alice-token"), limit(t)
	crd := strings.ReplaceAll(strings.ReplaceAll(gadgets("outlived"), "gadget", "outlive"), "Gadget", "Outlive")
	if err := post(ctx, alice, path, crdsPath, crd); err != nil {
		t.Fatal(err)
	}
	objects := strings.ReplaceAll(gadgetsPath, "gadget", "outlive")
	held := `{"apiVersion":"example.io/v1","kind":"Outlive","metadata":{"name":"a","finalizers":["example.io/never"]}}`
	await(ctx, t, "an object", func() error { return post(ctx, alice, path, objects, held) })
	definition := alice.REST().Delete().AbsPath(path.RequestPath() + crdsPath + "/outlives.example.io")
	if err := definition.Do(ctx).Error(); err != nil {
		t.Fatal(err)
	}
	await(ctx, t, "the definition is gone", func() error {
		strip := alice.REST().Patch("application/merge-patch+json").AbsPath(path.RequestPath() + crdsPath + "/outlives.example.io")
		if err := strip.Body([]byte(`{"metadata":{"finalizers":null}}`)).Do(ctx).Error(); err == nil {
			return fmt.Errorf("just now")
		}
		if _, err := alice.REST().Get().AbsPath(path.RequestPath() + crdsPath + "/outlives.example.io").DoRaw(ctx); err == nil {
			return fmt.Errorf("still there")
		}
		return nil
	})
	id := workspace.Spec.Cluster
	if left := keysOf(t, id, "/example.io/outlives/"); len(left) != 1 {
		t.Fatalf("the object should have outlived its definition: %v", left)
	}
	if err := (forgetting{shared.hub.stores.customResources, func(logicalcluster.Name) {}}).look(ctx); err != nil {
		t.Fatal(err)
	}
	remove(t, workspace.Name)
	awaitGone(t, workspace.Name)
	if left := keysOf(t, id); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestWritesThatFinishAfterTheirWorkspace: who begins to send an object and holds
// back the rest until the workspace is gone leaves nothing behind.
func TestWritesThatFinishAfterTheirWorkspace(t *testing.T) {
	path, workspace := newWorkspace(t)
	alice, ctx := withToken(t, "alice-token"), limit(t)
	crd := strings.NewReplacer("gadget", "straggler", "Gadget", "Straggler", "Namespaced", "Cluster").Replace(gadgets("late"))
	if err := post(ctx, alice, path, crdsPath, crd); err != nil {
		t.Fatal(err)
	}
	const stragglers = "/apis/example.io/v1/stragglers"
	object := func(name string) string {
		return `{"apiVersion":"example.io/v1","kind":"Straggler","metadata":{"name":"` + name + `"}}`
	}
	await(ctx, t, "an object", func() error { return post(ctx, alice, path, stragglers, object("early")) })
	slow := map[string]string{
		stragglers: object("late"),
		"/apis/rbac.authorization.k8s.io/v1/clusterroles": `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"late"}}`,
		"/api/v1/namespaces":                              `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"late"}}`,
	}
	var finish []func() string
	for at, body := range slow {
		finish = append(finish, beginToSend(t, tokenConfig(t, "alice-token"), path, at, body))
	}
	if err := client.Workspaces(as(t, "base"), "root").Delete(ctx, workspace.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, workspace.Name)
	for _, rest := range finish {
		if said := rest(); strings.Contains(said, ": 20") {
			t.Errorf("stored in a workspace that is gone: %s", said)
		}
	}
	if left := keysOf(t, workspace.Spec.Cluster); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// beginToSend sends all but the end of a POST. The returned function sends that,
// and returns what was answered.
func beginToSend(t *testing.T, config *rest.Config, path logicalcluster.Path, at, body string) (finish func() string) {
	t.Helper()
	sender, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	reader, writer := io.Pipe()
	request, err := http.NewRequestWithContext(limit(t), http.MethodPost, shared.hub.URL()+path.RequestPath()+at, reader)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	answered := make(chan string, 1)
	go func() {
		response, err := sender.Do(request)
		if err != nil {
			answered <- err.Error()
			return
		}
		defer response.Body.Close()
		said, _ := io.ReadAll(response.Body)
		answered <- fmt.Sprintf("%s: %d %s", at, response.StatusCode, said)
	}()
	half := len(body) / 2
	if _, err := io.WriteString(writer, body[:half]); err != nil {
		t.Fatal(err)
	}
	return func() string {
		_, _ = io.WriteString(writer, body[half:]) // the hub may have hung up
		writer.Close()
		return <-answered
	}
}

// keysOf returns what etcd has of a workspace, under some prefix or anywhere.
func keysOf(t *testing.T, id string, below ...string) (found []string) {
	t.Helper()
	for _, key := range etcdKeys(t) {
		if strings.Contains(key, "/"+id+"/") && (len(below) == 0 || strings.Contains(key, below[0])) {
			found = append(found, key)
		}
	}
	return found
}
