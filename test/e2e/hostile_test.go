package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
	"github.com/atriumhub/atrium/test/harness"
)

// mallory is the administrator of a workspace, and wants more.
type mallory struct {
	*hub
	own    *client.Hub
	home   logicalcluster.Path
	victim logicalcluster.Path
}

func newMallory(t *testing.T, h *hub) *mallory {
	t.Helper()
	m := &mallory{hub: h, own: h.as(t, "mallory-token"), home: h.workspace(t, root, "mallory"), victim: h.workspace(t, root, "victim")}
	h.grant(t, m.home, "mallory")
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "precious"}, StringData: map[string]string{"key": "victims-secret"}}
	must(h.in(m.victim).CoreV1().Secrets("default").Create(limit(t), secret, metav1.CreateOptions{}))(t)
	return m
}

// at home mallory may do everything.
func (m *mallory) kube() kubernetes.Interface { return m.own.Kubernetes(m.home) }

// TestStateLabels writes the metadata that puts objects on a child cluster.
func TestStateLabels(t *testing.T) {
	t.Parallel()
	town := theTown(t)
	m := newMallory(t, town.hub)
	town.bindCompute(t, m.home)
	key := workloadv1alpha1.ToSyncTargetKey(town.id(t, compute), "eu")
	label := workloadv1alpha1.StateLabel(key)
	maps := m.kube().CoreV1().ConfigMaps("default")

	stolen := note("stolen")
	stolen.Labels = map[string]string{label: "Sync"}
	refuseReserved(t, "create", func() error { _, err := maps.Create(limit(t), stolen, metav1.CreateOptions{}); return err })

	must(maps.Create(limit(t), note("plain"), metav1.CreateOptions{}))(t)
	patches := map[string]string{
		"label":      fmt.Sprintf(`{"metadata":{"labels":{%q:"Sync"}}}`, label),
		"annotation": fmt.Sprintf(`{"metadata":{"annotations":{%q:"now"}}}`, workloadv1alpha1.DeletionAnnotation(key)),
		"finalizer":  fmt.Sprintf(`{"metadata":{"finalizers":[%q]}}`, workloadv1alpha1.SyncerFinalizer(key)),
	}
	for what, patch := range patches {
		refuseReserved(t, what, func() error {
			_, err := maps.Patch(limit(t), "plain", types.MergePatchType, []byte(patch), metav1.PatchOptions{})
			return err
		})
	}
	apply := fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"plain","labels":{%q:"Sync"}}}`, label)
	force := true
	refuseReserved(t, "server-side apply", func() error {
		_, err := maps.Patch(limit(t), "plain", types.ApplyPatchType, []byte(apply), metav1.PatchOptions{FieldManager: "m", Force: &force})
		return err
	})
	refuseReserved(t, "namespace", func() error {
		_, err := m.kube().CoreV1().Namespaces().Patch(limit(t), "default", types.MergePatchType, []byte(patches["label"]), metav1.PatchOptions{})
		return err
	})
	refuseReserved(t, "new namespace", func() error {
		_, err := m.kube().CoreV1().Namespaces().Create(limit(t), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "bad", Labels: stolen.Labels}}, metav1.CreateOptions{})
		return err
	})
	must(m.kube().AppsV1().Deployments("default").Create(limit(t), deployment("mallory-shop", 1), metav1.CreateOptions{}))(t)
	refuseReserved(t, "status", func() error {
		_, err := m.kube().AppsV1().Deployments("default").Patch(limit(t), "mallory-shop", types.MergePatchType, []byte(patches["label"]), metav1.PatchOptions{}, "status")
		return err
	})
	list := must(maps.List(limit(t), metav1.ListOptions{LabelSelector: label}))(t)
	if len(list.Items) != 0 {
		t.Errorf("%d objects carry the label", len(list.Items))
	}
}

// refuseReserved makes sure that a write is forbidden, with the way out, or that
// it was stored without what is reserved.
func refuseReserved(t *testing.T, what string, do func() error) {
	t.Helper()
	err := do()
	if !apierrors.IsForbidden(err) {
		t.Errorf("%s: %v, want forbidden", what, err)
		return
	}
	mentions(t, err.Error(), "reserved", "Placement")
}

// TestImpersonation asks to be somebody whom the hub trusts.
func TestImpersonation(t *testing.T) {
	t.Parallel()
	m := newMallory(t, theHub(t))
	for _, c := range []struct {
		name string
		as   rest.ImpersonationConfig
	}{
		{"masters", rest.ImpersonationConfig{UserName: "mallory", Groups: []string{"system:masters"}}},
		{"hub admins", rest.ImpersonationConfig{UserName: "mallory", Groups: []string{"system:kcp:admin"}}},
		{"a component", rest.ImpersonationConfig{UserName: "system:apiserver"}},
		{"the garbage collector", rest.ImpersonationConfig{UserName: "system:kube-controller-manager"}},
		{"masters among others", rest.ImpersonationConfig{UserName: "x", Groups: []string{"system:authenticated", "system:masters"}}},
	} {
		for _, where := range []logicalcluster.Path{m.home, m.victim, root, "system:admin", client.Everywhere} {
			t.Run(c.name+" in "+where.String(), func(t *testing.T) {
				config := m.config(t, "mallory-token")
				config.Impersonate = c.as
				become := must(client.New(config))(t)
				_, err := become.Kubernetes(where).CoreV1().Secrets("default").List(limit(t), metav1.ListOptions{})
				if !apierrors.IsForbidden(err) {
					t.Errorf("%v, want forbidden", err)
				}
			})
		}
	}
}

// TestServiceAccountsStayAtHome uses tokens of service accounts elsewhere.
func TestServiceAccountsStayAtHome(t *testing.T) {
	t.Parallel()
	m := newMallory(t, theHub(t))
	// The same account, with every right, exists in both workspaces.
	for _, workspace := range []logicalcluster.Path{m.home, m.victim} {
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "robot"}}
		must(m.in(workspace).CoreV1().ServiceAccounts("default").Create(limit(t), account, metav1.CreateOptions{}))(t)
		binding := &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "robot"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "default", Name: "robot"}},
		}
		must(m.in(workspace).RbacV1().ClusterRoleBindings().Create(limit(t), binding, metav1.CreateOptions{}))(t)
	}
	answer := must(m.kube().CoreV1().ServiceAccounts("default").CreateToken(limit(t), "robot", &authenticationv1.TokenRequest{}, metav1.CreateOptions{}))(t)
	robot := m.as(t, answer.Status.Token)

	if _, err := robot.Kubernetes(m.home).CoreV1().Secrets("default").List(limit(t), metav1.ListOptions{}); err != nil {
		t.Errorf("at home: %v", err)
	}
	for _, where := range []logicalcluster.Path{m.victim, m.id(t, m.victim).Path(), root, "root:nowhere", "system:admin", client.Everywhere} {
		_, err := robot.Kubernetes(where).CoreV1().Secrets("default").List(limit(t), metav1.ListOptions{})
		if !apierrors.IsUnauthorized(err) && !apierrors.IsForbidden(err) {
			t.Errorf("in %s: %v, want a refusal", where, err)
		}
	}
}

// TestOtherWorkspaces tries the doors between workspaces.
func TestOtherWorkspaces(t *testing.T) {
	t.Parallel()
	h := theHub(t)
	m := newMallory(t, h)
	id := h.id(t, m.victim)
	const secrets = "/api/v1/namespaces/default/secrets"
	for _, path := range []string{
		m.victim.RequestPath() + secrets,
		"/clusters/" + id.String() + secrets,
		m.home.RequestPath() + "/../" + m.victim.String() + secrets,
		m.home.RequestPath() + "/%2e%2e/" + m.victim.String() + secrets,
		m.home.RequestPath() + "%2F..%2F" + m.victim.String() + secrets,
		m.home.RequestPath() + "/api/v1/namespaces/..%2F" + id.String() + "%2Fdefault/secrets",
		m.home.RequestPath() + "/api/v1/namespaces/default/secrets/..%2F..%2F" + id.String() + "%2Fdefault%2Fprecious",
		"//clusters/" + m.victim.String() + secrets,
		"/clusters/*/api/v1/secrets",
		secrets,
	} {
		status, answer := request(t, m.own, path)
		if status < 400 || strings.Contains(answer, "precious") && strings.Contains(answer, "data") {
			t.Errorf("%s: status %d: %.300s", path, status, answer)
		}
	}

	forged := note("forged")
	forged.Annotations = map[string]string{logicalcluster.AnnotationKey: id.String()}
	made := must(m.kube().CoreV1().ConfigMaps("default").Create(limit(t), forged, metav1.CreateOptions{}))(t)
	if got, want := logicalcluster.From(made), h.id(t, m.home); got != want {
		t.Errorf("the stamp is %q, want %q", got, want)
	}

	takeover := &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "takeover"}}
	takeover.Spec.Cluster = id.String()
	if _, err := client.Workspaces(m.own, m.home).Create(limit(t), takeover, metav1.CreateOptions{}); err == nil {
		t.Error("a workspace was made on the data of another one")
	} else {
		mentions(t, err.Error(), "spec.cluster")
	}
}

// TestSyncerViews uses the door of an agent without being it, and as the agent
// goes beyond what agents do.
func TestSyncerViews(t *testing.T) {
	t.Parallel()
	town := theTown(t)
	m := newMallory(t, town.hub)
	town.place(t, m.victim, "eu")
	target := must(client.SyncTargets(town.admin, compute).Get(limit(t), "eu", metav1.GetOptions{}))(t)
	view := fmt.Sprintf("/services/syncer/%s/eu/%s/clusters/", town.id(t, compute), target.UID)

	for _, path := range []string{"*/api/v1/secrets", town.id(t, m.victim).String() + "/api/v1/secrets", "*/apis"} {
		if status, answer := request(t, m.own, view+path); status != http.StatusForbidden && status != http.StatusUnauthorized {
			t.Errorf("mallory at %s: status %d: %.300s", path, status, answer)
		}
	}

	// A target of her own shows her own objects only.
	mine := &workloadv1alpha1.SyncTarget{ObjectMeta: metav1.ObjectMeta{Name: "eu"}}
	mine = must(client.SyncTargets(m.own, m.home).Create(limit(t), mine, metav1.CreateOptions{}))(t)
	own := fmt.Sprintf("/services/syncer/%s/eu/%s/clusters/*/api/v1/secrets", town.id(t, m.home), mine.UID)
	if status, answer := request(t, m.own, own); status != http.StatusOK || items(t, answer) != 0 {
		t.Errorf("mallory's own view: status %d: %.300s", status, answer)
	}
	mixed := fmt.Sprintf("/services/syncer/%s/eu/%s/clusters/*/api/v1/secrets", town.id(t, compute), mine.UID)
	if status, answer := request(t, m.own, mixed); status < 400 {
		t.Errorf("the view of a target with the UID of another: status %d: %.300s", status, answer)
	}

	checkAgent(t, town, m, view)
}

// checkAgent does what a stolen agent could try.
func checkAgent(t *testing.T, town *town, m *mallory, view string) {
	t.Helper()
	stolen := must(harness.HubClient(world.Path("hub-eu.kubeconfig")))(t)
	status, answer := request(t, stolen, view+"*/api/v1/secrets")
	if status != http.StatusOK || strings.Contains(answer, "victims-secret") {
		t.Errorf("the agent's view: status %d: %.300s", status, answer)
	}
	for _, path := range []string{
		m.victim.RequestPath() + "/api/v1/namespaces/default/secrets",
		compute.RequestPath() + "/api/v1/namespaces/default/secrets",
		view + "*/apis/rbac.authorization.k8s.io/v1/clusterroles",
		view + "*/api/v1/serviceaccounts",
		view + "*/apis/tenancy.kcp.io/v1alpha1/workspaces",
	} {
		if status, answer := request(t, stolen, path); status < 400 {
			t.Errorf("the agent at %s: status %d: %.300s", path, status, answer)
		}
	}
	if _, err := client.SyncTargets(stolen, compute).Get(limit(t), "us", metav1.GetOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("the agent reads another target: %v", err)
	}
	checkAgentWrites(t, town, m, stolen, view)
}

// checkAgentWrites places a Deployment on the agent's cluster and lets the agent
// do more with it than it should.
func checkAgentWrites(t *testing.T, town *town, m *mallory, stolen *client.Hub, view string) {
	t.Helper()
	town.send(t, m.victim, "eu")
	town.deploy(t, m.victim, deployment("victim-shop", 1))
	town.awaitAvailable(t, m.victim, "victim-shop", 1)
	shop := view + town.id(t, m.victim).String() + "/apis/apps/v1/namespaces/default/deployments/victim-shop"
	patch := func(path, body string) error {
		return stolen.REST().Patch(types.MergePatchType).AbsPath(path).Body([]byte(body)).Do(limit(t)).Error()
	}
	key := workloadv1alpha1.ToSyncTargetKey(town.id(t, compute), "us")
	for what, err := range map[string]error{
		"spec":        patch(shop, `{"spec":{"replicas":7}}`),
		"other state": patch(shop, fmt.Sprintf(`{"metadata":{"labels":{%q:"Sync"}}}`, workloadv1alpha1.StateLabel(key))),
		"letting go":  patch(shop, `{"metadata":{"finalizers":null}}`),
		"delete":      stolen.REST().Delete().AbsPath(shop).Do(limit(t)).Error(),
		"create":      stolen.REST().Post().AbsPath(strings.TrimSuffix(shop, "/victim-shop")).Body(must(json.Marshal(deployment("planted", 1)))(t)).SetHeader("Content-Type", "application/json").Do(limit(t)).Error(),
	} {
		if !apierrors.IsForbidden(err) && !apierrors.IsInvalid(err) && !apierrors.IsMethodNotSupported(err) {
			t.Errorf("the agent and %s: %v, want a refusal", what, err)
		}
	}
	found := must(town.in(m.victim).AppsV1().Deployments("default").Get(limit(t), "victim-shop", metav1.GetOptions{}))(t)
	if *found.Spec.Replicas != 1 || len(found.Finalizers) != 1 {
		t.Errorf("the agent has changed the Deployment: %d replicas, finalizers %v", *found.Spec.Replicas, found.Finalizers)
	}
}

func items(t *testing.T, answer string) int {
	t.Helper()
	var list struct{ Items []json.RawMessage }
	if err := json.Unmarshal([]byte(answer), &list); err != nil {
		t.Fatal(err)
	}
	return len(list.Items)
}
