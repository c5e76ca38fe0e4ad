package decide

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const at = "2026-05-04T12:00:00Z"

func existsExcept(gone string) func(string) bool { return func(key string) bool { return key != gone } }

func TestObject(t *testing.T) {
	deleted := metav1.NewTime(noon)
	held := metav1.ObjectMeta{
		Labels:     map[string]string{"app": "web", "state.workload.kcp.io/eu": "Sync"},
		Finalizers: []string{"other", "workload.kcp.io/syncer-eu"},
	}
	tests := map[string]struct {
		object metav1.ObjectMeta
		want   Keys
		patch  string
	}{
		"nothing to do with placement": {object: metav1.ObjectMeta{Labels: map[string]string{"app": "web"}}},
		"assigned": {
			object: metav1.ObjectMeta{Finalizers: []string{"other"}}, want: Keys{"eu": true},
			patch: `{"metadata":{"finalizers":["other","workload.kcp.io/syncer-eu"],"labels":{"state.workload.kcp.io/eu":"Sync"},"resourceVersion":"7"}}`,
		},
		"already assigned": {object: held, want: Keys{"eu": true}},
		"moved": {
			object: held, want: Keys{"us": true},
			patch: `{"metadata":{"annotations":{"deletion.internal.workload.kcp.io/eu":"` + at + `"},` +
				`"finalizers":["other","workload.kcp.io/syncer-eu","workload.kcp.io/syncer-us"],"labels":{"state.workload.kcp.io/us":"Sync"},"resourceVersion":"7"}}`,
		},
		"asked to leave already": {
			object: metav1.ObjectMeta{Labels: held.Labels, Finalizers: held.Finalizers, Annotations: map[string]string{"deletion.internal.workload.kcp.io/eu": "2026-01-01T00:00:00Z"}},
		},
		"back before it left": {
			object: metav1.ObjectMeta{Labels: held.Labels, Finalizers: held.Finalizers, Annotations: map[string]string{"deletion.internal.workload.kcp.io/eu": at}},
			want:   Keys{"eu": true},
			patch:  `{"metadata":{"annotations":{"deletion.internal.workload.kcp.io/eu":null},"resourceVersion":"7"}}`,
		},
		"a label without a copy just goes": {
			object: metav1.ObjectMeta{Labels: map[string]string{"state.workload.kcp.io/eu": "Sync"}},
			patch:  `{"metadata":{"labels":{"state.workload.kcp.io/eu":null},"resourceVersion":"7"}}`,
		},
		"a pending label just goes": {
			object: metav1.ObjectMeta{Labels: map[string]string{"state.workload.kcp.io/eu": ""}},
			patch:  `{"metadata":{"labels":{"state.workload.kcp.io/eu":null},"resourceVersion":"7"}}`,
		},
		"a soft finalizer holds": {
			object: metav1.ObjectMeta{Labels: map[string]string{"state.workload.kcp.io/eu": "Sync"}, Annotations: map[string]string{"finalizers.workload.kcp.io/eu": "backup"}},
			patch:  `{"metadata":{"annotations":{"deletion.internal.workload.kcp.io/eu":"` + at + `"},"resourceVersion":"7"}}`,
		},
		"a finalizer without a label is shown to its agent": {
			object: metav1.ObjectMeta{Finalizers: []string{"workload.kcp.io/syncer-eu"}},
			patch:  `{"metadata":{"annotations":{"deletion.internal.workload.kcp.io/eu":"` + at + `"},"labels":{"state.workload.kcp.io/eu":"Sync"},"resourceVersion":"7"}}`,
		},
		"being deleted, left to the agent": {
			object: metav1.ObjectMeta{DeletionTimestamp: &deleted, Labels: held.Labels, Finalizers: held.Finalizers}, want: Keys{"us": true},
		},
		"being deleted, target vanished": {
			object: metav1.ObjectMeta{
				DeletionTimestamp: &deleted, Finalizers: []string{"workload.kcp.io/syncer-gone"},
				Labels:      map[string]string{"state.workload.kcp.io/gone": "Sync"},
				Annotations: map[string]string{"deletion.internal.workload.kcp.io/gone": at, "finalizers.workload.kcp.io/gone": "x", "diff.syncer.internal.kcp.io/gone": "{}"},
			},
			patch: `{"metadata":{"annotations":{"deletion.internal.workload.kcp.io/gone":null,"diff.syncer.internal.kcp.io/gone":null,"finalizers.workload.kcp.io/gone":null},` +
				`"finalizers":[],"labels":{"state.workload.kcp.io/gone":null},"resourceVersion":"7"}}`,
		},
		"a wanted target that vanished": {object: metav1.ObjectMeta{}, want: Keys{"gone": true}},
		"owned by a child": {
			object: metav1.ObjectMeta{Labels: map[string]string{"state.workload.kcp.io/eu": "Upsync"}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			change := Object(&test.object, test.want, existsExcept("gone"), noon)
			if diff := cmp.Diff(test.patch, patchText(t, change)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func patchText(t *testing.T, change Change) string {
	t.Helper()
	if change.Empty() {
		return ""
	}
	patch, err := change.MergePatch("7")
	if err != nil {
		t.Fatal(err)
	}
	return string(patch)
}

func TestNamespace(t *testing.T) {
	placed := metav1.ObjectMeta{
		Labels:      map[string]string{"state.workload.kcp.io/eu": "Sync"},
		Annotations: map[string]string{"scheduling.kcp.io/placement": ""},
	}
	deleted := metav1.NewTime(noon)
	tests := map[string]struct {
		object metav1.ObjectMeta
		want   Keys
		busy   bool
		patch  string
	}{
		"placed": {
			want:  Keys{"eu": true},
			patch: `{"metadata":{"annotations":{"scheduling.kcp.io/placement":""},"labels":{"state.workload.kcp.io/eu":"Sync"},"resourceVersion":"7"}}`,
		},
		"already placed": {object: placed, want: Keys{"eu": true}},
		"no longer, but not empty": {
			object: placed, busy: true,
			patch: `{"metadata":{"annotations":{"deletion.internal.workload.kcp.io/eu":"` + at + `","scheduling.kcp.io/placement":null},"resourceVersion":"7"}}`,
		},
		"no longer, and empty": {
			object: placed,
			patch:  `{"metadata":{"annotations":{"scheduling.kcp.io/placement":null},"labels":{"state.workload.kcp.io/eu":null},"resourceVersion":"7"}}`,
		},
		"being deleted":   {object: metav1.ObjectMeta{DeletionTimestamp: &deleted, Labels: placed.Labels}},
		"never had to do": {object: metav1.ObjectMeta{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			change := Namespace(&test.object, test.want, existsExcept("gone"), func(string) bool { return test.busy }, noon)
			if diff := cmp.Diff(test.patch, patchText(t, change)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSyncable(t *testing.T) {
	core := func(resource string) schema.GroupResource { return schema.GroupResource{Resource: resource} }
	tests := map[string]struct {
		resource schema.GroupResource
		object   metav1.ObjectMeta
		want     bool
	}{
		"deployment":            {resource: deployments, object: metav1.ObjectMeta{Namespace: "default", Name: "web"}, want: true},
		"in kube-system":        {resource: deployments, object: metav1.ObjectMeta{Namespace: "kube-system", Name: "web"}},
		"in kcp-system":         {resource: core("secrets"), object: metav1.ObjectMeta{Namespace: "kcp-system", Name: "identity"}},
		"without a namespace":   {resource: core("persistentvolumes"), object: metav1.ObjectMeta{Name: "pv"}},
		"configmap":             {resource: core("configmaps"), object: metav1.ObjectMeta{Namespace: "default", Name: "settings"}, want: true},
		"root CA":               {resource: core("configmaps"), object: metav1.ObjectMeta{Namespace: "default", Name: "kube-root-ca.crt"}},
		"secret":                {resource: core("secrets"), object: metav1.ObjectMeta{Namespace: "default", Name: "password"}, want: true},
		"token":                 {resource: core("secrets"), object: metav1.ObjectMeta{Namespace: "default", Name: "t", Annotations: map[string]string{"kubernetes.io/service-account.name": "default"}}},
		"old token":             {resource: core("secrets"), object: metav1.ObjectMeta{Namespace: "default", Name: "default-token-x7k2p"}},
		"service":               {resource: core("services"), object: metav1.ObjectMeta{Namespace: "default", Name: "web"}, want: true},
		"the API's own service": {resource: core("services"), object: metav1.ObjectMeta{Namespace: "default", Name: "kubernetes"}},
		"same name elsewhere":   {resource: core("services"), object: metav1.ObjectMeta{Namespace: "team", Name: "kubernetes"}, want: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Syncable(test.resource, &test.object); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestReservedMetadataChange(t *testing.T) {
	placed := metav1.ObjectMeta{
		Labels:      map[string]string{"app": "web", "state.workload.kcp.io/eu": "Sync"},
		Annotations: map[string]string{"note": "1", "internal.workload.kcp.io/synctarget": "eu"},
		Finalizers:  []string{"mine", "workload.kcp.io/syncer-eu"},
	}
	tests := map[string]struct {
		old, new *metav1.ObjectMeta
		restore  bool
		want     string
	}{
		"plain create":           {new: &metav1.ObjectMeta{Labels: map[string]string{"app": "web"}}},
		"create with a state":    {new: &metav1.ObjectMeta{Labels: map[string]string{"state.workload.kcp.io/eu": "Sync"}}, want: `label "state.workload.kcp.io/eu"`},
		"create with an empty":   {new: &metav1.ObjectMeta{Labels: map[string]string{"state.workload.kcp.io/eu": ""}}, want: `label "state.workload.kcp.io/eu"`},
		"create with finalizer":  {new: &metav1.ObjectMeta{Finalizers: []string{"workload.kcp.io/syncer-x"}}, want: `finalizer "workload.kcp.io/syncer-x"`},
		"a choice of one's own":  {old: &metav1.ObjectMeta{}, new: &metav1.ObjectMeta{Annotations: map[string]string{"internal.workload.kcp.io/synctarget": "us"}}, want: `annotation "internal.workload.kcp.io/synctarget"`},
		"ask to leave":           {old: &metav1.ObjectMeta{}, new: &metav1.ObjectMeta{Annotations: map[string]string{"deletion.internal.workload.kcp.io/eu": at}}, want: `annotation "deletion.internal.workload.kcp.io/eu"`},
		"soft finalizer is free": {old: &metav1.ObjectMeta{}, new: &metav1.ObjectMeta{Annotations: map[string]string{"finalizers.workload.kcp.io/eu": "backup"}}},
		"spec diff is free":      {old: &metav1.ObjectMeta{}, new: &metav1.ObjectMeta{Annotations: map[string]string{"experimental.spec-diff.workload.kcp.io/eu": "[]"}}},
		"other domains are free": {old: &metav1.ObjectMeta{}, new: &metav1.ObjectMeta{Labels: map[string]string{"internal.example.com/x": "y", "internalkcp.io/x": "y", "kcp.io": "y"}}},
		"unchanged":              {old: &placed, new: &placed},
		"removed":                {old: &placed, new: &metav1.ObjectMeta{Labels: map[string]string{"app": "web"}}, want: `label "state.workload.kcp.io/eu"`},
		"left out, restored":     {old: &placed, new: &metav1.ObjectMeta{Labels: map[string]string{"app": "web2"}}, restore: true},
		"changed, not restored":  {old: &placed, new: &metav1.ObjectMeta{Labels: map[string]string{"state.workload.kcp.io/eu": "Upsync"}}, restore: true, want: `label "state.workload.kcp.io/eu"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var old metav1.Object
			if test.old != nil {
				old = test.old
			}
			if test.restore {
				RestoreReserved(old, test.new)
			}
			if got := ReservedMetadataChange(old, test.new); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestRestoreReservedKeepsWhatTheWriterWants(t *testing.T) {
	old := metav1.ObjectMeta{
		Labels:     map[string]string{"app": "web", "state.workload.kcp.io/eu": "Sync"},
		Finalizers: []string{"mine", "workload.kcp.io/syncer-eu"},
	}
	sent := metav1.ObjectMeta{Labels: map[string]string{"app": "other"}, Finalizers: []string{"yours"}}
	if !RestoreReserved(&old, &sent) {
		t.Error("restored nothing")
	}
	want := metav1.ObjectMeta{
		Labels:     map[string]string{"app": "other", "state.workload.kcp.io/eu": "Sync"},
		Finalizers: []string{"yours", "workload.kcp.io/syncer-eu"},
	}
	if diff := cmp.Diff(want, sent); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if RestoreReserved(&old, &sent) {
		t.Error("restored the same twice")
	}
}

func TestStripReserved(t *testing.T) {
	copied := metav1.ObjectMeta{
		Labels:      map[string]string{"app": "web", "state.workload.kcp.io/eu": "Sync"},
		Annotations: map[string]string{"note": "1", "internal.workload.kcp.io/synctarget": "eu"},
		Finalizers:  []string{"mine", "workload.kcp.io/syncer-eu"},
	}
	sent := *copied.DeepCopy()
	taken := StripReserved(&sent)
	want := metav1.ObjectMeta{Labels: map[string]string{"app": "web"}, Annotations: map[string]string{"note": "1"}, Finalizers: []string{"mine"}}
	if diff := cmp.Diff(want, sent); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"state.workload.kcp.io/eu", "internal.workload.kcp.io/synctarget", "workload.kcp.io/syncer-eu"}, taken); diff != "" {
		t.Errorf("taken (-want +got):\n%s", diff)
	}
	if again := StripReserved(&sent); len(again) != 0 {
		t.Errorf("took %q from what has nothing to take", again)
	}
}
