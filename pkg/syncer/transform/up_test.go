package transform

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestUp(t *testing.T) {
	deployments := schema.GroupResource{Group: "apps", Resource: "deployments"}
	cases := map[string]struct {
		resource   schema.GroupResource
		hub, child string
		want       string // "" means that nothing is to be written
	}{
		"no status yet": {
			resource: deployments,
			hub:      `{metadata: {generation: 2}, status: {replicas: 1}}`,
			child:    `{metadata: {generation: 9}}`,
		},
		"the same": {
			resource: deployments,
			hub:      `{metadata: {generation: 2}, status: {observedGeneration: 2, replicas: 1}}`,
			child:    `{metadata: {generation: 9, annotations: {syncer.atrium.io/source: u/2/h}}, status: {observedGeneration: 9, replicas: 1}}`,
		},
		"a field came and another went": {
			resource: deployments,
			hub:      `{metadata: {generation: 2}, status: {observedGeneration: 2, unavailableReplicas: 1}}`,
			child:    `{metadata: {generation: 9, annotations: {syncer.atrium.io/source: u/2/h}}, status: {observedGeneration: 9, availableReplicas: 1}}`,
			want:     `{observedGeneration: 2, availableReplicas: 1}`,
		},
		"the child has seen the newest spec": {
			resource: deployments,
			hub:      `{metadata: {generation: 7}, status: {observedGeneration: 6}}`,
			child:    `{metadata: {generation: 2, annotations: {syncer.atrium.io/source: u/7/h}}, status: {observedGeneration: 2}}`,
			want:     `{observedGeneration: 7}`,
		},
		"the child has not seen the newest spec": {
			resource: deployments,
			hub:      `{metadata: {generation: 7}, status: {observedGeneration: 5}}`,
			child:    `{metadata: {generation: 3, annotations: {syncer.atrium.io/source: u/7/h}}, status: {observedGeneration: 2, replicas: 1}}`,
			want:     `{observedGeneration: 5, replicas: 1}`,
		},
		"the child has not seen the newest spec and nothing was reported": {
			resource: deployments,
			hub:      `{metadata: {generation: 7}}`,
			child:    `{metadata: {generation: 3, annotations: {syncer.atrium.io/source: u/7/h}}, status: {observedGeneration: 2}}`,
			want:     `{observedGeneration: 6}`,
		},
		"the newest spec has not reached the child": {
			resource: deployments,
			hub:      `{metadata: {generation: 8}, status: {observedGeneration: 7}}`,
			child:    `{metadata: {generation: 3, annotations: {syncer.atrium.io/source: u/7/h}}, status: {observedGeneration: 3}}`,
		},
		"generations of conditions": {
			resource: schema.GroupResource{Group: "example.io", Resource: "widgets"},
			hub:      `{metadata: {generation: 4}, status: {conditions: [{type: A, observedGeneration: 3}]}}`,
			child:    `{metadata: {generation: 2, annotations: {syncer.atrium.io/source: u/4/h}}, status: {conditions: [{type: B, observedGeneration: 2}, {type: A, observedGeneration: 1}, {type: C}]}}`,
			want:     `{conditions: [{type: B, observedGeneration: 4}, {type: A, observedGeneration: 3}, {type: C}]}`,
		},
		"a source that makes no sense": {
			resource: deployments,
			hub:      `{metadata: {generation: 4}}`,
			child:    `{metadata: {generation: 2}, status: {observedGeneration: 2, replicas: 1}}`,
			want:     `{replicas: 1}`,
		},
		"Service": {
			resource: schema.GroupResource{Resource: "services"},
			hub:      `{metadata: {generation: 1}, status: {loadBalancer: {}}}`,
			child:    `{metadata: {annotations: {syncer.atrium.io/source: u/1/h}}, status: {loadBalancer: {ingress: [{ip: 1.2.3.4}]}, other: 1}}`,
			want:     `{loadBalancer: {ingress: [{ip: 1.2.3.4}]}}`,
		},
		"Job that was moved": {
			resource: schema.GroupResource{Group: "batch", Resource: "jobs"},
			hub:      `{status: {startTime: before, succeeded: 2, failed: 1}}`,
			child:    `{metadata: {annotations: {syncer.atrium.io/source: u/1/h}}, status: {startTime: after, succeeded: 1, failed: 3, active: 1}}`,
			want:     `{startTime: before, succeeded: 2, failed: 3, active: 1}`,
		},
		"Job that was suspended": {
			resource: schema.GroupResource{Group: "batch", Resource: "jobs"},
			hub:      `{status: {startTime: before, active: 1}}`,
			child:    `{metadata: {annotations: {syncer.atrium.io/source: u/1/h}}, status: {conditions: [{type: Suspended, status: "True"}]}}`,
			want:     `{conditions: [{type: Suspended, status: "True"}]}`,
		},
		"CronJob": {
			resource: schema.GroupResource{Group: "batch", Resource: "cronjobs"},
			hub:      `{metadata: {namespace: web}}`,
			child:    `{metadata: {namespace: NS, annotations: {syncer.atrium.io/source: u/1/h}}, status: {active: [{kind: Job, name: c-1, namespace: NS, uid: x, resourceVersion: "1"}]}}`,
			want:     `{active: [{kind: Job, name: c-1, namespace: web}]}`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			hubObj, childObj := parse(t, tc.hub), parse(t, tc.child)
			before := childObj.DeepCopy()
			got, differs := Up(tc.resource, hubObj, childObj)
			if diff := cmp.Diff(before, childObj); diff != "" {
				t.Errorf("Up changed the child object:\n%s", diff)
			}
			if differs != (tc.want != "") {
				t.Fatalf("differs is %v, status %v", differs, got)
			}
			if !differs {
				return
			}
			if diff := cmp.Diff(parse(t, tc.want).Object, got); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
			hubObj.Object["status"] = got
			if _, again := Up(tc.resource, hubObj, childObj); again {
				t.Error("the written status calls for another write")
			}
		})
	}
}
