package server

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/client"
)

// TestProvidersMakeNoTokens: a claim to a few secrets does not make a provider a
// service account of the workspace.
func TestProvidersMakeNoTokens(t *testing.T) {
	ctx := exportsContext(t)
	m := newMarket(ctx, t, "tokens.claims.test", 1)
	some := claimTo("", "secrets", "", "*")
	m.claim(ctx, t, some)
	m.answer(ctx, t, 0, answerTo(some, objectsWith("for", "bob"), apisv1alpha2.ClaimAccepted))
	m.awaitClaims(ctx, t, 0, "secrets *")

	secrets := m.dynamic(t, m.ids[0]).Resource(corev1.SchemeGroupVersion.WithResource("secrets")).Namespace("default")
	secret := func(name, kind string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "Secret", "type": kind,
			"metadata": map[string]any{"name": name, "annotations": map[string]any{corev1.ServiceAccountNameKey: "default"}},
		}}
	}
	token := secret("token", string(corev1.SecretTypeServiceAccountToken))
	for what, options := range map[string]metav1.CreateOptions{"create": {}, "dry run": {DryRun: []string{metav1.DryRunAll}}} {
		if _, err := secrets.Create(ctx, token, options); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "token of a service account") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := secrets.Apply(ctx, "token", token, metav1.ApplyOptions{FieldManager: "bob", Force: true}); !apierrors.IsForbidden(err) {
		t.Errorf("apply: %v", err)
	}
	if _, err := secrets.Create(ctx, secret("plain", string(corev1.SecretTypeOpaque)), metav1.CreateOptions{}); err != nil {
		t.Errorf("what was claimed: %v", err)
	}

	// One that a user has labelled can be read, as was said, but not be made that of
	// another account.
	theirs := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "theirs", Labels: map[string]string{"for": "bob"}, Annotations: map[string]string{corev1.ServiceAccountNameKey: "default"}},
		Type:       corev1.SecretTypeServiceAccountToken,
	}
	if _, err := as(t, "base").Kubernetes(m.consumers[0]).CoreV1().Secrets("default").Create(ctx, theirs, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	seen, err := secrets.Get(ctx, "theirs", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	seen.SetAnnotations(map[string]string{corev1.ServiceAccountNameKey: "other"})
	if _, err := secrets.Update(ctx, seen, metav1.UpdateOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("update: %v", err)
	}
}

// TestThousandsOfClaims: what takes long to judge is not looked at, and the bindings
// of others are.
func TestThousandsOfClaims(t *testing.T) {
	ctx := exportsContext(t)
	m := newMarket(ctx, t, "thousands.claims.test", 1)
	many := make([]apisv1alpha2.PermissionClaim, 3000)
	answers := make([]apisv1alpha2.AcceptablePermissionClaim, len(many))
	for i := range many {
		many[i] = claimTo("many.example.io", fmt.Sprint("r", i), "", "*")
		answers[i] = accept(many[i])
	}
	admin := as(t, "base")
	binding, err := client.APIBindings(admin, m.consumers[0]).Get(ctx, "gizmos", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	binding.Spec.PermissionClaims = answers
	if _, err := client.APIBindings(admin, m.consumers[0]).Update(ctx, binding, metav1.UpdateOptions{}); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "3000 entries") {
		t.Errorf("answers: %.200v", err)
	}
	export := m.export.DeepCopy()
	export.Spec.PermissionClaims, export.ResourceVersion = many, ""
	export.Name = "many"
	if _, err := client.APIExports(admin, m.provider).Create(ctx, export, metav1.CreateOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("claims: %.200v", err)
	}
}
