package server

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// admit makes somebody cluster-admin of a workspace until the test ends.
func admit(t *testing.T, path logicalcluster.Path, name string) {
	t.Helper()
	bindings := as(t, "base").Kubernetes(path).RbacV1().ClusterRoleBindings()
	made, err := bindings.Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "admit-"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bindings.Delete(context.WithoutCancel(t.Context()), made.Name, metav1.DeleteOptions{}) })
}

func reviewed(t *testing.T, hub *client.Hub, path logicalcluster.Path) (authenticationv1.UserInfo, error) {
	t.Helper()
	review, err := hub.Kubernetes(path).AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return authenticationv1.UserInfo{}, err
	}
	return review.Status.UserInfo, nil
}

func listMaps(t *testing.T, hub *client.Hub, path logicalcluster.Path) error {
	t.Helper()
	_, err := hub.Kubernetes(path).CoreV1().ConfigMaps("default").List(t.Context(), metav1.ListOptions{})
	return err
}

// Whoever may impersonate in one workspace must be nobody's double in another,
// also right after, when caches are warm.
func TestImpersonationStaysInItsWorkspace(t *testing.T) {
	mine, made := newWorkspace(t)
	theirs, _ := newWorkspace(t)
	admit(t, theirs, "bob")
	admit(t, mine, "bob")
	if err := as(t, "base").Kubernetes(theirs).RbacV1().ClusterRoleBindings().Delete(t.Context(), "alice", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	await(t.Context(), t, "bob is admitted, and alice has left", func() error {
		if err := listMaps(t, withToken(t, "alice-token"), theirs); !apierrors.IsForbidden(err) {
			return fmt.Errorf("alice: %v", err)
		}
		return listMaps(t, withToken(t, "bob-token"), theirs)
	})
	config := rest.AnonymousClientConfig(restConfig(t, "base"))
	config.BearerToken, config.Impersonate = "alice-token", rest.ImpersonationConfig{UserName: "bob"}
	borrowed := hubOf(t, config)
	await(t.Context(), t, "bob is borrowed at home", func() error { return listMaps(t, borrowed, mine) })
	if err := listMaps(t, borrowed, theirs); !apierrors.IsForbidden(err) {
		t.Errorf("bob is borrowed elsewhere: %v", err)
	}
	who, err := reviewed(t, borrowed, mine)
	if err != nil {
		t.Fatal(err)
	}
	want := authenticationv1.UserInfo{Username: "bob", Groups: []string{"system:authenticated"}, Extra: map[string]authenticationv1.ExtraValue{
		"authentication.kcp.io/scopes": {"cluster:" + made.Spec.Cluster},
	}}
	if diff := cmp.Diff(want, who); diff != "" {
		t.Errorf("who is borrowed (-want +got):\n%s", diff)
	}
	_, err = client.Workspaces(borrowed, mine).Create(t.Context(), &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "planted"}}, metav1.CreateOptions{})
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "Create it in your own name") {
		t.Errorf("a workspace in bob's name: %v", err)
	}
	for _, key := range []string{"authentication.kcp.io/scopes", "authorization.kcp.io/warrant", "authentication.kcp.io/cluster-name"} {
		config.Impersonate.Extra = map[string][]string{key: {`{"groups":["system:masters"]}`}}
		if err := listMaps(t, hubOf(t, config), mine); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "leave it out") {
			t.Errorf("extra %s is impersonated: %v", key, err)
		}
	}
}

// The headers by which kcp's front proxy says who somebody is mean nothing from
// anybody else.
func TestForgedIdentityHeadersAreIgnored(t *testing.T) {
	path, _ := newWorkspace(t)
	admit(t, path, "ida")
	token := rest.AnonymousClientConfig(restConfig(t, "base"))
	token.BearerToken = "alice-token"
	for want, config := range map[string]*rest.Config{"alice": token, "ida": certified(t, "ida")} {
		request := hubOf(t, config).Kubernetes(path).AuthenticationV1().RESTClient().Post().Resource("selfsubjectreviews").
			Body(&authenticationv1.SelfSubjectReview{}).
			SetHeader("X-Remote-User", "root").SetHeader("X-Remote-Group", "system:masters").SetHeader("X-Remote-Extra-Authorization.kcp.io%2fwarrant", `{"user":"bob"}`)
		review := &authenticationv1.SelfSubjectReview{}
		await(t.Context(), t, want+" may enter", func() error { return request.Do(t.Context()).Into(review) })
		if review.Status.UserInfo.Username != want || slices.Contains(review.Status.UserInfo.Groups, "system:masters") || review.Status.UserInfo.Extra["authorization.kcp.io/warrant"] != nil {
			t.Errorf("%s became %+v", want, review.Status.UserInfo)
		}
	}
}

func TestRequiredGroupsAreTheOperators(t *testing.T) {
	path, _ := newWorkspace(t)
	alice, admin := withToken(t, "alice-token"), as(t, "base")
	patch := func(hub *client.Hub, value string) error {
		body := fmt.Sprintf(`{"metadata":{"annotations":{"authorization.kcp.io/required-groups":%s}}}`, value)
		_, err := client.LogicalClusters(hub, path).Patch(t.Context(), "cluster", types.MergePatchType, []byte(body), metav1.PatchOptions{})
		return err
	}
	if err := patch(alice, `"friends"`); !apierrors.IsForbidden(err) {
		t.Errorf("a tenant sets required groups: %v", err)
	}
	if err := patch(admin, `"staff"`); err != nil {
		t.Fatal(err)
	}
	await(t.Context(), t, "alice is locked out", func() error {
		if err := listMaps(t, alice, path); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), `only for members of the groups "staff"`) {
			return fmt.Errorf("%v", err)
		}
		return nil
	})
	member := hubOf(t, certified(t, "alice", "staff"))
	if err := listMaps(t, member, path); err != nil {
		t.Errorf("a member: %v", err)
	}
	child, err := client.Workspaces(member, path).Create(t.Context(), &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{
		Name: "child", Annotations: map[string]string{"authorization.kcp.io/required-groups": "everybody"},
	}}, metav1.CreateOptions{})
	if err != nil || child.Annotations["authorization.kcp.io/required-groups"] != "staff" {
		t.Errorf("a child does not inherit: %v, %v", child.Annotations, err)
	}
	if err := patch(admin, "null"); err != nil {
		t.Fatal(err)
	}
	await(t.Context(), t, "alice is let in again", func() error { return listMaps(t, alice, path) })
}

// Who has a role of system:admin may give away what is in it, and no more; and
// reviews say what requests get.
func TestEscalationAndReviews(t *testing.T) {
	path, _ := newWorkspace(t)
	admin := as(t, "base").Kubernetes(path).RbacV1()
	if _, err := admin.ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "bob"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "system:kcp:workspace:access"},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "bob"}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.RoleBindings("default").Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "bob"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "admin"},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "bob"}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	bob := withToken(t, "bob-token")
	await(t.Context(), t, "bob administers a namespace", func() error { return listMaps(t, bob, path) })
	create := func(name string, rule rbacv1.PolicyRule) error {
		_, err := bob.Kubernetes(path).RbacV1().Roles("default").Create(t.Context(), &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: []rbacv1.PolicyRule{rule}}, metav1.CreateOptions{})
		return err
	}
	if err := create("within", rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get"}}); err != nil {
		t.Errorf("what bob has he may give: %v", err)
	}
	if err := create("beyond", rbacv1.PolicyRule{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}); !apierrors.IsForbidden(err) {
		t.Errorf("bob gives what he does not have: %v", err)
	}
	for namespace, want := range map[string]bool{"default": true, "kube-system": false} {
		review, err := bob.Kubernetes(path).AuthorizationV1().SelfSubjectAccessReviews().Create(t.Context(), &authorizationv1.SelfSubjectAccessReview{
			Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: namespace, Verb: "list", Resource: "configmaps"}},
		}, metav1.CreateOptions{})
		if err != nil || review.Status.Allowed != want {
			t.Errorf("a review in %s: %v, %v", namespace, review.Status, err)
		}
		rules, err := bob.Kubernetes(path).AuthorizationV1().SelfSubjectRulesReviews().Create(t.Context(), &authorizationv1.SelfSubjectRulesReview{
			Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace},
		}, metav1.CreateOptions{})
		if err != nil || rules.Status.Incomplete || strings.Contains(fmt.Sprint(rules.Status.ResourceRules), "configmaps") != want {
			t.Errorf("the rules in %s: %v, %v", namespace, rules.Status, err)
		}
	}
}

// An export bounds what the administrators of workspaces that bind it may do.
func TestMaximalPermissionPolicyOfTheComputeExport(t *testing.T) {
	path, _ := newWorkspace(t)
	admin, compute := as(t, "base"), logicalcluster.Path("root:compute")
	_, err := client.APIBindings(admin, path).Create(t.Context(), &apisv1alpha2.APIBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "kubernetes"},
		Spec:       apisv1alpha2.APIBindingSpec{Reference: apisv1alpha2.BindingReference{Export: &apisv1alpha2.ExportBindingReference{Path: "root:compute", Name: "kubernetes"}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	alice := withToken(t, "alice-token")
	deployments := func() error {
		_, err := alice.Kubernetes(path).AppsV1().Deployments("default").List(t.Context(), metav1.ListOptions{})
		return err
	}
	await(t.Context(), t, "alice lists Deployments", deployments)
	policy := func(value string) {
		t.Helper()
		body := fmt.Sprintf(`{"spec":{"maximalPermissionPolicy":%s}}`, value)
		if _, err := client.APIExports(admin, compute).Patch(t.Context(), "kubernetes", types.MergePatchType, []byte(body), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	policy(`{"local":{}}`)
	defer policy("null")
	await(t.Context(), t, "the policy allows nothing", func() error {
		if err := deployments(); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), `as "apis.kcp.io:binding:alice"`) {
			return fmt.Errorf("%v", err)
		}
		return nil
	})
	admit(t, compute, "apis.kcp.io:binding:alice")
	await(t.Context(), t, "the policy allows alice", deployments)
	if err := listMaps(t, alice, compute); !apierrors.IsForbidden(err) {
		t.Errorf("the policy lets alice into the workspace of the export: %v", err)
	}
}
