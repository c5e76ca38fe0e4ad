package v1alpha1

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
)

func stored(schema, name, group string) apisv1alpha2.ResourceSchema {
	return apisv1alpha2.ResourceSchema{
		Name: name, Group: group, Schema: schema,
		Storage: apisv1alpha2.ResourceSchemaStorage{CRD: &apisv1alpha2.ResourceSchemaStorageCRD{}},
	}
}

func virtual(schema, name, group string) apisv1alpha2.ResourceSchema {
	resource := stored(schema, name, group)
	resource.Storage = apisv1alpha2.ResourceSchemaStorage{Virtual: &apisv1alpha2.ResourceSchemaStorageVirtual{
		Reference: corev1.TypedLocalObjectReference{Kind: "Slice", Name: "s"}, IdentityHash: "abc",
	}}
	return resource
}

func claim(resource, identity string, verbs ...string) apisv1alpha2.PermissionClaim {
	return apisv1alpha2.PermissionClaim{
		GroupResource: apisv1alpha2.GroupResource{Resource: resource}, IdentityHash: identity, Verbs: verbs,
	}
}

func all(resource string) PermissionClaim {
	return PermissionClaim{GroupResource: apisv1alpha2.GroupResource{Resource: resource}, All: true}
}

func named(resource, name string) PermissionClaim {
	claim := all(resource)
	claim.All, claim.ResourceSelector = false, []ResourceSelector{{Name: name}}
	return claim
}

func scoped(claim apisv1alpha2.PermissionClaim, labels map[string]string) apisv1alpha2.ScopedPermissionClaim {
	selector := apisv1alpha2.PermissionClaimSelector{MatchAll: labels == nil, LabelSelector: metav1.LabelSelector{MatchLabels: labels}}
	return apisv1alpha2.ScopedPermissionClaim{PermissionClaim: claim, Selector: selector}
}

var (
	identity = &apisv1alpha2.Identity{SecretRef: &corev1.SecretReference{Namespace: "kcp-system", Name: "k"}}
	policy   = &apisv1alpha2.MaximalPermissionPolicy{Local: &apisv1alpha2.LocalAPIExportPolicy{}}
	ready    = conditionsv1alpha1.Conditions{{Type: "Ready", Status: corev1.ConditionTrue}}
	labelled = map[string]string{"app": "web"}
)

func TestExportsOfV1alpha2(t *testing.T) {
	withDefault := claim("configmaps", "", "*")
	withDefault.DefaultSelector = &apisv1alpha2.PermissionClaimSelector{MatchAll: true}
	in := &apisv1alpha2.APIExport{
		ObjectMeta: metav1.ObjectMeta{Name: "widgets", Annotations: map[string]string{"mine": "yes"}},
		Spec: apisv1alpha2.APIExportSpec{
			Identity: identity, MaximalPermissionPolicy: policy,
			Resources: []apisv1alpha2.ResourceSchema{
				stored("v1.widgets.example.org", "widgets", "example.org"),
				stored("v1.services.core", "services", ""),
				stored("a.b.gadgets.example.org", "gadgets", "example.org"),
				{Name: "bare", Group: "example.org", Schema: "x"},
				virtual("v1.things.example.org", "things", "example.org"),
			},
			PermissionClaims: []apisv1alpha2.PermissionClaim{claim("secrets", "", "get", "list"), claim("widgets", "abc", "*"), withDefault},
		},
		Status: apisv1alpha2.APIExportStatus{IdentityHash: "abc", Conditions: ready, VirtualWorkspaces: []apisv1alpha2.VirtualWorkspace{{URL: "https://x"}}},
	}
	before, older := in.DeepCopy(), &APIExport{}
	older.FromV1alpha2(in)
	want := []string{"v1.widgets.example.org", "v1.services.core", "a.b.gadgets.example.org", "x"}
	if diff := cmp.Diff(want, older.Spec.LatestResourceSchemas); diff != "" {
		t.Errorf("schemas (-want +got):\n%s", diff)
	}
	for _, claim := range older.Spec.PermissionClaims {
		if !claim.All {
			t.Errorf("a claim that v1alpha1 refuses: %+v", claim)
		}
	}
	back, err := older.ToV1alpha2()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, back); diff != "" {
		t.Errorf("there and back (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, in); diff != "" {
		t.Errorf("the original changed (-want +got):\n%s", diff)
	}
}

func TestExportsOfV1alpha1(t *testing.T) {
	in := &APIExport{
		ObjectMeta: metav1.ObjectMeta{Name: "widgets"},
		Spec: APIExportSpec{
			Identity: identity, MaximalPermissionPolicy: policy,
			LatestResourceSchemas: []string{"v1.widgets.example.org", "v1.services.core"},
			PermissionClaims:      []PermissionClaim{all("secrets"), named("configmaps", "settings")},
		},
	}
	newer, err := in.ToV1alpha2()
	if err != nil {
		t.Fatal(err)
	}
	want := apisv1alpha2.APIExportSpec{
		Identity: identity, MaximalPermissionPolicy: policy,
		Resources:        []apisv1alpha2.ResourceSchema{stored("v1.widgets.example.org", "widgets", "example.org"), stored("v1.services.core", "services", "")},
		PermissionClaims: []apisv1alpha2.PermissionClaim{claim("secrets", "", "*"), claim("configmaps", "", "*")},
	}
	if diff := cmp.Diff(want, newer.Spec); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
	back := &APIExport{}
	back.FromV1alpha2(newer)
	if diff := cmp.Diff(in, back); diff != "" {
		t.Errorf("there and back (-want +got):\n%s", diff)
	}
}

func TestBindingsOfV1alpha2(t *testing.T) {
	acceptable := func(claim apisv1alpha2.ScopedPermissionClaim, state apisv1alpha2.AcceptablePermissionClaimState) apisv1alpha2.AcceptablePermissionClaim {
		return apisv1alpha2.AcceptablePermissionClaim{ScopedPermissionClaim: claim, State: state}
	}
	in := &apisv1alpha2.APIBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "widgets"},
		Spec: apisv1alpha2.APIBindingSpec{
			Reference: apisv1alpha2.BindingReference{Export: &apisv1alpha2.ExportBindingReference{Path: "root:org", Name: "widgets"}},
			PermissionClaims: []apisv1alpha2.AcceptablePermissionClaim{
				acceptable(scoped(claim("secrets", "", "get"), nil), apisv1alpha2.ClaimAccepted),
				acceptable(scoped(claim("secrets", "abc", "*"), labelled), apisv1alpha2.ClaimRejected),
				acceptable(scoped(claim("configmaps", "", "*"), nil), apisv1alpha2.ClaimAccepted),
			},
		},
		Status: apisv1alpha2.APIBindingStatus{
			APIExportClusterName: "abc", Phase: "Bound", Conditions: ready,
			BoundResources:          []apisv1alpha2.BoundAPIResource{{Group: "example.org", Resource: "widgets", StorageVersions: []string{"v1"}}},
			ExportPermissionClaims:  []apisv1alpha2.PermissionClaim{claim("secrets", "", "get", "list"), claim("configmaps", "", "*")},
			AppliedPermissionClaims: []apisv1alpha2.ScopedPermissionClaim{scoped(claim("secrets", "", "get"), labelled), scoped(claim("configmaps", "", "*"), nil)},
		},
	}
	older := &APIBinding{}
	older.FromV1alpha2(in)
	for _, claim := range older.Spec.PermissionClaims {
		if !claim.All {
			t.Errorf("a claim that v1alpha1 refuses: %+v", claim)
		}
	}
	back, err := older.ToV1alpha2()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(in, back); diff != "" {
		t.Errorf("there and back (-want +got):\n%s", diff)
	}
}

func TestBindingsOfV1alpha1(t *testing.T) {
	in := &APIBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "widgets", Annotations: map[string]string{"mine": "yes"}},
		Spec: APIBindingSpec{
			Reference: apisv1alpha2.BindingReference{Export: &apisv1alpha2.ExportBindingReference{Name: "widgets"}},
			PermissionClaims: []AcceptablePermissionClaim{
				{PermissionClaim: all("secrets"), State: apisv1alpha2.ClaimAccepted},
				{PermissionClaim: named("configmaps", "settings"), State: apisv1alpha2.ClaimRejected},
			},
		},
		Status: APIBindingStatus{Phase: "Bound", ExportPermissionClaims: []PermissionClaim{all("secrets")}, AppliedPermissionClaims: []PermissionClaim{all("secrets")}},
	}
	newer, err := in.ToV1alpha2()
	if err != nil {
		t.Fatal(err)
	}
	if got := newer.Spec.PermissionClaims[0]; !cmp.Equal(got.ScopedPermissionClaim, scoped(claim("secrets", "", "*"), nil)) {
		t.Errorf("accepted as %+v", got)
	}
	back := &APIBinding{}
	back.FromV1alpha2(newer)
	if diff := cmp.Diff(in, back); diff != "" {
		t.Errorf("there and back (-want +got):\n%s", diff)
	}
}

// A provider who was let to one secret does not get all of them.
func TestNothingIsAcceptedThatWasNotMeant(t *testing.T) {
	in := &APIBinding{Spec: APIBindingSpec{PermissionClaims: []AcceptablePermissionClaim{
		{PermissionClaim: named("secrets", "one"), State: apisv1alpha2.ClaimAccepted},
	}}}
	_, err := in.ToV1alpha2()
	if err == nil || !strings.Contains(err.Error(), "spec.permissionClaims[0].resourceSelector") {
		t.Errorf("got %v", err)
	}
}

func TestSchemasThatTellNoResource(t *testing.T) {
	for _, name := range []string{"", "widgets", "v1.widgets", "v1..example.org", "v1.widgets."} {
		in := &APIExport{Spec: APIExportSpec{LatestResourceSchemas: []string{name}}}
		if _, err := in.ToV1alpha2(); err == nil || !strings.Contains(err.Error(), "<prefix>.<plural>.<group>") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// Whoever can write annotations cannot make an object unreadable for others, nor
// get his words into what the hub says.
func TestAnnotationsOfStrangers(t *testing.T) {
	junk := map[string]string{}
	for annotation := range detailAnnotations {
		junk[annotation] = "{"
	}
	junk[PermissionClaimsV1Alpha1Annotation] = `[{"resource":"secrets","resourceSelector":[{"name":"x"}],"all":true},{`
	older := &APIBinding{}
	older.FromV1alpha2(&apisv1alpha2.APIBinding{ObjectMeta: metav1.ObjectMeta{Annotations: junk}})
	for _, annotation := range []string{AcceptablePermissionClaimsAnnotation, StatusAppliedClaimsAnnotation, PermissionClaimsV1Alpha1Annotation} {
		if _, ok := older.Annotations[annotation]; ok {
			t.Errorf("%s is still there", annotation)
		}
	}
	damaged := &APIBinding{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{AcceptablePermissionClaimsAnnotation: "{"}}}
	if _, err := damaged.ToV1alpha2(); err == nil || !strings.Contains(err.Error(), AcceptablePermissionClaimsAnnotation) {
		t.Errorf("damaged details: %v", err)
	}
}

func TestKeepDetails(t *testing.T) {
	old := map[string]string{AcceptablePermissionClaimsAnnotation: "o", StatusAppliedClaimsAnnotation: "o", "theirs": "o"}
	for name, tc := range map[string]struct{ sent, old, want map[string]string }{
		"who does not know":     {map[string]string{"a": "b"}, old, map[string]string{"a": "b", AcceptablePermissionClaimsAnnotation: "o", StatusAppliedClaimsAnnotation: "o"}},
		"who knows":             {map[string]string{AcceptablePermissionClaimsAnnotation: "n"}, nil, map[string]string{AcceptablePermissionClaimsAnnotation: "n"}},
		"who says other things": {map[string]string{AcceptablePermissionClaimsAnnotation: "n", StatusAppliedClaimsAnnotation: "n"}, old, map[string]string{AcceptablePermissionClaimsAnnotation: "n", StatusAppliedClaimsAnnotation: "o"}},
		"who reports":           {map[string]string{StatusAppliedClaimsAnnotation: "n"}, nil, nil},
	} {
		if diff := cmp.Diff(tc.want, KeepDetails(tc.sent, tc.old)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestConvertObjects(t *testing.T) {
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apis.kcp.io/v1alpha1", "kind": "APIExport",
		"metadata": map[string]any{"name": "widgets"},
		"spec":     map[string]any{"latestResourceSchemas": []any{"v1.widgets.example.org"}},
	}}
	newer, err := Convert(object, "apis.kcp.io/v1alpha2")
	if err != nil {
		t.Fatal(err)
	}
	resources, _, err := unstructured.NestedSlice(newer.Object, "spec", "resources")
	if err != nil || len(resources) != 1 || newer.GetAPIVersion() != "apis.kcp.io/v1alpha2" {
		t.Errorf("converted to %v, %v", newer.Object, err)
	}
	for _, version := range []string{"apis.kcp.io/v1", "example.org/v1alpha2"} {
		if _, err := Convert(object, version); err == nil {
			t.Errorf("converted to %s", version)
		}
	}
	wrong := newer.DeepCopy()
	wrong.Object["spec"] = "text"
	if _, err := Convert(wrong, "apis.kcp.io/v1alpha1"); err == nil {
		t.Error("converted what is no APIExport")
	}
}
