package server

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/endpoints/request"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/dynamic"

	"github.com/atriumhub/atrium/pkg/claims"
	"github.com/atriumhub/atrium/pkg/keyspace"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var configMaps = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}

func claimTo(group, resource, identity string, verbs ...string) apisv1alpha2.PermissionClaim {
	return apisv1alpha2.PermissionClaim{
		GroupResource: apisv1alpha2.GroupResource{Group: group, Resource: resource}, IdentityHash: identity, Verbs: verbs,
	}
}

func allObjects() apisv1alpha2.PermissionClaimSelector {
	return apisv1alpha2.PermissionClaimSelector{MatchAll: true}
}

func objectsWith(key, value string) apisv1alpha2.PermissionClaimSelector {
	return apisv1alpha2.PermissionClaimSelector{LabelSelector: metav1.LabelSelector{MatchLabels: map[string]string{key: value}}}
}

func answerTo(claim apisv1alpha2.PermissionClaim, selector apisv1alpha2.PermissionClaimSelector, state apisv1alpha2.AcceptablePermissionClaimState) apisv1alpha2.AcceptablePermissionClaim {
	return apisv1alpha2.AcceptablePermissionClaim{
		ScopedPermissionClaim: apisv1alpha2.ScopedPermissionClaim{PermissionClaim: claim, Selector: selector}, State: state,
	}
}

func accept(claim apisv1alpha2.PermissionClaim) apisv1alpha2.AcceptablePermissionClaim {
	return answerTo(claim, allObjects(), apisv1alpha2.ClaimAccepted)
}

// claim has the export claim something, and waits until the view knows.
func (m *market) claim(ctx context.Context, t *testing.T, claimed ...apisv1alpha2.PermissionClaim) {
	t.Helper()
	m.edit(ctx, t, func(e *apisv1alpha2.APIExport) { e.Spec.PermissionClaims = claimed })
}

// answer has the binding of a consumer say this to the claims of the export.
func (m *market) answer(ctx context.Context, t *testing.T, consumer int, answers ...apisv1alpha2.AcceptablePermissionClaim) {
	t.Helper()
	bindings := client.APIBindings(as(t, "base"), m.consumers[consumer])
	await(ctx, t, "claims are answered", func() error {
		binding, err := bindings.Get(ctx, "gizmos", metav1.GetOptions{})
		if err != nil {
			return err
		}
		binding.Spec.PermissionClaims = answers
		_, err = bindings.Update(ctx, binding, metav1.UpdateOptions{})
		return err
	})
}

// awaitClaims waits until just these claims are applied, and nothing is under way.
func (m *market) awaitClaims(ctx context.Context, t *testing.T, consumer int, want ...string) *apisv1alpha2.APIBinding {
	t.Helper()
	var binding *apisv1alpha2.APIBinding
	await(ctx, t, fmt.Sprintf("claims %v are applied", want), func() error {
		var err error
		if binding, err = client.APIBindings(as(t, "base"), m.consumers[consumer]).Get(ctx, "gizmos", metav1.GetOptions{}); err != nil {
			return err
		}
		var got []string
		for _, applied := range binding.Status.AppliedPermissionClaims {
			got = append(got, claims.Text(applied.PermissionClaim)+" "+strings.Join(applied.Verbs, ","))
		}
		for _, c := range binding.Status.Conditions {
			if c.Type == apisv1alpha2.PermissionClaimsApplied && c.Reason == "ApplyingPermissionClaims" {
				return fmt.Errorf("%s", c.Message)
			}
		}
		if !slices.Equal(want, got) {
			return fmt.Errorf("applied are %v, with %+v", got, binding.Status.Conditions)
		}
		return nil
	})
	return binding
}

func (m *market) awaitCondition(ctx context.Context, t *testing.T, consumer int, kind, want string) {
	t.Helper()
	awaitCondition(ctx, t, as(t, "base"), m.consumers[consumer], "gizmos", conditionsv1alpha1.ConditionType("PermissionClaims"+kind), want)
}

// maps is what the provider sees of config maps.
func (m *market) maps(t *testing.T, consumer string) dynamic.NamespaceableResourceInterface {
	return m.dynamic(t, consumer).Resource(configMaps)
}

func (m *market) label() string {
	return claims.Export{Workspace: logicalcluster.From(m.export), Name: m.export.Name}.LabelKey()
}

// events returns what a watch tells next, sorted.
func events(ctx context.Context, t *testing.T, from watch.Interface, n int) []string {
	t.Helper()
	var got []string
	for range n {
		kind, at := nextEvent(ctx, t, from)
		got = append(got, string(kind)+" "+at)
	}
	slices.Sort(got)
	return got
}

func expectEvents(ctx context.Context, t *testing.T, from watch.Interface, want ...string) {
	t.Helper()
	slices.Sort(want)
	if diff := cmp.Diff(want, events(ctx, t, from, len(want))); diff != "" {
		t.Fatalf("-want +got:\n%s", diff)
	}
}

func createConfigMap(ctx context.Context, t *testing.T, hub *client.Hub, path logicalcluster.Path, name string, labels map[string]string) *corev1.ConfigMap {
	t.Helper()
	made, err := hub.Kubernetes(path).CoreV1().ConfigMaps("default").Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// What is claimed and accepted is seen, whether it was there before or comes after,
// and leaves the watch of the provider when that is withdrawn by either side.
func TestClaimsComeAndGoUnderAWatch(t *testing.T) {
	ctx := exportsContext(t)
	m := newMarket(ctx, t, "come.claims.test", 2)
	alice := withToken(t, "alice-token")
	createConfigMap(ctx, t, alice, m.consumers[0], "before", nil)
	createConfigMap(ctx, t, alice, m.consumers[1], "theirs", nil)
	all := claimTo("", "configmaps", "", "*")
	m.claim(ctx, t, all)
	var seen watch.Interface
	await(ctx, t, "config maps can be watched", func() (err error) {
		seen, err = m.maps(t, "*").Namespace("default").Watch(ctx, metav1.ListOptions{ResourceVersion: "0"})
		return err
	})
	defer seen.Stop()

	one := m.ids[0] + "/"
	m.answer(ctx, t, 0, accept(all))
	expectEvents(ctx, t, seen, "ADDED "+one+"before", "ADDED "+one+"kube-root-ca.crt")
	binding := m.awaitClaims(ctx, t, 0, "configmaps *")
	if diff := cmp.Diff([]apisv1alpha2.PermissionClaim{all}, binding.Status.ExportPermissionClaims); diff != "" {
		t.Errorf("status.exportPermissionClaims (-want +got):\n%s", diff)
	}
	made := createConfigMap(ctx, t, alice, m.consumers[0], "after", nil)
	if made.Labels[m.label()] != claims.ClaimHash(all) {
		t.Errorf("labels %v", made.Labels)
	}
	expectEvents(ctx, t, seen, "ADDED "+one+"after")

	m.answer(ctx, t, 0, answerTo(all, allObjects(), apisv1alpha2.ClaimRejected))
	expectEvents(ctx, t, seen, "DELETED "+one+"before", "DELETED "+one+"kube-root-ca.crt", "DELETED "+one+"after")
	m.awaitClaims(ctx, t, 0)
	left, err := alice.Kubernetes(m.consumers[0]).CoreV1().ConfigMaps("").List(ctx, metav1.ListOptions{LabelSelector: m.label()})
	if err != nil || len(left.Items) != 0 {
		t.Errorf("%d config maps have the label still: %v", len(left.Items), err)
	}
	if _, err := m.maps(t, m.ids[0]).Namespace("default").Get(ctx, "before", metav1.GetOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("reading what was rejected: %v", err)
	}

	m.answer(ctx, t, 0, accept(all))
	expectEvents(ctx, t, seen, "ADDED "+one+"before", "ADDED "+one+"kube-root-ca.crt", "ADDED "+one+"after")
	m.answer(ctx, t, 0)
	expectEvents(ctx, t, seen, "DELETED "+one+"before", "DELETED "+one+"kube-root-ca.crt", "DELETED "+one+"after")

	m.answer(ctx, t, 1, accept(all))
	two := m.ids[1] + "/"
	expectEvents(ctx, t, seen, "ADDED "+two+"theirs", "ADDED "+two+"kube-root-ca.crt")
	m.awaitClaims(ctx, t, 1, "configmaps *")
	if err := client.APIBindings(as(t, "base"), m.consumers[1]).Delete(ctx, "gizmos", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	expectEvents(ctx, t, seen, "DELETED "+two+"theirs", "DELETED "+two+"kube-root-ca.crt")
	awaitUnbound(ctx, t, as(t, "base"), m.consumers[1], "gizmos")
}

// The provider withdraws a claim: the labels go, and so does what is noted down.
func TestWithdrawnByTheProvider(t *testing.T) {
	ctx := exportsContext(t)
	m := newMarket(ctx, t, "withdrawn.claims.test", 1)
	alice := withToken(t, "alice-token")
	all, secrets := claimTo("", "configmaps", "", "*"), claimTo("", "secrets", "", "get")
	m.claim(ctx, t, all, secrets)
	m.answer(ctx, t, 0, accept(all), accept(secrets))
	m.awaitClaims(ctx, t, 0, "configmaps *", "secrets get")
	m.claim(ctx, t, secrets)
	m.awaitClaims(ctx, t, 0, "secrets get")
	m.awaitCondition(ctx, t, 0, "Valid", `False InvalidPermissionClaims configmaps: APIExport "gizmos" does not claim it`)
	left, err := alice.Kubernetes(m.consumers[0]).CoreV1().ConfigMaps("").List(ctx, metav1.ListOptions{LabelSelector: m.label()})
	if err != nil || len(left.Items) != 0 {
		t.Errorf("%d config maps have the label still: %v", len(left.Items), err)
	}
	// More verbs than were accepted are not granted by claiming them.
	m.claim(ctx, t, claimTo("", "secrets", "", "*"))
	m.awaitClaims(ctx, t, 0, "secrets get")
	// What is claimed later needs an answer of its own.
	m.claim(ctx, t, secrets, claimTo("", "serviceaccounts", "", "*"))
	m.answer(ctx, t, 0, accept(secrets))
	m.awaitCondition(ctx, t, 0, "Valid", `True`)
	m.awaitClaims(ctx, t, 0, "secrets get")
}

// A provider sees, makes and changes what the workspace has chosen, and nothing
// else.
func TestProvidersStayWithinTheSelector(t *testing.T) {
	ctx := exportsContext(t)
	m := newMarket(ctx, t, "within.claims.test", 1)
	alice := withToken(t, "alice-token")
	createConfigMap(ctx, t, alice, m.consumers[0], "mine", nil)
	createConfigMap(ctx, t, alice, m.consumers[0], "ours", map[string]string{"team": "a"})
	all := claimTo("", "configmaps", "", "*")
	m.claim(ctx, t, all)
	m.answer(ctx, t, 0, answerTo(all, objectsWith("team", "a"), apisv1alpha2.ClaimAccepted))
	m.awaitClaims(ctx, t, 0, "configmaps *")
	seen := m.maps(t, m.ids[0]).Namespace("default")
	list, err := seen.List(ctx, metav1.ListOptions{})
	if err != nil || len(list.Items) != 1 || list.Items[0].GetName() != "ours" {
		t.Errorf("seen: %v, %v", list, err)
	}
	if _, err := seen.Get(ctx, "mine", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("reading what is outside: %v", err)
	}
	if err := seen.Delete(ctx, "mine", metav1.DeleteOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("deleting what is outside: %v", err)
	}
	patch := func(name, patch string) error {
		_, err := seen.Patch(ctx, name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
		return err
	}
	if err := patch("mine", `{"data":{"a":"b"}}`); !apierrors.IsNotFound(err) {
		t.Errorf("changing what is outside: %v", err)
	}
	made, err := seen.Create(ctx, newConfigMap("made", nil), metav1.CreateOptions{})
	if err != nil || made.GetLabels()["team"] != "a" || made.GetLabels()[m.label()] == "" {
		t.Errorf("made: %v, %v", made, err)
	}
	const outside = "for other objects"
	if _, err := seen.Create(ctx, newConfigMap("other", map[string]any{"team": "b"}), metav1.CreateOptions{}); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), outside) {
		t.Errorf("making something outside: %v", err)
	}
	if err := patch("made", `{"metadata":{"labels":{"team":"b"}}}`); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), outside) {
		t.Errorf("moving it outside: %v", err)
	}
	if err := patch("made", `{"metadata":{"labels":null},"data":{"a":"b"}}`); err != nil {
		t.Errorf("leaving labels out: %v", err)
	}
	if got, err := seen.Get(ctx, "made", metav1.GetOptions{}); err != nil || got.GetLabels()["team"] != "a" {
		t.Errorf("after labels were left out: %v, %v", got, err)
	}
	applied := newConfigMap("applied", nil)
	if got, err := seen.Apply(ctx, "applied", applied, metav1.ApplyOptions{FieldManager: "bob"}); err != nil || got.GetLabels()["team"] != "a" {
		t.Errorf("applied: %v, %v", got, err)
	}
	if err := seen.Delete(ctx, "made", metav1.DeleteOptions{}); err != nil {
		t.Errorf("deleting what is inside: %v", err)
	}
	// Who owns the object may take it out of sight.
	if _, err := alice.Kubernetes(m.consumers[0]).CoreV1().ConfigMaps("default").Patch(ctx, "ours", types.MergePatchType, []byte(`{"metadata":{"labels":{"team":"b"}}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := seen.Get(ctx, "ours", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("what was taken out of sight: %v", err)
	}
	// Labels that decide about others cannot be written by choosing objects with
	// them.
	forged := objectsWith("state.workload.kcp.io/victim", "Sync")
	m.answer(ctx, t, 0)
	m.awaitClaims(ctx, t, 0)
	m.answer(ctx, t, 0, answerTo(all, forged, apisv1alpha2.ClaimAccepted))
	m.awaitClaims(ctx, t, 0, "configmaps *")
	if got, err := seen.Create(ctx, newConfigMap("placed", nil), metav1.CreateOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("a label of the hub's: %v, %v", got, err)
	}
}

func newConfigMap(name string, labels map[string]any) *unstructured.Unstructured {
	meta := map[string]any{"name": name}
	if labels != nil {
		meta["labels"] = labels
	}
	return &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}}
}

// What a workspace does not let be listed or watched does not show up where all
// workspaces are.
func TestVerbsHoldEverywhere(t *testing.T) {
	ctx := exportsContext(t)
	m := newMarket(ctx, t, "verbs.claims.test", 2)
	alice := withToken(t, "alice-token")
	for i, path := range m.consumers {
		createConfigMap(ctx, t, alice, path, fmt.Sprintf("in-%d", i), nil)
	}
	m.claim(ctx, t, claimTo("", "configmaps", "", "*"))
	m.answer(ctx, t, 0, accept(claimTo("", "configmaps", "", "get", "update")))
	m.answer(ctx, t, 1, accept(claimTo("", "configmaps", "", "get", "list")))
	m.awaitClaims(ctx, t, 0, "configmaps get,update")
	m.awaitClaims(ctx, t, 1, "configmaps get,list")
	everywhere := m.maps(t, "*").Namespace("default")
	var list *unstructured.UnstructuredList
	await(ctx, t, "config maps can be listed", func() (err error) {
		list, err = everywhere.List(ctx, metav1.ListOptions{LabelSelector: "!x"})
		return err
	})
	var names []string
	for i := range list.Items {
		names = append(names, list.Items[i].GetName())
	}
	slices.Sort(names)
	if diff := cmp.Diff([]string{"in-1", "kube-root-ca.crt"}, names); diff != "" {
		t.Errorf("listed everywhere (-want +got):\n%s", diff)
	}
	w, err := everywhere.Watch(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	m.answer(ctx, t, 1, accept(claimTo("", "configmaps", "", "*")))
	expectEvents(ctx, t, w, "ADDED "+m.ids[1]+"/in-1", "ADDED "+m.ids[1]+"/kube-root-ca.crt")
	m.awaitClaims(ctx, t, 1, "configmaps *")

	one := m.maps(t, m.ids[0]).Namespace("default")
	if _, err := one.Get(ctx, "in-0", metav1.GetOptions{}); err != nil {
		t.Errorf("get: %v", err)
	}
	for verb, try := range map[string]func() error{
		"list":   func() error { _, err := one.List(ctx, metav1.ListOptions{}); return err },
		"watch":  func() error { _, err := one.Watch(ctx, metav1.ListOptions{}); return err },
		"create": func() error { _, err := one.Create(ctx, newConfigMap("new", nil), metav1.CreateOptions{}); return err },
		"patch": func() error {
			_, err := one.Patch(ctx, "in-0", types.MergePatchType, []byte(`{}`), metav1.PatchOptions{})
			return err
		},
		"delete": func() error { return one.Delete(ctx, "in-0", metav1.DeleteOptions{}) },
	} {
		if err := try(); !apierrors.IsForbidden(err) {
			t.Errorf("%s: %v", verb, err)
		}
	}
}

// Nobody but the hub writes the labels of claims, by whatever way.
func TestClaimLabelsCannotBeForged(t *testing.T) {
	ctx := exportsContext(t)
	m := newMarket(ctx, t, "forged.claims.test", 1)
	alice := withToken(t, "alice-token")
	all := claimTo("", "configmaps", "", "*")
	m.claim(ctx, t, all)
	forged := map[string]string{m.label(): claims.ClaimHash(all), "claimed.internal.apis.kcp.io/other": "x"}
	none := func(what string, labels map[string]string) {
		t.Helper()
		for key := range labels {
			if claims.IsLabel(key) {
				t.Errorf("%s: label %s", what, key)
			}
		}
	}
	made := createConfigMap(ctx, t, alice, m.consumers[0], "forged", forged)
	none("create", made.Labels)
	core := alice.Kubernetes(m.consumers[0]).CoreV1()
	made.Labels = forged
	if _, err := core.ConfigMaps("default").Update(ctx, made, metav1.UpdateOptions{}); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "accept its claim in the APIBinding") {
		t.Errorf("update: %v", err)
	}
	patch := []byte(fmt.Sprintf(`{"metadata":{"labels":{%q:%q}}}`, m.label(), claims.ClaimHash(all)))
	for _, kind := range []types.PatchType{types.MergePatchType, types.StrategicMergePatchType} {
		if _, err := core.ConfigMaps("default").Patch(ctx, "forged", kind, patch, metav1.PatchOptions{}); !apierrors.IsForbidden(err) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	applied, err := core.ConfigMaps("default").Apply(ctx, applycorev1.ConfigMap("applied", "default").WithLabels(forged), metav1.ApplyOptions{FieldManager: "alice", Force: true})
	if err == nil {
		none("apply", applied.Labels)
	}
	if _, err := core.Namespaces().Patch(ctx, "default", types.MergePatchType, patch, metav1.PatchOptions{}, "status"); err == nil {
		namespace, err := core.Namespaces().Get(ctx, "default", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		none("status of a namespace", namespace.Labels)
	}
	gizmo := newGizmo(m.group, "forged", 1)
	gizmo.SetLabels(forged)
	custom, err := gizmosAt(alice, m.consumers[0], m.group).Create(ctx, gizmo, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	none("a custom resource", custom.GetLabels())
	// Nor may the note of whom claims were accepted.
	binding := &apisv1alpha2.APIBinding{ObjectMeta: metav1.ObjectMeta{Name: "other", Annotations: map[string]string{claims.AcceptedIdentityAnnotation: "forged"}}}
	binding.Spec.Reference.Export = &apisv1alpha2.ExportBindingReference{Path: m.provider.String(), Name: "gizmos"}
	if got, err := client.APIBindings(as(t, "base"), m.consumers[0]).Create(ctx, binding, metav1.CreateOptions{}); err != nil || len(got.Annotations[claims.AcceptedIdentityAnnotation]) != 0 {
		t.Errorf("noted down for a binding that accepts nothing: %v, %v", got.Annotations, err)
	}
}

// To accept a claim one has to say for which objects, in a way that can be
// understood.
func TestAnswersThatSayNothing(t *testing.T) {
	ctx := exportsContext(t)
	m := newMarket(ctx, t, "nothing.claims.test", 1)
	bindings := client.APIBindings(as(t, "base"), m.consumers[0])
	for what, answer := range map[string]apisv1alpha2.AcceptablePermissionClaim{
		"set one of matchAll":  answerTo(claimTo("", "configmaps", "", "*"), apisv1alpha2.PermissionClaimSelector{}, apisv1alpha2.ClaimAccepted),
		"cannot be combined":   answerTo(claimTo("", "configmaps", "", "*"), apisv1alpha2.PermissionClaimSelector{MatchAll: true, LabelSelector: objectsWith("a", "b").LabelSelector}, apisv1alpha2.ClaimAccepted),
		"should match":         accept(claimTo("", "*", "", "*")),
		"should have at least": accept(claimTo("", "configmaps", "")),
	} {
		binding, err := bindings.Get(ctx, "gizmos", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		binding.Spec.PermissionClaims = []apisv1alpha2.AcceptablePermissionClaim{answer}
		if answer.Verbs == nil {
			binding.Spec.PermissionClaims[0].Verbs = []string{}
		}
		if _, err := bindings.Update(ctx, binding, metav1.UpdateOptions{}); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Claims to definitions of the workspace and to what other exports offer.
func TestClaimsToCustomResources(t *testing.T) {
	ctx := exportsContext(t)
	m := newMarket(ctx, t, "custom.claims.test", 1)
	other := newMarket(ctx, t, "other.claims.test", 0)
	admin := as(t, "base")
	widgets, gizmosOfOther := claimTo("local.claims.test", "widgets", "", "*"), claimTo(other.group, "gizmos", other.export.Status.IdentityHash, "*")
	m.claim(ctx, t, widgets, gizmosOfOther)
	m.answer(ctx, t, 0, accept(widgets), accept(gizmosOfOther))
	m.awaitCondition(ctx, t, 0, "Applied", "False ClaimedResourcesNotServed accepted, but not served in this workspace yet: widgets.local.claims.test; gizmos.other.claims.test:")

	bind(ctx, t, admin, m.consumers[0], "others", other.provider, "gizmos")
	awaitBound(ctx, t, admin, m.consumers[0], "others")
	m.awaitClaims(ctx, t, 0, claims.Text(gizmosOfOther)+" *")
	m.awaitCondition(ctx, t, 0, "Applied", "False ClaimedResourcesNotServed accepted, but not served in this workspace yet: widgets.local.claims.test; the")
	made := createGizmo(ctx, t, admin, m.consumers[0], other.group, "one")
	if made.GetLabels()[m.label()] != claims.ClaimHash(gizmosOfOther) {
		t.Errorf("labels %v", made.GetLabels())
	}
	var seen *unstructured.UnstructuredList
	await(ctx, t, "the gizmos of the other export are seen", func() (err error) {
		if seen, err = m.dynamic(t, "*").Resource(gizmos(other.group)).List(ctx, metav1.ListOptions{}); err == nil && len(seen.Items) != 1 {
			err = fmt.Errorf("%d", len(seen.Items))
		}
		return err
	})

	installWidgets(ctx, t, admin, m.consumers[0], "local.claims.test")
	m.awaitClaims(ctx, t, 0, "widgets.local.claims.test *", claims.Text(gizmosOfOther)+" *")
	m.awaitCondition(ctx, t, 0, "Applied", "True")
	widget := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "local.claims.test/v1", "kind": "Widget", "metadata": map[string]any{"name": "w"}}}
	stored, err := admin.Dynamic(m.consumers[0]).Resource(schema.GroupVersionResource{Group: "local.claims.test", Version: "v1", Resource: "widgets"}).Create(ctx, widget, metav1.CreateOptions{})
	if err != nil || stored.GetLabels()[m.label()] != claims.ClaimHash(widgets) {
		t.Errorf("labels %v, %v", stored.GetLabels(), err)
	}

	// The identity of somebody else.
	m.claim(ctx, t, widgets, claimTo(other.group, "gizmos", m.export.Status.IdentityHash, "*"))
	m.answer(ctx, t, 0, accept(widgets), accept(claimTo(other.group, "gizmos", m.export.Status.IdentityHash, "*")))
	m.awaitCondition(ctx, t, 0, "Valid", fmt.Sprintf("False InvalidPermissionClaims gizmos.other.claims.test:%.12s…: claimed with identityHash %.12s…, but here it comes from an export with identityHash %.12s…",
		m.export.Status.IdentityHash, m.export.Status.IdentityHash, other.export.Status.IdentityHash))
	m.awaitClaims(ctx, t, 0, "widgets.local.claims.test *")
	if got, err := gizmosAt(admin, m.consumers[0], other.group).Get(ctx, "one", metav1.GetOptions{}); err != nil || got.GetLabels()[m.label()] != "" {
		t.Errorf("labels %v, %v", got.GetLabels(), err)
	}
}

func installWidgets(ctx context.Context, t *testing.T, hub *client.Hub, path logicalcluster.Path, group string) {
	t.Helper()
	preserve := true
	crd := &apiextensionsv1.CustomResourceDefinition{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apiextensions.k8s.io/v1", Kind: "CustomResourceDefinition"},
		ObjectMeta: metav1.ObjectMeta{Name: "widgets." + group},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: group, Scope: apiextensionsv1.ClusterScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "widgets", Singular: "widget", Kind: "Widget", ListKind: "WidgetList"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: &preserve}},
			}},
		},
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(crd)
	if err != nil {
		t.Fatal(err)
	}
	definitions := hub.Dynamic(path).Resource(apiextensionsv1.SchemeGroupVersion.WithResource("customresourcedefinitions"))
	if _, err := definitions.Create(ctx, &unstructured.Unstructured{Object: content}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// An export that was made again under its name, with another identity, has none of
// the acceptances of the old one, until somebody gives it some.
func TestAReplacedExportIsNotTrusted(t *testing.T) {
	ctx := exportsContext(t)
	m := newMarket(ctx, t, "replaced.claims.test", 0)
	admin, alice := as(t, "base"), withToken(t, "alice-token")
	m.edit(ctx, t, func(e *apisv1alpha2.APIExport) { e.Spec.Resources = nil })
	path, workspace := newWorkspace(t)
	m.consumers, m.ids = []logicalcluster.Path{path}, []string{workspace.Spec.Cluster}
	bind(ctx, t, admin, path, "gizmos", m.provider, "gizmos")
	all := claimTo("", "configmaps", "", "*")
	m.claim(ctx, t, all)
	m.answer(ctx, t, 0, accept(all))
	m.awaitClaims(ctx, t, 0, "configmaps *")
	made := createConfigMap(ctx, t, alice, path, "one", nil)
	if made.Labels[m.label()] == "" {
		t.Errorf("labels %v", made.Labels)
	}

	if err := client.APIExports(admin, m.provider).Delete(ctx, "gizmos", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := admin.Kubernetes(m.provider).CoreV1().Secrets("kcp-system").Delete(ctx, "gizmos", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	m.awaitClaims(ctx, t, 0)
	again := &apisv1alpha2.APIExport{ObjectMeta: metav1.ObjectMeta{Name: "gizmos"}}
	again.Spec.PermissionClaims = []apisv1alpha2.PermissionClaim{all}
	if _, err := client.APIExports(admin, m.provider).Create(ctx, again, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	m.awaitCondition(ctx, t, 0, "Valid", "False InvalidPermissionClaims the claims were accepted of an export with identity ")
	if got, err := alice.Kubernetes(path).CoreV1().ConfigMaps("default").Get(ctx, "one", metav1.GetOptions{}); err != nil || got.Labels[m.label()] != "" {
		t.Errorf("labels %v, %v", got.Labels, err)
	}
	m.awaitClaims(ctx, t, 0)
	m.answer(ctx, t, 0, answerTo(all, allObjects(), apisv1alpha2.ClaimRejected))
	m.answer(ctx, t, 0, accept(all))
	m.awaitClaims(ctx, t, 0, "configmaps *")
	if got, err := alice.Kubernetes(path).CoreV1().ConfigMaps("default").Get(ctx, "one", metav1.GetOptions{}); err != nil || got.Labels[m.label()] == "" {
		t.Errorf("labels %v, %v", got.Labels, err)
	}
}

// A provider sees the bindings of its export, whatever they accept, and those of
// nobody else.
func TestProvidersSeeTheirBindings(t *testing.T) {
	ctx := exportsContext(t)
	m := newMarket(ctx, t, "own.claims.test", 1)
	bindings := apisv1alpha2.SchemeGroupVersion.WithResource("apibindings")
	list, err := m.dynamic(t, "*").Resource(bindings).List(ctx, metav1.ListOptions{})
	if err != nil || len(list.Items) != 1 || logicalcluster.From(&list.Items[0]).String() != m.ids[0] {
		t.Fatalf("%v, %v", list, err)
	}
	if got := list.Items[0].GetLabels()[apisv1alpha2.InternalAPIBindingExportLabelKey]; got == "" || m.label() != "claimed.internal.apis.kcp.io/"+got {
		t.Errorf("label %q", got)
	}
	if _, err := m.dynamic(t, m.ids[0]).Resource(bindings).Patch(ctx, "gizmos", types.MergePatchType, []byte(`{"spec":{"permissionClaims":[]}}`), metav1.PatchOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("answering one's own claims: %v", err)
	}
}

// kubectl apply and labels of claims do not get into each other's way.
func TestApplyAndClaims(t *testing.T) {
	ctx := exportsContext(t)
	m := newMarket(ctx, t, "apply.claims.test", 1)
	alice := withToken(t, "alice-token").Kubernetes(m.consumers[0]).CoreV1().ConfigMaps("default")
	apply := func(value string) *corev1.ConfigMap {
		t.Helper()
		got, err := alice.Apply(ctx, applycorev1.ConfigMap("one", "default").WithLabels(map[string]string{"a": value}).WithData(map[string]string{"k": value}),
			metav1.ApplyOptions{FieldManager: "kubectl"})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	apply("1")
	all := claimTo("", "configmaps", "", "*")
	m.claim(ctx, t, all)
	m.answer(ctx, t, 0, accept(all))
	m.awaitClaims(ctx, t, 0, "configmaps *")
	got := apply("2")
	if got.Labels[m.label()] == "" || got.Labels["a"] != "2" {
		t.Errorf("labels %v", got.Labels)
	}
	for _, entry := range got.ManagedFields {
		if entry.Manager == "kubectl" && strings.Contains(string(entry.FieldsV1.Raw), "claimed.internal") {
			t.Errorf("kubectl owns the label: %s", entry.FieldsV1.Raw)
		}
	}
	// Who replaces an object without the label does not lose it.
	got.Labels, got.ManagedFields = map[string]string{"a": "3"}, nil
	if got, err := alice.Update(ctx, got, metav1.UpdateOptions{}); err != nil || got.Labels[m.label()] == "" {
		t.Errorf("labels %v, %v", got.Labels, err)
	}
	before := apply("3")
	if again := apply("3"); again.ResourceVersion != before.ResourceVersion {
		t.Error("to apply the same again is a change")
	}
}

// As many claims as an export can have are judged, and cost their writers little.
func TestAsManyClaimsAsThereCanBe(t *testing.T) {
	ctx := exportsContext(t)
	m := newMarket(ctx, t, "full.claims.test", 1)
	claimed := []apisv1alpha2.PermissionClaim{claimTo("", "configmaps", "", "*")}
	answers := []apisv1alpha2.AcceptablePermissionClaim{accept(claimed[0])}
	for i := range 255 {
		claimed = append(claimed, claimTo("many.claims.test", fmt.Sprintf("r%d", i), "", "*"))
		answers = append(answers, accept(claimed[i+1]))
	}
	m.claim(ctx, t, claimed...)
	m.answer(ctx, t, 0, answers...)
	m.awaitClaims(ctx, t, 0, "configmaps *")
	m.awaitCondition(ctx, t, 0, "Applied", "False ClaimedResourcesNotServed accepted, but not served in this workspace yet: r0.many.claims.test; r1.many.claims.test; r2.many.claims.test; r3.many.claims.test; and 251 more")
	if made := createConfigMap(ctx, t, withToken(t, "alice-token"), m.consumers[0], "one", nil); made.Labels[m.label()] == "" {
		t.Errorf("labels %v", made.Labels)
	}
}

// Whoever waits for writes of what is stored waits for those by its other name, too.
func TestWritesAreCountedByWhatIsStored(t *testing.T) {
	maps, events, newer := schema.GroupResource{Resource: "configmaps"}, schema.GroupResource{Resource: "events"}, schema.GroupResource{Group: "events.k8s.io", Resource: "events"}
	for name, test := range map[string]struct {
		verb     string
		resource schema.GroupResource
		scope    keyspace.Scope
		under    schema.GroupResource
		counted  bool
	}{
		"a write":             {"update", maps, keyspace.In("w"), maps, true},
		"a deletion":          {"delete", maps, keyspace.In("w"), maps, true},
		"of something else":   {"create", events, keyspace.In("w"), maps, false},
		"a read":              {"list", maps, keyspace.In("w"), maps, false},
		"elsewhere":           {"create", maps, keyspace.In("x"), maps, false},
		"events":              {"create", events, keyspace.In("w"), events, true},
		"events, as recorded": {"create", newer, keyspace.In("w"), events, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := &Hub{}
			over := func() bool { return h.writes.Over(h.writes.Mark(), "w", test.under) }
			next := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				if over() == test.counted {
					t.Errorf("while it is under way all is over: %v", over())
				}
			})
			ctx := request.WithRequestInfo(keyspace.WithScope(t.Context(), test.scope), &request.RequestInfo{
				IsResourceRequest: true, Verb: test.verb, APIGroup: test.resource.Group, Resource: test.resource.Resource,
			})
			h.countWrites(next).ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodPost, "/", nil))
			if !over() {
				t.Error("it is never over")
			}
		})
	}
}
