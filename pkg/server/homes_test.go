package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/atriumhub/atrium/pkg/homes/naming"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var strangers atomic.Int64

// fresh is a user name nobody had before, in this process.
func fresh(name string) string { return fmt.Sprintf("%s%d", name, strangers.Add(1)) }

// certified is the configuration of a user whom the hub knows by certificate.
func certified(t *testing.T, userName string, groups ...string) *rest.Config {
	t.Helper()
	pair, err := shared.hub.authority.Client(fmt.Sprintf("test-%x", userName), userName, groups...)
	if err != nil {
		t.Fatal(err)
	}
	config := rest.AnonymousClientConfig(restConfig(t, "base"))
	config.CertData, config.KeyData = pair.Cert, pair.Key
	return config
}

func hubOf(t *testing.T, config *rest.Config) *client.Hub {
	t.Helper()
	hub, err := client.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return hub
}

// home asks for the home of somebody.
func home(ctx context.Context, hub *client.Hub) (*tenancyv1alpha1.Workspace, error) {
	return client.Workspaces(hub, "root").Get(ctx, "~", metav1.GetOptions{})
}

func mustHome(t *testing.T, hub *client.Hub) (*tenancyv1alpha1.Workspace, logicalcluster.Path) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got, err := home(ctx, hub)
	if err != nil {
		t.Fatal(err)
	}
	_, path, ok := client.SplitURL(got.Spec.URL)
	if !ok || got.Status.Phase != corev1alpha1.LogicalClusterPhaseReady || got.Spec.Cluster == "" {
		t.Fatalf("home of type %v, phase %s, cluster %q, URL %q", got.Spec.Type, got.Status.Phase, got.Spec.Cluster, got.Spec.URL)
	}
	return got, path
}

func TestHomeIsMadeAtTheFirstAsk(t *testing.T) {
	for _, name := range []string{"Ursula@Example.org", "oidc:ursula", "урсула", "ursula", strings.Repeat("u", 60)} {
		t.Run(naming.Of(name).Name, func(t *testing.T) {
			name := fresh(name)
			hub := hubOf(t, certified(t, name))
			got, path := mustHome(t, hub)
			if want := naming.Of(name).Path(); path != want {
				t.Errorf("the home is %s, expected %s", path, want)
			}
			if got.Spec.Type.String() != "root:home" {
				t.Errorf("type %s", got.Spec.Type)
			}
			if again, _ := mustHome(t, hub); again.UID != got.UID {
				t.Errorf("asked again it is another: %s and %s", got.UID, again.UID)
			}
			if _, err := hub.Kubernetes(path).CoreV1().Secrets("").List(t.Context(), metav1.ListOptions{}); err != nil {
				t.Errorf("its user is not its administrator: %v", err)
			}
			if _, err := client.Workspaces(hub, path).Create(t.Context(), &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "below"}}, metav1.CreateOptions{}); err != nil {
				t.Errorf("its user cannot make workspaces in it: %v", err)
			}
		})
	}
}

func TestManyFirstAsksMakeOneHome(t *testing.T) {
	config := certified(t, fresh("crowd@example.org"))
	var asking sync.WaitGroup
	uids := make([]string, 100)
	for i := range uids {
		hub := hubOf(t, config)
		asking.Go(func() {
			got, err := home(t.Context(), hub)
			if err != nil {
				t.Error(err)
				return
			}
			uids[i] = string(got.UID)
		})
	}
	asking.Wait()
	for _, uid := range uids {
		if uid != uids[0] {
			t.Fatalf("different homes: %v", uids)
		}
	}
}

func TestHomesAreTheirUsersOnly(t *testing.T) {
	olga := fresh("olga@example.org")
	_, hers := mustHome(t, hubOf(t, certified(t, olga)))
	mallory := hubOf(t, certified(t, naming.Of(olga).Name))
	_, his := mustHome(t, mallory)
	if his == hers {
		t.Fatalf("who is called like her home shares it: %s", his)
	}
	words := map[string]string{}
	bucket, _ := hers.Parent()
	for what, path := range map[string]logicalcluster.Path{
		"hers": hers, "nobody's": naming.Of("nobody-has-this").Path(), "the bucket": bucket, "root:users": "root:users", "his bucket": mustParent(his),
	} {
		_, err := client.Workspaces(mallory, path).List(t.Context(), metav1.ListOptions{})
		if !apierrors.IsForbidden(err) {
			t.Fatalf("%s can be listed: %v", what, err)
		}
		words[strings.ReplaceAll(err.Error(), path.String(), "PATH")] = what
		_, err = client.Workspaces(mallory, path).Create(t.Context(), &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "mine"}}, metav1.CreateOptions{})
		if !apierrors.IsForbidden(err) {
			t.Errorf("%s can be built in: %v", what, err)
		}
	}
	if len(words) != 1 {
		t.Errorf("homes that exist are told from those that do not: %v", words)
	}
	for what, kind := range map[string]string{"a bucket": "homebucket", "a home": "home"} {
		_, err := client.Workspaces(mallory, his).Create(t.Context(), &tenancyv1alpha1.Workspace{
			ObjectMeta: metav1.ObjectMeta{Name: "fake-" + kind},
			Spec:       tenancyv1alpha1.WorkspaceSpec{Type: &tenancyv1alpha1.WorkspaceTypeReference{Path: "root", Name: tenancyv1alpha1.WorkspaceTypeName(kind)}},
		}, metav1.CreateOptions{})
		if !apierrors.IsForbidden(err) {
			t.Errorf("a user makes %s: %v", what, err)
		}
	}
}

func mustParent(path logicalcluster.Path) logicalcluster.Path {
	parent, _ := path.Parent()
	return parent
}

func TestWhoHasNoHome(t *testing.T) {
	path, _ := newWorkspace(t)
	impersonating := certified(t, "isidor", "system:kcp:admin")
	impersonating.Impersonate = rest.ImpersonationConfig{UserName: "victim"}
	scoped := certified(t, "ivan", "system:kcp:admin")
	scoped.Impersonate = rest.ImpersonationConfig{UserName: "ivan", Extra: map[string][]string{"authentication.kcp.io/scopes": {"cluster:" + path.String()}}}
	for name, c := range map[string]struct {
		config *rest.Config
		says   string
	}{
		"an impersonated user":        {impersonating, "impersonated"},
		"a user with scopes":          {scoped, ""},
		"somebody who did not log in": {rest.AnonymousClientConfig(restConfig(t, "base")), ""},
		"a user of the system":        {certified(t, "system:kube-proxy"), "users of the system"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := home(t.Context(), hubOf(t, c.config))
			if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, expected forbidden that says %q", err, c.says)
			}
		})
	}
}

func TestHomeDeletedByItsUser(t *testing.T) {
	hub := hubOf(t, certified(t, fresh("dora")))
	workspaces := client.Workspaces(hub, "root")
	if err := workspaces.Delete(t.Context(), "~", metav1.DeleteOptions{}); !apierrors.IsNotFound(err) {
		t.Fatalf("deleting a home that is not there: %v", err)
	}
	before, path := mustHome(t, hub)
	if _, err := client.Workspaces(hub, path).Create(t.Context(), &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "below"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := workspaces.Delete(t.Context(), "~", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	// This is how kubectl waits for the end of it.
	left, err := workspaces.List(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=~"})
	if err != nil || len(left.Items) > 0 {
		t.Errorf("waiting for the deletion: %v, %v", left, err)
	}
	if _, err := workspaces.List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("all workspaces in root can be listed: %v", err)
	}
	after, again := mustHome(t, hub)
	if again != path || after.UID == before.UID || after.Spec.Cluster == before.Spec.Cluster {
		t.Errorf("%s (%s) became %s (%s)", path, before.Spec.Cluster, again, after.Spec.Cluster)
	}
	below, err := client.Workspaces(hub, path).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(below.Items) > 0 {
		t.Errorf("the new home begins with %v, %v", below.Items, err)
	}
}

// A workspace that a user made on the way to the homes would make them all his.
func TestNobodyOwnsTheWayHome(t *testing.T) {
	admin := as(t, "base")
	late := fresh("late@example.org")
	place := naming.Of(late)
	users, err := client.Workspaces(admin, "root").Get(t.Context(), place.Buckets[0], metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	usurped := &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: place.Buckets[1], Annotations: map[string]string{
		tenancyv1alpha1.OwnerAnnotationKey: `{"username":"mallory"}`,
	}}, Spec: tenancyv1alpha1.WorkspaceSpec{Type: &tenancyv1alpha1.WorkspaceTypeReference{Path: "root", Name: "homebucket"}}}
	in := client.Workspaces(as(t, "shard-base"), logicalcluster.Path(users.Spec.Cluster))
	if _, err := in.Create(t.Context(), usurped, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	defer in.Delete(context.WithoutCancel(t.Context()), usurped.Name, metav1.DeleteOptions{})
	if _, err := home(t.Context(), hubOf(t, certified(t, late))); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "an administrator has to remove it") {
		t.Errorf("a home in somebody's workspace: %v", err)
	}
}

func TestHomeAsTable(t *testing.T) {
	tamara := fresh("tamara")
	hub := hubOf(t, certified(t, tamara))
	mustHome(t, hub)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, shared.hub.URL()+"/clusters/root/apis/tenancy.kcp.io/v1alpha1/workspaces/~", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
	response, err := hub.HTTPClient().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	var table metav1.Table
	if err := json.Unmarshal(body, &table); err != nil || len(table.Rows) != 1 || table.Rows[0].Cells[0] != tamara {
		t.Errorf("%v: %s", err, body)
	}
}

// Who may have a home is what a binding in root says.
func TestHomesAreGranted(t *testing.T) {
	binding, err := as(t, "base").Kubernetes("root").RbacV1().ClusterRoleBindings().Get(t.Context(), "system:kcp:authenticated:tenancy:home", metav1.GetOptions{})
	if err != nil || len(binding.Subjects) != 1 || binding.Subjects[0].Kind != rbacv1.GroupKind {
		t.Errorf("%v, %v", binding, err)
	}
}
