package server

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	machinerytypes "k8s.io/apimachinery/pkg/types"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

func typeRef(path, name string) tenancyv1alpha1.WorkspaceTypeReference {
	return tenancyv1alpha1.WorkspaceTypeReference{Path: path, Name: tenancyv1alpha1.WorkspaceTypeName(name)}
}

// universalAnd is a type that may stand below any other of these tests.
func universalAnd(name string, edit func(*tenancyv1alpha1.WorkspaceTypeSpec)) *tenancyv1alpha1.WorkspaceType {
	kind := &tenancyv1alpha1.WorkspaceType{ObjectMeta: metav1.ObjectMeta{Name: name}}
	kind.Spec.Extend.With = []tenancyv1alpha1.WorkspaceTypeReference{typeRef("root", "universal")}
	edit(&kind.Spec)
	return kind
}

func nothingMore(*tenancyv1alpha1.WorkspaceTypeSpec) {}

func waiting(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// resolved waits until the hub has seen the type and judged it.
func resolved(ctx context.Context, t *testing.T, at logicalcluster.Path, name string) *tenancyv1alpha1.WorkspaceType {
	t.Helper()
	var kind *tenancyv1alpha1.WorkspaceType
	await(ctx, t, "the type is judged", func() (err error) {
		if kind, err = client.WorkspaceTypes(as(t, "base"), at).Get(ctx, name, metav1.GetOptions{}); err != nil {
			return err
		}
		if !conditionsv1alpha1.IsTrue(kind.Status.Conditions, conditionsv1alpha1.ReadyCondition) {
			return fmt.Errorf("conditions %v", kind.Status.Conditions)
		}
		return nil
	})
	return kind
}

func newTyped(name string, kind tenancyv1alpha1.WorkspaceTypeReference) *tenancyv1alpha1.Workspace {
	return &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: tenancyv1alpha1.WorkspaceSpec{Type: &kind}}
}

// awaitIn waits until the workspace called name in parent is as check wants it.
func awaitIn(ctx context.Context, t *testing.T, parent logicalcluster.Path, name string, check func(*tenancyv1alpha1.Workspace) error) *tenancyv1alpha1.Workspace {
	t.Helper()
	var workspace *tenancyv1alpha1.Workspace
	await(ctx, t, "workspace "+name, func() (err error) {
		if workspace, err = client.Workspaces(as(t, "base"), parent).Get(ctx, name, metav1.GetOptions{}); err != nil {
			return err
		}
		return check(workspace)
	})
	return workspace
}

func inPhase(phase corev1alpha1.LogicalClusterPhaseType) func(*tenancyv1alpha1.Workspace) error {
	return func(w *tenancyv1alpha1.Workspace) error {
		if w.Status.Phase != phase {
			return fmt.Errorf("phase %s, conditions %v", w.Status.Phase, w.Status.Conditions)
		}
		return nil
	}
}

func grantBob(ctx context.Context, t *testing.T, at logicalcluster.Path, rules ...rbacv1.PolicyRule) {
	t.Helper()
	rules = append(rules, rbacv1.PolicyRule{NonResourceURLs: []string{"/"}, Verbs: []string{"access"}})
	rbac := as(t, "base").Kubernetes(at).RbacV1()
	must(rbac.ClusterRoles().Create(ctx, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "bob"}, Rules: rules}, metav1.CreateOptions{}))(t)
	must(rbac.ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "bob"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "bob"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "bob"}},
	}, metav1.CreateOptions{}))(t)
	await(ctx, t, "bob may enter", func() error {
		_, err := withToken(t, "bob-token").Kubernetes(at).Discovery().ServerGroups()
		return err
	})
}

func expectRefused(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("refused: %v", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("error %v, want %q", err, want)
	}
}

// TestAuthorsOfTypesAnswerForThem tries to get, by a type, what its author does
// not have, or what would break others.
func TestAuthorsOfTypesAnswerForThem(t *testing.T) {
	ctx := waiting(t)
	mine, _ := newWorkspace(t)
	theirs, _ := newWorkspace(t)
	if err := as(t, "base").Kubernetes(theirs).RbacV1().ClusterRoleBindings().Delete(ctx, "alice", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	grantBob(ctx, t, mine, rbacv1.PolicyRule{APIGroups: []string{"tenancy.kcp.io"}, Resources: []string{"workspacetypes"}, Verbs: []string{"create"}})
	secrets := []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}}}
	for name, tc := range map[string]struct {
		author string
		edit   func(*tenancyv1alpha1.WorkspaceTypeSpec)
		want   string
	}{
		"a type everybody may use": {"alice", nothingMore, ""},
		"a type of the hub": {"alice", func(s *tenancyv1alpha1.WorkspaceTypeSpec) {
			s.Extend.With = append(s.Extend.With, typeRef("root", "home"))
		}, `spec.extend.with[1]: no permission to use workspace type "root:home"`},
		"a type of others": {"alice", func(s *tenancyv1alpha1.WorkspaceTypeSpec) {
			s.Extend.With = append(s.Extend.With, typeRef(theirs.String(), "x"))
		}, "no permission to use"},
		"a type in no workspace": {"alice", func(s *tenancyv1alpha1.WorkspaceTypeSpec) {
			s.Extend.With = append(s.Extend.With, typeRef("root:nowhere", "x"))
		}, "no permission to use"},
		"itself": {"alice", func(s *tenancyv1alpha1.WorkspaceTypeSpec) {
			s.Extend.With = append(s.Extend.With, typeRef("", "itself"))
		}, "in a circle"},
		"an export everybody may bind": {"alice", func(s *tenancyv1alpha1.WorkspaceTypeSpec) {
			s.DefaultAPIBindings = []tenancyv1alpha1.APIExportReference{{Path: "root:compute", Export: "kubernetes"}, {Path: "root", Export: "tenancy.kcp.io"}}
		}, ""},
		"an export of others": {"alice", func(s *tenancyv1alpha1.WorkspaceTypeSpec) {
			s.DefaultAPIBindings = []tenancyv1alpha1.APIExportReference{{Path: theirs.String(), Export: "secret"}}
		}, "spec.defaultAPIBindings[0]: no permission to bind"},
		"what one has": {"alice", func(s *tenancyv1alpha1.WorkspaceTypeSpec) {
			s.Initializer, s.InitializerPermissions = true, secrets
		}, ""},
		"what one has not": {"bob", func(s *tenancyv1alpha1.WorkspaceTypeSpec) {
			s.Initializer, s.InitializerPermissions = true, secrets
		}, `spec.initializerPermissions[0]: you can not give away what you may not do yourself in this workspace: verb "get" on "secrets"`},
		"what one has not, at the end": {"bob", func(s *tenancyv1alpha1.WorkspaceTypeSpec) {
			s.Terminator, s.TerminatorPermissions = true, []rbacv1.PolicyRule{{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}}
		}, "spec.terminatorPermissions[0]: you can not give away"},
		"everything, by the administrator": {"alice", func(s *tenancyv1alpha1.WorkspaceTypeSpec) {
			s.Initializer, s.InitializerPermissions = true, []rbacv1.PolicyRule{{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}, {NonResourceURLs: []string{"*"}, Verbs: []string{"*"}}}
		}, ""},
		"to be somebody else": {"alice", func(s *tenancyv1alpha1.WorkspaceTypeSpec) {
			s.Initializer, s.InitializerPermissions = true, []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"users"}, Verbs: []string{"impersonate"}}}
		}, "impersonate can not be given away"},
		"a label of placement": {"alice", func(s *tenancyv1alpha1.WorkspaceTypeSpec) {
			s.AdditionalWorkspaceLabels = map[string]string{"state.workload.kcp.io/abc": "Sync"}
		}, "is reserved"},
		"a label of the hub": {"alice", func(s *tenancyv1alpha1.WorkspaceTypeSpec) {
			s.AdditionalWorkspaceLabels = map[string]string{"tenancy.kcp.io/phase": "Ready"}
		}, "is reserved"},
		"an empty limit": {"alice", func(s *tenancyv1alpha1.WorkspaceTypeSpec) {
			s.LimitAllowedParents = &tenancyv1alpha1.WorkspaceTypeSelector{}
		}, "says nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client.WorkspaceTypes(withToken(t, tc.author+"-token"), mine).Create(ctx, universalAnd("itself", tc.edit), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			expectRefused(t, err, tc.want)
		})
	}
}

func TestTypesThatGoInACircle(t *testing.T) {
	ctx := waiting(t)
	one, _ := newWorkspace(t)
	two, _ := newWorkspace(t)
	alice := withToken(t, "alice-token")
	must(client.WorkspaceTypes(alice, one).Create(ctx, universalAnd("hen", nothingMore), metav1.CreateOptions{}))(t)
	must(client.WorkspaceTypes(alice, two).Create(ctx, universalAnd("egg", func(s *tenancyv1alpha1.WorkspaceTypeSpec) {
		s.Extend.With = append(s.Extend.With, typeRef(one.String(), "hen"))
	}), metav1.CreateOptions{}))(t)
	resolved(ctx, t, two, "egg")
	hen := resolved(ctx, t, one, "hen")
	hen.Spec.Extend.With = append(hen.Spec.Extend.With, typeRef(two.String(), "egg"))
	_, err := client.WorkspaceTypes(alice, one).Update(ctx, hen, metav1.UpdateOptions{})
	expectRefused(t, err, "in a circle")
	must(client.WorkspaceTypes(alice, one).Create(ctx, universalAnd("chick", func(s *tenancyv1alpha1.WorkspaceTypeSpec) {
		s.Extend.With = append(s.Extend.With, typeRef("", "later"))
	}), metav1.CreateOptions{}))(t)
	await(ctx, t, "the type says what is missing", func() error {
		kind, err := client.WorkspaceTypes(alice, one).Get(ctx, "chick", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if c := conditionsv1alpha1.Get(kind.Status.Conditions, tenancyv1alpha1.WorkspaceTypeExtensionsResolved); c == nil || !strings.Contains(c.Message, ":later") {
			return fmt.Errorf("conditions %v", kind.Status.Conditions)
		}
		return nil
	})
	must(client.WorkspaceTypes(alice, one).Create(ctx, universalAnd("later", nothingMore), metav1.CreateOptions{}))(t)
	resolved(ctx, t, one, "chick")
}

func TestStatusAndNotesOfTypesAreTheHubs(t *testing.T) {
	ctx := waiting(t)
	mine, made := newWorkspace(t)
	alice := withToken(t, "alice-token")
	kind := universalAnd("lab", func(s *tenancyv1alpha1.WorkspaceTypeSpec) { s.Initializer, s.Terminator = true, true })
	kind.Annotations = map[string]string{tenancyv1alpha1.MeantAnnotationKey: `{"root":"evil"}`}
	stored := must(client.WorkspaceTypes(alice, mine).Create(ctx, kind, metav1.CreateOptions{}))(t)
	if got := stored.Annotations[tenancyv1alpha1.MeantAnnotationKey]; got != `{"root":"root"}` {
		t.Errorf("meant %s", got)
	}
	judged := resolved(ctx, t, mine, "lab")
	var urls []string
	for _, view := range judged.Status.VirtualWorkspaces {
		urls = append(urls, string(view.Type)+" "+strings.TrimPrefix(view.URL, shared.hub.URL()))
	}
	id := made.Spec.Cluster + ":lab"
	if want := []string{"initializing /services/initializingworkspaces/" + id, "terminating /services/terminatingworkspaces/" + id}; !slices.Equal(urls, want) {
		t.Errorf("views %v, want %v", urls, want)
	}
	judged.Status.VirtualWorkspaces[0].URL = "https://evil"
	if _, err := client.WorkspaceTypes(alice, mine).UpdateStatus(ctx, judged, metav1.UpdateOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("status: %v", err)
	}
	patch := []byte(`{"metadata":{"annotations":{"` + tenancyv1alpha1.MeantAnnotationKey + `":null,"mine":"x"}}}`)
	patched := must(client.WorkspaceTypes(alice, mine).Patch(ctx, "lab", machinerytypes.MergePatchType, patch, metav1.PatchOptions{}))(t)
	if patched.Annotations[tenancyv1alpha1.MeantAnnotationKey] != `{"root":"root"}` || patched.Annotations["mine"] != "x" {
		t.Errorf("annotations %v", patched.Annotations)
	}
}

// TestAWorkspaceHasWhatItsTypesAdd makes a workspace of a type that extends
// another, and does the initializers' part.
func TestAWorkspaceHasWhatItsTypesAdd(t *testing.T) {
	ctx := waiting(t)
	mine, made := newWorkspace(t)
	alice := withToken(t, "alice-token")
	must(client.WorkspaceTypes(alice, mine).Create(ctx, universalAnd("base", func(s *tenancyv1alpha1.WorkspaceTypeSpec) {
		s.Initializer, s.Terminator, s.AdditionalWorkspaceLabels = true, true, map[string]string{"tier": "low", "base": "yes"}
	}), metav1.CreateOptions{}))(t)
	must(client.WorkspaceTypes(alice, mine).Create(ctx, universalAnd("lab", func(s *tenancyv1alpha1.WorkspaceTypeSpec) {
		s.Extend.With = append(s.Extend.With, typeRef("", "base"))
		s.AdditionalWorkspaceLabels = map[string]string{"tier": "high"}
	}), metav1.CreateOptions{}))(t)
	resolved(ctx, t, mine, "lab")
	must(client.Workspaces(alice, mine).Create(ctx, newTyped("one", typeRef("", "lab")), metav1.CreateOptions{}))(t)
	workspace := awaitIn(ctx, t, mine, "one", inPhase(corev1alpha1.LogicalClusterPhaseInitializing))
	if workspace.Labels["tier"] != "high" || workspace.Labels["base"] != "yes" || workspace.Spec.Type.Path != mine.String() {
		t.Errorf("labels %v, type %v", workspace.Labels, workspace.Spec.Type)
	}
	initializer := corev1alpha1.InitializerOf(logicalcluster.Name(made.Spec.Cluster), "base")
	clusters := client.LogicalClusters(as(t, "shard-base"), logicalcluster.Path(workspace.Spec.Cluster))
	cluster := must(clusters.Get(ctx, "cluster", metav1.GetOptions{}))(t)
	if !slices.Contains(cluster.Spec.Initializers, initializer) || !slices.Contains(cluster.Spec.Initializers, "root:universal") ||
		!slices.Equal(cluster.Status.Initializers, []corev1alpha1.LogicalClusterInitializer{initializer}) || len(cluster.Spec.Terminators) != 1 {
		t.Errorf("spec %v, status %v, terminators %v", cluster.Spec.Initializers, cluster.Status.Initializers, cluster.Spec.Terminators)
	}
	cluster.Status.Initializers = nil
	must(clusters.UpdateStatus(ctx, cluster, metav1.UpdateOptions{}))(t)
	awaitIn(ctx, t, mine, "one", inPhase(corev1alpha1.LogicalClusterPhaseReady))
}

func TestUniversalCostsNothingMore(t *testing.T) {
	_, made := newWorkspace(t)
	inside := logicalcluster.Path(made.Spec.Cluster)
	if bindings := must(client.APIBindings(as(t, "base"), inside).List(t.Context(), metav1.ListOptions{}))(t); len(bindings.Items) != 0 {
		t.Errorf("%d APIBindings", len(bindings.Items))
	}
	cluster := must(client.LogicalClusters(as(t, "base"), inside).Get(t.Context(), "cluster", metav1.GetOptions{}))(t)
	if len(cluster.Status.Initializers) != 0 || cluster.Generation != 1 {
		t.Errorf("initializers %v, generation %d", cluster.Status.Initializers, cluster.Generation)
	}
}

// TestDefaultBindings follows the bindings of a type from the first workspace on.
func TestDefaultBindings(t *testing.T) {
	ctx := waiting(t)
	mine, _ := newWorkspace(t)
	alice, admin := withToken(t, "alice-token"), as(t, "base")
	must(client.WorkspaceTypes(alice, mine).Create(ctx, universalAnd("shop", func(s *tenancyv1alpha1.WorkspaceTypeSpec) {
		s.DefaultAPIBindings = []tenancyv1alpha1.APIExportReference{{Path: "root:compute", Export: "kubernetes"}}
	}), metav1.CreateOptions{}))(t)
	resolved(ctx, t, mine, "shop")
	must(client.Workspaces(alice, mine).Create(ctx, newTyped("one", typeRef("", "shop")), metav1.CreateOptions{}))(t)
	workspace := awaitIn(ctx, t, mine, "one", inPhase(corev1alpha1.LogicalClusterPhaseReady))
	inside := logicalcluster.Path(workspace.Spec.Cluster)
	binding := onlyBinding(ctx, t, inside)
	if !strings.HasPrefix(binding.Name, "kubernetes-") || binding.Status.Phase != apisv1alpha2.APIBindingPhaseBound {
		t.Errorf("binding %s, %s", binding.Name, binding.Status.Phase)
	}
	must(alice.Kubernetes(mine.Join("one")).AppsV1().Deployments("default").List(ctx, metav1.ListOptions{}))(t)
	cluster := must(client.LogicalClusters(admin, inside).Get(ctx, "cluster", metav1.GetOptions{}))(t)
	if !conditionsv1alpha1.IsTrue(cluster.Status.Conditions, tenancyv1alpha1.WorkspaceAPIBindingsInitialized) {
		t.Errorf("conditions %v", cluster.Status.Conditions)
	}

	maintain := []byte(`{"spec":{"defaultAPIBindingLifecycle":"Maintain"}}`)
	must(client.WorkspaceTypes(alice, mine).Patch(ctx, "shop", machinerytypes.MergePatchType, maintain, metav1.PatchOptions{}))(t)
	if err := client.APIBindings(alice, mine.Join("one")).Delete(ctx, binding.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	await(ctx, t, "the binding is put back", func() error {
		again := must(client.APIBindings(admin, inside).List(ctx, metav1.ListOptions{}))(t)
		if len(again.Items) != 1 || again.Items[0].UID == binding.UID || again.Items[0].Status.Phase != apisv1alpha2.APIBindingPhaseBound {
			return fmt.Errorf("bindings %v", again.Items)
		}
		return nil
	})
}

func onlyBinding(ctx context.Context, t *testing.T, at logicalcluster.Path) *apisv1alpha2.APIBinding {
	t.Helper()
	bindings := must(client.APIBindings(as(t, "base"), at).List(ctx, metav1.ListOptions{}))(t)
	if len(bindings.Items) != 1 {
		t.Fatalf("%d bindings", len(bindings.Items))
	}
	return &bindings.Items[0]
}

// TestADefaultBindingThatCannotBe says what is missing, and goes on when it is
// there.
func TestADefaultBindingThatCannotBe(t *testing.T) {
	ctx := waiting(t)
	mine, _ := newWorkspace(t)
	alice := withToken(t, "alice-token")
	must(client.WorkspaceTypes(alice, mine).Create(ctx, universalAnd("shop", func(s *tenancyv1alpha1.WorkspaceTypeSpec) {
		s.DefaultAPIBindings = []tenancyv1alpha1.APIExportReference{{Export: "things"}}
	}), metav1.CreateOptions{}))(t)
	resolved(ctx, t, mine, "shop")
	must(client.Workspaces(alice, mine).Create(ctx, newTyped("one", typeRef("", "shop")), metav1.CreateOptions{}))(t)
	workspace := awaitIn(ctx, t, mine, "one", inPhase(corev1alpha1.LogicalClusterPhaseInitializing))
	await(ctx, t, "the workspace says what is missing", func() error {
		cluster, err := client.LogicalClusters(as(t, "shard-base"), logicalcluster.Path(workspace.Spec.Cluster)).Get(ctx, "cluster", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if c := conditionsv1alpha1.Get(cluster.Status.Conditions, tenancyv1alpha1.WorkspaceAPIBindingsInitialized); c == nil || !strings.Contains(c.Message, `APIExport "things" not found`) {
			return fmt.Errorf("conditions %v", cluster.Status.Conditions)
		}
		return nil
	})
	must(client.APIExports(alice, mine).Create(ctx, &apisv1alpha2.APIExport{ObjectMeta: metav1.ObjectMeta{Name: "things"}}, metav1.CreateOptions{}))(t)
	awaitIn(ctx, t, mine, "one", inPhase(corev1alpha1.LogicalClusterPhaseReady))
}

// TestADeletedTypeInUse takes the type away from a workspace that has children.
func TestADeletedTypeInUse(t *testing.T) {
	ctx := waiting(t)
	mine, _ := newWorkspace(t)
	alice := withToken(t, "alice-token")
	must(client.WorkspaceTypes(alice, mine).Create(ctx, universalAnd("lab", nothingMore), metav1.CreateOptions{}))(t)
	resolved(ctx, t, mine, "lab")
	must(client.Workspaces(alice, mine).Create(ctx, newTyped("one", typeRef("", "lab")), metav1.CreateOptions{}))(t)
	awaitIn(ctx, t, mine, "one", inPhase(corev1alpha1.LogicalClusterPhaseReady))
	if err := client.WorkspaceTypes(alice, mine).Delete(ctx, "lab", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	must(client.Workspaces(alice, mine).Patch(ctx, "one", machinerytypes.MergePatchType, []byte(`{"metadata":{"labels":{"a":"b"}}}`), metav1.PatchOptions{}))(t)
	must(client.Workspaces(alice, mine.Join("one")).Create(ctx, newTyped("below", typeRef("root", "universal")), metav1.CreateOptions{}))(t)
	awaitIn(ctx, t, mine.Join("one"), "below", inPhase(corev1alpha1.LogicalClusterPhaseReady))
	if err := client.Workspaces(alice, mine).Delete(ctx, "one", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	await(ctx, t, "the workspace is gone", func() error {
		if _, err := client.Workspaces(alice, mine).Get(ctx, "one", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			return fmt.Errorf("still there: %v", err)
		}
		return nil
	})
}

// TestAPathThatMeansOthersNow replaces the workspace whose type another one
// extends.
func TestAPathThatMeansOthersNow(t *testing.T) {
	ctx := waiting(t)
	mine, _ := newWorkspace(t)
	library, made := newWorkspace(t)
	alice, admin := withToken(t, "alice-token"), as(t, "base")
	must(client.WorkspaceTypes(alice, library).Create(ctx, universalAnd("base", nothingMore), metav1.CreateOptions{}))(t)
	must(client.WorkspaceTypes(alice, mine).Create(ctx, universalAnd("lab", func(s *tenancyv1alpha1.WorkspaceTypeSpec) {
		s.Extend.With = append(s.Extend.With, typeRef(library.String(), "base"))
	}), metav1.CreateOptions{}))(t)
	resolved(ctx, t, mine, "lab")
	if err := client.Workspaces(admin, "root").Delete(ctx, made.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	await(ctx, t, "the name is free", func() error {
		_, err := client.Workspaces(admin, "root").Create(ctx, newTyped(made.Name, typeRef("root", "universal")), metav1.CreateOptions{})
		return err
	})
	awaitReady(ctx, t, admin, made.Name)
	must(client.WorkspaceTypes(admin, library).Create(ctx, universalAnd("base", func(s *tenancyv1alpha1.WorkspaceTypeSpec) { s.Initializer = true }), metav1.CreateOptions{}))(t)
	resolved(ctx, t, library, "base")
	_, err := client.Workspaces(alice, mine).Create(ctx, newTyped("one", typeRef("", "lab")), metav1.CreateOptions{})
	expectRefused(t, err, fmt.Sprintf("workspace type %q does not exist", library.Join("base")))
}

func TestWhoMayMakeWhichWorkspaceWhere(t *testing.T) {
	ctx := waiting(t)
	mine, _ := newWorkspace(t)
	grantBob(ctx, t, mine)
	alice, bob := withToken(t, "alice-token"), withToken(t, "bob-token")
	dry := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	_, err := client.Workspaces(bob, mine).Create(ctx, newTyped("one", typeRef("root", "universal")), dry)
	expectRefused(t, err, "forbidden")
	_, err = client.Workspaces(alice, mine).Create(ctx, newTyped("one", typeRef("root", "organization")), dry)
	expectRefused(t, err, "its parent has to be of one of the types [root:root]")
	must(client.WorkspaceTypes(alice, mine).Create(ctx, &tenancyv1alpha1.WorkspaceType{ObjectMeta: metav1.ObjectMeta{Name: "loner"}}, metav1.CreateOptions{}))(t)
	resolved(ctx, t, mine, "loner")
	_, err = client.Workspaces(alice, mine).Create(ctx, newTyped("one", typeRef("", "loner")), dry)
	expectRefused(t, err, "a workspace there has to be of one of the types [root:universal]")
	_, err = client.Workspaces(alice, mine).Create(ctx, newTyped("one", typeRef("root", "nothing")), dry)
	expectRefused(t, err, "no permission to use workspace type")
}

// TestExportsThatEverybodyHas binds what is served anyway, as clients of kcp do,
// and takes the binding away again.
func TestExportsThatEverybodyHas(t *testing.T) {
	ctx := waiting(t)
	mine, _ := newWorkspace(t)
	alice := withToken(t, "alice-token")
	must(client.Workspaces(alice, mine).Create(ctx, newTyped("one", typeRef("root", "universal")), metav1.CreateOptions{}))(t)
	for _, name := range []string{"tenancy.kcp.io", "topology.kcp.io", "shards.core.kcp.io"} {
		must(client.APIBindings(alice, mine).Create(ctx, &apisv1alpha2.APIBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec:       apisv1alpha2.APIBindingSpec{Reference: apisv1alpha2.BindingReference{Export: &apisv1alpha2.ExportBindingReference{Path: "root", Name: name}}},
		}, metav1.CreateOptions{}))(t)
		await(ctx, t, name+" is bound", func() error {
			binding, err := client.APIBindings(alice, mine).Get(ctx, name, metav1.GetOptions{})
			if err == nil && binding.Status.Phase != apisv1alpha2.APIBindingPhaseBound {
				err = fmt.Errorf("conditions %v", binding.Status.Conditions)
			}
			return err
		})
		if err := client.APIBindings(alice, mine).Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		await(ctx, t, name+" is unbound", func() error {
			if _, err := client.APIBindings(alice, mine).Get(ctx, name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
				return fmt.Errorf("still there: %v", err)
			}
			return nil
		})
	}
	awaitIn(ctx, t, mine, "one", func(w *tenancyv1alpha1.Workspace) error {
		if w.DeletionTimestamp != nil {
			t.Error("the binding took the workspaces with it")
		}
		return nil
	})
}

func TestRootHasWhatItNeeds(t *testing.T) {
	ctx := waiting(t)
	shard := must(client.Shards(as(t, "base"), "root").Get(ctx, "root", metav1.GetOptions{}))(t)
	if url := shared.hub.URL(); shard.Spec.BaseURL != url || shard.Spec.ExternalURL != url || shard.Spec.VirtualWorkspaceURL != url {
		t.Errorf("shard %v", shard.Spec)
	}
	for _, name := range []string{"universal", "root", "organization", "team", "home"} {
		resolved(ctx, t, "root", name)
	}
	if err := client.Workspaces(as(t, "base"), "root").Delete(ctx, "compute", metav1.DeleteOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("compute can be deleted: %v", err)
	}
	err := client.Workspaces(as(t, "base"), "root").DeleteCollection(ctx, metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}}, metav1.ListOptions{FieldSelector: "metadata.name=compute"})
	if !apierrors.IsForbidden(err) {
		t.Errorf("compute can be deleted together with others: %v", err)
	}
}

// TestFieldsOfWorkspacesThatStay tries to change what the definition says can not
// be changed, as the hub's own operator, whom admission lets through.
func TestFieldsOfWorkspacesThatStay(t *testing.T) {
	ctx := waiting(t)
	_, made := newWorkspace(t)
	for field, value := range map[string]any{
		"cluster": "other", "type": map[string]any{"name": "team"},
	} {
		patch := must(json.Marshal(map[string]any{"spec": map[string]any{field: value}}))(t)
		_, err := client.Workspaces(as(t, "shard-base"), "root").Patch(ctx, made.Name, machinerytypes.MergePatchType, patch, metav1.PatchOptions{})
		expectRefused(t, err, "immutable")
	}
	for _, field := range []string{"cluster", "URL"} {
		patch := []byte(`{"spec":{"` + field + `":null}}`)
		_, err := client.Workspaces(as(t, "shard-base"), "root").Patch(ctx, made.Name, machinerytypes.MergePatchType, patch, metav1.PatchOptions{})
		expectRefused(t, err, "cannot be unset")
	}
}
