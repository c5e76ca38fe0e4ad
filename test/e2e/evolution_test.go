package e2e

import (
	"fmt"
	"testing"
)

// gauges is the definition of gauges.example.org whose spec has the properties.
func gauges(properties string) string {
	return `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gauges.example.org}
spec:
  group: example.org
  scope: Namespaced
  names: {plural: gauges, kind: Gauge, shortNames: [gg]}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: ` + properties + `}}}}
`
}

const gaugesExport = `apiVersion: apis.kcp.io/v1alpha2
kind: APIExport
metadata: {name: gauges}
spec:
  resources: [{group: example.org, name: gauges, schema: one.gauges.example.org, storage: {crd: {}}}]
`

func gauge(spec string) string {
	return "{apiVersion: example.org/v1, kind: Gauge, metadata: {name: g, namespace: default}, spec: " + spec + "}"
}

// TestPeopleChangeASchema leads an API through its life with kubectl: it is bound,
// gets a schema that is narrower, another one that some try first, which is taken
// back, and it is unbound.
func TestPeopleChangeASchema(t *testing.T) {
	t.Parallel()
	h := theHub(t)
	org := h.workspace(t, root, "evolve")
	from, large := h.workspace(t, org, "provider"), h.workspace(t, org, "large")
	provider, export := h.login(t, from), from.Join("gauges").String()
	teams := map[string]string{"empty": h.login(t, h.workspace(t, org, "empty")), "small": h.login(t, h.workspace(t, org, "small")), "large": h.login(t, large)}
	input := func(kubeconfig, stdin string, args ...string) string {
		t.Helper()
		return must(world.KubectlInput(limit(t), kubeconfig, stdin, append(args, "-f", "-")...))(t)
	}
	offer := func(prefix, properties string) {
		t.Helper()
		input(provider, input(provider, gauges(properties), "atrium", "crd", "snapshot", "--prefix", prefix), "create")
	}
	point := []string{"patch", "apiexport", "gauges", "--type=json", "-p", `[{"op":"replace","path":"/spec/resources/0/schema","value":"two.gauges.example.org"}]`}
	rollout := func(percent int) {
		t.Helper()
		input(provider, fmt.Sprintf(`{apiVersion: apis.atrium.io/v1alpha1, kind: SchemaRollout, metadata: {name: gauges}, spec: {export: {name: gauges},
			resources: [{group: example.org, resource: gauges, schema: three.gauges.example.org, percent: %d}]}}`, percent), "apply")
	}
	edit := func(team, patch string) {
		t.Helper()
		kubectl(t, teams[team], "patch", "gauge", "g", "--type=merge", "-p", patch)
	}
	binding := func(team, path string) string {
		t.Helper()
		return kubectl(t, teams[team], "get", "apibinding", "gauges", "-o", "jsonpath={"+path+"}")
	}
	const bound, why = ".status.boundResources[0].schema.name", `.status.conditions[?(@.type=="BindingUpToDate")].message`
	has := func(schema string, those ...string) {
		t.Helper()
		for _, team := range those {
			kubectl(t, teams[team], "wait", "apibinding/gauges", "--for=jsonpath={"+bound+"}="+schema+".gauges.example.org")
		}
	}

	offer("one", `{size: {type: integer}, colour: {type: string}}`)
	input(provider, gaugesExport, "create")
	for _, team := range teams {
		mentions(t, kubectl(t, team, "atrium", "bind", "apiexport", export), "gauges created and bound.")
	}
	input(teams["small"], gauge(`{size: 5}`), "create")
	input(teams["large"], gauge(`{size: 50}`), "create")

	// Narrower: who has nothing that is too large moves, the other one is served as before and says why.
	offer("two", `{size: {type: integer, maximum: 10}, colour: {type: string}}`)
	mentions(t, kubectlFails(t, provider, append(point, "--dry-run=server", "--warnings-as-errors")...), "Warning: gauges.example.org", ".spec.size: maximum became smaller: 10")
	told := watch(t, provider, "get", "apiexport", "gauges", "--watch", "-o", `jsonpath={.status.conditions[?(@.type=="BindingsUpToDate")].message}{"\n"}`)
	kubectl(t, provider, point...)
	has("two", "empty", "small")
	kubectl(t, teams["large"], "wait", "apibinding/gauges", "--for=condition=BindingUpToDate=False")
	mentions(t, binding("large", why), `"one.gauges.example.org"`, ".spec.size: maximum became smaller: 10", ". In the way: gauges.example.org ")
	awaitLine(t, told, "1 of 3 bindings lag.*"+large.String()+".*maximum became smaller")
	mentions(t, kubectlFails(t, teams["small"], "patch", "gauge", "g", "--type=merge", "-p", `{"spec":{"size":50}}`), "spec.size", "less than or equal to 10")
	edit("large", `{"spec":{"size":60}}`)
	edit("large", `{"spec":{"size":6}}`)
	has("two", "large")
	kubectl(t, provider, "wait", "apiexport/gauges", "--for=condition=BindingsUpToDate")

	// Some first, by a hash of each workspace, then all.
	offer("three", `{size: {type: integer, maximum: 10}, colour: {type: string}, weight: {type: integer}}`)
	rollout(50)
	kubectl(t, provider, "wait", "schemarollout/gauges", "--for=condition=Complete")
	tried := 0
	for team := range teams {
		if binding(team, bound) == "three.gauges.example.org" {
			tried++
		}
	}
	kubectl(t, provider, "wait", "schemarollout/gauges", fmt.Sprintf("--for=jsonpath={.status.resources[0].updated}=%d", tried))
	rollout(100)
	has("three", "empty", "small", "large")

	// And back: who uses what is new stays until he gives it up.
	edit("small", `{"spec":{"weight":3}}`)
	rollout(0)
	has("two", "empty", "large")
	kubectl(t, teams["small"], "wait", "apibinding/gauges", "--for=condition=BindingUpToDate=False")
	mentions(t, binding("small", why), ".spec.weight: the field was removed")
	mentions(t, kubectl(t, teams["small"], "get", "gauge", "g", "-o", "jsonpath={.spec.weight}"), "3")
	edit("small", `{"spec":{"weight":null}}`)
	has("two", "small")
	kubectl(t, provider, "delete", "schemarollout", "gauges")

	// Unbound with all objects, in this workspace and no other.
	kubectl(t, teams["small"], "delete", "apibinding", "gauges")
	mentions(t, kubectlFails(t, teams["small"], "get", "--raw", "/apis/example.org/v1/gauges"), "NotFound")
	mentions(t, kubectl(t, teams["small"], "atrium", "bind", "apiexport", export), "gauges created and bound.")
	if left := kubectl(t, teams["small"], "get", "gauges", "-A", "-o", "name"); left != "" {
		t.Errorf("unbinding left %s", left)
	}
	mentions(t, kubectl(t, teams["large"], "get", "gauges", "-o", "name"), "gauge.example.org/g")
}
