package transform

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestAssignmentOf(t *testing.T) {
	cases := map[string]struct {
		metadata string
		want     Assignment
	}{
		"label and finalizer":           {`{labels: {state.workload.kcp.io/KEY: Sync}, finalizers: [workload.kcp.io/syncer-KEY]}`, Assigned},
		"no finalizer yet":              {`{labels: {state.workload.kcp.io/KEY: Sync}}`, Pending},
		"finalizer of another":          {`{labels: {state.workload.kcp.io/KEY: Sync}, finalizers: [workload.kcp.io/syncer-other]}`, Pending},
		"assigned but pending":          {`{labels: {state.workload.kcp.io/KEY: ""}, finalizers: [workload.kcp.io/syncer-KEY]}`, Pending},
		"upsynced":                      {`{labels: {state.workload.kcp.io/KEY: Upsync}, finalizers: [workload.kcp.io/syncer-KEY]}`, Pending},
		"nothing":                       {`{}`, Pending},
		"asked to leave":                {`{labels: {state.workload.kcp.io/KEY: Sync}, finalizers: [workload.kcp.io/syncer-KEY], annotations: {deletion.internal.workload.kcp.io/KEY: "2026-01-01T00:00:00Z"}}`, Leaving},
		"asked to leave another":        {`{labels: {state.workload.kcp.io/KEY: Sync}, finalizers: [workload.kcp.io/syncer-KEY], annotations: {deletion.internal.workload.kcp.io/other: "2026-01-01T00:00:00Z"}}`, Assigned},
		"deleted":                       {`{deletionTimestamp: "2026-01-01T00:00:00Z", labels: {state.workload.kcp.io/KEY: Sync}, finalizers: [workload.kcp.io/syncer-KEY]}`, Leaving},
		"deleted without finalizer":     {`{deletionTimestamp: "2026-01-01T00:00:00Z", labels: {state.workload.kcp.io/KEY: Sync}, finalizers: [x]}`, Leaving},
		"deleted with soft finalizer":   {`{deletionTimestamp: "2026-01-01T00:00:00Z", labels: {state.workload.kcp.io/KEY: Sync}, finalizers: [workload.kcp.io/syncer-KEY], annotations: {finalizers.workload.kcp.io/KEY: drain}}`, Assigned},
		"asked, but has soft finalizer": {`{labels: {state.workload.kcp.io/KEY: Sync}, finalizers: [workload.kcp.io/syncer-KEY], annotations: {finalizers.workload.kcp.io/KEY: drain, deletion.internal.workload.kcp.io/KEY: x}}`, Assigned},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			obj := parse(t, "metadata: "+tc.metadata)
			if got := AssignmentOf(obj, testTarget.Key()); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestSettled(t *testing.T) {
	jobs := schema.GroupResource{Group: "batch", Resource: "jobs"}
	for text, want := range map[string]bool{
		`{}`: false,
		`{status: {conditions: [{type: SuccessCriteriaMet, status: "True"}]}}`:                                   false,
		`{status: {conditions: [{type: Complete, status: "False"}]}}`:                                            false,
		`{status: {conditions: [{type: SuccessCriteriaMet, status: "True"}, {type: Complete, status: "True"}]}}`: true,
		`{status: {conditions: [{type: Failed, status: "True"}]}}`:                                               true,
	} {
		if got := Settled(jobs, parse(t, text)); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	if Settled(schema.GroupResource{Resource: "jobs"}, parse(t, `{status: {conditions: [{type: Failed, status: "True"}]}}`)) {
		t.Error("what is not a Job is settled")
	}
}

func TestReleasePatch(t *testing.T) {
	obj := parse(t, `
metadata:
  name: d
  uid: u
  resourceVersion: "5"
  labels: {state.workload.kcp.io/KEY: Sync, state.workload.kcp.io/other: Sync, app: d}
  finalizers: [a, workload.kcp.io/syncer-KEY, workload.kcp.io/syncer-other]
  annotations: {deletion.internal.workload.kcp.io/KEY: x, deletion.internal.workload.kcp.io/other: x, note: hi, diff.syncer.internal.kcp.io/KEY: "{}"}`)
	got, err := ReleasePatch(obj, testTarget.Key())
	if err != nil {
		t.Fatal(err)
	}
	want := strings.ReplaceAll(`{"metadata":{`+
		`"annotations":{"deletion.internal.workload.kcp.io/KEY":null,"diff.syncer.internal.kcp.io/KEY":null},`+
		`"finalizers":["a","workload.kcp.io/syncer-other"],`+
		`"labels":{"state.workload.kcp.io/KEY":null},`+
		`"resourceVersion":"5","uid":"u"}}`, "KEY", testTarget.Key())
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("patch (-want +got):\n%s", diff)
	}
}
