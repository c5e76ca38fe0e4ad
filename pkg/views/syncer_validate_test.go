package views

import (
	"errors"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"

	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
)

const testKey = "k1"

// placed is an object as it stands while its agent has a copy of it.
func placed() *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{
			Name: "web", Namespace: "default", Generation: 1, ResourceVersion: "5",
			Labels:      map[string]string{"app": "web", workloadv1alpha1.StateLabel(testKey): "Sync", workloadv1alpha1.StateLabel("k2"): "Sync"},
			Finalizers:  []string{"mine", workloadv1alpha1.SyncerFinalizer(testKey), workloadv1alpha1.SyncerFinalizer("k2")},
			Annotations: map[string]string{"note": "hi", workloadv1alpha1.DeletionAnnotation(testKey): "2026-01-01T00:00:00Z", workloadv1alpha1.DeletionAnnotation("k2"): "x"},
		},
		Status: appsv1.DeploymentStatus{Replicas: 1},
	}
}

// release does what an agent may.
func release(d *appsv1.Deployment) {
	delete(d.Labels, workloadv1alpha1.StateLabel(testKey))
	delete(d.Annotations, workloadv1alpha1.DeletionAnnotation(testKey))
	d.Finalizers = []string{"mine", workloadv1alpha1.SyncerFinalizer("k2")}
}

func TestValidate(t *testing.T) {
	type edit = func(*appsv1.Deployment)
	nothing := func(*appsv1.Deployment) {}
	stays := func(d *appsv1.Deployment) { delete(d.Annotations, workloadv1alpha1.DeletionAnnotation(testKey)) }
	and := func(edits ...edit) edit {
		return func(d *appsv1.Deployment) {
			for _, e := range edits {
				e(d)
			}
		}
	}
	cases := map[string]struct {
		before, change edit
		subresource    string
		operation      admission.Operation
		want           error
	}{
		"status": {nothing, func(d *appsv1.Deployment) {
			d.Status.Replicas = 2
			d.ResourceVersion = "6"
			d.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "syncer"}}
		}, "status", "", nil},
		"status while it stays": {stays, func(d *appsv1.Deployment) { d.Status.Replicas = 2 }, "status", "", nil},
		"status and label":      {nothing, func(d *appsv1.Deployment) { d.Status.Replicas = 2; d.Labels["x"] = "y" }, "status", "", errStatus},
		"status and annotation": {nothing, func(d *appsv1.Deployment) { d.Annotations["x"] = "y" }, "status", "", errStatus},
		"status and finalizer":  {nothing, func(d *appsv1.Deployment) { d.Finalizers = nil }, "status", "", errStatus},
		"status and spec":       {nothing, func(d *appsv1.Deployment) { d.Spec.Paused = true }, "status", "", errStatus},
		"status of unassigned":  {func(d *appsv1.Deployment) { d.Finalizers = []string{"mine"} }, func(d *appsv1.Deployment) { d.Status.Replicas = 2 }, "status", "", errNotHeld},
		"release":               {nothing, release, "", "", nil},
		"release of deleted":    {and(stays, func(d *appsv1.Deployment) { d.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)} }), release, "", "", nil},
		"release, then nothing": {and(release, func(d *appsv1.Deployment) { d.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)} }), nothing, "", "", nil},
		"release what stays":    {stays, release, "", "", errStaying},
		"release with soft": {func(d *appsv1.Deployment) {
			d.Annotations[workloadv1alpha1.SoftFinalizersAnnotation(testKey)] = "drain"
		}, release, "", "", errSoft},
		"finalizer of another":   {nothing, and(release, func(d *appsv1.Deployment) { d.Finalizers = []string{"mine"} }), "", "", errRelease},
		"finalizer of the user":  {nothing, and(release, func(d *appsv1.Deployment) { d.Finalizers = []string{workloadv1alpha1.SyncerFinalizer("k2")} }), "", "", errRelease},
		"finalizer added":        {nothing, func(d *appsv1.Deployment) { d.Finalizers = append(d.Finalizers, "new") }, "", "", errRelease},
		"label of another":       {nothing, and(release, func(d *appsv1.Deployment) { delete(d.Labels, workloadv1alpha1.StateLabel("k2")) }), "", "", errRelease},
		"label changed":          {nothing, and(release, func(d *appsv1.Deployment) { d.Labels["app"] = "api" }), "", "", errRelease},
		"state label changed":    {nothing, func(d *appsv1.Deployment) { d.Labels[workloadv1alpha1.StateLabel(testKey)] = "Upsync" }, "", "", errRelease},
		"label added":            {nothing, and(release, func(d *appsv1.Deployment) { d.Labels["new"] = "x" }), "", "", errRelease},
		"annotation of the user": {nothing, and(release, func(d *appsv1.Deployment) { delete(d.Annotations, "note") }), "", "", errRelease},
		"annotation of another":  {nothing, and(release, func(d *appsv1.Deployment) { delete(d.Annotations, workloadv1alpha1.DeletionAnnotation("k2")) }), "", "", errRelease},
		"spec":                   {nothing, and(release, func(d *appsv1.Deployment) { d.Spec.Paused = true }), "", "", errRelease},
		"owner":                  {nothing, and(release, func(d *appsv1.Deployment) { d.OwnerReferences = []metav1.OwnerReference{{Name: "x"}} }), "", "", errRelease},
		"scale":                  {nothing, nothing, "scale", "", errOperation},
		"create":                 {nothing, nothing, "", admission.Create, errOperation},
		"delete":                 {nothing, nothing, "", admission.Delete, errOperation},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			former := placed()
			tc.before(former)
			changed := former.DeepCopy()
			tc.change(changed)
			if tc.operation == "" {
				tc.operation = admission.Update
			}
			for kind, convert := range map[string]func(*appsv1.Deployment) runtime.Object{"typed": typed, "unstructured": untyped} {
				if got := judge(attributes(convert(former), convert(changed), tc.operation, tc.subresource), testKey); !errors.Is(got, tc.want) {
					t.Errorf("%s: %v, want %v", kind, got, tc.want)
				}
			}
		})
	}
}

func typed(d *appsv1.Deployment) runtime.Object { return d.DeepCopy() }

func untyped(d *appsv1.Deployment) runtime.Object {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(d)
	if err != nil {
		panic(err)
	}
	return &unstructured.Unstructured{Object: fields}
}

func attributes(former, changed runtime.Object, operation admission.Operation, subresource string) admission.Attributes {
	return admission.NewAttributesRecord(changed, former, schema.GroupVersionKind{Kind: "Deployment"}, "default", "web",
		schema.GroupVersionResource{Group: "apps", Resource: "deployments"}, subresource, operation, nil, false, nil)
}

func TestStatusOfWhatHasNone(t *testing.T) {
	object := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Finalizers: []string{workloadv1alpha1.SyncerFinalizer(testKey)}}}
	if err := judge(attributes(object, object.DeepCopy(), admission.Update, "status"), testKey); err == nil {
		t.Error("a status of a Secret is let through")
	}
}
