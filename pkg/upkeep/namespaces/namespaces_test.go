package namespaces

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
)

func TestContained(t *testing.T) {
	all := metav1.Verbs{"create", "delete", "list"}
	resource := func(name string, namespaced bool, verbs metav1.Verbs) metav1.APIResource {
		return metav1.APIResource{Name: name, Namespaced: namespaced, Verbs: verbs}
	}
	got := contained([]*metav1.APIResourceList{
		{GroupVersion: "v1", APIResources: []metav1.APIResource{
			resource("namespaces", false, all), resource("configmaps", true, all), resource("bindings", true, metav1.Verbs{"create"}),
			resource("serviceaccounts/token", true, all), resource("events", true, all),
		}},
		{GroupVersion: "example.io/v2", APIResources: []metav1.APIResource{resource("widgets", true, all)}},
		{GroupVersion: "example.io/v1", APIResources: []metav1.APIResource{resource("widgets", true, all), resource("old", true, all)}},
		{GroupVersion: "events.k8s.io/v1", APIResources: []metav1.APIResource{resource("events", true, all)}},
		{GroupVersion: "cluster.io/v1", APIResources: []metav1.APIResource{resource("rooms", false, all)}},
	})
	want := []*metav1.APIResourceList{
		{GroupVersion: "v1", APIResources: []metav1.APIResource{resource("configmaps", true, all), resource("events", true, all)}},
		{GroupVersion: "example.io/v2", APIResources: []metav1.APIResource{resource("widgets", true, all)}},
		{GroupVersion: "example.io/v1", APIResources: []metav1.APIResource{resource("old", true, all)}},
		{GroupVersion: "events.k8s.io/v1", APIResources: []metav1.APIResource{resource("events", true, all)}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTerminating(t *testing.T) {
	now := metav1.Now()
	finalizers := corev1.NamespaceSpec{Finalizers: []corev1.FinalizerName{corev1.FinalizerKubernetes}}
	for name, tc := range map[string]struct {
		namespace *corev1.Namespace
		want      bool
	}{
		"gone":      {nil, false},
		"alive":     {&corev1.Namespace{Spec: finalizers}, false},
		"deleted":   {&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &now}, Spec: finalizers}, true},
		"finalized": {&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &now}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := terminating(tc.namespace); got != tc.want {
				t.Errorf("terminating() = %v", got)
			}
		})
	}
}

func TestPatience(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	deleted := metav1.NewTime(start)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &deleted}}
	for waited, want := range map[time.Duration]time.Duration{
		0:                200 * time.Millisecond,
		3 * time.Second:  time.Second,
		10 * time.Minute: 15 * time.Second,
	} {
		terminator := &Terminator{config: Config{Clock: clocktesting.NewFakeClock(start.Add(waited))}}
		if got := terminator.patience(namespace); got != want {
			t.Errorf("after %s: %s, want %s", waited, got, want)
		}
	}
}
