package server

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// older is a client that was built for v1alpha1.
func older(hub *client.Hub, at logicalcluster.Path, resource string) dynamic.ResourceInterface {
	return hub.Dynamic(at).Resource(apisv1alpha1.SchemeGroupVersion.WithResource(resource))
}

func olderObject(kind, name string, spec map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apis.kcp.io/v1alpha1", "kind": kind, "metadata": map[string]any{"name": name}, "spec": spec,
	}}
}

func olderBinding(name string, export logicalcluster.Path, claims ...any) *unstructured.Unstructured {
	path, exportName := export.Split()
	return olderObject("APIBinding", name, map[string]any{
		"reference":        map[string]any{"export": map[string]any{"path": path.String(), "name": exportName}},
		"permissionClaims": claims,
	})
}

func olderClaim(resource, state string) map[string]any {
	return map[string]any{"resource": resource, "all": true, "state": state}
}

// emptyExport makes an export that offers nothing, and waits until it can be bound.
func emptyExport(t *testing.T, hub *client.Hub, at logicalcluster.Path) logicalcluster.Path {
	t.Helper()
	ctx := waiting(t)
	must(client.APIExports(hub, at).Create(ctx, &apisv1alpha2.APIExport{ObjectMeta: metav1.ObjectMeta{Name: "widgets"}}, metav1.CreateOptions{}))(t)
	await(ctx, t, "export", func() error {
		export, err := client.APIExports(hub, at).Get(ctx, "widgets", metav1.GetOptions{})
		if err == nil && export.Status.IdentityHash == "" {
			err = apierrors.NewNotFound(apisv1alpha2.Resource("apiexports"), "widgets")
		}
		return err
	})
	return at.Join("widgets")
}

// An export is one object, whichever version it is written and read in.
func TestAnExportInTwoVersions(t *testing.T) {
	path, _ := newWorkspace(t)
	ctx, hub := waiting(t), withToken(t, "alice-token")
	exports := client.APIExports(hub, path)
	watch := must(older(hub, path, "apiexports").Watch(ctx, metav1.ListOptions{}))(t)
	defer watch.Stop()
	made := must(older(hub, path, "apiexports").Create(ctx, olderObject("APIExport", "widgets", map[string]any{
		"latestResourceSchemas": []any{"v1.widgets.example.org"},
		"permissionClaims":      []any{map[string]any{"resource": "secrets", "all": true}},
	}), metav1.CreateOptions{}))(t)
	if made.GetAPIVersion() != "apis.kcp.io/v1alpha1" {
		t.Errorf("answered with %s", made.GetAPIVersion())
	}
	claims := func(object *unstructured.Unstructured) any {
		claims, _, _ := unstructured.NestedSlice(object.Object, "spec", "permissionClaims")
		return claims
	}
	if diff := cmp.Diff(claims(made), claims(must(older(hub, path, "apiexports").Get(ctx, "widgets", metav1.GetOptions{}))(t))); diff != "" {
		t.Errorf("written and read (-written +read):\n%s", diff)
	}
	newer := must(exports.Get(ctx, "widgets", metav1.GetOptions{}))(t)
	want := apisv1alpha2.APIExportSpec{
		Resources: []apisv1alpha2.ResourceSchema{{
			Name: "widgets", Group: "example.org", Schema: "v1.widgets.example.org",
			Storage: apisv1alpha2.ResourceSchemaStorage{CRD: &apisv1alpha2.ResourceSchemaStorageCRD{}},
		}},
		PermissionClaims: []apisv1alpha2.PermissionClaim{{GroupResource: apisv1alpha2.GroupResource{Resource: "secrets"}, Verbs: []string{"*"}}},
	}
	got := newer.Spec.DeepCopy()
	got.Identity = nil
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
	await(ctx, t, "status in the older version", func() error {
		object, err := older(hub, path, "apiexports").Get(ctx, "widgets", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if hash, _, _ := unstructured.NestedString(object.Object, "status", "identityHash"); hash == "" {
			return apierrors.NewNotFound(schema.GroupResource{}, "identityHash")
		}
		return nil
	})
	for event := range watch.ResultChan() {
		object := event.Object.(*unstructured.Unstructured)
		if object.GetAPIVersion() != "apis.kcp.io/v1alpha1" {
			t.Errorf("watched %s", object.GetAPIVersion())
		}
		if hash, _, _ := unstructured.NestedString(object.Object, "status", "identityHash"); hash != "" {
			break
		}
	}
}

// What v1alpha1 has no words for survives those who write it.
func TestWritersOfTheOlderVersionChangeNothingElse(t *testing.T) {
	path, _ := newWorkspace(t)
	ctx, hub := waiting(t), withToken(t, "alice-token")
	exports := client.APIExports(hub, path)
	made := must(exports.Create(ctx, &apisv1alpha2.APIExport{
		ObjectMeta: metav1.ObjectMeta{Name: "widgets"},
		Spec: apisv1alpha2.APIExportSpec{PermissionClaims: []apisv1alpha2.PermissionClaim{
			{GroupResource: apisv1alpha2.GroupResource{Resource: "secrets"}, Verbs: []string{"get"}},
			{GroupResource: apisv1alpha2.GroupResource{Resource: "configmaps"}, Verbs: []string{"*"}},
		}},
	}, metav1.CreateOptions{}))(t)

	replacement := olderObject("APIExport", "widgets", map[string]any{"permissionClaims": []any{
		map[string]any{"group": "", "resource": "secrets", "all": true}, map[string]any{"group": "", "resource": "configmaps", "all": true},
	}})
	await(ctx, t, "replaced by who knows v1alpha1 only", func() error {
		latest, err := older(hub, path, "apiexports").Get(ctx, "widgets", metav1.GetOptions{})
		if err != nil {
			return err
		}
		identity, found, _ := unstructured.NestedMap(latest.Object, "spec", "identity")
		if found {
			_ = unstructured.SetNestedMap(replacement.Object, identity, "spec", "identity")
		}
		replacement.SetResourceVersion(latest.GetResourceVersion())
		replacement.SetLabels(map[string]string{"mine": "yes"})
		_, err = older(hub, path, "apiexports").Update(ctx, replacement, metav1.UpdateOptions{})
		return err
	})
	got := must(exports.Get(ctx, "widgets", metav1.GetOptions{}))(t)
	if got.Labels["mine"] != "yes" || got.UID != made.UID {
		t.Errorf("not replaced: %+v", got.ObjectMeta)
	}
	if diff := cmp.Diff(made.Spec.PermissionClaims, got.Spec.PermissionClaims); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
	for key := range got.Annotations {
		if strings.HasPrefix(key, "apis.v1alpha2.kcp.io/") {
			t.Errorf("the stored version has %s", key)
		}
	}
}

func TestApplyInTheOlderVersion(t *testing.T) {
	path, _ := newWorkspace(t)
	ctx, hub := waiting(t), withToken(t, "alice-token")
	export := emptyExport(t, hub, path)
	applied := olderBinding("compute", export, olderClaim("secrets", "Rejected"))
	must(older(hub, path, "apibindings").Apply(ctx, "compute", applied, metav1.ApplyOptions{FieldManager: "test"}))(t)
	await(ctx, t, "judged", func() error {
		binding, err := client.APIBindings(hub, path).Get(ctx, "compute", metav1.GetOptions{})
		if err == nil && len(binding.Status.Conditions) == 0 {
			err = apierrors.NewNotFound(schema.GroupResource{}, "conditions")
		}
		return err
	})
	before := must(client.APIBindings(hub, path).Get(ctx, "compute", metav1.GetOptions{}))(t)
	must(older(hub, path, "apibindings").Apply(ctx, "compute", applied, metav1.ApplyOptions{FieldManager: "test"}))(t)
	after := must(client.APIBindings(hub, path).Get(ctx, "compute", metav1.GetOptions{}))(t)
	if diff := cmp.Diff(before.Spec, after.Spec); diff != "" || before.Generation != after.Generation {
		t.Errorf("applying again changed it (-before +after):\n%s", diff)
	}
	patch := []byte(`{"metadata":{"labels":{"mine":"yes"}}}`)
	patched := must(older(hub, path, "apibindings").Patch(ctx, "compute", types.MergePatchType, patch, metav1.PatchOptions{}))(t)
	if conditions, _, _ := unstructured.NestedSlice(patched.Object, "status", "conditions"); len(conditions) == 0 {
		t.Errorf("no conditions in %v", patched.Object)
	}
}

// Rules hold in both versions: nobody gets past one by another spelling.
func TestNobodyGetsPastARuleInTheOlderVersion(t *testing.T) {
	provider, _ := newWorkspace(t)
	path, _ := newWorkspace(t)
	ctx, alice := waiting(t), withToken(t, "alice-token")
	makeAdmin(ctx, t, as(t, "base"), path, "bob")
	bob := withToken(t, "bob-token")
	export := emptyExport(t, alice, provider)
	byName := olderClaim("secrets", "Accepted")
	delete(byName, "all")
	byName["resourceSelector"] = []any{map[string]any{"name": "one"}}
	forged := func(annotation, value string) *unstructured.Unstructured {
		binding := olderBinding("b", export, olderClaim("secrets", "Rejected"))
		binding.SetAnnotations(map[string]string{annotation: value})
		return binding
	}
	for name, tc := range map[string]struct {
		who    *client.Hub
		object *unstructured.Unstructured
		says   string
	}{
		"binds without permission":  {bob, olderBinding("b", export), "no permission to bind to export"},
		"accepts by name":           {alice, olderBinding("b", export, byName), "spec.permissionClaims[0].resourceSelector"},
		"answers twice":             {alice, olderBinding("b", export, olderClaim("secrets", "Accepted"), olderClaim("secrets", "Rejected")), "Duplicate value"},
		"breaks an annotation":      {alice, forged(apisv1alpha1.AcceptablePermissionClaimsAnnotation, "{"), apisv1alpha1.AcceptablePermissionClaimsAnnotation},
		"claims no verbs":           {alice, forged(apisv1alpha1.AcceptablePermissionClaimsAnnotation, `[{"resource":"secrets","verbs":[],"selector":{"matchAll":true}}]`), "spec.permissionClaims[0].verbs"},
		"offers what is no name":    {alice, olderObject("APIExport", "e", map[string]any{"latestResourceSchemas": []any{"widgets"}}), "<prefix>.<plural>.<group>"},
		"offers one resource twice": {alice, olderObject("APIExport", "e", map[string]any{"latestResourceSchemas": []any{"v1.widgets.example.org", "v2.widgets.example.org"}}), "Duplicate value"},
	} {
		t.Run(name, func(t *testing.T) {
			resource := "apibindings"
			if tc.object.GetKind() == "APIExport" {
				resource = "apiexports"
			}
			_, err := older(tc.who, path, resource).Create(ctx, tc.object.DeepCopy(), metav1.CreateOptions{})
			expectRefused(t, err, tc.says)
			if err != nil && !apierrors.IsForbidden(err) && !apierrors.IsInvalid(err) {
				t.Errorf("refused with %v", apierrors.ReasonForError(err))
			}
		})
	}
}

// What a tenant writes into annotations of an object does not become what the hub
// said of it, and nobody's lists break.
func TestAnnotationsDoNotReport(t *testing.T) {
	path, _ := newWorkspace(t)
	ctx, hub := waiting(t), withToken(t, "alice-token")
	junk := map[string]string{}
	for _, annotation := range []string{
		apisv1alpha1.ResourceSchemasAnnotation, apisv1alpha1.PermissionClaimsAnnotation, apisv1alpha1.AcceptablePermissionClaimsAnnotation,
		apisv1alpha1.StatusPermissionClaimsAnnotation, apisv1alpha1.StatusAppliedClaimsAnnotation, apisv1alpha1.PermissionClaimsV1Alpha1Annotation,
	} {
		junk[annotation] = `[{"resource":{`
	}
	export := emptyExport(t, hub, path)
	must(client.APIBindings(hub, path).Create(ctx, &apisv1alpha2.APIBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "b", Annotations: junk},
		Spec:       apisv1alpha2.APIBindingSpec{Reference: apisv1alpha2.BindingReference{Export: &apisv1alpha2.ExportBindingReference{Path: path.String(), Name: export.Base()}}},
	}, metav1.CreateOptions{}))(t)
	for _, at := range []logicalcluster.Path{path, logicalcluster.Wildcard.Path()} {
		if _, err := older(as(t, "shard-base"), at, "apibindings").List(ctx, metav1.ListOptions{}); err != nil {
			t.Errorf("in %s: %v", at, err)
		}
	}

	await(ctx, t, "claims that only the hub applies", func() error {
		_, err := older(hub, path, "apibindings").Patch(ctx, "b", types.MergePatchType,
			[]byte(`{"metadata":{"annotations":{"`+apisv1alpha1.StatusAppliedClaimsAnnotation+`":"[{\"resource\":\"secrets\",\"verbs\":[\"*\"]}]"}}}`), metav1.PatchOptions{})
		return err
	})
	seen := must(older(hub, path, "apibindings").Get(ctx, "b", metav1.GetOptions{}))(t)
	if value, ok := seen.GetAnnotations()[apisv1alpha1.StatusAppliedClaimsAnnotation]; ok {
		t.Errorf("a tenant reported %s", value)
	}
	_, err := older(hub, path, "apibindings").UpdateStatus(ctx, seen, metav1.UpdateOptions{})
	expectRefused(t, err, "the hub alone writes this status")
}
