package e2e

import (
	"fmt"
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
	must(m.kube().AppsV1().Deployments("default").Create(limit(t), deployment("mallory-shop", 1), metav1.CreateOptions{}))(t)
	refuseReserved(t, "status", func() error {
		_, err := m.kube().AppsV1().Deployments("default").Patch(limit(t), "mallory-shop", types.MergePatchType, []byte(patches["label"]), metav1.PatchOptions{}, "status")
		return err
	})
	checkCopies(t, m, label, workloadv1alpha1.SyncerFinalizer(key))
	list := must(maps.List(limit(t), metav1.ListOptions{LabelSelector: label}))(t)
	if len(list.Items) != 0 {
		t.Errorf("%d objects carry the label", len(list.Items))
	}
}

// checkCopies creates objects with reserved metadata, as clients do that copy the
// labels of other objects: they are made without.
func checkCopies(t *testing.T, m *mallory, label, finalizer string) {
	t.Helper()
	meta := metav1.ObjectMeta{Name: "copied", Labels: map[string]string{label: "Sync", "app": "x"}, Finalizers: []string{finalizer}}
	made := must(m.kube().CoreV1().ConfigMaps("default").Create(limit(t), &corev1.ConfigMap{ObjectMeta: meta}, metav1.CreateOptions{}))(t)
	if len(made.Labels) != 1 || len(made.Finalizers) != 0 {
		t.Errorf("made with labels %v and finalizers %v", made.Labels, made.Finalizers)
	}
	namespace := must(m.kube().CoreV1().Namespaces().Create(limit(t), &corev1.Namespace{ObjectMeta: meta}, metav1.CreateOptions{}))(t)
	if _, labelled := namespace.Labels[label]; labelled {
		t.Errorf("the namespace was made with labels %v", namespace.Labels)
	}
	apply := fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"applied","labels":{%q:"Sync"}}}`, label)
	applied := must(m.kube().CoreV1().ConfigMaps("default").Patch(limit(t), "applied", types.ApplyPatchType, []byte(apply), metav1.PatchOptions{FieldManager: "m"}))(t)
	if len(applied.Labels) != 0 {
		t.Errorf("applied with labels %v", applied.Labels)
	}
}

// refuseReserved makes sure that a write is forbidden, with the way out.
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
