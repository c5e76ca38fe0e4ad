package e2e

import (
	"testing"
)

const widgets = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.org}
spec:
  group: example.org
  scope: Namespaced
  names: {plural: widgets, kind: Widget}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: string}}}}}}
`

// olderExport is written by a client that was built for the older version.
const olderExport = `apiVersion: apis.kcp.io/v1alpha1
kind: APIExport
metadata: {name: widgets}
spec:
  latestResourceSchemas: [today.widgets.example.org]
  permissionClaims:
  - {group: "", resource: secrets, all: true}
  - {group: "", resource: configmaps, all: true}
`

const widget = `apiVersion: example.org/v1
kind: Widget
metadata: {name: one, namespace: default}
spec: {size: big}
`

// TestPeopleOfferAndBindAPIs goes, with kubectl, from a CustomResourceDefinition to
// objects in another workspace.
func TestPeopleOfferAndBindAPIs(t *testing.T) {
	t.Parallel()
	h := theHub(t)
	org := h.workspace(t, root, "apis")
	from := h.workspace(t, org, "provider")
	provider, consumer := h.login(t, from), h.login(t, h.workspace(t, org, "consumer"))
	export := from.Join("widgets").String()
	input := func(kubeconfig, stdin string, args ...string) string {
		t.Helper()
		return must(world.KubectlInput(limit(t), kubeconfig, stdin, args...))(t)
	}

	schema := input(provider, widgets, "atrium", "crd", "snapshot", "-f", "-", "--prefix", "today")
	mentions(t, input(provider, schema, "apply", "-f", "-"), "today.widgets.example.org created")
	mentions(t, input(provider, olderExport, "apply", "-f", "-"), "created")
	mentions(t, input(provider, olderExport, "apply", "-f", "-"), "unchanged")

	mentions(t, kubectlFails(t, consumer, "atrium", "bind", "apiexport", export, "--accept-permission-claim", "pods"), "does not claim pods.core")
	mentions(t, kubectl(t, consumer, "atrium", "bind", "apiexport", export, "--accept-permission-claim", "secrets.core", "--reject-permission-claim", "configmaps.core"),
		"apibinding widgets created. Waiting to successfully bind ...", "widgets created and bound.")
	mentions(t, input(consumer, widget, "create", "-f", "-"), "widget.example.org/one created")
	mentions(t, kubectl(t, consumer, "get", "widgets", "-A"), "one")

	mentions(t, kubectl(t, consumer, "atrium", "claims", "get", "apibinding"), "APIBINDING", "GROUP-RESOURCE", "Accepted", "Rejected")
	mentions(t, kubectl(t, consumer, "atrium", "claims", "reject", "widgets", "--resource", "secrets"), `claim "secrets" on APIBinding "widgets" is rejected`)
	mentions(t, kubectl(t, consumer, "get", "apibindings.v1alpha1.apis.kcp.io", "widgets", "-o", "jsonpath={.spec.permissionClaims[*].state}"), "Rejected Rejected")
	mentions(t, kubectl(t, consumer, "atrium", "bind", "apiexport", export, "--accept-all-permission-claims"), "already exists", "widgets is bound.")
	mentions(t, kubectl(t, consumer, "get", "apibinding", "widgets", "-o", "jsonpath={.spec.permissionClaims[*].state}"), "Accepted Accepted")
	mentions(t, kubectlFails(t, consumer, "atrium", "publish", "widgets", "--to", "."), `APIExport "widgets" not found`)
}

// TestPeoplePublishAPIs binds an API for others, one of whom has something of that
// name.
func TestPeoplePublishAPIs(t *testing.T) {
	t.Parallel()
	h := theHub(t)
	org := h.workspace(t, root, "publish")
	teams := h.workspace(t, org, "teams")
	provider, free, taken := h.login(t, h.workspace(t, org, "provider")), h.login(t, h.workspace(t, teams, "free")), h.login(t, h.workspace(t, teams, "taken"))
	input := func(kubeconfig, stdin string, args ...string) string {
		t.Helper()
		return must(world.KubectlInput(limit(t), kubeconfig, stdin, args...))(t)
	}
	input(taken, widgets, "create", "-f", "-")
	kubectl(t, taken, "wait", "crd/widgets.example.org", "--for=condition=Established")
	schema := input(provider, widgets, "atrium", "crd", "snapshot", "-f", "-", "--prefix", "today")
	input(provider, schema, "create", "-f", "-")
	input(provider, olderExport, "create", "-f", "-")

	publish := []string{"atrium", "publish", "widgets", "--to", teams.String(), "--accept-permission-claim", "secrets.core"}
	mentions(t, kubectlFails(t, provider, publish...), "2 of 3 workspaces are bound, 1 with another API of that name", "Conflicting")
	mentions(t, input(free, widget, "create", "-f", "-"), "widget.example.org/one created")
	mentions(t, kubectl(t, free, "atrium", "claims", "get", "apibinding"), "secrets", "Accepted", "configmaps", "Rejected")

	kubectl(t, taken, "delete", "crd", "widgets.example.org")
	kubectl(t, provider, "wait", "apipublication/widgets", "--for=jsonpath={.status.bound}=3")
	mentions(t, kubectl(t, provider, publish...), "already exists", "widgets published and bound in 3 workspaces.")
	mentions(t, kubectlFails(t, provider, "atrium", "publish", "widgets", "--to", org.String()), "--overwrite")
	kubectl(t, provider, "delete", "apipublication", "widgets")
	mentions(t, kubectlFails(t, free, "get", "--raw", "/apis/example.org/v1/widgets"), "NotFound")
}
