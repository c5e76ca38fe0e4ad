package transform

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var testTarget = Target{Workspace: "compute1", Name: "eu", UID: "0a1b"}

// parse reads YAML in which KEY stands for the key of testTarget and NS for the
// child namespace of web in workspace ws1.
func parse(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	text = strings.NewReplacer(
		"KEY", testTarget.Key(),
		"NS", testTarget.Locate("ws1", "web").ChildNamespace(),
	).Replace(text)
	asJSON, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatalf("bad YAML: %v", err)
	}
	obj := &unstructured.Unstructured{}
	if err := utiljson.Unmarshal(asJSON, &obj.Object); err != nil {
		t.Fatalf("bad object: %v", err)
	}
	return obj
}

func TestDown(t *testing.T) {
	cases := map[string]struct {
		resource  schema.GroupResource
		hints     Hints
		hub, want string // want "" means that there is no copy
	}{
		"metadata that stays in the hub": {
			resource: schema.GroupResource{Resource: "configmaps"},
			hub: `
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
  namespace: web
  uid: u1
  resourceVersion: "7"
  creationTimestamp: "2026-01-01T00:00:00Z"
  generateName: sett
  ownerReferences: [{apiVersion: v1, kind: Secret, name: x, uid: y}]
  finalizers: [workload.kcp.io/syncer-KEY, example.io/mine]
  managedFields: [{manager: kubectl}]
  labels: {app: web, state.workload.kcp.io/KEY: Sync, state.workload.kcp.io/other: Sync, claimed.internal.apis.kcp.io/x: z}
  annotations:
    note: hello
    kcp.io/cluster: ws1
    kubectl.kubernetes.io/last-applied-configuration: "{}"
    experimental.summarizing.workload.kcp.io: "[]"
    diff.syncer.internal.kcp.io/KEY: "{}"
    deprecated.daemonset.template.generation: "3"
    deployment.kubernetes.io/revision: "4"
    syncer.atrium.io/source: forged
data: {a: b}
immutable: true`,
			want: `
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
  namespace: NS
  labels: {app: web, internal.workload.kcp.io/cluster: KEY}
  annotations: {note: hello}
data: {a: b}
immutable: true`,
		},
		"CA of the hub": {
			resource: schema.GroupResource{Resource: "configmaps"},
			hub:      `{apiVersion: v1, kind: ConfigMap, metadata: {name: kube-root-ca.crt, namespace: web, annotations: {kcp.io/cluster: ws1}}, data: {ca.crt: x}}`,
			want:     `{apiVersion: v1, kind: ConfigMap, metadata: {name: kcp-root-ca.crt, namespace: NS, labels: {internal.workload.kcp.io/cluster: KEY}}, data: {ca.crt: x}}`,
		},
		"a name that the CA of the hub takes": {
			resource: schema.GroupResource{Resource: "configmaps"},
			hub:      `{apiVersion: v1, kind: ConfigMap, metadata: {name: kcp-root-ca.crt, namespace: web, annotations: {kcp.io/cluster: ws1}}}`,
		},
		"a token of a service account": {
			resource: schema.GroupResource{Resource: "secrets"},
			hub:      `{apiVersion: v1, kind: Secret, type: kubernetes.io/service-account-token, metadata: {name: s, namespace: web, annotations: {kcp.io/cluster: ws1}}}`,
		},
		"an ordinary secret": {
			resource: schema.GroupResource{Resource: "secrets"},
			hub:      `{apiVersion: v1, kind: Secret, type: Opaque, metadata: {name: s, namespace: web, annotations: {kcp.io/cluster: ws1}}, data: {p: cQ==}}`,
			want:     `{apiVersion: v1, kind: Secret, type: Opaque, metadata: {name: s, namespace: NS, labels: {internal.workload.kcp.io/cluster: KEY}}, data: {p: cQ==}}`,
		},
		"Deployment": {
			resource: schema.GroupResource{Group: "apps", Resource: "deployments"},
			hub: `
apiVersion: apps/v1
kind: Deployment
metadata: {name: d, namespace: web, generation: 3, annotations: {kcp.io/cluster: ws1}}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: d}}
    spec:
      serviceAccountName: builder
      serviceAccount: builder
      containers: [{name: c, image: i, ports: [{containerPort: 80}]}]
status: {replicas: 9}`,
			want: `
apiVersion: apps/v1
kind: Deployment
metadata: {name: d, namespace: NS, labels: {internal.workload.kcp.io/cluster: KEY}}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: d}}
    spec:
      automountServiceAccountToken: false
      containers: [{name: c, image: i, ports: [{containerPort: 80}]}]`,
		},
		"Deployment scaled in the child": {
			resource: schema.GroupResource{Group: "apps", Resource: "deployments"},
			hints:    Hints{Autoscaled: true},
			hub:      `{apiVersion: apps/v1, kind: Deployment, metadata: {name: d, namespace: web, annotations: {kcp.io/cluster: ws1}}, spec: {replicas: 2, paused: true}}`,
			want:     `{apiVersion: apps/v1, kind: Deployment, metadata: {name: d, namespace: NS, labels: {internal.workload.kcp.io/cluster: KEY}}, spec: {paused: true}}`,
		},
		"Service": {
			resource: schema.GroupResource{Resource: "services"},
			hub: `
apiVersion: v1
kind: Service
metadata: {name: s, namespace: web, annotations: {kcp.io/cluster: ws1}}
spec: {type: LoadBalancer, clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], healthCheckNodePort: 31000, ports: [{port: 80, nodePort: 30000}]}
status: {loadBalancer: {}}`,
			want: `
apiVersion: v1
kind: Service
metadata: {name: s, namespace: NS, labels: {internal.workload.kcp.io/cluster: KEY}}
spec: {type: LoadBalancer, ports: [{port: 80}]}`,
		},
		"headless Service": {
			resource: schema.GroupResource{Resource: "services"},
			hub:      `{apiVersion: v1, kind: Service, metadata: {name: s, namespace: web, annotations: {kcp.io/cluster: ws1}}, spec: {clusterIP: None, clusterIPs: [None]}}`,
			want:     `{apiVersion: v1, kind: Service, metadata: {name: s, namespace: NS, labels: {internal.workload.kcp.io/cluster: KEY}}, spec: {clusterIP: None, clusterIPs: [None]}}`,
		},
		"PersistentVolumeClaim": {
			resource: schema.GroupResource{Resource: "persistentvolumeclaims"},
			hub:      `{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: p, namespace: web, annotations: {kcp.io/cluster: ws1}}, spec: {volumeName: pv1, accessModes: [ReadWriteOnce]}}`,
			want:     `{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: p, namespace: NS, labels: {internal.workload.kcp.io/cluster: KEY}}, spec: {accessModes: [ReadWriteOnce]}}`,
		},
		"Job with a selector of the hub": {
			resource: schema.GroupResource{Group: "batch", Resource: "jobs"},
			hub: `
apiVersion: batch/v1
kind: Job
metadata: {name: j, namespace: web, annotations: {kcp.io/cluster: ws1}}
spec:
  ttlSecondsAfterFinished: 5
  selector: {matchLabels: {batch.kubernetes.io/controller-uid: hub}}
  template:
    metadata: {labels: {app: j, controller-uid: hub, job-name: j, batch.kubernetes.io/controller-uid: hub, batch.kubernetes.io/job-name: j}}
    spec: {restartPolicy: Never}`,
			want: `
apiVersion: batch/v1
kind: Job
metadata: {name: j, namespace: NS, labels: {internal.workload.kcp.io/cluster: KEY}}
spec:
  template:
    metadata: {labels: {app: j}}
    spec: {restartPolicy: Never, automountServiceAccountToken: false}`,
		},
		"Job with a selector of the user": {
			resource: schema.GroupResource{Group: "batch", Resource: "jobs"},
			hub: `
apiVersion: batch/v1
kind: Job
metadata: {name: j, namespace: web, annotations: {kcp.io/cluster: ws1}}
spec: {manualSelector: true, selector: {matchLabels: {app: j}}, template: {metadata: {labels: {app: j}}, spec: {}}}`,
			want: `
apiVersion: batch/v1
kind: Job
metadata: {name: j, namespace: NS, labels: {internal.workload.kcp.io/cluster: KEY}}
spec: {manualSelector: true, selector: {matchLabels: {app: j}}, template: {metadata: {labels: {app: j}}, spec: {automountServiceAccountToken: false}}}`,
		},
		"CronJob": {
			resource: schema.GroupResource{Group: "batch", Resource: "cronjobs"},
			hub: `
apiVersion: batch/v1
kind: CronJob
metadata: {name: c, namespace: web, annotations: {kcp.io/cluster: ws1}}
spec: {schedule: "* * * * *", jobTemplate: {spec: {ttlSecondsAfterFinished: 5, template: {spec: {serviceAccountName: x}}}}}`,
			want: `
apiVersion: batch/v1
kind: CronJob
metadata: {name: c, namespace: NS, labels: {internal.workload.kcp.io/cluster: KEY}}
spec: {schedule: "* * * * *", jobTemplate: {spec: {ttlSecondsAfterFinished: 5, template: {spec: {automountServiceAccountToken: false}}}}}`,
		},
		"a resource of a tenant": {
			resource: schema.GroupResource{Group: "example.io", Resource: "widgets"},
			hub:      `{apiVersion: example.io/v1, kind: Widget, metadata: {name: w, namespace: web, annotations: {kcp.io/cluster: ws1}}, spec: {size: 3}, extra: [1], status: {phase: Up}}`,
			want:     `{apiVersion: example.io/v1, kind: Widget, metadata: {name: w, namespace: NS, labels: {internal.workload.kcp.io/cluster: KEY}}, spec: {size: 3}, extra: [1]}`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			hubObj := parse(t, tc.hub)
			before := hubObj.DeepCopy()
			got, err := testTarget.Down(tc.resource, hubObj, tc.hints)
			if err != nil {
				t.Fatalf("Down: %v", err)
			}
			if diff := cmp.Diff(before, hubObj); diff != "" {
				t.Errorf("Down changed the hub object:\n%s", diff)
			}
			if tc.want == "" {
				if got != nil {
					t.Fatalf("got a copy where there should be none: %v", got)
				}
				return
			}
			source, ok := SourceOf(got)
			if !ok || source.UID != string(hubObj.GetUID()) || source.Generation != hubObj.GetGeneration() {
				t.Errorf("source of the copy is %v, %v", source, ok)
			}
			unstructured.RemoveNestedField(got.Object, "metadata", "annotations", SourceAnnotation)
			if len(got.GetAnnotations()) == 0 {
				unstructured.RemoveNestedField(got.Object, "metadata", "annotations")
			}
			if diff := cmp.Diff(parse(t, tc.want).Object, got.Object); diff != "" {
				t.Errorf("copy (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDownIsStable(t *testing.T) {
	const text = `{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: web, uid: u, resourceVersion: "RV", annotations: {kcp.io/cluster: ws1}}, data: {a: b, c: d}, status: {x: RV}}`
	resource := schema.GroupResource{Resource: "configmaps"}
	var sources []Source
	for _, rv := range []string{"1", "2"} {
		got, err := testTarget.Down(resource, parse(t, strings.ReplaceAll(text, "RV", rv)), Hints{})
		if err != nil {
			t.Fatal(err)
		}
		source, _ := SourceOf(got)
		sources = append(sources, source)
	}
	if sources[0] != sources[1] {
		t.Errorf("a change of status or resource version makes another copy: %v, %v", sources[0], sources[1])
	}
	changed, err := testTarget.Down(resource, parse(t, strings.Replace(text, "a: b", "a: B", 1)), Hints{})
	if err != nil {
		t.Fatal(err)
	}
	if source, _ := SourceOf(changed); source == sources[0] {
		t.Errorf("a change of data does not show in %v", source)
	}
}

func TestCompare(t *testing.T) {
	resource := schema.GroupResource{Group: "apps", Resource: "deployments"}
	hubObj := parse(t, `
apiVersion: apps/v1
kind: Deployment
metadata: {name: d, namespace: web, uid: u1, generation: 1, labels: {app: d}, annotations: {kcp.io/cluster: ws1, note: hi}}
spec: {replicas: 2, paused: null, template: {spec: {containers: [{name: c, image: i, args: [x, y]}]}}}`)
	set := func(value any, path ...string) func(*unstructured.Unstructured) {
		return func(obj *unstructured.Unstructured) {
			if err := unstructured.SetNestedField(obj.Object, value, path...); err != nil {
				panic(err)
			}
		}
	}
	containers := func(edit func(first map[string]any) []any) func(*unstructured.Unstructured) {
		return func(obj *unstructured.Unstructured) {
			path := []string{"spec", "template", "spec", "containers"}
			list, _, _ := unstructured.NestedSlice(obj.Object, path...)
			if err := unstructured.SetNestedSlice(obj.Object, edit(list[0].(map[string]any)), path...); err != nil {
				panic(err)
			}
		}
	}
	cases := map[string]struct {
		edit func(*unstructured.Unstructured)
		want Match
	}{
		"as written":                   {func(*unstructured.Unstructured) {}, Equal},
		"defaulted by the child":       {set("RollingUpdate", "spec", "strategy", "type"), Equal},
		"labelled by somebody":         {set("x", "metadata", "labels", "also"), Equal},
		"status":                       {set(int64(2), "status", "replicas"), Equal},
		"a container more":             {containers(func(c map[string]any) []any { return []any{map[string]any{"name": "sidecar"}, c} }), Equal},
		"overwritten":                  {set(int64(7), "spec", "replicas"), Differs},
		"other arguments":              {containers(func(c map[string]any) []any { c["args"] = []any{"x"}; return []any{c} }), Differs},
		"container gone":               {containers(func(map[string]any) []any { return []any{map[string]any{"name": "other"}} }), Differs},
		"label changed":                {set("e", "metadata", "labels", "app"), Differs},
		"annotation changed":           {set("m", "metadata", "annotations", "note"), Differs},
		"source unknown":               {set("junk", "metadata", "annotations", SourceAnnotation), Differs},
		"field of another type":        {set("two", "spec", "replicas"), Differs},
		"copy of an earlier object":    {set("u0/4/abc", "metadata", "annotations", SourceAnnotation), Stale},
		"copy of an earlier spec":      {set("u1/0/abc", "metadata", "annotations", SourceAnnotation), Differs},
		"copy by another sync target":  {set("other", "metadata", "labels", "internal.workload.kcp.io/cluster"), Foreign},
		"object of somebody else":      {func(obj *unstructured.Unstructured) { obj.SetLabels(nil) }, Foreign},
		"a map where a list should be": {set(map[string]any{}, "spec", "template", "spec", "containers"), Differs},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			want, err := testTarget.Down(resource, hubObj, Hints{})
			if err != nil {
				t.Fatal(err)
			}
			have := want.DeepCopy()
			tc.edit(have)
			if got := testTarget.Compare(want, have); got != tc.want {
				t.Errorf("Compare is %v, want %v", got, tc.want)
			}
		})
	}
}

func TestNames(t *testing.T) {
	locator := testTarget.Locate("ws1", "web")
	const text = `{"syncTarget":{"cluster":"compute1","name":"eu","uid":"0a1b"},"cluster":"ws1","namespace":"web"}`
	if got := locator.String(); got != text {
		t.Errorf("locator is %s", got)
	}
	if back, err := ParseLocator(text); err != nil || back != locator {
		t.Errorf("ParseLocator is %v, %v", back, err)
	}
	if _, err := ParseLocator("{"); err == nil {
		t.Error("ParseLocator accepts rubbish")
	}
	// Pinned: a child must find its namespaces again after an upgrade.
	if got, want := locator.ChildNamespace(), "kcp-296ew8x92eat"; got != want {
		t.Errorf("ChildNamespace is %q", got)
	}
	seen := map[string]logicalcluster.Name{}
	for _, ws := range []logicalcluster.Name{"ws1", "ws2"} {
		for _, ns := range []string{"a", "b"} {
			l := testTarget.Locate(ws, ns)
			if former, ok := seen[l.TenantID()]; ok && former != ws {
				t.Errorf("tenants %s and %s have the same ID", former, ws)
			}
			seen[l.TenantID()] = ws
		}
	}
	if len(seen) != 2 {
		t.Errorf("there are %d tenant IDs for two workspaces", len(seen))
	}
}

func TestChildNameAndBack(t *testing.T) {
	for _, resource := range []schema.GroupResource{{Resource: "configmaps"}, {Resource: "secrets"}} {
		for _, name := range []string{"a", "kube-root-ca.crt", "kcp-root-ca.crt"} {
			childName, ok := ChildName(resource, name)
			if ok && HubName(resource, childName) != name {
				t.Errorf("%s %s becomes %s becomes %s", resource, name, childName, HubName(resource, childName))
			}
		}
	}
}

func FuzzContainsItself(f *testing.F) {
	f.Add(`{"a":[{"name":"x","b":null},1,"s",true,{"c":{}}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var value any
		if json.Unmarshal([]byte(text), &value) != nil {
			return
		}
		if !contains(value, value) {
			t.Errorf("%s does not contain itself", text)
		}
	})
}
