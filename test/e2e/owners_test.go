package e2e

import (
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
	"github.com/atriumhub/atrium/test/harness"
)

// TestCommonGround tries what an ordinary user could do to everybody in the
// workspaces that all may enter.
func TestCommonGround(t *testing.T) {
	t.Parallel()
	town := theTown(t)
	m := newMallory(t, town.hub)
	for _, workspace := range []logicalcluster.Path{root, compute} {
		for _, path := range []string{
			"/api/v1/secrets", "/api/v1/namespaces", "/api/v1/namespaces/default/serviceaccounts", "/apis/tenancy.kcp.io/v1alpha1/workspaces",
			"/apis/workload.kcp.io/v1alpha1/synctargets", "/apis/rbac.authorization.k8s.io/v1/clusterroles", "/metrics", "/debug/pprof/", "/logs",
		} {
			if status, answer := request(t, m.own, workspace.RequestPath()+path); status != http.StatusForbidden {
				t.Errorf("%s in %s: status %d: %.200s", path, workspace, status, answer)
			}
		}
		kube := m.own.Kubernetes(workspace)
		_, token := kube.CoreV1().ServiceAccounts("default").CreateToken(limit(t), "default", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
		_, made := client.Workspaces(m.own, workspace).Create(limit(t), &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "squat"}}, metav1.CreateOptions{})
		_, role := kube.RbacV1().ClusterRoleBindings().Create(limit(t), ownerBinding("mallory"), metav1.CreateOptions{})
		_, target := client.SyncTargets(m.own, workspace).Create(limit(t), &workloadv1alpha1.SyncTarget{ObjectMeta: metav1.ObjectMeta{Name: "trap"}}, metav1.CreateOptions{})
		removed := client.Workspaces(m.own, workspace).Delete(limit(t), m.victim.Base(), metav1.DeleteOptions{})
		for what, err := range map[string]error{"token": token, "workspace": made, "role": role, "target": target, "delete": removed} {
			if !apierrors.IsForbidden(err) {
				t.Errorf("%s in %s: %v, want forbidden", what, workspace, err)
			}
		}
	}
}

// TestOwnersLimits tries what even the owner of a workspace may not do in it.
func TestOwnersLimits(t *testing.T) {
	t.Parallel()
	h := theHub(t)
	m := newMallory(t, h)
	h.bindCompute(t, m.home)
	own := func(kind string, patch string) error {
		return m.own.REST().Patch(types.MergePatchType).AbsPath(m.home.RequestPath() + kind).Body([]byte(patch)).Do(limit(t)).Error()
	}
	const self = "/apis/core.kcp.io/v1alpha1/logicalclusters/cluster"
	for what, err := range map[string]error{
		"delete its identity": m.own.REST().Delete().AbsPath(m.home.RequestPath() + self).Do(limit(t)).Error(),
		"change its owner":    own(self, `{"spec":{"owner":{"name":"somebody-else"}}}`),
		"change its phase":    own(self+"/status", `{"status":{"phase":"Initializing"}}`),
		"change a binding":    own("/apis/apis.kcp.io/v1alpha2/apibindings/kubernetes/status", `{"status":{"phase":"Binding"}}`),
		"delete default":      m.kube().CoreV1().Namespaces().Delete(limit(t), "default", metav1.DeleteOptions{}),
		"delete kube-system":  m.kube().CoreV1().Namespaces().Delete(limit(t), "kube-system", metav1.DeleteOptions{}),
	} {
		if !apierrors.IsForbidden(err) && !apierrors.IsInvalid(err) {
			t.Errorf("%s: %v, want forbidden", what, err)
		}
	}
	if _, err := client.LogicalClusters(h.admin, m.home).Get(limit(t), "cluster", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
	checkPrivateExport(t, m)
	checkShadows(t, m)
}

// checkPrivateExport binds an export that was not offered to mallory.
func checkPrivateExport(t *testing.T, m *mallory) {
	t.Helper()
	export := &apisv1alpha2.APIExport{ObjectMeta: metav1.ObjectMeta{Name: "private"}}
	must(client.APIExports(m.admin, m.victim).Create(limit(t), export, metav1.CreateOptions{}))(t)
	var said []string
	for _, name := range []string{"private", "missing"} {
		binding := &apisv1alpha2.APIBinding{ObjectMeta: metav1.ObjectMeta{Name: name}}
		binding.Spec.Reference.Export = &apisv1alpha2.ExportBindingReference{Path: m.victim.String(), Name: name}
		_, err := client.APIBindings(m.own, m.home).Create(limit(t), binding, metav1.CreateOptions{})
		if !apierrors.IsForbidden(err) {
			t.Fatalf("binding %s: %v, want forbidden", name, err)
		}
		said = append(said, strings.ReplaceAll(err.Error(), name, "NAME"))
	}
	if said[0] != said[1] {
		t.Errorf("exports can be probed: %q", said)
	}
}

// checkShadows defines resources that the hub serves itself, and makes sure that
// the hub's stay what they are.
func checkShadows(t *testing.T, m *mallory) {
	t.Helper()
	login := filepath.Join(t.TempDir(), "mallory")
	if err := harness.WithToken(m.Kubeconfig, login, client.WorkspaceURL(m.URL, m.home), "mallory-token"); err != nil {
		t.Fatal(err)
	}
	for _, shadow := range []struct{ group, plural, kind string }{
		{"rbac.authorization.k8s.io", "clusterroles", "ClusterRole"},
		{"tenancy.kcp.io", "workspaces", "Workspace"},
		{"core.kcp.io", "logicalclusters", "LogicalCluster"},
		{"networking.k8s.io", "ingresses", "Ingress"},
	} {
		definition := strings.NewReplacer("example.io", shadow.group, "banners", shadow.plural, "Banner", shadow.kind, `"banner"`, strconv.Quote(strings.ToLower(shadow.kind)),
			`"metadata":{`, `"metadata":{"annotations":{"api-approved.kubernetes.io":"unapproved, a test"},`).Replace(bannerCRD("integer"))
		if _, err := world.KubectlInput(limit(t), login, definition, "apply", "-f", "-"); err != nil {
			continue // refused at once
		}
		kubectl(t, login, "wait", "--for=condition=NamesAccepted=false", "crd/"+shadow.plural+"."+shadow.group, "--timeout=30s")
	}
	if _, err := m.kube().RbacV1().ClusterRoles().List(limit(t), metav1.ListOptions{}); err != nil {
		t.Errorf("roles after all that: %v", err)
	}
	if _, err := client.Workspaces(m.own, m.home).List(limit(t), metav1.ListOptions{}); err != nil {
		t.Errorf("workspaces after all that: %v", err)
	}
	if _, err := m.kube().NetworkingV1().Ingresses("").List(limit(t), metav1.ListOptions{}); err != nil {
		t.Errorf("ingresses after all that: %v", err)
	}
}
