package admission

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"

	"github.com/atriumhub/atrium/config/crds"
	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
)

// witness remembers what it was asked to judge, and leaves a label.
type witness struct {
	admitted, validated, old *apisv1alpha2.APIBinding
	kind                     schema.GroupVersionKind
}

func (*witness) Handles(admission.Operation) bool { return true }

func (w *witness) Admit(_ context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	object := a.GetObject().(*unstructured.Unstructured)
	object.SetLabels(map[string]string{"seen": "yes"})
	var err error
	w.admitted, err = typed[apisv1alpha2.APIBinding](object)
	return err
}

func (w *witness) Validate(_ context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	w.kind = a.GetKind()
	var err error
	if w.validated, err = typed[apisv1alpha2.APIBinding](a.GetObject()); err != nil {
		return err
	}
	w.old, err = typed[apisv1alpha2.APIBinding](a.GetOldObject())
	return err
}

func newVersions(t *testing.T, inner admission.Interface) *Versions {
	t.Helper()
	all, err := crds.All()
	if err != nil {
		t.Fatal(err)
	}
	versions := map[schema.GroupVersionResource]Version{}
	for _, crd := range all {
		if len(crd.Spec.Versions) == 1 {
			continue
		}
		validate, err := NewValidator(crd, "v1alpha2")
		if err != nil {
			t.Fatal(err)
		}
		fill, err := NewDefaulter(crd, "v1alpha2")
		if err != nil {
			t.Fatal(err)
		}
		convert := func(object *unstructured.Unstructured, apiVersion string) (*unstructured.Unstructured, error) {
			converted, err := apisv1alpha1.Convert(object, apiVersion)
			if err == nil && apiVersion == "apis.kcp.io/v1alpha2" {
				fill(converted)
			}
			return converted, err
		}
		versions[apisv1alpha1.SchemeGroupVersion.WithResource(crd.Spec.Names.Plural)] = Version{
			Stored: "v1alpha2", Convert: convert, Keep: apisv1alpha1.KeepDetails, Validate: validate,
		}
	}
	return InStoredVersion(inner, versions)
}

// reported is a binding whose provider got one verb on some objects.
func reportedBinding() *apisv1alpha2.APIBinding {
	claim := apisv1alpha2.PermissionClaim{GroupResource: apisv1alpha2.GroupResource{Resource: "secrets"}, Verbs: []string{"get"}}
	scoped := apisv1alpha2.ScopedPermissionClaim{PermissionClaim: claim, Selector: apisv1alpha2.PermissionClaimSelector{
		LabelSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}},
	}}
	return &apisv1alpha2.APIBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apis.kcp.io/v1alpha2", Kind: "APIBinding"},
		ObjectMeta: metav1.ObjectMeta{Name: "b", ResourceVersion: "1"},
		Spec: apisv1alpha2.APIBindingSpec{
			Reference:        apisv1alpha2.BindingReference{Export: &apisv1alpha2.ExportBindingReference{Path: "root", Name: "e"}},
			PermissionClaims: []apisv1alpha2.AcceptablePermissionClaim{{ScopedPermissionClaim: scoped, State: apisv1alpha2.ClaimAccepted}},
		},
		Status: apisv1alpha2.APIBindingStatus{
			AppliedPermissionClaims: []apisv1alpha2.ScopedPermissionClaim{scoped},
			ExportPermissionClaims:  []apisv1alpha2.PermissionClaim{claim},
		},
	}
}

func olderForm(t *testing.T, binding *apisv1alpha2.APIBinding) *unstructured.Unstructured {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(binding)
	if err != nil {
		t.Fatal(err)
	}
	converted, err := apisv1alpha1.Convert(&unstructured.Unstructured{Object: content}, "apis.kcp.io/v1alpha1")
	if err != nil {
		t.Fatal(err)
	}
	return converted
}

func TestWhoeverSendsOtherVersionsIsJudgedByTheStoredOne(t *testing.T) {
	all := `[{"resource":"secrets","verbs":["*"],"selector":{"matchAll":true}}]`
	for name, send := range map[string]func(*unstructured.Unstructured){
		"as it was": func(*unstructured.Unstructured) {},
		"by who knows no annotations, and no status": func(u *unstructured.Unstructured) {
			u.SetAnnotations(nil)
			delete(u.Object, "status")
		},
		"by who would report something else": func(u *unstructured.Unstructured) {
			annotations := u.GetAnnotations()
			annotations[apisv1alpha1.StatusAppliedClaimsAnnotation], annotations[apisv1alpha1.StatusPermissionClaimsAnnotation] = all, "{"
			u.SetAnnotations(annotations)
			_ = unstructured.SetNestedSlice(u.Object, []any{map[string]any{"resource": "pods", "all": true}}, "status", "appliedPermissionClaims")
		},
	} {
		t.Run(name, func(t *testing.T) {
			inner, want := &witness{}, reportedBinding()
			versions := newVersions(t, inner)
			old := olderForm(t, want)
			sent := old.DeepCopy()
			send(sent)
			attributes := admission.NewAttributesRecord(sent, old, apisv1alpha1.SchemeGroupVersion.WithKind("APIBinding"), "", "b",
				apisv1alpha1.SchemeGroupVersion.WithResource("apibindings"), "", admission.Update, nil, false, nil)
			if err := versions.Admit(t.Context(), attributes, nil); err != nil {
				t.Fatal(err)
			}
			if err := versions.Validate(t.Context(), attributes, nil); err != nil {
				t.Fatal(err)
			}
			if sent.GetAPIVersion() != "apis.kcp.io/v1alpha1" || inner.kind.Version != "v1alpha2" {
				t.Errorf("sent %s, judged %v", sent.GetAPIVersion(), inner.kind)
			}
			want.Labels = map[string]string{"seen": "yes"}
			if diff := cmp.Diff(want, inner.validated); diff != "" {
				t.Errorf("validated (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(reportedBinding(), inner.old); diff != "" {
				t.Errorf("old (-want +got):\n%s", diff)
			}
		})
	}
}

func TestASelectorCannotBeChangedInAnyVersion(t *testing.T) {
	versions, old := newVersions(t, &witness{}), olderForm(t, reportedBinding())
	sent := old.DeepCopy()
	annotations := sent.GetAnnotations()
	annotations[apisv1alpha1.AcceptablePermissionClaimsAnnotation] = `[{"resource":"secrets","verbs":["get"],"selector":{"matchAll":true},"state":"Accepted"}]`
	sent.SetAnnotations(annotations)
	attributes := admission.NewAttributesRecord(sent, old, apisv1alpha1.SchemeGroupVersion.WithKind("APIBinding"), "", "b",
		apisv1alpha1.SchemeGroupVersion.WithResource("apibindings"), "", admission.Update, nil, false, nil)
	if err := versions.Admit(t.Context(), attributes, nil); err != nil {
		t.Fatal(err)
	}
	err := versions.Validate(t.Context(), attributes, nil)
	if err == nil || !strings.Contains(err.Error(), "selector is immutable") {
		t.Errorf("got %v", err)
	}
}

func TestOthersPassAsTheyAre(t *testing.T) {
	inner := &recorder{}
	versions := newVersions(t, inner)
	attributes := admission.NewAttributesRecord(nil, nil, schema.GroupVersionKind{}, "", "", schema.GroupVersionResource{Resource: "secrets"}, "", admission.Create, nil, false, nil)
	if err := versions.Admit(t.Context(), attributes, nil); err != nil {
		t.Error(err)
	}
	if err := versions.Validate(t.Context(), attributes, nil); err != nil {
		t.Error(err)
	}
	if inner.got != attributes {
		t.Errorf("got %v", inner.got)
	}
}

// recorder only validates.
type recorder struct{ got admission.Attributes }

func (*recorder) Handles(admission.Operation) bool { return true }

func (r *recorder) Validate(_ context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	r.got = a
	return nil
}
