package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var logicalClusters = corev1alpha1.SchemeGroupVersion.WithResource("logicalclusters")

// platform is a workspace with a type, and a service account that serves it.
type platform struct {
	path logicalcluster.Path
	id   logicalcluster.Name
	kind *tenancyv1alpha1.WorkspaceType
	// token is that of the service account.
	token string
}

// newPlatform makes a type that bob may use, in a workspace of alice, whose
// service account may prepare and clear up.
func newPlatform(t *testing.T, spec tenancyv1alpha1.WorkspaceTypeSpec) platform {
	t.Helper()
	path, workspace := newWorkspace(t)
	alice := withToken(t, "alice-token")
	p := platform{path: path, id: logicalcluster.Name(workspace.Spec.Cluster)}
	var err error
	p.kind, err = client.WorkspaceTypes(alice, path).Create(t.Context(), &tenancyv1alpha1.WorkspaceType{ObjectMeta: metav1.ObjectMeta{Name: "prepared"}, Spec: spec}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	onTypes := func(verbs ...string) []rbacv1.PolicyRule {
		return []rbacv1.PolicyRule{{APIGroups: []string{tenancyv1alpha1.GroupName}, Resources: []string{"workspacetypes"}, ResourceNames: []string{"prepared"}, Verbs: verbs}}
	}
	grant(t, alice, path, "use", onTypes("use"), rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "bob"})
	grant(t, alice, path, "serve", onTypes("initialize", "terminate"), rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: "default", Name: "default"})
	p.token = tokenOf(t, alice, path)
	return p
}

// tokenOf returns a token of the account default in namespace default.
func tokenOf(t *testing.T, hub *client.Hub, path logicalcluster.Path) string {
	t.Helper()
	request, err := hub.Kubernetes(path).CoreV1().ServiceAccounts("default").CreateToken(t.Context(), "default", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return request.Status.Token
}

// grant binds rules to a subject.
func grant(t *testing.T, hub *client.Hub, path logicalcluster.Path, name string, rules []rbacv1.PolicyRule, subject rbacv1.Subject) {
	t.Helper()
	api := hub.Kubernetes(path).RbacV1()
	if _, err := api.ClusterRoles().Create(t.Context(), &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Subjects: []rbacv1.Subject{subject},
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
	}
	if _, err := api.ClusterRoleBindings().Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// view returns a client for a view of p's type.
func (p platform) view(t *testing.T, kind, token string) *client.Hub {
	t.Helper()
	return viewOf(t, kind, p.id.String()+":prepared", token)
}

func viewOf(t *testing.T, kind, id, token string) *client.Hub {
	t.Helper()
	config := rest.AnonymousClientConfig(restConfig(t, "base"))
	config.BearerToken = token
	config.Host = shared.hub.URL() + "/services/" + kind + "/" + id
	config.QPS = -1
	hub, err := client.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return hub
}

// customers is a workspace that bob administers, and in which any type may be.
func customers(t *testing.T) logicalcluster.Path {
	t.Helper()
	admin := as(t, "base")
	made, err := client.Workspaces(admin, "root").Create(t.Context(), &tenancyv1alpha1.Workspace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "customers-"},
		Spec:       tenancyv1alpha1.WorkspaceSpec{Type: &tenancyv1alpha1.WorkspaceTypeReference{Path: "root", Name: "universal"}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	awaitReady(ctx, t, admin, made.Name)
	path := logicalcluster.Path("root").Join(made.Name)
	makeAdmin(ctx, t, admin, path, "bob")
	return path
}

// order has bob create a workspace of p's type, and returns its ID and name.
func (p platform) order(t *testing.T, in logicalcluster.Path) (logicalcluster.Name, string) {
	t.Helper()
	var made *tenancyv1alpha1.Workspace
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	await(ctx, t, "bob orders a workspace", func() (err error) {
		made, err = client.Workspaces(withToken(t, "bob-token"), in).Create(ctx, &tenancyv1alpha1.Workspace{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "ordered-"},
			Spec:       tenancyv1alpha1.WorkspaceSpec{Type: &tenancyv1alpha1.WorkspaceTypeReference{Path: p.path.String(), Name: "prepared"}},
		}, metav1.CreateOptions{})
		return err
	})
	workspace := logicalcluster.Name(made.Spec.Cluster)
	return workspace, made.Name
}

// withdraw takes id out of a status field.
func withdraw(ctx context.Context, view *client.Hub, workspace logicalcluster.Name, field, id string) error {
	cluster, err := client.LogicalClusters(view, workspace.Path()).Get(ctx, "cluster", metav1.GetOptions{})
	if err != nil {
		return err
	}
	left := []string{}
	for _, other := range waitingIn(cluster, field) {
		if other != id {
			left = append(left, other)
		}
	}
	return patchStatus(ctx, view, workspace, map[string]any{field: left})
}

func waitingIn(cluster *corev1alpha1.LogicalCluster, field string) (ids []string) {
	for _, id := range cluster.Status.Initializers {
		if field == "initializers" {
			ids = append(ids, string(id))
		}
	}
	for _, id := range cluster.Status.Terminators {
		if field == "terminators" {
			ids = append(ids, string(id))
		}
	}
	return ids
}

func patchStatus(ctx context.Context, hub *client.Hub, workspace logicalcluster.Name, status map[string]any) error {
	patch, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		return err
	}
	_, err = client.LogicalClusters(hub, workspace.Path()).Patch(ctx, "cluster", types.MergePatchType, patch, metav1.PatchOptions{}, "status")
	return err
}

// controller does what an initializer or terminator does, as simply as it can be
// done with client-go: list, watch, work on each, say so.
type controller struct {
	view  *client.Hub
	work  func(ctx context.Context, view *client.Hub, workspace logicalcluster.Name) error
	mu    sync.Mutex
	begun map[logicalcluster.Name]bool
	left  map[logicalcluster.Name]bool
	errs  []error
}

func (c *controller) run(ctx context.Context, t *testing.T) {
	t.Helper()
	c.begun, c.left = map[logicalcluster.Name]bool{}, map[logicalcluster.Name]bool{}
	api := c.view.Dynamic(client.Everywhere).Resource(logicalClusters)
	list, err := api.List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	events, err := api.Watch(ctx, metav1.ListOptions{ResourceVersion: list.GetResourceVersion()})
	if err != nil {
		t.Fatal(err)
	}
	var working sync.WaitGroup
	for i := range list.Items {
		c.take(ctx, &working, watch.Added, &list.Items[i])
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer working.Wait()
		for event := range events.ResultChan() {
			if object, ok := event.Object.(*unstructured.Unstructured); ok {
				c.take(ctx, &working, event.Type, object)
			}
		}
	}()
	t.Cleanup(func() { events.Stop(); <-done })
}

func (c *controller) take(ctx context.Context, working *sync.WaitGroup, kind watch.EventType, object *unstructured.Unstructured) {
	workspace := logicalcluster.From(object)
	c.mu.Lock()
	defer c.mu.Unlock()
	if kind == watch.Deleted {
		c.left[workspace] = true
		return
	}
	if c.begun[workspace] {
		return
	}
	c.begun[workspace] = true
	working.Go(func() {
		err := c.work(ctx, c.view, workspace)
		c.mu.Lock()
		defer c.mu.Unlock()
		if err != nil {
			c.errs = append(c.errs, fmt.Errorf("workspace %s: %w", workspace, err))
		}
	})
}

func (c *controller) has(check func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.errs) > 0 {
		return errors.Join(c.errs...)
	}
	return check()
}

func TestInitializersPrepareWorkspaces(t *testing.T) {
	for name, spec := range map[string]tenancyv1alpha1.WorkspaceTypeSpec{
		"as the creator": {Initializer: true},
		"by rules": {Initializer: true, InitializerPermissions: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"create"}},
		}},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			p, in := newPlatform(t, spec), customers(t)
			id := p.id.String() + ":prepared"
			c := &controller{view: p.view(t, "initializingworkspaces", p.token), work: func(ctx context.Context, view *client.Hub, workspace logicalcluster.Name) error {
				prepared := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "prepared"}, Data: map[string]string{"for": workspace.String()}}
				if _, err := view.Kubernetes(workspace.Path()).CoreV1().ConfigMaps("default").Create(ctx, prepared, metav1.CreateOptions{}); err != nil {
					return err
				}
				return withdraw(ctx, view, workspace, "initializers", id)
			}}
			await(ctx, t, "the service account may initialize", func() error {
				_, err := c.view.Dynamic(client.Everywhere).Resource(logicalClusters).List(ctx, metav1.ListOptions{})
				return err
			})
			c.run(ctx, t)
			ordered := map[logicalcluster.Name]string{}
			for range 20 {
				workspace, name := p.order(t, in)
				ordered[workspace] = name
			}
			bob := withToken(t, "bob-token")
			for workspace, name := range ordered {
				await(ctx, t, name+" becomes ready", func() error {
					if err := c.has(func() error { return nil }); err != nil {
						t.Fatal(err)
					}
					found, err := client.Workspaces(bob, in).Get(ctx, name, metav1.GetOptions{})
					if err == nil && found.Status.Phase != "Ready" {
						err = fmt.Errorf("in phase %s", found.Status.Phase)
					}
					return err
				})
				found, err := bob.Kubernetes(workspace.Path()).CoreV1().ConfigMaps("default").Get(ctx, "prepared", metav1.GetOptions{})
				if err != nil || found.Data["for"] != workspace.String() {
					t.Errorf("what was prepared in %s: %v, %v", name, found, err)
				}
			}
			await(ctx, t, "the view says that all have left", func() error {
				return c.has(func() error {
					for workspace := range ordered {
						if !c.left[workspace] {
							return fmt.Errorf("%s has not left", workspace)
						}
					}
					return nil
				})
			})
		})
	}
}

func TestWhatInitializersMayNot(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	strict := []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"*"}}}
	p := newPlatform(t, tenancyv1alpha1.WorkspaceTypeSpec{Initializer: true, InitializerPermissions: strict})
	other := newPlatform(t, tenancyv1alpha1.WorkspaceTypeSpec{Initializer: true})
	in := customers(t)
	workspace, _ := p.order(t, in)
	theirs, _ := other.order(t, in)
	robot := p.view(t, "initializingworkspaces", p.token)
	secret := func(hub *client.Hub, at logicalcluster.Name) error {
		_, err := hub.Kubernetes(at.Path()).CoreV1().Secrets("default").List(ctx, metav1.ListOptions{})
		return err
	}
	configMaps := func(hub *client.Hub, at logicalcluster.Name) error {
		_, err := hub.Kubernetes(at.Path()).CoreV1().ConfigMaps("default").List(ctx, metav1.ListOptions{})
		return err
	}
	clusters := func(hub *client.Hub, at logicalcluster.Path) error {
		_, err := hub.Dynamic(at).Resource(logicalClusters).List(ctx, metav1.ListOptions{})
		return err
	}
	await(ctx, t, "the robot works", func() error { return configMaps(robot, workspace) })
	own, foreign := p.id.String()+":prepared", other.id.String()+":prepared"
	await(ctx, t, "the other one is there", func() error {
		return clusterWaits(ctx, t, theirs, foreign)
	})
	anothers := other.view(t, "initializingworkspaces", p.token)
	alices := p.view(t, "initializingworkspaces", "alice-token")
	patch := func(status map[string]any) error { return patchStatus(ctx, robot, workspace, status) }
	impersonating := func(groups ...string) *client.Hub {
		config := rest.CopyConfig(alices.Config(client.Everywhere))
		config.Host = strings.TrimSuffix(config.Host, "/clusters/*")
		config.Impersonate = rest.ImpersonationConfig{UserName: "bob", Groups: groups}
		hub, err := client.New(config)
		if err != nil {
			t.Fatal(err)
		}
		return hub
	}
	for name, c := range map[string]struct {
		err  error
		says string
	}{
		"secrets against the rules":             {secret(robot, workspace), "no rule in spec.initializerPermissions"},
		"a workspace of another type":           {configMaps(robot, theirs), "does not wait for"},
		"the parent of what it prepares":        {configMaps(robot, logicalcluster.Name("root")), "does not wait for"},
		"its own home":                          {configMaps(robot, p.id), "does not wait for"},
		"all workspaces":                        {configMaps(robot, "*"), "only of one"},
		"system:admin":                          {configMaps(robot, "system:admin"), "does not wait for"},
		"the view of another type":              {known(clusters(anothers, client.Everywhere)), "takes the verb"},
		"bob":                                   {clusters(p.view(t, "initializingworkspaces", "bob-token"), client.Everywhere), "takes the verb"},
		"nobody":                                {clusters(p.view(t, "initializingworkspaces", ""), client.Everywhere), "takes the verb"},
		"the terminators' view while preparing": {configMaps(p.view(t, "terminatingworkspaces", p.token), workspace), "does not wait for"},
		"as somebody else":                      {configMaps(impersonating(), workspace), "nobody acts as somebody else"},
		"as the hub":                            {configMaps(impersonating("system:masters"), workspace), "nobody acts as somebody else"},
		"the phase":                             {patch(map[string]any{"phase": "Ready"}), "change nothing else"},
		"the phase and itself":                  {patch(map[string]any{"phase": "Ready", "initializers": []string{}}), "change nothing else"},
		"one more initializer":                  {patch(map[string]any{"initializers": []string{own, foreign}}), "change nothing else"},
		"another instead":                       {patch(map[string]any{"initializers": []string{foreign}}), "change nothing else"},
		"the address":                           {patch(map[string]any{"URL": "https://elsewhere"}), "change nothing else"},
		"terminators":                           {patch(map[string]any{"terminators": []string{own}}), "change nothing else"},
		"labels and spec":                       {relabel(ctx, robot, workspace), "does not offer patch"},
		"deletion":                              {client.LogicalClusters(robot, workspace.Path()).Delete(ctx, "cluster", metav1.DeleteOptions{}), "does not offer delete"},
		"metrics":                               {robot.REST().Get().AbsPath(workspace.Path().RequestPath() + "/metrics").Do(ctx).Error(), "no rule"},
	} {
		if !apierrors.IsForbidden(c.err) || !strings.Contains(c.err.Error(), c.says) {
			t.Errorf("%s: %v, expected it to be forbidden saying %q", name, c.err, c.says)
		}
	}
	if err := clusterWaits(ctx, t, workspace, own); err != nil {
		t.Error(err)
	}

	held, err := robot.Kubernetes(workspace.Path()).CoreV1().ConfigMaps("default").Watch(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer held.Stop()
	cluster, err := client.LogicalClusters(robot, workspace.Path()).Get(ctx, "cluster", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	cluster.Status.Initializers = slices.DeleteFunc(cluster.Status.Initializers, func(id corev1alpha1.LogicalClusterInitializer) bool { return string(id) == own })
	if _, err := client.LogicalClusters(robot, workspace.Path()).UpdateStatus(ctx, cluster, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitEnd(ctx, t, held)
	await(ctx, t, "it has no business there any more", func() error {
		for what, err := range map[string]error{"content": configMaps(robot, workspace), "LogicalCluster": clusterGone(ctx, robot, workspace)} {
			if !apierrors.IsForbidden(err) && !apierrors.IsNotFound(err) {
				return fmt.Errorf("%s: %v", what, err)
			}
		}
		return nil
	})
}

// clusterWaits asks the hub whether workspace waits for id.
func clusterWaits(ctx context.Context, t *testing.T, workspace logicalcluster.Name, id string) error {
	cluster, err := client.LogicalClusters(as(t, "shard-base"), workspace.Path()).Get(ctx, "cluster", metav1.GetOptions{})
	if err == nil && !slices.Contains(waitingIn(cluster, "initializers"), id) {
		err = fmt.Errorf("%s does not wait for %s: %+v", workspace, id, cluster.Status)
	}
	return err
}

// known takes for granted that who is nobody somewhere is refused there.
func known(err error) error {
	if apierrors.IsUnauthorized(err) {
		return apierrors.NewForbidden(corev1alpha1.Resource("logicalclusters"), "", errors.New("unknown; knowing him it takes the verb"))
	}
	return err
}

func clusterGone(ctx context.Context, view *client.Hub, workspace logicalcluster.Name) error {
	_, err := client.LogicalClusters(view, workspace.Path()).Get(ctx, "cluster", metav1.GetOptions{})
	return err
}

func relabel(ctx context.Context, view *client.Hub, workspace logicalcluster.Name) error {
	patch := []byte(`{"metadata":{"labels":{"a":"b"}},"spec":{"createdBy":{"username":"eve"}}}`)
	_, err := client.LogicalClusters(view, workspace.Path()).Patch(ctx, "cluster", types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}

func awaitEnd(ctx context.Context, t *testing.T, held watch.Interface) {
	t.Helper()
	for {
		select {
		case _, more := <-held.ResultChan():
			if !more {
				return
			}
		case <-ctx.Done():
			t.Fatal("the watch goes on")
		}
	}
}

// TestTerminatorsHoldDeletion: the content of a workspace is there for its
// terminator until that says it is done; before deletion it has no business there.
func TestTerminatorsHoldDeletion(t *testing.T) {
	for name, spec := range map[string]tenancyv1alpha1.WorkspaceTypeSpec{
		"as the creator": {Terminator: true},
		"by rules": {Terminator: true, TerminatorPermissions: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get", "delete"}},
		}},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			p, in := newPlatform(t, spec), customers(t)
			workspace, ordered := p.order(t, in)
			bob, robot := withToken(t, "bob-token"), p.view(t, "terminatingworkspaces", p.token)
			record := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "record"}}
			await(ctx, t, "bob may enter", func() error {
				_, err := bob.Kubernetes(workspace.Path()).CoreV1().ConfigMaps("default").Create(ctx, record, metav1.CreateOptions{})
				return err
			})
			read := func() error {
				_, err := robot.Kubernetes(workspace.Path()).CoreV1().ConfigMaps("default").Get(ctx, "record", metav1.GetOptions{})
				return err
			}
			await(ctx, t, "there is nothing to do yet", func() error {
				if err := read(); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "does not wait for") {
					return fmt.Errorf("reading gives %v", err)
				}
				return nil
			})
			if err := withdraw(ctx, robot, workspace, "terminators", p.id.String()+":prepared"); !apierrors.IsNotFound(err) {
				t.Errorf("done before it began: %v", err)
			}
			if err := client.Workspaces(bob, in).Delete(ctx, ordered, metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			await(ctx, t, "the terminator's turn", read)
			list, err := robot.Dynamic(client.Everywhere).Resource(logicalClusters).List(ctx, metav1.ListOptions{})
			if err != nil || len(list.Items) != 1 || logicalcluster.From(&list.Items[0]) != workspace {
				t.Errorf("what waits: %v, %v", list, err)
			}
			if _, err := robot.Kubernetes(workspace.Path()).CoreV1().Secrets("default").List(ctx, metav1.ListOptions{}); (err == nil) != (name == "as the creator") {
				t.Errorf("reading secrets %s: %v", name, err)
			}
			if err := robot.Kubernetes(workspace.Path()).CoreV1().ConfigMaps("default").Delete(ctx, "record", metav1.DeleteOptions{}); err != nil {
				t.Error(err)
			}
			if found, err := client.Workspaces(bob, in).Get(ctx, ordered, metav1.GetOptions{}); err != nil || found.Status.Phase != "Terminating" {
				t.Errorf("the workspace does not wait: %v, %v", found, err)
			}
			if err := withdraw(ctx, robot, workspace, "terminators", p.id.String()+":prepared"); err != nil {
				t.Fatal(err)
			}
			await(ctx, t, "the workspace is gone", func() error {
				if _, err := client.Workspaces(bob, in).Get(ctx, ordered, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
					return fmt.Errorf("it is there: %v", err)
				}
				return nil
			})
			if err := read(); !apierrors.IsForbidden(err) {
				t.Errorf("reading what is gone: %v", err)
			}
		})
	}
}

// TestTheCreatorsNameIsLentForOneWorkspace: whose type somebody uses becomes him
// in the new workspace, with what he may do there, and nowhere else.
func TestTheCreatorsNameIsLentForOneWorkspace(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p, in := newPlatform(t, tenancyv1alpha1.WorkspaceTypeSpec{Initializer: true}), customers(t)
	bob, robot := withToken(t, "bob-token"), p.view(t, "initializingworkspaces", p.token)
	for _, export := range []string{"for-bob", "for-robots"} {
		if _, err := client.APIExports(bob, in).Create(ctx, &apisv1alpha2.APIExport{ObjectMeta: metav1.ObjectMeta{Name: export}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	grant(t, bob, in, "for-robots", []rbacv1.PolicyRule{{
		APIGroups: []string{"apis.kcp.io"}, Resources: []string{"apiexports"}, ResourceNames: []string{"for-robots"}, Verbs: []string{"bind"},
	}}, rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "system:kcp:serviceaccount:" + p.id.String() + ":default:default"})
	workspace, _ := p.order(t, in)
	await(ctx, t, "the robot's turn", func() error {
		_, err := robot.Kubernetes(workspace.Path()).CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
		return err
	})
	review, err := robot.Kubernetes(workspace.Path()).AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil || review.Status.UserInfo.Username != "bob" || slices.Contains(review.Status.UserInfo.Groups, "system:serviceaccounts") {
		t.Errorf("inside it is %+v, %v", review, err)
	}
	bind := func(hub *client.Hub, export string) error {
		_, err := client.APIBindings(hub, workspace.Path()).Create(ctx, &apisv1alpha2.APIBinding{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "bound-"},
			Spec:       apisv1alpha2.APIBindingSpec{Reference: apisv1alpha2.BindingReference{Export: &apisv1alpha2.ExportBindingReference{Path: in.String(), Name: export}}},
		}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	}
	if err := bind(robot, "for-bob"); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "no permission to bind") {
		t.Errorf("it binds what only bob may: %v", err)
	}
	await(ctx, t, "it binds what was granted to it", func() error { return bind(robot, "for-robots") })

	// Bob loses what he may do there, and with him the robot.
	api := as(t, "shard-base").Kubernetes(workspace.Path()).RbacV1().ClusterRoleBindings()
	if err := api.Delete(ctx, "workspace-admin", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	await(ctx, t, "it has not more than bob", func() error {
		_, err := robot.Kubernetes(workspace.Path()).CoreV1().Secrets("default").List(ctx, metav1.ListOptions{})
		if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), `acts here as "bob"`) {
			return fmt.Errorf("it reads secrets: %v", err)
		}
		return nil
	})
}

// TestNobodyBecomesTheHubByPreparing: who prepares workspaces that administrators
// of the hub create has what an administrator of the workspace has.
func TestNobodyBecomesTheHubByPreparing(t *testing.T) {
	p := newPlatform(t, tenancyv1alpha1.WorkspaceTypeSpec{Initializer: true})
	robot := p.view(t, "initializingworkspaces", p.token)
	for _, creator := range []string{"base", "shard-base"} {
		t.Run(creator, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			in := customers(t)
			made, err := client.Workspaces(as(t, creator), in).Create(ctx, &tenancyv1alpha1.Workspace{
				ObjectMeta: metav1.ObjectMeta{GenerateName: "ordered-"},
				Spec:       tenancyv1alpha1.WorkspaceSpec{Type: &tenancyv1alpha1.WorkspaceTypeReference{Path: p.path.String(), Name: "prepared"}},
			}, metav1.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			workspace := logicalcluster.Name(made.Spec.Cluster)
			inside := robot.Kubernetes(workspace.Path())
			await(ctx, t, "the robot's turn", func() error {
				_, err := inside.CoreV1().Secrets("default").List(ctx, metav1.ListOptions{})
				return err
			})
			grant(t, robot, workspace.Path(), "friend", []rbacv1.PolicyRule{{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}},
				rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "friend"})
			review, err := inside.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			for _, group := range review.Status.UserInfo.Groups {
				if group == "system:masters" || group == "system:kcp:admin" {
					t.Errorf("it is in group %s", group)
				}
			}
			labelled, err := inside.CoreV1().ConfigMaps("default").Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
				Name: "sneaky", Labels: map[string]string{"state.workload.kcp.io/abc": "Sync"},
			}}, metav1.CreateOptions{})
			if err != nil || len(labelled.Labels) != 0 {
				t.Errorf("it writes what is reserved to the hub: %v, %v", labelled, err)
			}
			reads := robot.REST()
			for _, path := range []string{"/metrics", "/debug/pprof/", "/configz"} {
				if err := reads.Get().AbsPath(workspace.Path().RequestPath() + path).Do(ctx).Error(); !apierrors.IsForbidden(err) {
					t.Errorf("%s: %v", path, err)
				}
			}
		})
	}
}

// TestDiscoveryOfViews: of many workspaces only what the view shows of them is
// described; of one, what it serves.
func TestDiscoveryOfViews(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p, in := newPlatform(t, tenancyv1alpha1.WorkspaceTypeSpec{Initializer: true, InitializerPermissions: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"create"}},
	}}), customers(t)
	workspace, _ := p.order(t, in)
	robot := p.view(t, "initializingworkspaces", p.token)
	served := func(at logicalcluster.Path) (found []string, err error) {
		_, lists, err := robot.Kubernetes(at).Discovery().ServerGroupsAndResources()
		for _, list := range lists {
			for _, resource := range list.APIResources {
				found = append(found, list.GroupVersion+"/"+resource.Name)
			}
		}
		return found, err
	}
	await(ctx, t, "discovery of one", func() error {
		found, err := served(workspace.Path())
		if err == nil && (!slices.Contains(found, "v1/configmaps") || !slices.Contains(found, "core.kcp.io/v1alpha1/logicalclusters")) {
			t.Errorf("a workspace serves %v", found)
		}
		return err
	})
	found, err := served(client.Everywhere)
	if want := []string{"core.kcp.io/v1alpha1/logicalclusters", "core.kcp.io/v1alpha1/logicalclusters/status"}; err != nil || !slices.Equal(found, want) {
		t.Errorf("all serve %v, %v", found, err)
	}
	for _, form := range []string{"/openapi/v2", "/openapi/v3", "/openapi/v3/apis/core.kcp.io/v1alpha1", "/apis/core.kcp.io", "/version"} {
		if err := robot.REST().Get().AbsPath("/clusters/*" + form).Do(ctx).Error(); err != nil {
			t.Errorf("%s: %v", form, err)
		}
	}
	initial := true
	events, err := robot.Dynamic(client.Everywhere).Resource(logicalClusters).Watch(ctx, metav1.ListOptions{
		SendInitialEvents: &initial, ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan, AllowWatchBookmarks: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer events.Stop()
	if event := <-events.ResultChan(); event.Type != watch.Added || logicalcluster.From(event.Object.(*unstructured.Unstructured)) != workspace {
		t.Errorf("a watch begins with %+v", event)
	}
}

// TestRulesDoNotEscalate: who may write roles by the rules of a type cannot give
// away, nor get, what the rules do not give.
func TestRulesDoNotEscalate(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	rules := []rbacv1.PolicyRule{{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"clusterroles", "clusterrolebindings"}, Verbs: []string{"create", "list"}}}
	p, in := newPlatform(t, tenancyv1alpha1.WorkspaceTypeSpec{Initializer: true, InitializerPermissions: rules}), customers(t)
	workspace, _ := p.order(t, in)
	api := p.view(t, "initializingworkspaces", p.token).Kubernetes(workspace.Path()).RbacV1()
	await(ctx, t, "the robot's turn", func() error {
		_, err := api.ClusterRoles().List(ctx, metav1.ListOptions{})
		return err
	})
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "all"}, Rules: []rbacv1.PolicyRule{{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}}}
	if _, err := api.ClusterRoles().Create(ctx, role, metav1.CreateOptions{}); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "attempting to grant RBAC permissions not currently held") {
		t.Errorf("a role with everything: %v", err)
	}
	for _, subject := range []rbacv1.Subject{
		{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "friend"},
		{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: "system:kcp:initializer:" + p.id.String() + ":prepared"},
	} {
		binding := &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "friend-"}, Subjects: []rbacv1.Subject{subject},
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		}
		if _, err := api.ClusterRoleBindings().Create(ctx, binding, metav1.CreateOptions{}); err == nil {
			t.Errorf("%s becomes an administrator", subject.Name)
		}
	}
}
